// Package sse cuts a stream of server-sent events, as it comes in, into the data
// of its events: as far as a client of a language model needs it
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
package sse

import (
	"bytes"
	"errors"
)

// MaxEvent bounds the data of one event and the length of one line without its
// end, in bytes.
const MaxEvent = 10_000_000

// ErrTooLong says that a line or an event passed MaxEvent.
var ErrTooLong = errors.New("server-sent event: longer than 10 MB")

// A Parser takes the bytes of one stream in pieces, cut anywhere, and gives the
// same events however they are cut. The zero value is ready. It allocates only
// to keep what a piece cut off. It is used by one goroutine at a time.
type Parser struct {
	// ErrorIsData takes fields named error as data, which the format does not know:
	// llama-server sent its faults so until September 2025.
	ErrorIsData bool

	p      []byte // the piece; what is before pos is done
	pos    int
	lf, cr int // next of each in p from pos on, len(p) if there is none

	line []byte // beginning of a line that earlier pieces hold
	data []byte // of the event so far, in p or in kept
	kept []byte

	found   bool // the event has data
	isKept  bool // data is in kept
	started bool // the first line was ended
	afterCR bool // a line feed that comes next belongs to the line before
	err     error
}

// keepMemory bounds each piece of memory that is kept for the next stream, in
// bytes.
const keepMemory = 256 << 10

// Reset readies the parser for another stream; it keeps its memory, unless a long
// line or event made it large.
func (s *Parser) Reset() {
	line, kept := s.line[:0], s.kept[:0]
	if cap(line) > keepMemory {
		line = nil
	}
	if cap(kept) > keepMemory {
		kept = nil
	}
	*s = Parser{ErrorIsData: s.ErrorIsData, line: line, kept: kept}
}

// Feed gives the parser the next bytes of the stream. They must stay as they are
// until Next has reported false, and Feed is called only then.
func (s *Parser) Feed(p []byte) {
	s.p, s.pos, s.lf, s.cr = p, 0, -1, -1
}

// Next gives the data of the next event that has any and reports whether there is
// one. The data is valid until the next call of Next or End. Several data lines
// are joined by a newline; comments and other fields are passed over. Lines end
// with LF, CRLF or CR. After an error it reports false.
func (s *Parser) Next() (data []byte, ok bool) {
	for s.err == nil {
		line, whole := s.next()
		if !whole {
			s.keep()
			return nil, false
		}
		if len(line) == 0 {
			if data, ok := s.event(); ok {
				return data, true
			}
			continue
		}
		s.take(line)
	}
	return nil, false
}

// End tells that the stream has ended, after Next reported false. An event whose
// last line was ended, but which the stream's end cut off from its blank line,
// still counts. A last line without an end is dropped: nobody can say whether it
// is whole.
func (s *Parser) End() (data []byte, ok bool) {
	if s.err != nil {
		return nil, false
	}
	return s.event()
}

// Err gives ErrTooLong once a line or an event was.
func (s *Parser) Err() error { return s.err }

func (s *Parser) event() (data []byte, ok bool) {
	data, ok = s.data, s.found
	s.data, s.found, s.isKept = nil, false, false
	return data, ok
}

// take reads one line, which may be the parser's own memory.
func (s *Parser) take(line []byte) {
	value, ok := bytes.CutPrefix(line, []byte("data"))
	if !ok && s.ErrorIsData {
		value, ok = bytes.CutPrefix(line, []byte("error"))
	}
	if !ok || len(value) > 0 && value[0] != ':' {
		return
	}
	if len(value) > 0 {
		value = value[1:]
	}
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	if !s.found {
		s.data, s.found = value, true
		return
	}
	s.keep()
	s.kept = add(append(s.kept, '\n'), value)
	s.data = s.kept
	if len(s.data) > MaxEvent {
		s.err = ErrTooLong
	}
}

// keep copies the data so far out of a memory that others write to.
func (s *Parser) keep() {
	if s.found && !s.isKept {
		s.kept = append(s.kept[:0], s.data...)
		s.data, s.isKept = s.kept, true
	}
}

// next gives one line without its end; it is not whole if the piece is at its
// end. The line is in p, or in s.line until the call after.
func (s *Parser) next() (line []byte, whole bool) {
	if s.afterCR && s.pos < len(s.p) {
		s.afterCR = false
		if s.p[s.pos] == '\n' {
			s.pos++
		}
	}
	end := s.lineEnd()
	part := s.p[s.pos:end]
	if len(s.line)+len(part) > MaxEvent {
		s.err = ErrTooLong
		return nil, false
	}
	if end == len(s.p) {
		if len(part) > 0 {
			s.keep() // the data may be in s.line
			s.line = add(s.line, part)
		}
		s.pos = end
		return nil, false
	}
	s.afterCR = s.p[end] == '\r'
	s.pos = end + 1
	line = part
	if len(s.line) > 0 {
		line = add(s.line, part)
		s.line = line[:0]
	}
	if !s.started {
		s.started = true
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return line, true
}

// add appends p to b. What becomes long gets room for all that it may become, at once.
//
// Note: to let it grow as append does copied it again and again, and held the step's loop
// up for 30 ms with a line of 10 MB; memory that is not written to costs nothing.
func add(b, p []byte) []byte {
	if n := len(b) + len(p); n > cap(b) && n > keepMemory {
		b = append(make([]byte, 0, max(n, MaxEvent)), b...)
	}
	return append(b, p...)
}

// lineEnd gives the place of the next line's end in p, or p's length. Each byte
// is looked at twice at most, however short the lines.
func (s *Parser) lineEnd() int {
	if s.lf < s.pos {
		s.lf = find(s.p, s.pos, '\n')
	}
	if s.cr < s.pos {
		s.cr = find(s.p, s.pos, '\r')
	}
	return min(s.lf, s.cr)
}

func find(p []byte, from int, c byte) int {
	if i := bytes.IndexByte(p[from:], c); i >= 0 {
		return from + i
	}
	return len(p)
}
