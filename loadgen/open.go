package loadgen

import (
	"sync"

	"github.com/evabench/evabench/results"
)

// preparedAhead bounds the sessions of an open loop that are made before they
// are due. At 100 KB a request it is some 6 MB.
const preparedAhead = 64

// A dueSession is one arrival of the schedule.
type dueSession struct {
	due results.Offset
	planned
}

// driveOpen lets each session fall due at its moment of the schedule, whatever
// became of those before. One that is reached late is late by its own Due; none
// is moved or left out.
func (s *service) driveOpen() {
	ahead := make(chan dueSession, preparedAhead)
	quit := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { s.planAhead(ahead, quit) })
	for a := range ahead {
		s.waiter.Until(s.stop, s.origin, a.due)
		if s.stoppedBefore(a.due) {
			break
		}
		all.Go(func() { s.session(a.planned, -1, a.due) })
	}
	close(quit)
	for range ahead { // planned, but never due
	}
	all.Wait()
}

// planAhead makes the sessions of the schedule, in order, a bounded number
// before they are due. Once the step is stopped, nothing is made any more: what
// fell due until then is only accounted for.
func (s *service) planAhead(ahead chan<- dueSession, quit <-chan struct{}) {
	defer close(ahead)
	var n int64
	for t := range s.load.Arrivals.Times(s.arrivalSeed) {
		due := s.start.Add(t)
		if due >= s.windowEnd || s.stoppedBefore(due) {
			return
		}
		p := planned{n: n}
		if s.stop.Err() == nil {
			p = s.plan(n)
		}
		select {
		case ahead <- dueSession{due, p}:
			n++
		case <-quit:
			return
		}
	}
}

// scheduled counts the window's sessions by the schedule alone, until the stop
// if there was one. It makes the schedule again, so that the count owes nothing
// to those that fell due.
func (s *service) scheduled() int64 {
	var n int64
	for t := range s.load.Arrivals.Times(s.arrivalSeed) {
		due := s.start.Add(t)
		if due >= s.windowEnd || s.stoppedBefore(due) {
			break
		}
		if s.inWindow(due) {
			n++
		}
	}
	return n
}
