package loadgen

import (
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// preparedAhead bounds the sessions of an open loop that are made before they
// are due. At 100 KB a request it is some 6 MB.
const preparedAhead = 64

// atOnce bounds the sessions that fall due in one turn of the loop, should it be
// behind its schedule, so that answers are still read.
const atOnce = 16

// A schedule is an open loop's arrivals: those that come next, in a ring.
type schedule struct {
	over  bool                         // nothing falls due any more
	times func() (time.Duration, bool) // the rest of the schedule
	n     int64                        // the number of the rest's first session in the whole
	timer pace.Timer                   // at the first of the ring
	ring  [preparedAhead]dueSession
	first int
	count int
}

// A dueSession is one arrival of the schedule.
type dueSession struct {
	at    time.Duration // since the start
	n     int64
	ready bool // planned is made
	planned
}

// prime has the first sessions made, before the step's start.
func (s *service) prime() {
	if s.load.Arrivals == nil {
		s.open.over = true
		return
	}
	o := &s.open
	o.times = s.load.Arrivals.Times(s.arrivalSeed)
	o.timer = pace.Timer{F: s.sessionsDue, Sharp: true}
	s.fill()
}

// beginOpen lets each session fall due at its moment of the schedule, whatever
// became of those before. One that is reached late is late by its own Due; none
// is moved or left out.
func (s *service) beginOpen() { s.awaitNext() }

// fill reads on in the schedule and has its sessions made.
func (s *service) fill() {
	o := &s.open
	ahead := preparedAhead
	if s.quick {
		ahead = 1
	}
	for o.count < ahead && o.times != nil {
		at, more := o.times()
		if !more || at >= s.length {
			o.times = nil
			return
		}
		n := o.n
		o.n++
		if !s.mine(n) {
			continue
		}
		d := &o.ring[(o.first+o.count)%len(o.ring)]
		*d = dueSession{at: at, n: n}
		o.count++
		if !s.quick {
			s.makeLater(d)
		}
	}
}

// makeLater makes a session on another goroutine.
func (s *service) makeLater(d *dueSession) {
	n := d.n
	var p planned
	s.later(func() { p = s.plan(n) }, func() {
		if s.stopped {
			return // d may be another's
		}
		d.planned, d.ready = p, true
		if s.begun && d == &s.open.ring[s.open.first] {
			s.awaitNext()
		}
	})
}

// awaitNext waits for the moment of the next session, if it is made. If it is
// not, it is late, and waited for.
func (s *service) awaitNext() {
	o := &s.open
	if o.count == 0 {
		o.over = true
		return
	}
	if d := &o.ring[o.first]; s.quick || d.ready {
		s.loop.Set(&o.timer, s.start.Add(d.at))
	}
}

// sessionsDue starts the sessions whose moment has come.
func (s *service) sessionsDue() {
	o, now := &s.open, s.loop.Now()
	for range atOnce {
		if o.count == 0 {
			break
		}
		d := &o.ring[o.first]
		due := s.start.Add(d.at)
		if due > now || !s.quick && !d.ready {
			break
		}
		s.startNext(due)
	}
	s.awaitNext()
	s.check()
}

// isBehind says that sessions of the window are due and not begun.
func (s *service) isBehind() bool {
	o := &s.open
	return o.count > 0 && s.start.Add(o.ring[o.first].at) < s.windowEnd ||
		slices.ContainsFunc(s.people, func(u *user) bool { return u.state == userWaits && u.due < s.windowEnd })
}

// startNext takes the next session off the schedule and starts it.
func (s *service) startNext(due results.Offset) {
	o := &s.open
	d := &o.ring[o.first]
	o.first = (o.first + 1) % len(o.ring)
	o.count--
	s.latest = max(s.latest, due)
	switch {
	case s.quick && !s.stopped:
		s.launchQuick(d.n, nil, due)
	case d.ready:
		s.launch(d.n, d.steps, d.asks, nil, due)
	default: // stopped before it was made: it is only accounted for
		s.launch(d.n, nil, []ask{{}}, nil, due)
	}
	d.planned = planned{}
	s.fill()
}

// stopOpen lets what fell due before the stop be accounted for.
func (s *service) stopOpen() {
	o := &s.open
	s.loop.Stop(&o.timer)
	for o.count > 0 {
		due := s.start.Add(o.ring[o.first].at)
		if s.stoppedBefore(due) {
			break
		}
		s.startNext(due)
	}
	o.count, o.times, o.over = 0, nil, true
}

// scheduled counts the window's sessions by the schedule alone, until the stop
// if there was one. It makes the schedule again, so that the count owes nothing
// to those that fell due.
func (s *service) scheduled() int64 {
	var count int64
	times := s.load.Arrivals.Times(s.arrivalSeed)
	for n := int64(0); ; n++ {
		at, more := times()
		due := s.start.Add(at)
		if !more || due >= s.windowEnd || s.stoppedBefore(due) {
			return count
		}
		if s.mine(n) && s.inWindow(due) {
			count++
		}
	}
}
