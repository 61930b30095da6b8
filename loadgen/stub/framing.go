package stub

import (
	"bytes"
	"errors"
	"strconv"
)

// maxHead bounds a request's header, in bytes.
const maxHead = 64 << 10

var errFraming = errors.New("not a request of HTTP/1.1")

// An event is what framer.take came to the end of.
type event uint8

const (
	more     event = iota // nothing: give more bytes
	headRead              // a request's header; its body follows
	whole                 // a request
)

// A head is what a request's header says, as far as the server asks.
type head struct {
	length    int64 // of the body; -1: chunked
	chat      bool  // POST to the chat's path
	headOnly  bool  // HEAD: the answer has no body
	close     bool  // the connection ends after the answer
	oldKept   bool  // HTTP/1.0 that asks to keep the connection
	expects   bool  // waits for 100 Continue
	transfers bool  // a Transfer-Encoding was told
	sized     bool  // a Content-Length was told
}

// A framer finds where requests begin and end. What it finds does not depend on
// how the bytes are cut. The zero value waits for a request.
type framer struct {
	head
	inBody bool
	left   int64 // of the body or of the chunk
	chunks chunkState
	digits int
	stream streamFlag
}

// take reads from p, and tells how many bytes it is done with and what they
// completed. A header is taken only when it is in p as a whole; with more, what
// is left of p belongs to it and must come again with what follows.
func (f *framer) take(p []byte) (int, event, error) {
	if !f.inBody {
		return f.takeHead(p)
	}
	var n int
	if f.length < 0 {
		var ended bool
		var err error
		if n, ended, err = f.takeChunks(p); err != nil || !ended {
			return n, more, err
		}
	} else {
		n = int(min(f.left, int64(len(p))))
		f.look(p[:n])
		if f.left -= int64(n); f.left > 0 {
			return n, more, nil
		}
	}
	f.inBody = false
	return n, whole, nil
}

func (f *framer) takeHead(p []byte) (int, event, error) {
	skip := 0
	for skip < len(p) && (p[skip] == '\r' || p[skip] == '\n') { // RFC 9112, 2.2
		skip++
	}
	end := bytes.Index(p[skip:], []byte("\r\n\r\n"))
	if end < 0 {
		if len(p) > maxHead {
			return 0, more, errFraming
		}
		return 0, more, nil
	}
	end += skip
	f.head, f.stream = head{}, streamFlag{}
	if err := f.readHead(p[skip : end+2]); err != nil {
		return 0, more, err
	}
	n := end + 4
	if f.length == 0 {
		return n, whole, nil
	}
	f.inBody, f.left, f.chunks, f.digits = true, max(f.length, 0), chunkSize, 0
	return n, headRead, nil
}

// readHead reads the lines of a header, each with its end.
func (f *framer) readHead(p []byte) error {
	at := bytes.IndexByte(p, '\r')
	line := p[:at]
	method, rest, ok := bytes.Cut(line, []byte(" "))
	path, proto, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || len(method) == 0 || len(path) == 0 {
		return errFraming
	}
	switch string(proto) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		f.close = true
	default:
		return errFraming
	}
	f.headOnly = string(method) == "HEAD"
	f.chat = string(method) == "POST" && bytes.HasSuffix(path, []byte("/chat/completions"))
	for p = p[at+2:]; len(p) > 0; {
		at := bytes.IndexByte(p, '\r')
		if at < 0 || at+1 >= len(p) || p[at+1] != '\n' {
			return errFraming
		}
		if err := f.readField(p[:at]); err != nil {
			return err
		}
		p = p[at+2:]
	}
	if f.transfers && f.sized { // RFC 9112, 6.1: a sign of smuggling
		return errFraming
	}
	return nil
}

func (f *framer) readField(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return errFraming
	}
	value := bytes.Trim(line[colon+1:], " \t")
	switch name := line[:colon]; colon {
	case len("Content-Length"):
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			break
		}
		n, err := strconv.ParseUint(string(value), 10, 62)
		if err != nil || f.sized {
			return errFraming
		}
		f.length, f.sized = int64(n), true
	case len("Transfer-Encoding"):
		if !bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			break
		}
		if !bytes.EqualFold(value, []byte("chunked")) || f.transfers {
			return errFraming
		}
		f.length, f.transfers = -1, true
	case len("Connection"):
		switch {
		case !bytes.EqualFold(name, []byte("Connection")):
		case bytes.EqualFold(value, []byte("close")):
			f.close, f.oldKept = true, false
		case bytes.EqualFold(value, []byte("keep-alive")) && f.close:
			f.close, f.oldKept = false, true
		}
	case len("Expect"):
		f.expects = f.expects || bytes.EqualFold(name, []byte("Expect")) && bytes.EqualFold(value, []byte("100-continue"))
	}
	return nil
}

// look searches a chat's body for the wish to get a stream.
func (f *framer) look(p []byte) {
	if f.chat {
		f.stream.look(p)
	}
}

// A chunkState is where in a chunked body a framer is (RFC 9112, 7.1).
type chunkState uint8

const (
	chunkSize      chunkState = iota // in the digits
	chunkExtension                   // between the digits and the line's end
	chunkData
	chunkEnd     // the line's end after the data
	chunkTrailer // at the beginning of a trailer line
	chunkInField // within one
)

// takeChunks reads a chunked body and reports whether it has ended.
func (f *framer) takeChunks(p []byte) (int, bool, error) {
	for i := 0; i < len(p); {
		if f.chunks == chunkData {
			n := int(min(f.left, int64(len(p)-i)))
			f.look(p[i : i+n])
			i += n
			if f.left -= int64(n); f.left == 0 {
				f.chunks = chunkEnd
			}
			continue
		}
		ended, err := f.takeControl(p[i])
		if i++; err != nil || ended {
			return i, ended, err
		}
	}
	return len(p), false, nil
}

// takeControl reads a byte that is no data. A lone carriage return before the
// line's end is passed over.
func (f *framer) takeControl(b byte) (ended bool, err error) {
	switch f.chunks {
	case chunkSize:
		if d := digit(b); d >= 0 {
			if f.digits++; f.digits > 15 {
				return false, errFraming
			}
			f.left = f.left<<4 | int64(d)
			return false, nil
		}
		if f.digits == 0 || b != '\r' && b != '\n' && b != ';' && b != ' ' && b != '\t' {
			return false, errFraming
		}
		f.chunks = chunkExtension
		return f.takeControl(b)
	case chunkExtension:
		if b == '\n' {
			f.chunks, f.digits = chunkData, 0
			if f.left == 0 {
				f.chunks = chunkTrailer
			}
		}
	case chunkEnd:
		switch b {
		case '\r':
		case '\n':
			f.chunks = chunkSize
		default:
			return false, errFraming
		}
	case chunkTrailer:
		if b == '\n' {
			return true, nil
		}
		if b != '\r' {
			f.chunks = chunkInField
		}
	case chunkInField:
		if b == '\n' {
			f.chunks = chunkTrailer
		}
	}
	return false, nil
}

// digit is the value of a hexadecimal digit, or -1.
func digit(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// A streamFlag finds "stream": true in JSON that comes in pieces, without
// keeping any of it. In a JSON string the quotes of such text are escaped, so
// that it is not found there.
type streamFlag struct {
	found   bool
	matched uint8 // bytes of the pattern
}

const (
	streamKey  = `"stream"`
	streamText = streamKey + `:true`
)

func (s *streamFlag) look(p []byte) {
	for !s.found && len(p) > 0 {
		if s.matched == 0 {
			at := bytes.IndexByte(p, '"')
			if at < 0 {
				return
			}
			s.matched, p = 1, p[at+1:]
			continue
		}
		b := p[0]
		p = p[1:]
		switch {
		case b == streamText[s.matched]:
			s.matched++
			s.found = int(s.matched) == len(streamText)
		case int(s.matched) >= len(streamKey) && int(s.matched) <= len(streamKey)+1 && (b == ' ' || b == '\n' || b == '\t' || b == '\r'):
		default: // in JSON no key begins here
			s.matched = 0
		}
	}
}
