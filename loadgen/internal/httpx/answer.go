package httpx

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// MaxAnswer bounds the body of an answer, in bytes, packed and unpacked.
const MaxAnswer = 64 << 20

// maxHeld bounds what the answers on their way over one line hold together, in
// bytes; streams, which are read as they come in, are not counted.
const maxHeld = 1 << 30

// limits are MaxAnswer and maxHeld, or a test's.
type limits struct{ answer, line int64 }

const (
	detailMax  = 512       // of the text kept of an answer that is not OK, in bytes
	refusalMax = 1 << 20   // of what is looked at of an answer that is not 2xx
	keepText   = 256 << 10 // of an answer whose buffers are kept for another
)

// An answer is an exchange on its way, whichever client carries it: what came
// in, put into words of the exchange.
type answer struct {
	x      *loadgen.Exchange
	r      *Request
	client *Client
	line   *answers
	reader Reader

	refused bool   // the answer is not 2xx
	packed  bool   // the body is compressed
	text    []byte // what is looked at when it is whole
	gzip    gzip.Reader
	first   results.Offset // of what is packed
	held    int64          // bytes that count for the line
	plain   int64          // bytes unpacked
}

// begin readies a for another exchange.
func (a *answer) begin(r *Request, x *loadgen.Exchange) {
	x.Begin()
	a.x, a.r = x, r
	a.refused, a.packed, a.text, a.held, a.plain = false, false, a.text[:0], 0, 0
}

// head takes the status and the header.
func (a *answer) head(status int, h Header) error {
	a.x.Answer.Status = status
	a.refused = status/100 != 2
	switch encoding := h.Field("Content-Encoding"); {
	case len(encoding) == 0, same(encoding, "identity"):
	case !(same(encoding, "gzip") || same(encoding, "x-gzip")) || !a.asksGzip():
		return malformed(fmt.Sprintf("its content encoding is %q, which nobody asked for", encoding[:min(len(encoding), 64)]))
	default:
		a.packed = true
	}
	if !a.refused {
		a.reader.Begin(a.r, h, a.x)
	}
	return nil
}

// asksGzip reports whether the request asks for a compressed answer.
func (a *answer) asksGzip() bool { return a.client.Transport.Gzip && !a.r.Stream }

// body takes the next bytes of the body. It reports whether the reader has seen
// enough.
func (a *answer) body(p []byte, at results.Offset) (complete bool, err error) {
	n := int64(len(p))
	if a.x.Answer.BytesRead += n; a.x.Answer.BytesRead > a.client.limits.answer {
		return false, a.tooLong()
	}
	if !a.r.Stream {
		a.held += n
		if a.line.held += n; a.line.held > a.client.limits.line {
			return false, malformed(fmt.Sprintf("the answers of one client hold more than %d bytes together", a.client.limits.line))
		}
	}
	switch {
	case a.packed:
		if len(a.text) == 0 {
			a.first = at
		}
		a.text = append(a.text, p...)
	case a.refused:
		a.text = append(a.text, p[:min(len(p), refusalMax-len(a.text))]...)
	default:
		complete = a.reader.Body(p, at)
	}
	return complete, nil
}

func (a *answer) tooLong() malformed {
	return malformed(fmt.Sprintf("it is longer than %d bytes", a.client.limits.answer))
}

// end tells that the body is whole.
func (a *answer) end(at results.Offset) error {
	complete := false
	if a.packed {
		var err error
		if complete, err = a.unpack(at); err != nil {
			return err
		}
	}
	switch {
	case a.refused:
		a.refuse()
	case !complete:
		a.reader.End(at)
	}
	return nil
}

// unpack unpacks what was kept, into the reader or, of a refusal, into its place.
// The first byte came with the first packed ones, the others with the last.
func (a *answer) unpack(at results.Offset) (complete bool, err error) {
	if len(a.text) == 0 {
		return false, nil // as of a 204
	}
	if err := a.gzip.Reset(bytes.NewReader(a.text)); err != nil {
		return false, malformed("unpack: " + err.Error())
	}
	var plain []byte
	piece := make([]byte, 32<<10)
	for !complete {
		n, err := a.gzip.Read(piece)
		begins := a.plain == 0
		if a.plain += int64(n); a.plain > a.client.limits.answer {
			return false, malformed("unpack: " + string(a.tooLong()))
		}
		switch {
		case n == 0:
		case a.refused:
			plain = append(plain, piece[:min(n, refusalMax-len(plain))]...)
		case begins:
			complete = a.reader.Body(piece[:1], a.first) || n > 1 && a.reader.Body(piece[1:n], at)
		default:
			complete = a.reader.Body(piece[:n], at)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, malformed("unpack: " + err.Error())
		}
	}
	if a.refused {
		a.text = plain
	}
	return complete, nil
}

// refuse says what an answer that is not 2xx means.
func (a *answer) refuse() {
	to, text := &a.x.Answer, a.text
	to.Detail = strings.TrimSpace(string(text[:min(len(text), detailMax)]))
	if to.Detail == "" {
		to.Detail = fmt.Sprintf("HTTP status %d without a body", to.Status)
	}
	switch {
	case to.Status < 400:
		to.Outcome = results.Malformed // redirects are not followed
	case to.Status == http.StatusTooManyRequests:
		to.Outcome = results.Shed
	case OutOfMemory(text):
		to.Outcome = results.OOM
	case to.Status == http.StatusServiceUnavailable && a.client.Sheds(text):
		to.Outcome = results.Shed
	case to.Status >= 500:
		to.Outcome = results.HTTP5xx
	default:
		to.Outcome = results.HTTP4xx
	}
}

// OutOfMemory reports whether a server's words say that its device is out of
// memory, as PyTorch and CUDA put it.
func OutOfMemory(text []byte) bool {
	return bytes.Contains(bytes.ToLower(text), []byte("out of memory"))
}

// fail says that the exchange ended with a fault, whatever it was before.
func (a *answer) fail(outcome results.Outcome, detail string) {
	a.x.Answer.Outcome, a.x.Answer.Detail = outcome, detail
}

// broke is fail with the outcome that an error means.
func (a *answer) broke(err error, connected bool) {
	outcome := classify(err, connected, a.x.Answer.Status != 0)
	detail := err.Error()
	if outcome == results.Connect && isExhausted(err) {
		a.x.Answer.ClientFault = true
		detail = "the load generator's machine has no descriptor, port or memory left: " + detail
	}
	a.fail(outcome, detail)
}

// cut says that the exchange was ended by us.
func (a *answer) cut(outcome results.Outcome, connected bool) {
	switch to := &a.x.Answer; {
	case !connected:
		a.fail(outcome, "ended before there was a connection")
	case to.Status == 0:
		a.fail(outcome, "ended before there was an answer")
	default:
		a.fail(outcome, fmt.Sprintf("ended after %d bytes of the answer's body", to.BytesRead))
	}
}

// finish completes the exchange. The caller has let go of a and of all that the
// exchange held: Done may send the next.
func (a *answer) finish(sent int64, at results.Offset) {
	to := &a.x.Answer
	if to.Outcome == 0 {
		to.Outcome = results.OK
	}
	to.Detail = trust.Hide(to.Detail, a.client.Secret)
	to.Detail = to.Detail[:min(len(to.Detail), detailMax)]
	to.BytesSent, to.Done = sent, at
}

// answers is a line's stock of answers that are not in use.
type answers struct {
	client *Client
	free   []*answer
	held   int64 // bytes, of those in use
}

func (s *answers) take(r *Request, x *loadgen.Exchange) *answer {
	var a *answer
	if n := len(s.free) - 1; n >= 0 {
		a, s.free = s.free[n], s.free[:n]
	} else {
		a = &answer{client: s.client, line: s, reader: s.client.NewReader()}
	}
	a.begin(r, x)
	return a
}

// done gives a back and calls the exchange's Done, the last thing a client does
// with it. What a long one grew is let go, its reader's buffers too.
func (s *answers) done(a *answer) {
	x := a.x
	a.x, a.r = nil, nil
	s.held -= a.held
	if max(x.Answer.BytesRead, a.plain) <= keepText {
		s.free = append(s.free, a)
	}
	x.State = nil
	x.Done(x)
}
