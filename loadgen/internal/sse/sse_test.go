package sse

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func all(r io.Reader) (events []string, err error) {
	s := NewReader(r)
	for {
		data, err := s.Next()
		if err != nil {
			return events, err
		}
		events = append(events, string(data))
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"data: a\n\ndata: b\n\n", []string{"a", "b"}},
		{"data: a\r\n\r\ndata:b\r\n\r\n", []string{"a", "b"}},
		{": ping\n\ndata: a\n\n", []string{"a"}},
		{"event: x\nid: 3\nretry: 1\ndata: a\n\n", []string{"a"}},
		{"data: a\ndata: b\n\n", []string{"a\nb"}},
		{"data\n\n", []string{""}},
		{"data:  two\n\n", []string{" two"}},
		{"\n\n\n", nil},
		{"\ufeffdata: a\n\n", []string{"a"}},
		{"data: a\n", []string{"a"}}, // ended line, no blank one
		{"data: a", nil},             // nobody knows what was to come
		{"data: a\n\ndata: b", []string{"a"}},
		{"dataset: a\n\n", nil},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
			got, err := all(r)
			if !slices.Equal(got, c.want) || err != io.EOF {
				t.Errorf("%q (%s): %q, %v; want %q", c.in, name, got, err, c.want)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	long := func(n int) string { return "data: " + strings.Repeat("x", n-len("data: \n")) + "\n\n" }
	if got, err := all(strings.NewReader(long(MaxEvent))); len(got) != 1 || err != io.EOF {
		t.Errorf("a line of MaxEvent bytes: %d events, %v", len(got), err)
	}
	if _, err := all(strings.NewReader(long(MaxEvent + 1))); !errors.Is(err, ErrTooLong) {
		t.Errorf("a line of MaxEvent+1 bytes: %v, want ErrTooLong", err)
	}
	many := strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 10)
	if _, err := all(strings.NewReader(many)); !errors.Is(err, ErrTooLong) {
		t.Errorf("an event of many lines: %v, want ErrTooLong", err)
	}
}

func TestBrokenStream(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := all(broken)
	if !slices.Equal(got, []string{"a"}) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v; want a and unexpected EOF", got, err)
	}
}

// What is read, written again as events, is read the same.
func FuzzNext(f *testing.F) {
	f.Add([]byte("data: a\n\n: c\r\ndata: {\"x\":1}\r\n\r\ndata\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		events, _ := all(strings.NewReader(string(in)))
		var b strings.Builder
		for _, e := range events {
			for _, line := range strings.Split(e, "\n") {
				b.WriteString("data: " + line + "\r\n")
			}
			b.WriteString("\r\n")
		}
		again, err := all(strings.NewReader(b.String()))
		if !slices.Equal(events, again) || err != io.EOF {
			t.Fatalf("%q reads %q, then %q, %v", in, events, again, err)
		}
	})
}
