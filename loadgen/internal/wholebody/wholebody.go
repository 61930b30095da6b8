// Package wholebody reads answers that mean something only when they are whole,
// as those of detectors: one chunk of content, from its first byte to its last.
package wholebody

import (
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/gather"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// A Judge looks at one answer after another.
type Judge interface {
	// Head sees the header; it is valid during the call.
	Head(h httpx.Header)
	// Body sees the whole body, valid during the call, and puts what is not good
	// about it into a. Tag is the request's.
	Body(tag any, body []byte, a *loadgen.Answer)
}

// New makes a reader.
func New(j Judge) httpx.Reader { return &reader{judge: j} }

type reader struct {
	judge Judge
	x     *loadgen.Exchange
	tag   any
	body  gather.Body
}

// Begin readies it for an answer.
func (r *reader) Begin(request *httpx.Request, h httpx.Header, x *loadgen.Exchange) {
	r.x, r.tag = x, request.Tag
	r.body.Reset()
	readTimes(h, &x.Answer)
	r.judge.Head(h)
}

// Body takes the next bytes.
func (r *reader) Body(p []byte, at results.Offset) (complete bool) {
	if len(p) == 0 {
		return false
	}
	if r.body.Len() == 0 {
		r.x.Content(at)
	}
	r.x.Answer.Final = at
	r.body.Append(p)
	return false
}

// End tells that the body is whole.
func (r *reader) End(results.Offset) { r.judge.Body(r.tag, r.body.Bytes(), &r.x.Answer) }
