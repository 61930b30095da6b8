package httpx

import (
	"bytes"
	"fmt"
	"strings"
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
	if !ok || !isToken(name) || bytes.ContainsAny(value, "\r\x00") {
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
		if n, value, ok := bytes.Cut(line, colon); ok && same(n, name) {
			if value = trim(value); value == nil {
				value = line[:0] // there is one, and it is empty
			}
			return value
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
	return len(name) == len(with) && strings.EqualFold(string(name), with)
}

func trim(value []byte) []byte { return bytes.Trim(value, " \t\r") }

// isToken reports whether name is one of RFC 9110, section 5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return len(name) > 0
}
