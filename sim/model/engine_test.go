package model

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// newTestEngine makes an engine on a device of its own.
func newTestEngine(w *World, cfg EngineConfig) (*Engine, *Device) {
	d := w.AddDevice(testDevice)
	return NewEngine(w, NewHost(w, 8), d, Client{Share: 1}, cfg), d
}

func TestEngineSteps(t *testing.T) {
	var w World
	e, d := newTestEngine(&w, EngineConfig{
		MaxSeqs: 2, MaxTokens: 100, KVBlocks: 100, BlockTokens: 10, Gap: ms,
		Base: 0.9, PerSequence: 0.1, PerToken: 0.01, PerImageToken: 0.02, Parallel: 100,
		WeightBytes: 1e6, KVBytes: 1e5,
	})
	var tokens []time.Duration
	s := e.Submit(Call{PromptTokens: 150, ImageTokens: 50, OutputTokens: 2, Token: func() { tokens = append(tokens, w.Now()) }})
	w.Advance(10 * ms)
	// The first step was planned: its prompt has 15 of 100 blocks. The gauges
	// tell of no step yet.
	if got, want := e.Stats(), (EngineStats{Running: 1, KVUsage: 0.15}); got != want {
		t.Errorf("within the first step %+v, want %+v", got, want)
	}
	run(&w)
	// Step 1: 0.9 + 100·0.01 + 50·0.02 = 2.9 SM·s on 100 SMs = 29 ms, more than
	// the 1 + 100·0.1 MB = 11 ms. Gap 1. Step 2: 0.9 + 50·0.01 = 14 ms, but
	// 1 + 150·0.1 = 16 MB: 46, the first token. Gap 1. Step 3: 10 ms, but
	// 1 + 151·0.1 = 16.1 MB: 63.1.
	if want := []time.Duration{46 * ms, 63*ms + ms/10}; !slices.Equal(tokens, want) {
		t.Errorf("tokens at %v, want %v", tokens, want)
	}
	if s.Scheduled != 0 || s.First != 46*ms || s.Finished != 63*ms+ms/10 {
		t.Errorf("sequence %+v", s)
	}
	if got, want := e.Stats(), (EngineStats{Steps: 3}); got != want {
		t.Errorf("at the end %+v, want %+v", got, want)
	}
	if u := d.Usage(w.Now()); !near(u.SMSeconds, 2.9+1.4+1) || !near(u.Bytes, 11e6+16e6+16.1e6) {
		t.Errorf("usage %+v", u)
	}
}

// A call is admitted when its prompt fits the KV cache, not its whole answer.
func TestEngineLimits(t *testing.T) {
	for _, test := range []struct {
		name             string
		seqs, kv         int
		running, waiting int
	}{
		{"sequences", 2, 1000, 2, 1},
		// The first one has its prompt's 10 tokens and 2 of its answer.
		{"cache just holds two", 9, 21, 2, 1},
		{"cache just does not", 9, 20, 1, 2},
	} {
		var w World
		e, _ := newTestEngine(&w, EngineConfig{MaxSeqs: test.seqs, MaxTokens: 100, KVBlocks: test.kv, BlockTokens: 1, Base: 1, Parallel: 100})
		ended := 0
		for range 3 {
			e.Submit(Call{PromptTokens: 10, OutputTokens: 10, Done: func() { ended++ }})
		}
		// The first call begins a step by itself; the others are seen by the second.
		w.Advance(15 * ms)
		if s := e.Stats(); s.Running != test.running || s.Waiting != test.waiting || s.LastRunning != 1 || s.LastWaiting != 0 {
			t.Errorf("%s: %+v, want %d running, %d waiting", test.name, s, test.running, test.waiting)
		}
		run(&w)
		if ended != 3 {
			t.Errorf("%s: %d of 3 calls ended", test.name, ended)
		}
	}
}

func TestEnginePreempts(t *testing.T) {
	for _, cache := range []bool{false, true} {
		var w World
		e, d := newTestEngine(&w, EngineConfig{
			MaxSeqs: 2, MaxTokens: 100, KVBlocks: 5, BlockTokens: 4, Base: 1, PerSequence: 0.001, PerToken: 0.01, Parallel: 1e-3 / 1e-5, PrefixCache: cache,
		})
		steps := [3][]int64{}
		var seqs []*Sequence
		for i, output := range []int{4, 4, 1} {
			seqs = append(seqs, e.Submit(Call{PromptTokens: 8, OutputTokens: output, Token: func() { steps[i] = append(steps[i], e.Stats().Steps) }}))
		}
		run(&w)
		// Step 1 is A's prompt alone, step 2 B's. In step 3 B needs a third
		// block of its own where A has three of five: it goes back, and comes
		// when A has ended, in step 5, with 9 tokens to compute, before C; and C
		// with it only if two blocks are left.
		if want := []int64{1, 2, 3, 4}; !slices.Equal(steps[0], want) {
			t.Errorf("cache %v: tokens of A after steps %v, want %v", cache, steps[0], want)
		}
		if want := []int64{2, 5, 6, 7}; !slices.Equal(steps[1], want) {
			t.Errorf("cache %v: tokens of B after steps %v, want %v", cache, steps[1], want)
		}
		if want := []int64{5}; !slices.Equal(steps[2], want) {
			t.Errorf("cache %v: tokens of C after steps %v, want %v", cache, steps[2], want)
		}
		if seqs[0].Preempted != 0 || seqs[1].Preempted != 1 || e.Stats().Preemptions != 1 || seqs[1].Cached != 0 {
			t.Errorf("cache %v: %+v, %+v", cache, *seqs[1], e.Stats())
		}
		work := 7 + 0.01*(8+8+9+8) + 0.001*(3+2)
		if cache { // B's first two blocks are still there: one token is left
			work = 7 + 0.01*(8+8+8) + 0.001*(3+3)
		}
		if u := d.Usage(w.Now()); !near(u.SMSeconds, work) {
			t.Errorf("cache %v: %v SM-seconds, want %v", cache, u.SMSeconds, work)
		}
	}
}

// The frontend is one worker, however many cores there are, and images that
// its cache has cost it nothing.
func TestEngineFrontend(t *testing.T) {
	var w World
	e, d := newTestEngine(&w, EngineConfig{
		MaxSeqs: 99, MaxTokens: 1000, KVBlocks: 1000, BlockTokens: 10, Frontend: 2 * ms, ImageFrontend: 10 * ms, ImageCache: 2,
		PerImageToken: 0.001, Parallel: 100,
	})
	var got []time.Duration
	var seqs []*Sequence
	// a and b are new, a is known, c takes the place of b, b of a; and an image
	// without a key is never known.
	for _, keys := range [][]uint64{{1}, {2}, {1}, {3}, {2}, {1}, {}, {}} {
		seqs = append(seqs, e.Submit(Call{PromptTokens: 5, ImageTokens: 4, Images: 1, ImageKeys: keys, OutputTokens: 1}))
	}
	if at := e.Stats().AtFrontend; at != 8 {
		t.Errorf("%d calls at the frontend, want 8", at)
	}
	if !e.Abort(seqs[7]) || e.Abort(seqs[7]) || e.Stats().AtFrontend != 7 {
		t.Error("a call at the frontend was not aborted once")
	}
	run(&w)
	for _, s := range seqs {
		got = append(got, s.Queued/ms)
	}
	if want := []time.Duration{12, 24, 26, 38, 50, 62, 74, 0}; !slices.Equal(got, want) {
		t.Errorf("calls reach the queue at %v ms, want %v", got, want)
	}
	s := e.Stats()
	if s.ImageQueries != 7 || s.ImageHits != 1 {
		t.Errorf("%d of %d images known, want 1 of 7", s.ImageHits, s.ImageQueries)
	}
	if u := d.Usage(w.Now()); !near(u.SMSeconds, 7*4*0.001) {
		t.Errorf("the encoder's work is %v", u.SMSeconds)
	}
}

// hashes are those of the whole blocks of a prompt, chained.
func hashes(prompt []byte, size int) []uint64 {
	var all []uint64
	h := uint64(14695981039346656037)
	for i, c := range prompt {
		h = (h ^ uint64(c)) * 1099511628211 // FNV-1a
		if (i+1)%size == 0 {
			all = append(all, h)
		}
	}
	return all
}

// With room enough the cache has the longest beginning, in whole blocks, that
// any earlier prompt shares, and saves its prefill and nothing else.
func TestPrefixCacheSavesEqualPrefixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 4).Draw(t, "block")
		var prompts [][]byte
		for range rapid.IntRange(1, 8).Draw(t, "calls") {
			prompts = append(prompts, rapid.SliceOfN(rapid.ByteRange(0, 1), 1, 12).Draw(t, "prompt"))
		}
		cfg := EngineConfig{
			MaxSeqs: 9, MaxTokens: rapid.IntRange(1, 20).Draw(t, "budget"), KVBlocks: 1000, BlockTokens: size,
			PerSequence: 0.1, PerToken: 0.01, Parallel: 100, WeightBytes: 0, KVBytes: 1,
		}
		serve := func(cache bool) ([]*Sequence, Usage, EngineStats) {
			cfg := cfg
			cfg.PrefixCache = cache
			var w World
			e, d := newTestEngine(&w, cfg)
			var seqs []*Sequence
			for _, p := range prompts {
				seqs = append(seqs, e.Submit(Call{PromptTokens: len(p), OutputTokens: 3, Prefix: hashes(p, size)}))
				run(&w)
			}
			return seqs, d.Usage(w.Now()), e.Stats()
		}
		seqs, cached, stats := serve(true)
		_, plain, none := serve(false)
		queries, hits := 0, 0
		for i, s := range seqs {
			want := 0
			for _, before := range prompts[:i] {
				n := 0
				for n < min(len(before), len(prompts[i])) && before[n] == prompts[i][n] {
					n++
				}
				want = max(want, n/size*size)
			}
			want = min(want, (len(prompts[i])-1)/size*size) // something is left to compute
			if s.Cached != want {
				t.Fatalf("blocks of %d: of %v after %v %d tokens are cached, want %d", size, prompts[i], prompts[:i], s.Cached, want)
			}
			queries, hits = queries+len(prompts[i]), hits+want
		}
		if stats.PrefixQueries != int64(queries) || stats.PrefixHits != int64(hits) || none.PrefixQueries != 0 || none.PrefixHits != 0 {
			t.Fatalf("%+v and without cache %+v; want %d of %d", stats, none, hits, queries)
		}
		if saved := plain.SMSeconds - cached.SMSeconds; !near(saved, 0.01*float64(hits)) {
			t.Fatalf("%v SM-seconds saved by %d tokens", saved, hits)
		}
	})
}

// Whole images that the prefix cache has are not encoded again.
func TestCachedImagesAreNotEncoded(t *testing.T) {
	for cached, want := range map[int]int{0: 20, 5: 20, 14: 20, 15: 10, 24: 10, 25: 0} {
		s := Sequence{Call: Call{PromptTokens: 25, ImageTokens: 20, Images: 2}, Cached: cached}
		if got := s.imageTokens(); got != want {
			t.Errorf("%d of 25 tokens cached: %d image tokens to encode, want %d", cached, got, want)
		}
	}
}

func TestSequencesOfOneStep(t *testing.T) {
	var w World
	e, _ := newTestEngine(&w, EngineConfig{MaxSeqs: 9, MaxTokens: 100, KVBlocks: 9, BlockTokens: 4, Base: 1, Parallel: 100})
	var log []string
	note := func(s string) func() { return func() { log = append(log, s) } }
	var b, c *Sequence
	// The answers of one step are told in order; a call that is aborted by one
	// of them hears nothing, a call that has ended cannot be aborted.
	e.Submit(Call{PromptTokens: 1, OutputTokens: 2, Done: note("A done"), Token: func() {
		log = append(log, "A")
		if b.Output > 0 && (!e.Abort(b) || e.Abort(c)) {
			t.Error("B was not aborted, or C was")
		}
	}})
	b = e.Submit(Call{PromptTokens: 1, OutputTokens: 2, Token: note("B"), Done: note("B done")})
	c = e.Submit(Call{PromptTokens: 1, OutputTokens: 1, Token: note("C"), Done: note("C done")})
	run(&w)
	if want := []string{"A", "A", "A done", "C", "C done"}; !slices.Equal(log, want) {
		t.Errorf("told %v, want %v", log, want)
	}
}

// The end of a prompt is forgotten before its beginning, and what was freed
// first goes first.
func TestPrefixCacheForgets(t *testing.T) {
	var w World
	e, _ := newTestEngine(&w, EngineConfig{MaxSeqs: 9, MaxTokens: 100, KVBlocks: 5, BlockTokens: 4, PrefixCache: true, Base: 1, Parallel: 100})
	cached := func(tokens int, prefix ...uint64) int {
		s := e.Submit(Call{PromptTokens: tokens, OutputTokens: 1, Prefix: prefix})
		run(&w)
		return s.Cached
	}
	for i, step := range []struct{ got, want int }{
		{cached(13, 1, 2, 3), 0}, // 4 of 5 blocks
		{cached(8, 4, 5), 0},     // the fifth, and the fourth, which has no name
		{cached(13, 1, 2, 3), 12},
		{cached(4, 6), 0},        // in the place of 4
		{cached(13, 1, 2), 8},    // the third call's fourth block, and that of 3
		{cached(13, 1, 2, 3), 8}, // in the place of 6, which was freed first
		{cached(5, 6), 0},
	} {
		if step.got != step.want {
			t.Errorf("call %d: %d tokens cached, want %d", i, step.got, step.want)
		}
	}
}

// What a block holds has a name of the call's own where the call told none, or
// told one of a block that its prompt does not fill.
func TestContentOfBlocks(t *testing.T) {
	var w World
	e, _ := newTestEngine(&w, EngineConfig{MaxSeqs: 1, MaxTokens: 1, KVBlocks: 9, BlockTokens: 4})
	a := &Sequence{id: 1, Call: Call{PromptTokens: 11, Prefix: []uint64{1, 2, 3}}}
	b := &Sequence{id: 2, Call: Call{PromptTokens: 12, Prefix: []uint64{1, 2, 3}}}
	if e.content(a, 1) != 2 || e.content(b, 2) != 3 {
		t.Error("names of whole blocks are not those told")
	}
	if x := e.content(a, 2); x == 3 || x == e.content(b, 3) || x == e.content(a, 3) {
		t.Error("a block that the prompt does not fill has another's name")
	}
}

// The encoder's work is charged once, in the step that begins the prompt, also
// if that has to begin again.
func TestImagesAreEncodedOnce(t *testing.T) {
	var w World
	e, _ := newTestEngine(&w, EngineConfig{MaxSeqs: 1, MaxTokens: 4, KVBlocks: 9, BlockTokens: 4, PerImageToken: 1, Parallel: 1})
	s := &Sequence{Call: Call{PromptTokens: 8, ImageTokens: 4, Images: 1}}
	for _, test := range []struct {
		computed, preempted int
		want                float64
	}{{0, 0, 4}, {4, 0, 0}, {0, 1, 0}} {
		var job Job
		s.computed, s.Preempted = test.computed, test.preempted
		e.schedule(s, 4, &job)
		if job.Work != test.want {
			t.Errorf("%+v: %v SM-seconds", test, job.Work)
		}
	}
}
