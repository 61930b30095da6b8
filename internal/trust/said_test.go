package trust

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestSaid(t *testing.T) {
	c := Credentials{key: sesame}
	for text, want := range map[string]string{
		"500 no":                             "500 no",
		"500 \x1b]0;x\a\r\nBearer " + sesame: "500 \ufffd]0;x\ufffd  Bearer [key]",
		"a\u009bb\u202ec":                    "a\ufffdb\ufffdc",
		strings.Repeat("x", maxSaid):         strings.Repeat("x", maxSaid),
		strings.Repeat("x", maxSaid+1):       strings.Repeat("x", maxSaid) + " …",
	} {
		if got := c.Line(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	raw := fmt.Errorf("malformed: \x1b %s: %w", sesame, context.Canceled)
	err := c.Fault(&url.Error{Op: "Get", URL: "http://h", Err: raw})
	if got, want := err.Error(), `Get "http://h": malformed: `+"\ufffd [key]: context canceled"; got != want || !errors.Is(err, context.Canceled) {
		t.Errorf("%q, want %q, which is the error that it was", got, want)
	}
	if c.Fault(nil) != nil || c.Fault(context.Canceled) != context.Canceled {
		t.Error("what is plain does not stay what it is")
	}
}
