package model

import (
	"fmt"
	"slices"
	"time"
)

// An EngineConfig describes a language model's engine: continuous batching, as
// vLLM's V1 engine does it.
type EngineConfig struct {
	MaxSeqs   int // sequences that run at once (max_num_seqs)
	MaxTokens int // tokens of one step (max_num_batched_tokens)
	// KVBlocks is the KV cache in blocks (num_gpu_blocks), BlockTokens the tokens
	// of one (block_size). Simplification: vLLM keeps one block empty.
	KVBlocks, BlockTokens int
	// Frontend and ImageFrontend are the frontend's work on one core of the
	// host before a call reaches the engine: for each call (template, tokens),
	// and for each of its images that the processor's cache has not.
	Frontend, ImageFrontend time.Duration
	// Gap is the engine's work on one core of the host between two steps.
	Gap time.Duration
	// A step's work in SM-seconds is Base + PerSequence for each decoding
	// sequence + PerToken for each prompt token + PerImageToken for each token
	// of the images that are encoded. Image tokens are prompt tokens too.
	Base, PerSequence, PerToken, PerImageToken float64
	Parallel                                   float64 // SMs that a step can use
	// A step moves WeightBytes + KVBytes for each token of context of its
	// sequences, those of the step with them.
	WeightBytes, KVBytes float64
	// PrefixCache keeps the blocks of prompts for later ones that begin alike
	// (enable_prefix_caching).
	PrefixCache bool
	// ImageCache is the number of images that the processor's cache holds, 0
	// for none. vLLM bounds it in bytes (mm_processor_cache_gb).
	ImageCache int
}

// A Call is what an Engine is asked for.
type Call struct {
	PromptTokens int // at least 1, image tokens with them
	ImageTokens  int // taken to be the prompt's last, in equal parts for each image
	Images       int
	OutputTokens int // at least 1
	// Prefix is a hash of each whole block of the prompt and all before it, so
	// that equal hashes mean equal prompts up to there. It may be shorter than
	// the prompt; the rest is like no other.
	Prefix []uint64
	// ImageKeys are hashes of the images; images beyond them are like no other.
	ImageKeys []uint64
	// Token is called at each output token, Done after the last, if they are
	// not nil. Neither is called once the call is aborted.
	Token func()
	Done  func()
}

// A Sequence is a call within an Engine. A moment is negative until it came.
type Sequence struct {
	Call
	// Arrived ≤ Queued ≤ Scheduled ≤ First ≤ Finished: when the call came,
	// reached the engine's queue, first ran, gave its first token, its last.
	Arrived, Queued, Scheduled, First, Finished time.Duration
	Output                                      int // tokens so far
	Cached                                      int // prompt tokens that the prefix cache had when it first ran
	Preempted                                   int // how often it had to begin again

	id       uint64
	state    state
	aborted  bool
	computed int     // tokens of prompt and output whose keys and values are there
	blocks   []int32 // of the KV cache
	filled   int     // blocks whose content was told
}

type state int8

const (
	atFrontend state = iota
	waiting
	running
	gone // finished or aborted
)

// tokens are those that the next output token follows from.
func (s *Sequence) tokens() int { return s.PromptTokens + s.Output }

// EngineStats is what an Engine counts.
type EngineStats struct {
	AtFrontend int     // calls that have not reached the engine's queue
	Running    int     // sequences that hold a place in the KV cache
	Waiting    int     // calls in the engine's queue
	KVUsage    float64 // part of the KV cache that running sequences hold, 0 to 1

	// Last… are the same at the end of the latest step, Waiting without what
	// came during it: vLLM's gauges are set then, and stay.
	LastRunning, LastWaiting int
	LastKVUsage              float64

	Steps, Preemptions int64
	// PrefixQueries are the prompt tokens looked up in the prefix cache,
	// PrefixHits those that were there. A call counts once.
	PrefixQueries, PrefixHits int64
	// ImageQueries and ImageHits are the images of the processor's cache.
	ImageQueries, ImageHits int64
}

// An Engine runs calls in steps. A step gives one token to every sequence
// whose prompt is done, and what is left of MaxTokens to prompts.
type Engine struct {
	world   *World
	host    *Host
	device  *Device
	process ProcessID
	cfg     EngineConfig
	kv      *pool
	images  *pool // nil without cache

	frontend  fifo[*Sequence] // the first one is at work
	waiting   fifo[*Sequence]
	running   []*Sequence // in order of admission
	busy      bool
	closed    bool
	lastID    uint64
	stats     EngineStats   // but what the state tells
	hosted    time.Duration // that cores worked for it
	preparing time.Duration // the frontend's present piece of work

	chunks []chunk // of the step at hand
	came   int     // calls that waited when it was planned
	spare  [][]int32

	prepared, computed, next func()
}

// NewEngine starts the engine's process on a device.
func NewEngine(w *World, h *Host, d *Device, c Client, cfg EngineConfig) *Engine {
	if cfg.MaxSeqs < 1 || cfg.MaxTokens < 1 || cfg.KVBlocks < 1 || cfg.BlockTokens < 1 || cfg.Frontend < 0 ||
		cfg.ImageFrontend < 0 || cfg.Gap < 0 || cfg.ImageCache < 0 {
		panic(fmt.Sprintf("model: no engine can be %+v", cfg))
	}
	e := &Engine{world: w, host: h, device: d, process: d.AddProcess(c), cfg: cfg, kv: newPool(cfg.KVBlocks)}
	if cfg.ImageCache > 0 {
		e.images = newPool(cfg.ImageCache)
	}
	e.prepared, e.computed = e.leaveFrontend, e.endStep
	e.next = func() {
		e.hosted += e.cfg.Gap
		e.busy = false
		e.step()
	}
	return e
}

// Fits reports whether a call of that many tokens, prompt and output, can ever
// be admitted.
func (e *Engine) Fits(tokens int) bool { return tokens <= e.cfg.KVBlocks*e.cfg.BlockTokens }

// Submit brings a call now. It must fit.
func (e *Engine) Submit(c Call) *Sequence {
	if c.PromptTokens < 1 || c.OutputTokens < 1 || !e.Fits(c.PromptTokens+c.OutputTokens) {
		panic(fmt.Sprintf("model: no call can have %d + %d tokens", c.PromptTokens, c.OutputTokens))
	}
	e.lastID++
	s := &Sequence{Call: c, Arrived: e.world.Now(), Queued: -1, Scheduled: -1, First: -1, Finished: -1, id: e.lastID}
	e.frontend.push(s)
	if e.frontend.len() == 1 {
		e.prepare()
	}
	return s
}

// prepare begins the frontend's work on its first call. The frontend is one
// worker: vLLM's API server renders and processes on one thread.
func (e *Engine) prepare() {
	s := e.frontend.all()[0]
	work := e.cfg.Frontend
	for i := range s.Images {
		e.stats.ImageQueries++
		if e.images != nil && i < len(s.ImageKeys) && e.images.see(s.ImageKeys[i]) {
			e.stats.ImageHits++
		} else {
			work += e.cfg.ImageFrontend
		}
	}
	e.preparing = work
	e.host.Run(work, e.prepared)
}

func (e *Engine) leaveFrontend() {
	e.hosted += e.preparing
	if e.closed {
		return
	}
	s := e.frontend.pop()
	if s.state == atFrontend {
		s.state, s.Queued = waiting, e.world.Now()
		e.waiting.push(s)
	}
	for e.frontend.len() > 0 && e.frontend.all()[0].state == gone {
		e.frontend.pop()
	}
	if e.frontend.len() > 0 {
		e.prepare()
	}
	e.step()
}

// Abort takes a call back now; a step that runs keeps the work it has, and so
// does the frontend. It reports whether the call was still there.
func (e *Engine) Abort(s *Sequence) bool {
	switch s.state {
	case gone:
		return false
	case waiting:
		e.waiting.remove(func(o *Sequence) bool { return o == s })
	case running:
		e.leave(s)
	}
	s.state, s.aborted = gone, true
	return true
}

// Stats tells the counts as of now. To ask changes nothing.
func (e *Engine) Stats() EngineStats {
	s := e.stats
	for _, q := range e.frontend.all() {
		if q.state == atFrontend {
			s.AtFrontend++
		}
	}
	s.Running, s.Waiting, s.KVUsage = len(e.running), e.waiting.len(), e.usage()
	return s
}

func (e *Engine) usage() float64 { return float64(e.cfg.KVBlocks-e.kv.free) / float64(e.cfg.KVBlocks) }

// HostTime is the time that cores of the host worked for it, of pieces of work that
// are done.
func (e *Engine) HostTime() time.Duration { return e.hosted }

// Close ends the engine's process; calls that are not done never are.
func (e *Engine) Close() {
	e.closed = true
	e.device.RemoveProcess(e.world.Now(), e.process)
}

// leave takes a sequence from the running ones and frees its blocks, the last
// one first, so that the beginning of a prompt stays longest.
func (e *Engine) leave(s *Sequence) {
	i := slices.Index(e.running, s)
	e.running = slices.Delete(e.running, i, i+1)
	for _, b := range slices.Backward(s.blocks) {
		e.kv.release(b)
	}
	e.spare = append(e.spare, s.blocks[:0])
	s.blocks = nil
}
