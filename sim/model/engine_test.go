package model

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEngineSteps(t *testing.T) {
	var w World
	d := w.AddDevice(testDevice)
	e := NewEngine(&w, NewHost(&w, 8), d, Client{Share: 1}, EngineConfig{
		MaxSeqs: 2, MaxTokens: 100, KVBlocks: 1000, BlockTokens: 1, Gap: ms,
		Base: 0.9, PerSequence: 0.1, PerToken: 0.01, PerImageToken: 0.02, Parallel: 100,
	})
	var tokens []time.Duration
	call := Call{PromptTokens: 150, ImageTokens: 50, OutputTokens: 2, Token: func() { tokens = append(tokens, w.Now()) }, Done: func() {}}
	s := e.Submit(call)
	run(&w)
	// Step 1: 0.9 + 100·0.01 + 50·0.02 = 2.9 SM·s on 100 SMs = 29 ms. Gap 1.
	// Step 2: 0.9 + 50·0.01 = 14 ms: 44, the first token. Gap 1. Step 3: 10 ms: 55.
	if want := []time.Duration{44 * ms, 55 * ms}; !slices.Equal(tokens, want) {
		t.Errorf("tokens at %v, want %v", tokens, want)
	}
	if s.Scheduled != 0 || s.First != 44*ms || s.Finished != 55*ms || e.Stats().Running != 0 || e.Stats().KVUsage != 0 {
		t.Errorf("sequence %+v, %d running, %v of the cache", s, e.Stats().Running, e.Stats().KVUsage)
	}
}

func TestEngineLimits(t *testing.T) {
	for _, test := range []struct {
		name             string
		seqs, kv         int
		running, waiting int
	}{
		{"sequences", 2, 1000, 2, 1},
		{"cache just holds two", 9, 22, 2, 1},
		{"cache just does not", 9, 20, 1, 2},
	} {
		var w World
		d := w.AddDevice(testDevice)
		e := NewEngine(&w, NewHost(&w, 8), d, Client{Share: 1}, EngineConfig{MaxSeqs: test.seqs, MaxTokens: 100, KVBlocks: test.kv, BlockTokens: 1, Base: 1, Parallel: 100})
		ended := 0
		for range 3 {
			e.Submit(Call{PromptTokens: 10, OutputTokens: 10, Token: func() {}, Done: func() { ended++ }})
		}
		// The first call begins a step by itself; the others are seen by the second.
		w.Advance(10 * ms)
		if e.Stats().Running != test.running || e.Stats().Waiting != test.waiting {
			t.Errorf("%s: %d running, %d waiting; want %d, %d", test.name, e.Stats().Running, e.Stats().Waiting, test.running, test.waiting)
		}
		run(&w)
		if ended != 3 {
			t.Errorf("%s: %d of 3 calls ended", test.name, ended)
		}
	}
}

// Every call that is not aborted gives its tokens in order, and all limits
// hold at every moment, however the world is advanced.
func TestEngineLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := EngineConfig{
			MaxSeqs: rapid.IntRange(1, 4).Draw(t, "seqs"), MaxTokens: rapid.IntRange(4, 64).Draw(t, "batch"),
			KVBlocks: 200, BlockTokens: 1, Frontend: ms, ImageFrontend: ms, Gap: ms,
			Base: 0.1, PerSequence: 0.01, PerToken: 0.001, PerImageToken: 0.001, Parallel: 50,
		}
		type plan struct {
			at    time.Duration
			call  Call
			abort bool
		}
		plans := make([]plan, rapid.IntRange(1, 12).Draw(t, "calls"))
		var at time.Duration
		for i := range plans {
			at += time.Duration(rapid.IntRange(0, 20).Draw(t, "gap")) * ms
			plans[i] = plan{at, Call{
				PromptTokens: rapid.IntRange(1, 100).Draw(t, "prompt"), Images: rapid.IntRange(0, 2).Draw(t, "images"),
				OutputTokens: rapid.IntRange(1, 20).Draw(t, "output"),
			}, rapid.Bool().Draw(t, "abort")}
		}
		drive := func(every time.Duration) []Sequence {
			var w World
			d := w.AddDevice(testDevice)
			e := NewEngine(&w, NewHost(&w, 8), d, Client{Share: 1}, cfg)
			var seqs []*Sequence
			for _, p := range plans {
				w.At(p.at, func() {
					c := p.call
					c.Token, c.Done = func() {}, func() {}
					s := e.Submit(c)
					seqs = append(seqs, s)
					if p.abort {
						w.At(p.at+30*ms, func() { e.Abort(s) })
					}
				})
			}
			for _, ok := w.NextEvent(); ok; _, ok = w.NextEvent() {
				w.Advance(w.Now() + every)
				if e.Stats().Running > cfg.MaxSeqs || e.Stats().KVUsage > 1 {
					t.Fatalf("%d running, %v of the cache", e.Stats().Running, e.Stats().KVUsage)
				}
			}
			if e.Stats().Running != 0 || e.Stats().Waiting != 0 {
				t.Fatalf("at the end %d running, %d waiting", e.Stats().Running, e.Stats().Waiting)
			}
			var all []Sequence
			for i, s := range seqs {
				if s.Finished < 0 && !plans[i].abort {
					t.Fatalf("call %d never ended", i)
				}
				if s.Finished >= 0 && (s.Output != s.OutputTokens || s.Queued < s.Arrived || s.Scheduled < s.Queued || s.First < s.Scheduled || s.Finished < s.First) {
					t.Fatalf("call %d: %+v", i, *s)
				}
				c := *s
				c.Call.Token, c.Call.Done = nil, nil
				c.blocks = nil
				all = append(all, c)
			}
			return all
		}
		fine, coarse := drive(ms/3), drive(time.Second)
		for i := range fine {
			a, b := fine[i], coarse[i]
			if a.Finished != b.Finished || a.First != b.First || a.Scheduled != b.Scheduled || a.Output != b.Output {
				t.Fatalf("call %d differs with polling: %+v, %+v", i, a, b)
			}
		}
	})
}
