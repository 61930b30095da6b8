package model

// A chunk is what one step does for one sequence.
type chunk struct {
	seq    *Sequence
	tokens int
	told   bool // its token is to be told
}

// step begins a step, if none runs and there is work.
func (e *Engine) step() {
	if e.busy || e.closed {
		return
	}
	e.chunks = e.chunks[:0]
	job := Job{Work: e.cfg.Base, Parallel: e.cfg.Parallel, Bytes: e.cfg.WeightBytes}
	e.plan(&job)
	if len(e.chunks) == 0 {
		return
	}
	e.busy, e.came = true, e.waiting.len()
	e.world.Submit(e.device, e.process, job, e.computed)
}

// plan decides the next step as vLLM V1's scheduler does
// (vllm/v1/core/sched/scheduler.py, schedule): first the running sequences, in
// the order in which they were admitted; then, if none was preempted, new ones.
func (e *Engine) plan(job *Job) {
	budget, preempted := e.cfg.MaxTokens, false
	for i := 0; i < len(e.running) && budget > 0; i++ {
		s := e.running[i]
		n := min(budget, s.tokens()-s.computed)
		for s.state == running && !e.grow(s, s.computed+n) {
			e.preempt(e.running[len(e.running)-1])
			preempted = true
		}
		if s.state == running {
			budget -= n
			e.schedule(s, n, job)
		}
	}
	for !preempted && e.waiting.len() > 0 && budget > 0 && e.admit(e.waiting.all()[0]) {
		s := e.waiting.pop()
		n := min(budget, s.tokens()-s.computed)
		budget -= n
		e.schedule(s, n, job)
	}
}

// grow gives a sequence the blocks for its first tokens; false says that too
// few are free.
func (e *Engine) grow(s *Sequence, tokens int) bool {
	for len(s.blocks)*e.cfg.BlockTokens < tokens {
		if e.kv.free == 0 {
			return false
		}
		s.blocks = append(s.blocks, e.kv.take())
	}
	return true
}

// preempt takes a running sequence back to the front of the queue. All its
// tokens are to be computed again, but those that the prefix cache still has
// when it is admitted.
func (e *Engine) preempt(s *Sequence) {
	e.leave(s)
	s.state = waiting
	s.Preempted++
	e.stats.Preemptions++
	e.waiting.pushFront(s)
}

// admit makes the first waiting sequence a running one, if there is room for
// its prompt (and for its output so far, if it was preempted). Its caller takes
// it from the queue. Simplification: a prompt of several steps gets all its
// blocks at once, where vLLM asks at each step.
func (e *Engine) admit(s *Sequence) bool {
	if len(e.running) >= e.cfg.MaxSeqs {
		return false
	}
	known, idle := e.cached(s)
	need := (s.tokens()+e.cfg.BlockTokens-1)/e.cfg.BlockTokens - known
	if need+idle > e.kv.free {
		return false
	}
	if last := len(e.spare) - 1; last >= 0 {
		s.blocks, e.spare = e.spare[last], e.spare[:last]
	}
	for i := range known {
		b := e.kv.known[e.content(s, i)]
		e.kv.use(b)
		s.blocks = append(s.blocks, b)
	}
	e.grow(s, s.tokens())
	s.state, s.filled, s.computed = running, known, known*e.cfg.BlockTokens
	if s.Scheduled < 0 {
		s.Scheduled, s.Cached = e.world.Now(), s.computed
		if e.cfg.PrefixCache {
			e.stats.PrefixQueries += int64(s.PromptTokens)
			e.stats.PrefixHits += int64(s.Cached)
		}
	}
	e.running = append(e.running, s)
	return true
}

// cached is the number of blocks at a sequence's beginning that the prefix
// cache has, and how many of them are free. At least one token is left to
// compute: the next one follows from it.
func (e *Engine) cached(s *Sequence) (known, idle int) {
	if !e.cfg.PrefixCache {
		return 0, 0
	}
	for ; (known+1)*e.cfg.BlockTokens < s.tokens(); known++ {
		b, ok := e.kv.known[e.content(s, known)]
		if !ok {
			break
		}
		if e.kv.blocks[b].users == 0 {
			idle++
		}
	}
	return known, idle
}

// content names what a block of a sequence holds, with all before it. Beyond
// the prefix that the call told it is the sequence's own, and serves it again
// after a preemption.
func (e *Engine) content(s *Sequence, i int) uint64 {
	if i < len(s.Prefix) && (i+1)*e.cfg.BlockTokens <= s.PromptTokens {
		return s.Prefix[i]
	}
	// SplitMix64's finalizer (Steele, Lea, Flood, OOPSLA 2014) spreads them
	// among the hashes.
	z := s.id<<32 + uint64(i) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// schedule adds a sequence's next n tokens to the step. Simplification: all its
// images are encoded with the prompt's first tokens; vLLM encodes each when the
// prompt comes to it.
func (e *Engine) schedule(s *Sequence, n int, job *Job) {
	if s.Output > 0 && s.computed == s.tokens()-1 {
		job.Work += e.cfg.PerSequence
	} else {
		job.Work += e.cfg.PerToken * float64(n)
	}
	if s.computed == s.Cached && s.Preempted == 0 && s.Output == 0 {
		job.Work += e.cfg.PerImageToken * float64(s.imageTokens())
	}
	job.Bytes += e.cfg.KVBytes * float64(s.computed+n)
	if e.cfg.PrefixCache {
		for ; (s.filled+1)*e.cfg.BlockTokens <= s.computed+n; s.filled++ {
			e.kv.fill(s.blocks[s.filled], e.content(s, s.filled))
		}
	}
	e.chunks = append(e.chunks, chunk{seq: s, tokens: n})
}

// imageTokens are those of the images that must be encoded: all that do not lie
// wholly within the cached part of the prompt. Simplification: the encoder's
// own cache outlives a preemption, but not the call.
func (s *Sequence) imageTokens() int {
	images := max(1, s.Images)
	each := (s.ImageTokens + images - 1) / images
	if each == 0 {
		return 0
	}
	left := min(s.ImageTokens, s.PromptTokens-s.Cached)
	return min(s.ImageTokens, (left+each-1)/each*each)
}

// endStep does what a finished step means: first to the sequences, then to
// those who wait for them.
func (e *Engine) endStep() {
	if e.closed {
		return
	}
	e.stats.Steps++
	for i := range e.chunks {
		c := &e.chunks[i]
		c.told = c.seq.state == running && e.progress(c.seq, c.tokens)
	}
	e.stats.LastRunning, e.stats.LastWaiting, e.stats.LastKVUsage = len(e.running), e.came, e.usage()
	for _, c := range e.chunks {
		s := c.seq
		if c.told && !s.aborted && s.Token != nil {
			s.Token()
		}
		if c.told && !s.aborted && s.state == gone && s.Done != nil {
			s.Done()
		}
	}
	clear(e.chunks)
	if e.closed { // by one of them
		return
	}
	e.host.Run(e.cfg.Gap, e.next)
}

// progress adds computed tokens to a sequence, and reports whether it gave one.
func (e *Engine) progress(s *Sequence, tokens int) bool {
	s.computed += tokens
	if s.computed < s.tokens() {
		return false
	}
	s.Output++
	if s.Output == 1 {
		s.First = e.world.Now()
	}
	if s.Output == s.OutputTokens {
		e.leave(s)
		s.state, s.Finished = gone, e.world.Now()
	}
	return true
}
