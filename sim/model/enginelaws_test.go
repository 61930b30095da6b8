package model

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// check looks at the engine's inside: every block is accounted for, and what a
// sequence reads from a block is its own text.
func check(t *rapid.T, e *Engine) {
	users, whole := make([]int32, e.cfg.KVBlocks), make([]bool, e.cfg.KVBlocks)
	now := make(map[*Sequence]int) // tokens of the step at hand
	for _, c := range e.chunks {
		now[c.seq] = c.tokens
	}
	for _, s := range e.running {
		if s.state != running || len(s.blocks)*e.cfg.BlockTokens < s.computed || s.computed > s.tokens() {
			t.Fatalf("running: %+v", *s)
		}
		for i, b := range s.blocks {
			users[b]++
			whole[b] = whole[b] || (i+1)*e.cfg.BlockTokens <= s.computed+now[s]
			if x := e.kv.blocks[b]; x.has && x.content != e.content(s, i) {
				t.Fatalf("block %d of call %d has another's content", i, s.id)
			}
			if users[b] > 1 && !e.kv.blocks[b].has {
				t.Fatalf("block %d without a name has %d users", b, users[b])
			}
		}
	}
	free := 0
	for b, n := range users {
		x := e.kv.blocks[b]
		if x.has && n > 0 && !whole[b] {
			t.Fatalf("block %d is offered and not computed", b)
		}
		if x.users != n || x.has && e.kv.known[x.content] != int32(b) {
			t.Fatalf("block %d: %+v, its users are %d", b, x, n)
		}
		if n == 0 {
			free++
		}
	}
	ring, at := 0, e.kv.blocks[e.kv.head()].next
	for ; e.kv.free > 0 && at != e.kv.head(); at = e.kv.blocks[at].next {
		ring++
	}
	if free != e.kv.free || ring != free {
		t.Fatalf("%d blocks are free, %d counted, %d in the ring", free, e.kv.free, ring)
	}
	if s := e.Stats(); s.Running > e.cfg.MaxSeqs || s.KVUsage < 0 || s.KVUsage > 1 || s.LastRunning > e.cfg.MaxSeqs {
		t.Fatalf("%+v", s)
	}
	budget := e.cfg.MaxTokens
	for _, c := range e.chunks {
		budget -= c.tokens
	}
	if budget < 0 {
		t.Fatalf("a step of %d tokens more than allowed", -budget)
	}
}

// A plannedCall comes at a moment; some are aborted.
type plannedCall struct {
	at, abort time.Duration // abort is negative for never
	call      Call
}

func drawCalls(t *rapid.T, block, most int) []plannedCall {
	plans := make([]plannedCall, rapid.IntRange(1, 12).Draw(t, "calls"))
	var at time.Duration
	for i := range plans {
		at += time.Duration(rapid.IntRange(0, 20).Draw(t, "gap")) * ms
		prompt := rapid.SliceOfN(rapid.ByteRange(0, 1), 1, most/2).Draw(t, "prompt")
		images := rapid.IntRange(0, 2).Draw(t, "images")
		plans[i] = plannedCall{at, -1, Call{
			PromptTokens: len(prompt), Images: images, ImageTokens: min(len(prompt), 3*images),
			OutputTokens: rapid.IntRange(1, most-len(prompt)).Draw(t, "output"), Prefix: hashes(prompt, block),
			ImageKeys: rapid.SliceOfN(rapid.Uint64Range(0, 2), 0, 2).Draw(t, "keys"),
		}}
		if rapid.IntRange(0, 3).Draw(t, "abort") == 0 {
			plans[i].abort = at + time.Duration(rapid.IntRange(0, 60).Draw(t, "after"))*ms
		}
	}
	return plans
}

// serveCalls runs calls to their end, and gives the sequences and each token's
// moment.
func serveCalls(t *rapid.T, cfg EngineConfig, plans []plannedCall, poll time.Duration) ([]*Sequence, [][]time.Duration) {
	var w World
	e, _ := newTestEngine(&w, cfg)
	seqs, tokens, done := make([]*Sequence, len(plans)), make([][]time.Duration, len(plans)), make([]int, len(plans))
	for i, p := range plans {
		w.At(p.at, func() {
			c := p.call
			c.Token = func() {
				if seqs[i].aborted || done[i] > 0 {
					t.Fatalf("call %d: a token after its end", i)
				}
				tokens[i] = append(tokens[i], w.Now())
			}
			c.Done = func() { done[i]++ }
			seqs[i] = e.Submit(c)
		})
		if p.abort >= 0 {
			w.At(p.abort, func() { e.Abort(seqs[i]) })
		}
	}
	for _, ok := w.NextEvent(); ok; _, ok = w.NextEvent() {
		w.Advance(w.Now() + poll)
		check(t, e)
	}
	if s := e.Stats(); s.Running+s.Waiting+s.AtFrontend != 0 || s.KVUsage != 0 {
		t.Fatalf("at the end %+v", s)
	}
	for i, s := range seqs {
		want := s.OutputTokens
		if s.aborted {
			want = s.Output
			if done[i] != 0 || s.Finished >= 0 {
				t.Fatalf("call %d was aborted and ended: %+v", i, *s)
			}
		} else if done[i] != 1 || s.Queued < s.Arrived || s.Scheduled < s.Queued || s.First < s.Scheduled || s.Finished < s.First {
			t.Fatalf("call %d ended %d times: %+v", i, done[i], *s)
		}
		// Each token once, whatever preemptions came between.
		if len(tokens[i]) != want || s.Output != want {
			t.Fatalf("call %d: %d tokens told, %d counted, want %d", i, len(tokens[i]), s.Output, want)
		}
	}
	return seqs, tokens
}

// Every call that is not aborted gives its tokens once, all limits hold at
// every moment, and results do not depend on when the World is advanced.
func TestEngineLaws(t *testing.T) {
	preempted, hit := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		cfg := EngineConfig{
			MaxSeqs: rapid.IntRange(1, 5).Draw(t, "seqs"), MaxTokens: rapid.IntRange(4, 64).Draw(t, "budget"),
			KVBlocks: rapid.IntRange(8, 20).Draw(t, "blocks"), BlockTokens: rapid.IntRange(1, 4).Draw(t, "block"),
			Frontend: ms, ImageFrontend: ms, Gap: ms,
			Base: 0.1, PerSequence: 0.01, PerToken: 0.001, PerImageToken: 0.001, Parallel: 50, WeightBytes: 1e6, KVBytes: 1e4,
			PrefixCache: rapid.Bool().Draw(t, "cache"), ImageCache: rapid.IntRange(0, 2).Draw(t, "images"),
		}
		plans := drawCalls(t, cfg.BlockTokens, cfg.KVBlocks*cfg.BlockTokens)
		fine, fineTokens := serveCalls(t, cfg, plans, ms/3)
		coarse, coarseTokens := serveCalls(t, cfg, plans, time.Second)
		for i := range fine {
			a, b := fine[i], coarse[i]
			if a.Scheduled != b.Scheduled || a.Cached != b.Cached || a.Preempted != b.Preempted || len(fineTokens[i]) != len(coarseTokens[i]) {
				t.Fatalf("call %d differs with polling: %+v, %+v", i, *a, *b)
			}
			for k, at := range fineTokens[i] {
				if at != coarseTokens[i][k] {
					t.Fatalf("call %d: token %d at %v, polled otherwise at %v", i, k, at, coarseTokens[i][k])
				}
			}
			preempted += a.Preempted
			hit += a.Cached
		}
	})
	if preempted == 0 || hit == 0 {
		t.Errorf("%d preemptions and %d cached tokens: the cases say nothing", preempted, hit)
	}
}
