package loadgen

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"

	"github.com/evabench/evabench/results"
)

// openInFlight bounds the requests in flight of an open loop that sets no
// limit of its own, so that a dead server cannot eat every socket.
const openInFlight = 4096

// A service drives one Load of a run. It is the loop's.
type service struct {
	*run
	load  Load
	shard Shard // Of is at least 1
	tally tally
	lines []Line // one for each target
	quick bool   // the workload is

	// One seed for each random dimension.
	contentSeed, arrivalSeed, thinkSeed uint64

	limit       int     // of calls in flight; 0: none
	queue       queue   // of calls that are due and have no slot
	live        []*call // due and not over, and those to be retried
	free        *call   // calls that are over, to be used again
	freeSession *session
	outstanding []int64 // what is in flight at each target
	seen        []int64 // what the router sees of it; nil if no target can be out
	seq         int64
	prepared    map[*Request]ask // of a quick workload

	pending int64 // the window's arrivals that fell due and are not recorded

	open     schedule // an open loop's
	people   []*user  // a closed loop's
	users    int      // of them, those that are not over
	sessions int      // sessions that are not over
	isOver   bool
	planners chan struct{} // holds a token for each goroutine that makes sessions
}

func newService(r *run, l Load, step Step) (*service, error) {
	if h := heavy(l.Workload); h != nil && step.Plan.Heavy {
		l.Workload = h
	}
	if w, ok := l.Workload.(Nonced); ok && step.Nonce != "" {
		l.Workload = w.WithNonce(step.Nonce)
	}
	s := &service{run: r, load: l, shard: step.Shard, outstanding: make([]int64, len(l.Targets))}
	s.shard.Of = max(1, s.shard.Of)
	if slices.ContainsFunc(l.Targets, func(t Target) bool { return t.Out != nil }) {
		s.seen = make([]int64, len(l.Targets))
	}
	s.contentSeed = deriveSeed(step.Seed, l.Service, "content")
	s.arrivalSeed = deriveSeed(step.Seed, l.Service, "arrivals")
	s.thinkSeed = deriveSeed(step.Seed, l.Service, "think")
	s.load.FailurePause = cmp.Or(l.FailurePause, DefaultFailurePause)
	s.load.Ramp = cmp.Or(l.Ramp, DefaultRamp)
	s.load.Cooldown = min(cmp.Or(l.Cooldown, step.Plan.Cooldown), step.Plan.Cooldown)
	if s.limit = s.part(l.MaxInFlight); l.MaxInFlight == 0 && l.Arrivals != nil {
		s.limit = max(1, s.part(openInFlight))
	}
	s.planners = make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, t := range l.Targets {
		line, err := t.Endpoint.Open(r.loop)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("instance %s: %w", t.Name, err)
		}
		s.lines = append(s.lines, line)
	}
	if w, ok := l.Workload.(Quick); ok {
		s.quick = true
		if err := s.prepareAll(w.Requests()); err != nil {
			s.close()
			return nil, err
		}
	}
	s.prime()
	return s, nil
}

// part gives this shard's part of a number.
func (s *service) part(whole int) int {
	n := whole / s.shard.Of
	if s.shard.Index < whole%s.shard.Of {
		n++
	}
	return n
}

// mine reports whether the n-th of the whole is this shard's.
func (s *service) mine(n int64) bool { return n%int64(s.shard.Of) == int64(s.shard.Index) }

// deriveSeed gives every random dimension of every service its own seed.
func deriveSeed(seed uint64, service, dimension string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00%s", seed, service, dimension)
	return h.Sum64()
}

// begin starts the load.
func (s *service) begin() {
	s.tally.begin(s)
	if s.load.Arrivals != nil {
		s.beginOpen()
	} else {
		s.beginClosed()
	}
	s.check()
}

// stop ends the load: what fell due is cancelled.
func (s *service) stop() {
	if s.load.Arrivals != nil {
		s.stopOpen()
	}
	for _, u := range s.people {
		u.stop()
	}
	for s.queue.first != nil { // from its front: it is a list
		s.queue.first.cancel()
	}
	for len(s.live) > 0 {
		s.live[len(s.live)-1].cancel()
	}
	s.check()
}

// check tells the run once nothing is left to be done.
func (s *service) check() {
	if s.isOver || s.users > 0 || s.sessions > 0 || !s.open.over {
		return
	}
	s.isOver = true
	s.over()
}

// close ends the connections.
func (s *service) close() {
	for _, l := range s.lines {
		l.Close()
	}
}

// balanced is what the router sees. If all targets are out it sees them all, as
// a balancer without a good instance tries any.
func (s *service) balanced() []int64 {
	if s.seen == nil {
		return s.outstanding
	}
	in := 0
	for i, t := range s.load.Targets {
		if t.Out != nil && t.Out.Load() {
			s.seen[i] = Out
			continue
		}
		s.seen[i] = s.outstanding[i]
		in++
	}
	if in == 0 {
		return s.outstanding
	}
	return s.seen
}

// pick lets the router choose.
func (s *service) pick(session int64, q *Request) (int, error) {
	seen := s.balanced()
	i := s.load.Router.Pick(session, q, seen)
	if i < 0 || i >= len(s.outstanding) {
		return 0, fmt.Errorf("service %q: the router picked instance %d of %d", s.load.Service, i, len(s.outstanding))
	}
	if seen[i] == Out {
		return 0, fmt.Errorf("service %q: the router picked instance %d, which is out of the balancing", s.load.Service, i)
	}
	return i, nil
}

// full reports whether there is no slot.
func (s *service) full() bool { return s.limit > 0 && s.tally.inFlight >= int64(s.limit) }

// occupied notes that n more requests are in flight, or fewer.
func (s *service) occupied(now results.Offset, target int, n int64) {
	s.outstanding[target] += n
	s.tally.occupied(now, n)
}

// fellDue counts an arrival when it falls due, before anything is done for it.
func (s *service) fellDue(due results.Offset) {
	switch {
	case due < s.windowStart:
		s.tally.warmupDue++
	case due < s.windowEnd:
		s.tally.due++
		s.pending++
	default:
		s.tally.cooldownDue++
	}
}

// record ends a sample. Nothing else hands samples out.
func (s *service) record(sample *results.Sample, detail string) {
	if s.inWindow(sample.Due) {
		if s.pending--; s.pending == 0 && s.windowIsOver && !s.loadIsOver && !s.stopped {
			s.loop.Post(s.cool) // not within what is being done
		}
	}
	s.lastDone = max(s.lastDone, sample.Done)
	if sample.Outcome != results.OK {
		s.tally.failed(sample.Outcome, detail)
	}
	s.sink.Sample(*sample)
}
