package openaichat

import (
	"bytes"
	"fmt"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/gather"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
	"github.com/evabench/evabench/loadgen/internal/sse"
	"github.com/evabench/evabench/results"
)

// A form is how an answer comes.
type form uint8

const (
	whole  form = iota // one JSON document
	stream             // server-sent events
	page               // for people, such as a proxy's: no answer
)

// A reader reads answers, one after another.
//
// Of a stream, the first content is the first delta that says something: not the
// headers, not the role, not the usage. It is whole when it says [DONE], or ends
// after it gave a finish reason; one that just ends was cut off. A whole answer
// has no first token.
type reader struct {
	config Config
	x      *loadgen.Exchange
	form   form
	over   bool // no more is read

	events          sse.Parser
	scan            jsonscan.Scanner
	body            gather.Body // of a whole answer
	text, reasoning []byte
	tools, finished bool
}

// kept bounds a buffer that is kept for the next answer, in bytes.
const kept = 256 << 10

// Begin readies it for an answer.
func (r *reader) Begin(_ *httpx.Request, h httpx.Header, x *loadgen.Exchange) {
	r.x, r.over, r.tools, r.finished = x, false, false, false
	r.body.Reset()
	for _, b := range []*[]byte{&r.text, &r.reasoning} {
		if *b = (*b)[:0]; cap(*b) > kept {
			*b = nil
		}
	}
	r.events.Reset()
	r.events.ErrorIsData = true
	contentType := h.Field("Content-Type")
	r.form = r.formOf(contentType)
	if r.form == page {
		x.Answer.Outcome, x.Answer.Detail = results.Malformed, fmt.Sprintf("the answer is %.64s, no chat completion", contentType)
	}
}

var mediaForms = [...]struct {
	media []byte
	form  form
}{
	{[]byte("text/event-stream"), stream}, {[]byte("application/json"), whole},
	{[]byte("text/html"), page}, {[]byte("application/xhtml+xml"), page},
}

// formOf takes the server's word for the form where it is clear: a server may
// answer the request for a stream as a whole, with a fault for example.
func (r *reader) formOf(contentType []byte) form {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	for i := range mediaForms {
		if bytes.EqualFold(bytes.TrimSpace(media), mediaForms[i].media) {
			return mediaForms[i].form
		}
	}
	if r.config.Stream {
		return stream
	}
	return whole
}

// Body takes the next bytes.
func (r *reader) Body(p []byte, at results.Offset) (complete bool) {
	if r.over {
		return true
	}
	switch r.form {
	case whole:
		r.body.Append(p)
	case page:
		r.x.Answer.Detail += ": " + string(p[:min(len(p), 256)])
		r.over = true
	case stream:
		r.events.Feed(p)
		for !r.over {
			data, ok := r.events.Next()
			if !ok {
				break
			}
			r.event(data, at)
		}
		if err := r.events.Err(); err != nil && !r.over {
			r.fail(results.Malformed, err.Error())
		}
	}
	return r.over
}

// End tells that the body is whole.
func (r *reader) End(at results.Offset) {
	switch r.form {
	case whole:
		if _, ok := r.take(r.body.Bytes()); ok {
			r.x.Answer.Chunks = 1
			r.finish()
		}
	case stream:
		if data, ok := r.events.End(); ok {
			r.event(data, at)
		}
		switch {
		case r.over:
		case r.finished:
			r.finish()
		default:
			r.fail(results.Reset, "the stream ended without [DONE] and without a reason to finish")
		}
	}
}

// event takes one event of a stream. One without text keeps the stream alive and
// is no more than that.
func (r *reader) event(data []byte, at results.Offset) {
	switch string(bytes.TrimSpace(data)) {
	case "":
		return
	case "[DONE]":
		r.finish()
		return
	}
	before := r.finished
	content, ok := r.take(data)
	switch a := &r.x.Answer; {
	case ok && content:
		r.x.Content(at)
	case ok && r.finished && !before && a.First != results.NoOffset:
		// The token that ends an answer is one of the server's count, and has no text.
		a.Final = at
	}
}

// take adds one chunk or whole answer, and reports whether it had content. A
// fault ends the answer and is reported as not ok.
func (r *reader) take(data []byte) (content, ok bool) {
	c, ok := r.read(data)
	if !ok || !c.choices || c.fault { // most chunks give no reason to look for a fault
		if f, is := faultOf(data); is {
			r.fail(f.outcome(data), f.detail())
			return false, false
		}
	}
	if c.broken != "" {
		r.fail(results.HTTP5xx, fmt.Sprintf("the server ended the answer with finish_reason %q", c.broken))
		return false, false
	}
	if !ok || !c.choices && !c.usage {
		r.fail(results.Malformed, fmt.Sprintf("no chat completion: %.256s", data))
		return false, false
	}
	r.finished = r.finished || c.finished
	r.tools = r.tools || c.tools
	a := &r.x.Answer
	for _, n := range []struct {
		into *int64
		n    int64
	}{{&a.PromptTokens, c.prompt}, {&a.OutputTokens, c.output}, {&a.CachedTokens, c.cacheRead}} {
		if n.n != results.UnknownTokens { // the last word counts
			*n.into = n.n
		}
	}
	c.tell(a)
	return c.content, true
}

func (r *reader) fail(outcome results.Outcome, detail string) {
	r.x.Answer.Outcome, r.x.Answer.Detail = outcome, detail
	r.over = true
}

// finish puts the text into the answer and holds it to the check. One that says
// nothing is none: no text, no tool call and no token that the server counted.
func (r *reader) finish() {
	r.over = true
	a := &r.x.Answer
	a.Text = string(r.text)
	if a.Text == "" {
		a.Text = string(r.reasoning)
	}
	told, unit := a.OutputTokens, "tokens"
	if told == results.UnknownTokens && r.form == stream {
		told, unit = a.Chunks, "chunks and no count of tokens"
	}
	switch least := r.config.Check.MinTokens; {
	case a.Text == "" && !r.tools && a.OutputTokens <= 0:
		r.fail(results.WrongAnswer, "the answer has no text and no tokens")
	case r.config.Check.Nonempty && a.Text == "":
		r.fail(results.WrongAnswer, "the answer has no text")
	case least > 0 && told == results.UnknownTokens:
		r.fail(results.WrongAnswer, fmt.Sprintf("the answer tells no count of tokens, want at least %d", least))
	case least > 0 && told < least:
		r.fail(results.WrongAnswer, fmt.Sprintf("the answer has %d %s, want at least %d", told, unit, least))
	}
}
