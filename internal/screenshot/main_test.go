package main

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	var b strings.Builder
	in := "a <b> \x1b[1;31mred\x1b[0m.\n\n\x1b[38;5;196;48;2;1;2;3mq\x1b[49m\x1b[2m  x\x1b[0m\n"
	if err := draw(&b, strings.NewReader(in), "t & u"); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	// 10 columns of 8.4 and 3 rows of 18, with 12 on each side.
	for _, want := range []string{
		`viewBox="0 0 108 78"`, `<title>t &amp; u</title>`, ">a\u00a0&lt;b&gt;\u00a0</text>",
		`x="62.4" y="25.5" textLength="25.2" lengthAdjust="spacingAndGlyphs" fill="#e06c75" font-weight="bold">red<`,
		`fill="#ff0000">q<`, `height="18.0" fill="#010203"/>`, "opacity=\"0.6\">\u00a0\u00a0x<",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	d := xml.NewDecoder(strings.NewReader(got))
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"", "\n\n", "\x1b[2Ja", "a\x1b]0;t\a"} {
		if err := draw(io.Discard, strings.NewReader(bad), ""); err == nil {
			t.Errorf("%q is drawn", bad)
		}
	}
}
