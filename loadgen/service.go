package loadgen

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/results"
)

// openInFlight bounds the requests in flight of an open loop that sets no
// limit of its own, so that a dead server cannot eat every socket.
const openInFlight = 4096

// A service drives one Load of a run.
type service struct {
	*run
	load  Load
	tally tally
	// One seed for each random dimension.
	contentSeed, arrivalSeed, thinkSeed uint64

	// slots holds one token for each request in flight; nil means no bound.
	// Waiting senders of a channel are served in their order.
	slots    chan struct{}
	inFlight atomic.Int64
	seq      atomic.Int64

	mu          sync.Mutex // guards the router and
	outstanding []int64    // what is in flight at each target
}

func newService(r *run, l Load, seed uint64, nonce string) *service {
	if w, ok := l.Workload.(Nonced); ok && nonce != "" {
		l.Workload = w.WithNonce(nonce)
	}
	s := &service{run: r, load: l, outstanding: make([]int64, len(l.Targets))}
	s.contentSeed = deriveSeed(seed, l.Service, "content")
	s.arrivalSeed = deriveSeed(seed, l.Service, "arrivals")
	s.thinkSeed = deriveSeed(seed, l.Service, "think")
	s.load.FailurePause = cmp.Or(l.FailurePause, DefaultFailurePause)
	s.load.Ramp = cmp.Or(l.Ramp, DefaultRamp)
	limit := l.MaxInFlight
	if limit == 0 && l.Arrivals != nil {
		limit = openInFlight
	}
	if limit > 0 {
		s.slots = make(chan struct{}, limit)
	}
	return s
}

// deriveSeed gives every random dimension of every service its own seed.
func deriveSeed(seed uint64, service, dimension string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s\x00%s", seed, service, dimension)
	return h.Sum64()
}

// A planned session is one whose first request is ready before it is due.
type planned struct {
	n       int64
	session Session
	call    *call
	err     error // why there is no call
}

// A call is a request made for the first target, ready to be aimed at another.
type call struct {
	request  *Request
	prepared Prepared
}

// plan makes session n and its first request.
func (s *service) plan(n int64) planned {
	p := planned{n: n, session: s.load.Workload.Session(s.contentSeed, n)}
	request, more := p.session.Next(nil)
	if !more {
		p.err = fmt.Errorf("service %q: session %d makes no request", s.load.Service, n)
		return p
	}
	p.call, p.err = s.prepare(request)
	return p
}

func (s *service) prepare(request *Request) (*call, error) {
	prepared, err := s.load.Targets[0].Endpoint.Prepare(request)
	if err != nil {
		return &call{request: request}, fmt.Errorf("service %q: prepare a request of class %q: %w", s.load.Service, request.Class, err)
	}
	return &call{request, prepared}, nil
}

// aim gives the call's request for target i.
func (s *service) aim(c *call, i int) (Prepared, error) {
	if i == 0 {
		return c.prepared, nil
	}
	e := s.load.Targets[i].Endpoint
	if a, ok := c.prepared.(Aimer); ok {
		if p, ok := a.Aim(e); ok {
			return p, nil
		}
	}
	p, err := e.Prepare(c.request)
	if err != nil {
		return nil, fmt.Errorf("service %q: prepare a request for %s: %w", s.load.Service, s.load.Targets[i].Name, err)
	}
	return p, nil
}

// arrive begins the sample of an arrival: it falls due now, whatever becomes
// of it.
func (s *service) arrive(p planned, user int64, callIndex int, due results.Offset) results.Sample {
	s.tally.fellDue(s.inWindow(due))
	return results.Sample{
		Service: s.load.Service, Seq: s.seq.Add(1) - 1, Session: p.n, User: user, Call: callIndex,
		Due: due, Sent: results.NoOffset, First: results.NoOffset, Done: results.NoOffset,
		PromptTokens: results.UnknownTokens, OutputTokens: results.UnknownTokens, CachedTokens: results.UnknownTokens,
	}
}

// record ends a sample. Nothing else hands samples out.
func (s *service) record(sample results.Sample, detail string) {
	raise(&s.lastDone, int64(sample.Done))
	if sample.Outcome != results.OK {
		s.tally.failed(sample.Outcome, detail)
	}
	s.sink.Sample(sample)
}

// session runs a session whose first call is due now, and gives the moment at
// which its last call was done and whether all answers were good. Later calls
// are due when the answer before is in.
func (s *service) session(p planned, user int64, due results.Offset) (done results.Offset, ok bool) {
	c, err := p.call, p.err
	for i := 0; ; i++ {
		sample := s.arrive(p, user, i, due)
		answer := s.exchange(&sample, c, err)
		done = sample.Done
		if answer.Outcome != results.OK {
			sample.Last = true
			s.record(sample, answer.Detail)
			return done, false
		}
		request, more := p.session.Next(&answer)
		sample.Last = !more
		s.record(sample, "")
		if !more || done >= s.windowEnd || s.stop.Err() != nil {
			return done, true
		}
		c, err = s.prepare(request)
		due = done
	}
}

// exchange takes one due arrival through slot, router and endpoint. It fills
// everything of the sample but Last.
func (s *service) exchange(sample *results.Sample, c *call, err error) Answer {
	if c != nil && c.request != nil {
		sample.Class, sample.Model = c.request.Class, c.request.Model
	}
	if err != nil {
		return s.broken(sample, err)
	}
	asked := s.origin.Now()
	late := asked.Sub(sample.Due)
	switch s.acquire(sample.Due) {
	case results.Cancelled:
		return s.unsent(sample, results.Cancelled, "the step was stopped")
	case results.NotSent:
		s.lagged(sample.Due, late)
		return s.unsent(sample, results.NotSent, s.whyNotSent(late))
	}
	defer s.release()
	granted := s.origin.Now()
	target, err := s.pick(sample.Session)
	if err != nil {
		return s.broken(sample, err)
	}
	defer s.unpick(target)
	prepared, err := s.aim(c, target)
	if err != nil {
		return s.broken(sample, err)
	}
	sample.Endpoint = s.load.Targets[target].Name
	answer := s.send(sample, prepared)
	s.lagged(sample.Due, late+sample.Sent.Sub(granted))
	return answer
}

// lagged keeps our own lateness of an arrival of the window.
func (s *service) lagged(due results.Offset, lag time.Duration) {
	if s.inWindow(due) {
		s.tally.lag(lag)
	}
}

// whyNotSent tells the server's slowness from our own: late is how long after
// Due we came to ask for a slot.
func (s *service) whyNotSent(late time.Duration) string {
	if late >= s.load.Timeout {
		return fmt.Sprintf("the load generator was %v late, its timeout of %v was over before it asked for a slot", late, s.load.Timeout)
	}
	text := fmt.Sprintf("no slot was free within %v; %d in flight", s.load.Timeout, cap(s.slots))
	if late > s.load.Timeout/10 {
		text += fmt.Sprintf("; the load generator was %v late", late)
	}
	return text
}

// broken ends the step for a fault that is not the server's.
func (s *service) broken(sample *results.Sample, err error) Answer {
	s.fail(fault{err})
	return s.unsent(sample, results.Cancelled, "the step was stopped")
}

// unsent ends an arrival that was never sent.
func (s *service) unsent(sample *results.Sample, outcome results.Outcome, detail string) Answer {
	sample.Done, sample.Outcome = s.origin.Now(), outcome
	return Answer{Outcome: outcome, Detail: detail}
}

// pick lets the router choose, and counts the request as outstanding there.
func (s *service) pick(session int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.load.Router.Pick(session, s.outstanding)
	if i < 0 || i >= len(s.outstanding) {
		return 0, fmt.Errorf("service %q: the router picked instance %d of %d", s.load.Service, i, len(s.outstanding))
	}
	s.outstanding[i]++
	return i, nil
}

func (s *service) unpick(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outstanding[i]--
}

// acquire takes a slot, waiting for one until the timeout from due; an outcome
// other than 0 means that none was had.
func (s *service) acquire(due results.Offset) (outcome results.Outcome) {
	if s.stop.Err() != nil { // a moment before flight ends
		return results.Cancelled
	}
	if s.slots == nil {
		s.sending()
		return 0
	}
	select {
	case s.slots <- struct{}{}:
		s.sending()
		return 0
	default:
	}
	t := time.NewTimer(due.Add(s.load.Timeout).Sub(s.origin.Now()))
	defer t.Stop()
	select {
	case s.slots <- struct{}{}:
		s.sending()
		return 0
	case <-s.flight.Done():
		return results.Cancelled
	case <-t.C:
		return results.NotSent
	}
}

func (s *service) sending() { raise(&s.tally.peak, s.inFlight.Add(1)) }

func (s *service) release() {
	s.inFlight.Add(-1)
	if s.slots != nil {
		<-s.slots
	}
}
