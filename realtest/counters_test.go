//go:build real

package realtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestLlamaServer holds what the package comment says of the server, so that a
// newer version that counts in another way is found here and not in a run's
// numbers. Its parts share one server and follow each other.
func TestLlamaServer(t *testing.T) {
	s := startLlamaServer(t)
	t.Logf("llama-server %s", s.version)
	t.Run("answer", s.testAnswer)
	t.Run("refused", s.testRefused)
	t.Run("cut off", s.testCutOff)
	t.Run("queue", s.testQueue)
}

// imageTokens is what one image costs with the projector that make test-real
// makes: (224 / 14)², the text around it not counted.
const imageTokens = 256

func mustFrame(t *testing.T, seed uint64) []byte {
	t.Helper()
	picture, err := frame(seed)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// wantMoved holds a page against an earlier one.
func wantMoved(t *testing.T, before, after map[string]float64, series string, want int) {
	t.Helper()
	if got := after[series] - before[series]; got != float64(want) {
		t.Errorf("llamacpp:%s moved by %v, want %d", series, got, want)
	}
}

func (s *llamaServer) testAnswer(t *testing.T) {
	const maxTokens = 20
	before := s.mustPage(t)
	from, _, _ := s.counts()
	a, err := s.chat(t.Context(), chatRequest{"What is in the picture?", mustFrame(t, 1), maxTokens}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !a.done || a.roleChunks > 1 || a.contentChunks < 2 || a.contentChunks > maxTokens || a.text == "" || a.reason != "length" {
		t.Errorf("stream: done %t, %d chunks without content, %d with, ended by %q; want true, 0 or 1, 2 to %d, \"length\"",
			a.done, a.roleChunks, a.contentChunks, a.reason, maxTokens)
	}
	if a.usage == nil || a.usage.Details == nil || a.afterUsage != 0 {
		t.Fatalf("usage %+v with %d chunks after it, want one with details as the last chunk", a.usage, a.afterUsage)
	}
	if a.usage.Output != maxTokens || a.usage.Prompt <= imageTokens {
		t.Errorf("usage tells %d prompt and %d output tokens, want more than %d and %d", a.usage.Prompt, a.usage.Output, imageTokens, maxTokens)
	}
	s.await(t, "the completion", func() bool { return len(s.completions) == from+1 })
	after := s.mustPage(t)
	wantMoved(t, before, after, "tokens_predicted_total", a.usage.Output)
	wantMoved(t, before, after, "prompt_tokens_cached_total", a.usage.Details.Cached)
	wantMoved(t, before, after, "prompt_tokens_total", a.usage.Prompt-a.usage.Details.Cached)
	c := s.completed(time.Time{}, time.Now())[from]
	if c.output != a.usage.Output || c.prompt != a.usage.Prompt-a.usage.Details.Cached {
		t.Errorf("log tells %d prompt and %d output tokens, usage %+v", c.prompt, c.output, *a.usage)
	}
}

// What the server refuses moves nothing.
func (s *llamaServer) testRefused(t *testing.T) {
	before := s.mustPage(t)
	completed, _, released := s.counts()
	_, err := s.post(t.Context(), []byte(`{"messages": 1}`), nil)
	if e, ok := errors.AsType[*statusError](err); !ok || e.code != 400 {
		t.Errorf("got %v, want HTTP 400", err)
	}
	after := s.mustPage(t)
	wantMoved(t, before, after, "tokens_predicted_total", 0)
	wantMoved(t, before, after, "prompt_tokens_total", 0)
	if c, _, r := s.counts(); c != completed || r != released {
		t.Errorf("log tells %d completed and %d released, before %d and %d", c, r, completed, released)
	}
}

// A request that its client gives up ends at once and is no completion, but
// its tokens count.
func (s *llamaServer) testCutOff(t *testing.T) {
	const maxTokens = 2000
	before := s.mustPage(t)
	completed, cancelled, released := s.counts()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := s.chat(ctx, chatRequest{"Tell a long story.", mustFrame(t, 2), maxTokens}, cancel)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	s.await(t, "the release", func() bool { return s.released == released+1 })
	after := s.mustPage(t)
	if got := after["tokens_predicted_total"] - before["tokens_predicted_total"]; got < 1 || got >= maxTokens {
		t.Errorf("llamacpp:tokens_predicted_total moved by %v, want 1 to %d", got, maxTokens-1)
	}
	if c, x, _ := s.counts(); c != completed || x != cancelled+1 {
		t.Errorf("log tells %d completed and %d cancelled, want %d and %d", c, x, completed, cancelled+1)
	}
}

// What finds no free slot waits, and the page says so.
func (s *llamaServer) testQueue(t *testing.T) {
	const waiting = 2
	completed, _, _ := s.counts()
	before := s.mustPage(t)
	var clients sync.WaitGroup
	faults := make([]error, slots+waiting)
	outputs := make([]int, len(faults))
	for i := range faults {
		picture := mustFrame(t, uint64(10+i))
		clients.Go(func() {
			a, err := s.chat(t.Context(), chatRequest{fmt.Sprintf("Camera %d?", i), picture, 40}, nil)
			if err == nil && a.usage == nil {
				err = errors.New("no usage")
			}
			if faults[i] = err; err == nil {
				outputs[i] = a.usage.Output
			}
		})
	}
	ended := make(chan struct{})
	go func() { clients.Wait(); close(ended) }()
	seen := false
	for running := true; running; {
		page := s.mustPage(t)
		seen = seen || page["requests_processing"] == slots && page["requests_deferred"] == waiting
		if page["requests_processing"] > slots || page["requests_deferred"] > waiting {
			t.Errorf("page tells %v processing and %v deferred of %d requests on %d slots",
				page["requests_processing"], page["requests_deferred"], slots+waiting, slots)
		}
		select {
		case <-ended:
			running = false
		default:
		}
	}
	if !seen {
		t.Errorf("the page never told %d processing and %d deferred", slots, waiting)
	}
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	s.await(t, "all completions", func() bool { return len(s.completions) == completed+len(faults) })
	sum := 0
	for _, n := range outputs {
		sum += n
	}
	after := s.mustPage(t)
	wantMoved(t, before, after, "tokens_predicted_total", sum)
	wantMoved(t, before, after, "requests_processing", 0)
	wantMoved(t, before, after, "requests_deferred", 0)
}
