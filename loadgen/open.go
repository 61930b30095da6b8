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
		if !s.waiter.Until(s.stop, s.origin, a.due) && a.due > s.origin.Now() {
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
// before they are due.
func (s *service) planAhead(ahead chan<- dueSession, quit <-chan struct{}) {
	defer close(ahead)
	var n int64
	for t := range s.load.Arrivals.Times(s.arrivalSeed) {
		due := s.start.Add(t)
		if due >= s.windowEnd {
			return
		}
		select {
		case ahead <- dueSession{due, s.plan(n)}:
			n++
		case <-quit:
			return
		}
	}
}
