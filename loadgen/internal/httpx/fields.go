package httpx

import (
	"bytes"
	"fmt"
)

// field reads a line of a header or trailer; of a header's it heeds what says
// how long the body is and whether the connection stays.
func (p *parser) field(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		// It goes on with the line before; where that matters, it is refused.
		if !p.folds {
			return malformed("a field of its header goes on in the next line")
		}
		return nil
	}
	name, value, ok := bytes.Cut(line, colon)
	if !ok || !isToken(name) || bytes.IndexByte(value, '\r') >= 0 || bytes.IndexByte(value, 0) >= 0 {
		return malformed(fmt.Sprintf("its header has the line %q", line[:min(len(line), 64)]))
	}
	p.folds = true
	if p.state != inFields {
		return nil
	}
	value = trim(value)
	switch {
	case same(name, "Content-Length"):
		p.folds = false
		return p.contentLength(value)
	case same(name, "Transfer-Encoding"):
		if p.chunked || !same(value, "chunked") {
			return malformed(fmt.Sprintf("its transfer encoding is %q", value[:min(len(value), 64)]))
		}
		p.folds, p.chunked = false, true
	case same(name, "Connection"):
		p.folds = false
		p.connection(value)
	case same(name, "Content-Encoding"), same(name, "Content-Type"):
		p.folds = false
	}
	return nil
}

// contentLength takes a length; a second one must be the same.
func (p *parser) contentLength(value []byte) error {
	bad := len(value) == 0 || len(value) > 18
	n := int64(0)
	for _, c := range value {
		bad = bad || c < '0' || c > '9'
		if !bad {
			n = n*10 + int64(c-'0')
		}
	}
	if bad || p.length >= 0 && p.length != n {
		return malformed(fmt.Sprintf("its length is %q", value[:min(len(value), 64)]))
	}
	p.length = n
	return nil
}

// connection takes the options of a Connection field.
func (p *parser) connection(value []byte) {
	for len(value) > 0 {
		var option []byte
		option, value, _ = bytes.Cut(value, comma)
		option = trim(option)
		p.closes = p.closes || same(option, "close")
		p.keeps = p.keeps || same(option, "keep-alive")
	}
}

// Field gives the value of the first field of the name; see [Header].
func (p *parser) Field(name string) []byte {
	_, lines, _ := bytes.Cut(p.text, newline)
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, newline)
		// A name has no colon, so what stands before the line's first is the name.
		if n := len(name); len(line) > n && line[n] == ':' && same(line[:n], name) {
			return trim(line[n+1:])
		}
	}
	return nil
}

var (
	colon   = []byte(":")
	comma   = []byte(",")
	newline = []byte("\n")
)

// same compares a name with one written here, whatever the case of letters.
func same(name []byte, with string) bool {
	if len(name) != len(with) {
		return false
	}
	for i, c := range name {
		if lower(c) != lower(with[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// trim gives value without white space around it; what was there and is empty
// stays there.
func trim(value []byte) []byte {
	for len(value) > 0 && isSpace(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isSpace(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// isToken reports whether name is one of RFC 9110, section 5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenByte[c] {
			return false
		}
	}
	return len(name) > 0
}

// tokenByte is which bytes a token is made of.
var tokenByte = func() (is [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		is[c] = true
	}
	return is
}()
