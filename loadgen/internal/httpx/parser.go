package httpx

import (
	"bytes"
	"fmt"
	"net/http"
)

// The bounds of what surrounds a body, in bytes. They and the rule for chunks
// are net/http's.
const (
	maxHead    = 64 << 10 // of an answer, with the 1xx answers before it
	maxLine    = 4 << 10  // of a chunk's first line
	maxTrailer = 16 << 10
	maxExcess  = 16 << 10 // of chunks' lines over 16 bytes and twice the data
)

// A malformed error says why an answer cannot be read.
type malformed string

func (m malformed) Error() string { return "malformed answer: " + string(m) }

var errHeadTooLong = malformed(fmt.Sprintf("its header is longer than %d bytes", maxHead))

// An event is what a parser found.
type event uint8

const (
	more  event = iota // nothing: it has seen all bytes
	begun              // the header is whole
	piece              // bytes of the body
	whole              // the answer is whole
)

// A state is what a parser reads next.
type state uint8

const (
	inStatus state = iota
	inFields
	bodyFixed
	bodyToEnd
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
	after
)

// A parser takes one answer after another apart as their bytes come in (RFC
// 9112), whatever the pieces they come in. Where the standard lets a reader
// choose between guessing a body's length and refusing, it refuses. It does not
// allocate once its text has grown. The zero value with begin called is ready.
type parser struct {
	state  state
	head   bool // the answer is to HEAD, so it has no body
	status int
	minor  byte // of HTTP/1.x
	keep   bool // the connection may be used again

	length        int64 // as the header says, or -1
	chunked       bool
	closes, keeps bool
	folds         bool // the field before may go on in the next line

	left   int64 // of the body or chunk
	excess int64 // of chunks' lines
	size   int   // of heads so far
	text   []byte
	start  int // of the line that comes in, in text
}

// begin readies the parser for the answer to a request.
func (p *parser) begin(method string) {
	p.size = 0
	p.head = method == http.MethodHead
	p.restart()
}

// restart readies it for the answer after a 1xx one, too.
func (p *parser) restart() {
	p.state, p.text, p.start = inStatus, p.text[:0], 0
	p.status, p.length, p.chunked, p.closes, p.keeps, p.keep = 0, -1, false, false, false, false
	p.excess = 0
}

// next takes bytes from in and gives what they brought, and what is left of in.
// The data is a part of in. After an error the parser is not used until begin.
func (p *parser) next(in []byte) (e event, data, rest []byte, err error) {
	for {
		switch p.state {
		case after:
			return more, nil, in, nil
		case bodyFixed, inChunk, bodyToEnd:
			return p.body(in)
		case inChunkEnd:
			if len(in) == 0 {
				return more, nil, nil, nil
			}
			// The two bytes after a chunk; left counts them from 0 down.
			if in[0] != "\r\n"[-p.left] {
				return more, nil, nil, malformed("a chunk does not end where it should")
			}
			if p.left--; p.left == -2 {
				p.state = inChunkSize
			}
			in = in[1:]
		default:
			if p.state == inChunkSize && p.start > 0 {
				p.text, p.start = p.text[:0], 0 // the header was looked at
			}
			line, rest, ok, err := p.line(in)
			if err != nil || !ok {
				return more, nil, nil, err
			}
			in = rest
			if e, err = p.take(line); err != nil || e != more {
				return e, nil, in, err
			}
		}
	}
}

// body gives the next piece of the body.
func (p *parser) body(in []byte) (event, []byte, []byte, error) {
	if p.state == bodyToEnd {
		if len(in) == 0 {
			return more, nil, nil, nil
		}
		return piece, in, nil, nil
	}
	if p.left == 0 {
		if p.state == inChunk {
			p.state = inChunkEnd
			return p.next(in)
		}
		p.state = after
		return whole, nil, in, nil
	}
	n := min(int64(len(in)), p.left)
	if n == 0 {
		return more, nil, nil, nil
	}
	p.left -= n
	return piece, in[:n], in[n:], nil
}

// line gives the next line without its LF, if it is whole.
func (p *parser) line(in []byte) (line, rest []byte, ok bool, err error) {
	i := bytes.IndexByte(in, '\n')
	n := i + 1
	if i < 0 {
		n = len(in)
	}
	switch p.state {
	case inStatus, inFields:
		if p.size += n; p.size > maxHead {
			return nil, nil, false, errHeadTooLong
		}
	case inTrailer:
		if len(p.text)+n > maxTrailer {
			return nil, nil, false, malformed("its trailer is too long")
		}
	default:
		if len(p.text)+n > maxLine {
			return nil, nil, false, malformed("a chunk's first line is too long")
		}
	}
	p.text = append(p.text, in[:n]...)
	if i < 0 {
		return nil, nil, false, nil
	}
	line = p.text[p.start : len(p.text)-1]
	p.start = len(p.text)
	return line, in[n:], true, nil
}

// take takes a line without its LF.
func (p *parser) take(line []byte) (event, error) {
	if p.state == inChunkSize {
		err := p.chunk(line)
		p.text, p.start = p.text[:0], 0
		return more, err
	}
	line = bytes.TrimSuffix(line, crBytes)
	switch {
	case p.state == inStatus:
		p.state, p.folds = inFields, false
		return more, p.statusLine(line)
	case len(line) > 0:
		return more, p.field(line)
	case p.state == inTrailer:
		p.state = after
		return whole, nil
	case p.status < 200 && p.status != http.StatusSwitchingProtocols:
		p.restart()
		return more, nil
	}
	return begun, p.frame()
}

var crBytes = []byte("\r")

// statusLine reads "HTTP/1.1 200 OK".
func (p *parser) statusLine(l []byte) error {
	if len(l) < 12 || string(l[:7]) != "HTTP/1." || l[7] < '0' || l[7] > '9' || l[8] != ' ' || len(l) > 12 && l[12] != ' ' {
		return malformed(fmt.Sprintf("it begins with %q", l[:min(len(l), 64)]))
	}
	p.minor = l[7] - '0'
	for _, c := range l[9:12] {
		if c < '0' || c > '9' {
			return malformed(fmt.Sprintf("it begins with %q", l[:min(len(l), 64)]))
		}
		p.status = p.status*10 + int(c-'0')
	}
	if p.status < 100 {
		return malformed(fmt.Sprintf("its status is %03d", p.status))
	}
	return nil
}

// frame says where the body will end: RFC 9112, section 6.3.
func (p *parser) frame() error {
	p.keep = !p.closes && (p.minor > 0 || p.keeps) && p.status != http.StatusSwitchingProtocols
	p.left = 0
	switch {
	case p.head, p.status == http.StatusNoContent, p.status == http.StatusNotModified, p.status < 200:
		p.state = bodyFixed
	case p.chunked && p.length >= 0:
		return malformed("it has both a length and chunks")
	case p.chunked && p.minor == 0:
		return malformed("it has chunks, but says HTTP/1.0")
	case p.chunked:
		p.state = inChunkSize
	case p.length >= 0:
		p.state, p.left = bodyFixed, p.length
	default:
		p.state, p.keep = bodyToEnd, false
	}
	return nil
}

// chunk reads a chunk's first line, with its CR.
func (p *parser) chunk(line []byte) error {
	n := int64(len(line)) + 1
	size, ext, _ := bytes.Cut(line, semicolon)
	if len(ext) == 0 && !bytes.HasSuffix(line, crBytes) || len(ext) > 0 && !bytes.HasSuffix(ext, crBytes) {
		return malformed("a chunk's first line does not end in CRLF")
	}
	size = bytes.TrimRight(size, " \t\r")
	if len(size) == 0 || len(size) > 15 {
		return malformed(fmt.Sprintf("a chunk has the size %q", size))
	}
	p.left = 0
	for _, c := range size {
		d := hex(c)
		if d < 0 {
			return malformed(fmt.Sprintf("a chunk has the size %q", size))
		}
		p.left = p.left<<4 | int64(d)
	}
	if p.excess = max(0, p.excess+n+2-16-2*p.left); p.excess > maxExcess {
		return malformed("its chunks are more frame than data")
	}
	p.state = inChunk
	if p.left == 0 {
		p.state = inTrailer
	}
	return nil
}

var semicolon = []byte(";")

func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// ended tells that the connection ended in order. It reports whether the answer
// is whole with that.
func (p *parser) ended() bool { return p.state == bodyToEnd }
