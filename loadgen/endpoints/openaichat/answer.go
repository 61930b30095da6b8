package openaichat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/sse"
	"github.com/evabench/evabench/results"
)

// A completion is one answer, or one chunk of a stream: there delta stands
// where message stands in a whole answer, and choices may be empty.
type completion struct {
	Choices []struct {
		Delta        *content `json:"delta"`
		Message      *content `json:"message"`
		FinishReason *string  `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// content is what the model said, in the fields that servers use for it.
type content struct {
	Content          *string           `json:"content"`
	ReasoningContent *string           `json:"reasoning_content"`
	Reasoning        *string           `json:"reasoning"` // newer vLLM's name
	ToolCalls        []json.RawMessage `json:"tool_calls"`
}

type usage struct {
	PromptTokens     *int64 `json:"prompt_tokens"`
	CompletionTokens *int64 `json:"completion_tokens"`
	Details          *struct {
		CachedTokens *int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// A fault is what an error body says: OpenAI's form nests it under "error",
// older vLLM puts the same fields at the top with object "error".
type fault struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// faultOf reads an error body and reports whether it is one.
func faultOf(body []byte) (fault, bool) {
	var outer struct {
		Error  json.RawMessage `json:"error"`
		Object string          `json:"object"`
		fault
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return fault{}, false
	}
	if len(outer.Error) > 0 && string(outer.Error) != "null" {
		var inner fault
		if err := json.Unmarshal(outer.Error, &inner); err != nil || inner.Message == "" {
			inner.Message = string(outer.Error) // {"error": "text"}, or a form of its own
		}
		return inner, true
	}
	return outer.fault, outer.Object == "error" || outer.Message != ""
}

// A reading is an answer while it comes in.
type reading struct {
	answer          *loadgen.Answer
	text, reasoning strings.Builder
	tools, finished bool
}

// take adds one chunk or whole answer, and reports whether it had content. A
// fault is put into the answer and reported as not ok.
func (r *reading) take(data []byte) (content, ok bool) {
	var c completion
	err := json.Unmarshal(data, &c)
	if f, is := suspectFault(&c, err, data); is {
		r.answer.Outcome, r.answer.Detail = results.HTTP5xx, f.Type+": "+f.Message
		if httpx.OutOfMemory(data) {
			r.answer.Outcome = results.OOM
		}
		return false, false
	}
	if err != nil || (c.Choices == nil && c.Usage == nil) {
		r.answer.Outcome, r.answer.Detail = results.Malformed, "no chat completion: "+string(data[:min(len(data), 256)])
		return false, false
	}
	for _, choice := range c.Choices {
		if choice.FinishReason != nil && *choice.FinishReason != "" {
			r.finished = true
		}
		content = r.add(choice.Delta) || content
		content = r.add(choice.Message) || content
	}
	r.count(c.Usage)
	return content, true
}

// suspectFault looks for a fault where there is reason to; most chunks give
// none, and are read only once.
func suspectFault(c *completion, err error, data []byte) (fault, bool) {
	if err == nil && c.Choices != nil && len(c.Error) == 0 {
		return fault{}, false
	}
	return faultOf(data)
}

// add takes what the model said, and reports whether that was anything.
func (r *reading) add(c *content) bool {
	if c == nil {
		return false
	}
	some := len(c.ToolCalls) > 0
	r.tools = r.tools || some
	for _, t := range []*string{c.ReasoningContent, c.Reasoning} {
		if t != nil && *t != "" {
			r.reasoning.WriteString(*t)
			some = true
			break // some servers send both, with the same text
		}
	}
	if c.Content != nil && *c.Content != "" {
		r.text.WriteString(*c.Content)
		some = true
	}
	return some
}

// count takes the server's own token counts; the last word counts.
func (r *reading) count(u *usage) {
	if u == nil {
		return
	}
	set := func(into *int64, n *int64) {
		if n != nil && *n >= 0 {
			*into = *n
		}
	}
	set(&r.answer.PromptTokens, u.PromptTokens)
	set(&r.answer.OutputTokens, u.CompletionTokens)
	if u.Details != nil {
		set(&r.answer.CachedTokens, u.Details.CachedTokens)
	}
}

// end puts the text into the answer and refuses one that says nothing: no text
// and no token that the server counted.
func (r *reading) end() {
	r.answer.Text = r.text.String()
	if r.answer.Text == "" {
		r.answer.Text = r.reasoning.String()
	}
	if r.answer.Outcome == 0 && r.answer.Text == "" && !r.tools && r.answer.OutputTokens <= 0 {
		r.answer.Outcome, r.answer.Detail = results.WrongAnswer, "the answer has no text and no tokens"
	}
}

// readBody reads an answer that is not a stream. It has no first token, so
// first is never called.
func readBody(body io.Reader, _ func(), a *loadgen.Answer) error {
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	r := reading{answer: a}
	if _, ok := r.take(text); !ok {
		return nil
	}
	a.Chunks = 1
	r.end()
	return nil
}

// readStream reads a stream. Its first byte of content is the first delta that
// says something: not the headers, not the role, not the usage. A stream is
// whole when it says [DONE] or gave a finish reason; one that just ends was
// cut off. Where the connection is not kept, nothing is read after [DONE]: the
// answer is in then, and waiting for the body's end would make it late.
func readStream(keep bool) httpx.Reader {
	return func(body io.Reader, first func(), a *loadgen.Answer) error {
		done, err := readEvents(body, first, a)
		if done && keep {
			// What is left is read only so that the connection can be used
			// again.
			_, _ = io.Copy(io.Discard, io.LimitReader(body, 1<<16))
		}
		return err
	}
}

// readEvents reads a stream up to its end or [DONE], and reports whether it was
// that.
func readEvents(body io.Reader, first func(), a *loadgen.Answer) (done bool, err error) {
	r := reading{answer: a}
	defer r.end()
	events := sse.NewReader(body)
	for {
		data, err := events.Next()
		switch {
		case errors.Is(err, io.EOF) && r.finished:
			return false, nil
		case errors.Is(err, io.EOF):
			return false, io.ErrUnexpectedEOF
		case errors.Is(err, sse.ErrTooLong):
			a.Outcome, a.Detail = results.Malformed, err.Error()
			return false, nil
		case err != nil:
			return false, err
		}
		if string(bytes.TrimSpace(data)) == "[DONE]" {
			return true, nil
		}
		content, ok := r.take(data)
		if !ok {
			return false, nil
		}
		if content {
			if a.Chunks == 0 {
				first()
			}
			a.Chunks++
		}
	}
}
