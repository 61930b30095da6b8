package jsonscan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// A String is a JSON string as it is written, without its quotes. A nil one is
// none.
type String []byte

// plain are the bytes that stand for themselves in a string and end no run.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// String takes a string.
func (s *Scanner) String() (String, bool) {
	if s.space() != '"' {
		return nil, false
	}
	start := s.i + 1
	for i := start; i < len(s.b); i++ {
		c := s.b[i]
		switch {
		case plain[c]:
		case c == '"':
			s.i = i + 1
			return String(s.b[start:i]), true
		case c == '\\':
			n := escape(s.b[i:])
			if n == 0 {
				return nil, s.Fail()
			}
			i += n - 1
		default:
			return nil, s.Fail()
		}
	}
	return nil, s.Fail()
}

// escape gives the length of the escape that b begins with, 0 if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0
		}
		return 2
	}
	if _, ok := hex(b); !ok {
		return 0
	}
	return 6
}

// hex reads what begins with an escape of the form \u0000.
func hex(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case digit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Is reports whether the string says text, which holds no quote, backslash or
// control character and is valid UTF-8.
func (w String) Is(text string) bool {
	if bytes.IndexByte(w, '\\') < 0 {
		return string(w) == text
	}
	for len(w) > 0 {
		piece, n := w.next()
		if len(text) < len(piece.s()) || text[:len(piece.s())] != string(piece.s()) {
			return false
		}
		w, text = w[n:], text[len(piece.s()):]
	}
	return text == ""
}

// Append puts what the string says behind dst. What is no UTF-8 or half a
// surrogate pair becomes U+FFFD, as in encoding/json.
func (w String) Append(dst []byte) []byte {
	for len(w) > 0 {
		n := 0
		for n < len(w) && w[n] != '\\' && w[n] < utf8.RuneSelf {
			n++
		}
		dst, w = append(dst, w[:n]...), w[n:]
		if len(w) == 0 {
			break
		}
		piece, n := w.next()
		dst, w = append(dst, piece.s()...), w[n:]
	}
	return dst
}

// A piece is one character, encoded.
type piece struct {
	b [utf8.UTFMax]byte
	n int
}

func (p *piece) s() []byte { return p.b[:p.n] }

// next gives the string's first character and how many bytes it is written in.
func (w String) next() (p piece, n int) {
	r, n := rune(0), 2
	switch {
	case w[0] != '\\':
		r, n = utf8.DecodeRune(w)
	case w[1] == 'u':
		r, _ = hex(w)
		n = 6
		if utf16.IsSurrogate(r) {
			low, _ := hex(w[6:])
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				n = 12
			}
		}
	default:
		r = rune(w[1])
		if i := bytes.IndexByte([]byte("bfnrt"), w[1]); i >= 0 {
			r = rune("\b\f\n\r\t"[i])
		}
	}
	p.n = utf8.EncodeRune(p.b[:], r)
	return p, n
}
