package jsonscan

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// AppendQuoted puts text behind dst as a JSON string, byte for byte as
// encoding/json writes it without escapes for HTML.
func AppendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	done := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if !plain[c] {
				dst = append(dst, text[done:i]...)
				dst = appendEscape(dst, c)
				done = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(append(dst, text[done:i]...), `\ufffd`...)
			done = i + n
		} else if r == '\u2028' || r == '\u2029' {
			dst = append(append(dst, text[done:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			done = i + n
		}
		i += n
	}
	return append(append(dst, text[done:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
