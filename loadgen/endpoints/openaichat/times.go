package openaichat

import (
	"math"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
)

// What servers tell of the very request, in an answer or a stream's last chunks:
//
//   - llama-server, always: timings.prompt_ms, from when a slot took the request up to the
//     first token, and timings.predicted_ms, from there to the last token
//     (ggml-org/llama.cpp, tools/server: result_timings). It does not tell how long the
//     request waited for a slot.
//   - vLLM with --enable-per-request-metrics (vllm-project/vllm#46768; 0.17.1 and 0.21.0
//     do not know it): metrics.queue_time_ms, the wait in the scheduler's queue;
//     time_to_first_token_ms, from scheduling to the first token; generation_time_ms, from
//     there to the last token. Each may be null, and all are of a request with n > 1.
//
// Neither counts what is before the engine: the frontend, and the images it decodes.
// Other servers have fields of these names with another content; what is not of this
// form tells nothing, and never spoils an answer.

// readTimings reads llama-server's.
func (c *chunk) readTimings(s *jsonscan.Scanner) {
	if !s.Object() {
		s.Skip()
		return
	}
	prompt, predicted := math.NaN(), math.NaN()
	for s.Key() {
		switch {
		case s.Is("prompt_ms"):
			prompt = c.readTime(s)
		case s.Is("predicted_ms"):
			predicted = c.readTime(s)
		default:
			s.Skip()
		}
	}
	c.work = prompt + predicted // NaN if either is
}

// readMetrics reads vLLM's.
func (c *chunk) readMetrics(s *jsonscan.Scanner) {
	if !s.Object() {
		s.Skip()
		return
	}
	first, rest := math.NaN(), math.NaN()
	for s.Key() {
		switch {
		case s.Is("queue_time_ms"):
			c.queue = c.readTime(s)
		case s.Is("time_to_first_token_ms"):
			first = c.readTime(s)
		case s.Is("generation_time_ms"):
			rest = c.readTime(s)
		default:
			s.Skip()
		}
	}
	c.work = first + rest
}

// readTime reads milliseconds, NaN where there is null or what is no time.
func (c *chunk) readTime(s *jsonscan.Scanner) float64 {
	if s.Null() {
		return math.NaN()
	}
	ms, ok := s.Float()
	if !ok {
		s.Skip()
	}
	if !ok || ms < 0 {
		c.noTime = true
		return math.NaN()
	}
	return ms
}

// tell puts what the chunk told into the answer.
func (c *chunk) tell(a *loadgen.Answer) {
	if c.noTime {
		a.RefuseTold()
	}
	if !math.IsNaN(c.queue) {
		a.ToldQueue(c.queue)
	}
	if !math.IsNaN(c.work) {
		a.ToldWork(c.work)
	}
}
