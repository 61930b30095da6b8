package loadgen

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/results"
)

// A session is one session while it runs: a tree of calls.
type session struct {
	*service
	n      int64
	user   *user // nil in an open loop
	steps  Session
	given  int // calls that were given so far
	out    int // calls that are not over
	failed bool
	done   results.Offset // of the call that was over last

	answered []*call // those that the session is still to be told of, one at a time
	next     *session
}

// A planned session is one whose first requests are ready before it is due.
type planned struct {
	steps Session
	asks  []ask
}

// launch starts session n, which is due now, with its first requests.
//
// Note: asks in one struct with steps made the compiler put them on the heap, 320
// bytes for each request.
func (s *service) launch(n int64, steps Session, asks []ask, u *user, due results.Offset) {
	v := s.freeSession
	if v == nil {
		v = &session{service: s}
	} else {
		s.freeSession = v.next
	}
	*v = session{service: s, n: n, user: u, steps: steps, done: due, answered: v.answered[:0]}
	s.sessions++
	v.out = len(asks)
	v.give(asks, due)
}

// give lets calls fall due that were counted as out. The session may be over
// when it returns.
func (v *session) give(asks []ask, due results.Offset) {
	s, number := v.service, v.given
	v.given += len(asks)
	for i, a := range asks {
		s.arrive(v, number+i, a, due, 0)
	}
}

// launchQuick makes the n-th session of a quick workload and starts it.
func (s *service) launchQuick(n int64, u *user, due results.Offset) {
	steps := s.load.Workload.Session(s.contentSeed, n)
	var few [8]ask
	asks := s.ready(few[:0], steps.Next(-1, nil))
	if len(asks) == 0 {
		asks = append(few[:0], s.nothing(n))
	}
	s.launch(n, steps, asks, u, due)
}

// plan makes session n and its first requests. It runs on any goroutine.
func (s *service) plan(n int64) planned {
	p := planned{steps: s.load.Workload.Session(s.contentSeed, n)}
	p.asks = s.prepare(p.steps.Next(-1, nil))
	if len(p.asks) == 0 {
		p.asks = []ask{s.nothing(n)}
	}
	return p
}

func (s *service) nothing(n int64) ask {
	return ask{err: fmt.Errorf("service %q: session %d makes no request", s.load.Service, n)}
}

// ready is prepare for a quick workload, whose requests are prepared already.
func (s *service) ready(into []ask, requests []*Request) []ask {
	for _, q := range requests {
		a, known := s.prepared[q]
		if !known {
			a = ask{request: q, err: fmt.Errorf("service %q: a request of class %q is not among those that the workload lists", s.load.Service, q.Class)}
		}
		into = append(into, a)
	}
	return into
}

// prepare puts requests in their protocol's words. It runs on any goroutine.
func (s *service) prepare(requests []*Request) []ask {
	asks := make([]ask, len(requests))
	for i, q := range requests {
		asks[i] = s.prepareOne(q)
	}
	return asks
}

func (s *service) prepareOne(q *Request) ask {
	p, err := s.load.Targets[0].Endpoint.Prepare(q)
	if err != nil {
		err = fmt.Errorf("service %q: prepare a request of class %q: %w", s.load.Service, q.Class, err)
	}
	return ask{q, p, err}
}

// later makes what is due later, off the loop, then goes on on it. Such work is
// bounded to so many goroutines as there are processors.
func (s *service) later(work, then func()) {
	s.ahead.Go(func() {
		s.planners <- struct{}{}
		s.work(work)
		<-s.planners
		s.loop.Post(then)
	})
}

// now is later for what is due already: it waits for nothing that is not.
func (s *service) now(work, then func()) {
	s.ahead.Go(func() {
		s.work(work)
		s.loop.Post(then)
	})
}

// work is left out once the step is stopped.
func (s *service) work(f func()) {
	if !s.ending.Load() {
		f()
	}
}

// end ends an attempt whose answer is complete, and asks the session what
// follows.
func (c *call) end() {
	v, a := c.session, &c.x.Answer
	c.leave()
	c.sample.Outcome = a.Outcome
	switch {
	case c.again():
	case a.Outcome != results.OK || v.failed:
		v.failed = v.failed || a.Outcome != results.OK
		v.settle(c, nil)
	case v.quick:
		var few [8]ask
		v.settle(c, v.ready(few[:0], v.steps.Next(c.number, a)))
	default:
		c.state = callOver
		if v.answered = append(v.answered, c); len(v.answered) == 1 {
			v.tell()
		}
	}
}

// again lets the call pause before its next attempt, if there is one.
func (c *call) again() bool {
	retry := &c.load.Retry
	due := c.sample.Done.Add(retry.Pause)
	if c.sample.Attempt >= retry.Attempts || !slices.Contains(retry.On, c.sample.Outcome) ||
		c.session.failed || c.stopped || due >= c.loadEnd {
		return false
	}
	c.record(&c.sample, c.x.Answer.Detail)
	c.state = callPausing
	c.enter()
	c.loop.Set(&c.timer, due)
	return true
}

// tell lets the session make what follows the first of its answered calls.
func (v *session) tell() {
	c := v.answered[0]
	number, answer := c.number, c.x.Answer
	var asks []ask
	v.now(func() { asks = v.prepare(v.steps.Next(number, &answer)) }, func() {
		v.answered = v.answered[1:]
		if len(v.answered) > 0 {
			v.tell()
		}
		v.settle(c, asks)
	})
}

// settle records a call's last attempt and lets what follows it fall due.
func (v *session) settle(c *call, asks []ask) {
	s := v.service
	done := c.sample.Done
	if done >= s.loadEnd || s.stopped || v.failed {
		asks = nil // the session makes no further call
	}
	v.out += len(asks) - 1
	v.done = max(v.done, done)
	if c.state != callPausing { // else its last attempt is recorded already
		c.sample.Last = v.out == 0
		s.record(&c.sample, c.x.Answer.Detail)
	}
	c.drop()
	if len(asks) > 0 {
		v.give(asks, done)
		return
	}
	if v.out == 0 {
		v.end()
	}
}

// end ends the session.
func (v *session) end() {
	s, u, done, ok := v.service, v.user, v.done, !v.failed
	v.user, v.steps = nil, nil
	v.next, s.freeSession = s.freeSession, v
	s.sessions--
	if u != nil {
		u.sessionOver(done, ok)
	}
	s.check()
}
