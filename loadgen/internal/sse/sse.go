// Package sse reads a stream of server-sent events, as far as a client of a
// language model needs it: the data of each event
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
package sse

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxEvent bounds the data of one event and the length of one line, in bytes.
const MaxEvent = 10_000_000

// ErrTooLong says that a line or an event passed MaxEvent.
var ErrTooLong = errors.New("server-sent event: longer than 10 MB")

// A Reader reads events. It is used by one goroutine at a time.
type Reader struct {
	r       *bufio.Reader
	line    []byte
	data    []byte
	started bool
}

// NewReader reads events from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 16<<10)} }

// Next gives the data of the next event that has any, valid until the call
// after. Several data lines are joined by a newline; comments and other fields
// are passed over. Lines end with LF or CRLF. An event whose last line was
// ended, but which the stream's end cut off from its blank line, still counts.
// The error is io.EOF at the stream's end, ErrTooLong, or the underlying
// reader's.
func (r *Reader) Next() ([]byte, error) {
	r.data = r.data[:0]
	found := false
	for {
		line, err := r.next()
		if err != nil {
			if found && errors.Is(err, io.EOF) {
				return r.data, nil
			}
			return nil, err
		}
		if len(line) == 0 {
			if found {
				return r.data, nil
			}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue
		}
		if found {
			r.data = append(r.data, '\n')
		}
		found = true
		r.data = append(r.data, bytes.TrimPrefix(value, []byte(" "))...)
		if len(r.data) > MaxEvent {
			return nil, ErrTooLong
		}
	}
}

// next gives one line without its end. A last line without an end is dropped:
// nobody can say whether it is whole.
func (r *Reader) next() ([]byte, error) {
	r.line = r.line[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		if len(r.line)+len(part) > MaxEvent {
			return nil, ErrTooLong
		}
		r.line = append(r.line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("read server-sent events: %w", err)
		}
	}
	line := bytes.TrimSuffix(r.line[:len(r.line)-1], []byte("\r"))
	if !r.started {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		r.started = true
	}
	return line, nil
}
