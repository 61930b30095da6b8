package model

import (
	"slices"
	"time"
)

// An EngineConfig describes a language model with continuous batching, as vLLM
// does it.
type EngineConfig struct {
	MaxSeqs   int // sequences that run at once (max_num_seqs)
	MaxTokens int // tokens of one step (max_num_batched_tokens)
	KVTokens  int // tokens that the KV cache holds
	// Frontend and ImageFrontend are the host's time before a call reaches the
	// engine: for each call, and for each of its images.
	Frontend, ImageFrontend time.Duration
	// Gap is the host's time between two steps.
	Gap time.Duration
	// A step's work in SM-seconds is Base + PerSequence for each decoding
	// sequence + PerToken for each prompt token + PerImageToken for each image
	// token of a sequence whose prefill begins. Image tokens are prompt tokens
	// too.
	Base, PerSequence, PerToken, PerImageToken float64
	Parallel                                   float64 // SMs that a step can use
}

// A Call is what an Engine is asked for.
type Call struct {
	PromptTokens int // at least 1, image tokens with them
	ImageTokens  int
	Images       int
	OutputTokens int // at least 1
	// Token is called at each output token, Done after the last. Neither is
	// called once the call is aborted.
	Token func()
	Done  func()
}

// A Sequence is a call within an Engine. A moment is negative until it came.
type Sequence struct {
	Call
	// Arrived ≤ Queued ≤ Scheduled ≤ First ≤ Done: when the call came, reached
	// the engine's queue, first ran, gave its first token, gave its last.
	Arrived, Queued, Scheduled, First, Finished time.Duration
	Output                                      int // tokens so far

	prefilled int
	gone      bool // finished or aborted
}

// An Engine runs calls in steps. Each step gives one token to every sequence
// whose prompt is done, and what is left of MaxTokens to prompts, oldest
// first. A call is admitted when its whole length fits the KV cache.
type Engine struct {
	world   *World
	device  *Device
	process ProcessID
	cfg     EngineConfig
	waiting []*Sequence
	running []*Sequence
	promise int // KV tokens that running sequences may come to
	busy    bool
	closed  bool
}

// NewEngine starts the engine's process on a device.
func NewEngine(w *World, d *Device, c Client, cfg EngineConfig) *Engine {
	return &Engine{world: w, device: d, process: d.AddProcess(c), cfg: cfg}
}

// Fits reports whether a call of that many tokens, prompt and output, can ever
// be admitted.
func (e *Engine) Fits(tokens int) bool { return tokens <= e.cfg.KVTokens }

// Submit brings a call now. It must fit.
func (e *Engine) Submit(c Call) *Sequence {
	s := &Sequence{Call: c, Arrived: e.world.Now(), Queued: -1, Scheduled: -1, First: -1, Finished: -1}
	ready := s.Arrived + e.cfg.Frontend + time.Duration(c.Images)*e.cfg.ImageFrontend
	e.world.At(ready, func() {
		if s.gone || e.closed {
			return
		}
		s.Queued = ready
		e.waiting = append(e.waiting, s)
		e.step()
	})
	return s
}

// Abort takes a call back now; a step that runs keeps the work it has. It
// reports whether the call was still there.
func (e *Engine) Abort(s *Sequence) bool {
	if s.gone {
		return false
	}
	s.gone = true
	is := func(o *Sequence) bool { return o == s }
	e.waiting = slices.DeleteFunc(e.waiting, is)
	if slices.Contains(e.running, s) {
		e.leave(s)
	}
	return true
}

// Running is the number of sequences that were admitted.
func (e *Engine) Running() int { return len(e.running) }

// Waiting is the number of calls in the engine's queue.
func (e *Engine) Waiting() int { return len(e.waiting) }

// KVUsage is the part of the KV cache that is filled, 0 to 1.
func (e *Engine) KVUsage() float64 {
	tokens := 0
	for _, s := range e.running {
		tokens += s.prefilled + s.Output
	}
	return float64(tokens) / float64(e.cfg.KVTokens)
}

// Close ends the engine's process; calls that are not done never are.
func (e *Engine) Close() {
	e.closed = true
	e.device.RemoveProcess(e.world.Now(), e.process)
}

// A chunk is what one step does for one sequence.
type chunk struct {
	seq    *Sequence
	prompt int // prompt tokens; 0 is a decode
}

// step begins a step, if none runs and there is work.
func (e *Engine) step() {
	if e.busy || e.closed {
		return
	}
	chunks, work := e.plan()
	if len(chunks) == 0 {
		return
	}
	e.busy = true
	e.world.Submit(e.device, e.process, Job{Work: work, Parallel: e.cfg.Parallel}, func() {
		for _, c := range chunks {
			e.progress(c)
		}
		e.world.At(e.world.Now()+e.cfg.Gap, func() {
			e.busy = false
			e.step()
		})
	})
}

// plan decides the next step: decodes, prompts that were begun, then new ones.
func (e *Engine) plan() (chunks []chunk, work float64) {
	work = e.cfg.Base
	budget := e.cfg.MaxTokens
	prompt := func(s *Sequence) {
		if s.prefilled == 0 {
			work += e.cfg.PerImageToken * float64(s.ImageTokens)
		}
		n := min(budget, s.PromptTokens-s.prefilled)
		budget -= n
		work += e.cfg.PerToken * float64(n)
		chunks = append(chunks, chunk{s, n})
	}
	for _, s := range e.running {
		if s.prefilled == s.PromptTokens && budget > 0 {
			budget--
			work += e.cfg.PerSequence
			chunks = append(chunks, chunk{s, 0})
		}
	}
	for _, s := range e.running {
		if s.prefilled < s.PromptTokens && budget > 0 {
			prompt(s)
		}
	}
	for len(e.waiting) > 0 && budget > 0 && e.admit(e.waiting[0]) {
		prompt(e.running[len(e.running)-1])
	}
	return chunks, work
}

// admit moves the first waiting sequence to the running ones, if there is room.
func (e *Engine) admit(s *Sequence) bool {
	need := s.PromptTokens + s.OutputTokens
	if len(e.running) >= e.cfg.MaxSeqs || e.promise+need > e.cfg.KVTokens {
		return false
	}
	e.waiting = e.waiting[1:]
	e.running = append(e.running, s)
	e.promise += need
	s.Scheduled = e.world.Now()
	return true
}

// progress does what a finished step means for one sequence.
func (e *Engine) progress(c chunk) {
	s := c.seq
	if s.gone || e.closed {
		return
	}
	s.prefilled += c.prompt
	if s.prefilled < s.PromptTokens {
		return
	}
	// The step that ends the prompt gives the first token.
	s.Output++
	if s.Output == 1 {
		s.First = e.world.Now()
	}
	if s.Output == s.OutputTokens {
		s.gone = true
		s.Finished = e.world.Now()
		e.leave(s)
	}
	s.Token()
	if s.gone {
		s.Done()
	}
}

func (e *Engine) leave(s *Sequence) {
	e.running = slices.DeleteFunc(e.running, func(o *Sequence) bool { return o == s })
	e.promise -= s.PromptTokens + s.OutputTokens
}
