package trust

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
)

// maxSaid bounds one line of what a server said, in bytes.
const maxSaid = 1000

// Line makes one printable line of what a server said, without the key: U+FFFD stands
// for what steers a terminal.
func (c Credentials) Line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, c.Hide(text))
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + " …"
	}
	return text
}

// Fault is an error of net/http whose text is a Line: such errors quote the server. It
// unwraps to the error that it was.
func (c Credentials) Fault(err error) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*url.Error](err); ok { // its URL is ours
		return &url.Error{Op: f.Op, URL: f.URL, Err: c.Fault(f.Err)}
	}
	line := c.Line(err.Error())
	if line == err.Error() {
		return err
	}
	return &said{line, err}
}

type said struct {
	line string
	err  error
}

func (s *said) Error() string { return s.line }
func (s *said) Unwrap() error { return s.err }
