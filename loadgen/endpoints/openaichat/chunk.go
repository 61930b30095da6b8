package openaichat

import (
	"math"

	"github.com/evabench/evabench/loadgen/internal/jsonscan"
	"github.com/evabench/evabench/results"
)

// A chunk is what one event of a stream says, or a whole answer: there message
// stands where delta stands in a stream.
type chunk struct {
	choices, usage, fault     bool // which of these it has
	content, tools, finished  bool
	broken                    string  // the finish reason of an answer that was given up
	prompt, output, cacheRead int64   // tokens, or results.UnknownTokens
	queue, work               float64 // ms that the server says of itself, NaN if it does not
	noTime                    bool    // it says what is no time
}

// read reads a chunk and puts its text behind what there is. It reports false
// for what is no chunk; the text is as before then.
func (r *reader) read(data []byte) (c chunk, ok bool) {
	c = chunk{
		prompt: results.UnknownTokens, output: results.UnknownTokens, cacheRead: results.UnknownTokens, queue: math.NaN(), work: math.NaN(),
	}
	text, reasoning := len(r.text), len(r.reasoning)
	s := &r.scan
	s.Reset(data)
	if s.Object() {
		for s.Key() {
			switch {
			case s.Is("choices"):
				c.choices = r.readChoices(&c) || c.choices
			case s.Is("usage"):
				c.usage = c.readUsage(s) || c.usage
			case s.Is("error"):
				c.fault = true
				s.Skip()
			case s.Is("timings"):
				c.readTimings(s)
			case s.Is("metrics"):
				c.readMetrics(s)
			default:
				s.Skip()
			}
		}
	}
	if s.End() {
		return c, true
	}
	r.text, r.reasoning = r.text[:text], r.reasoning[:reasoning]
	return chunk{}, false
}

// brokenOff are the finish reasons of answers that the engine gave up, in vLLM and
// SGLang.
var brokenOff = [...]string{"error", "abort"}

// readChoices reports whether there is a list of choices, be it empty.
func (r *reader) readChoices(c *chunk) bool {
	s := &r.scan
	if s.Null() {
		return false
	}
	if !s.Array() {
		return s.Fail()
	}
	for s.Element() {
		if s.Null() {
			continue
		}
		if !s.Object() {
			return s.Fail()
		}
		for s.Key() {
			switch {
			case s.Is("delta"), s.Is("message"):
				r.readContent(c)
			case s.Is("finish_reason"):
				reason := stringOrNull(s)
				c.finished = c.finished || len(reason) > 0
				for _, broken := range brokenOff {
					if reason.Is(broken) {
						c.broken = broken
					}
				}
			default:
				s.Skip()
			}
		}
	}
	return true
}

// readContent reads what the model said, in the fields that servers use for it.
func (r *reader) readContent(c *chunk) {
	s := &r.scan
	if s.Null() {
		return
	}
	if !s.Object() {
		s.Fail()
		return
	}
	var content, reasoning, alsoReasoning jsonscan.String
	for s.Key() {
		switch {
		case s.Is("content"):
			content = stringOrNull(s)
		case s.Is("reasoning_content"):
			reasoning = stringOrNull(s)
		case s.Is("reasoning"): // newer vLLM's name
			alsoReasoning = stringOrNull(s)
		case s.Is("tool_calls"):
			c.tools = someTools(s) || c.tools
		default:
			s.Skip()
		}
	}
	if len(reasoning) == 0 { // some servers send both, with the same text
		reasoning = alsoReasoning
	}
	r.text = content.Append(r.text)
	r.reasoning = reasoning.Append(r.reasoning)
	c.content = c.content || c.tools || len(content) > 0 || len(reasoning) > 0
}

func stringOrNull(s *jsonscan.Scanner) jsonscan.String {
	text, ok := s.String()
	if !ok && !s.Null() {
		s.Fail()
	}
	return text
}

// someTools reports whether a list of tool calls has one.
func someTools(s *jsonscan.Scanner) (some bool) {
	if s.Null() {
		return false
	}
	if !s.Array() {
		return s.Fail()
	}
	for s.Element() {
		some = true
		s.Skip()
	}
	return some
}

// readUsage reads the server's own token counts, and reports whether there are
// any.
func (c *chunk) readUsage(s *jsonscan.Scanner) bool {
	if s.Null() {
		return false
	}
	if !s.Object() {
		return s.Fail()
	}
	for s.Key() {
		switch {
		case s.Is("prompt_tokens"):
			readCount(s, &c.prompt)
		case s.Is("completion_tokens"):
			readCount(s, &c.output)
		case s.Is("prompt_tokens_details"):
			c.readDetails(s)
		default:
			s.Skip()
		}
	}
	return true
}

func (c *chunk) readDetails(s *jsonscan.Scanner) {
	if s.Null() {
		return
	}
	if !s.Object() {
		s.Fail()
		return
	}
	for s.Key() {
		if s.Is("cached_tokens") {
			readCount(s, &c.cacheRead)
		} else {
			s.Skip()
		}
	}
}

// readCount reads a number of tokens; null and what is below 0 tell nothing.
func readCount(s *jsonscan.Scanner, into *int64) {
	if s.Null() {
		return
	}
	n, ok := s.Int()
	if !ok {
		s.Fail()
		return
	}
	if n >= 0 {
		*into = n
	}
}
