package loadgen

import (
	"slices"
	"sync/atomic"

	"github.com/evabench/evabench/results"
)

// A Driven is a step as others see it while [Drive] drives it: they can look at
// it, and end it early. The zero value is ready, for one Drive. It is safe for
// concurrent use.
type Driven struct{ run atomic.Pointer[run] }

// Look calls f once, on the step's loop, and returns when f has. f is given the
// moment, and how many arrivals of each service fell due and are not done: they
// wait for a slot or are in flight. Nothing falls due or ends while f runs, so it
// must be short. Look calls nothing and reports false before load begins and once
// the window is over.
func (d *Driven) Look(f func(now results.Offset, unfinished map[string]int64)) bool {
	return d.within(func(r *run) bool { return !r.windowIsOver && r.look(f) })
}

// LookOn is Look beyond the window too, until the last answer is in.
func (d *Driven) LookOn(f func(now results.Offset, unfinished map[string]int64)) bool {
	return d.within(func(r *run) bool { return r.look(f) })
}

func (r *run) look(f func(now results.Offset, unfinished map[string]int64)) bool {
	unfinished := make(map[string]int64, len(r.services))
	for _, s := range r.services {
		unfinished[s.load.Service] += s.unfinished()
	}
	f(r.loop.Now(), unfinished)
	return true
}

// End ends the step's window now, for the reason that results.Step.Stopped then
// gives: nothing falls due from here on, and what is in flight is waited for as at
// any window's end. In the warm-up it leaves an empty window. It reports whether it
// did: the window may be over already, or load not have begun.
func (d *Driven) End(why string) bool {
	return d.within(func(r *run) bool { return !r.windowIsOver && r.endEarly(why) })
}

// within calls f on the loop while it runs, and gives what f does.
func (d *Driven) within(f func(*run) bool) bool {
	r := d.run.Load()
	if r == nil {
		return false
	}
	done := make(chan bool, 1)
	if !r.loop.Post(func() { done <- f(r) }) {
		return false
	}
	return <-done
}

// endEarly makes this moment the window's last.
func (r *run) endEarly(why string) bool {
	end := r.loop.Now() + 1 // what falls due at this very moment may have already
	if end >= r.windowEnd {
		return false
	}
	r.why, r.windowEnd, r.windowStart = why, end, min(r.windowStart, end)
	for _, s := range r.services {
		s.tally.endEarly(r.windowStart, r.windowEnd)
	}
	r.loadOver() // first: nothing of it is worth a load that goes on
	r.windowOver()
	return true
}

// loadEndsEarly takes back what would fall due from the load's new end on. What fell due
// before it, and only comes to its turn later, still does.
func (s *service) loadEndsEarly() {
	if o := &s.open; s.load.Arrivals != nil {
		for o.count > 0 && s.start.Add(o.ring[(o.first+o.count-1)%len(o.ring)].at) >= s.loadEnd {
			o.count--
		}
		if o.count == 0 {
			s.loop.Stop(&o.timer)
			o.over = true
		}
	}
	for _, u := range s.people {
		if u.state == userThinks && u.wakes() >= u.loadEnd {
			u.leave()
		}
	}
	for _, c := range slices.Clone(s.live) {
		if c.state == callPausing && c.sample.Done.Add(s.load.Retry.Pause) >= s.loadEnd {
			c.cancel()
		}
	}
	s.check()
}

// wakes tells when a user who thinks is to go on.
func (u *user) wakes() results.Offset {
	if u.hasFinished {
		return u.done.Add(u.asked)
	}
	return u.due
}

// unfinished counts the arrivals that fell due and are not done.
func (s *service) unfinished() int64 {
	n := int64(len(s.live))
	if s.load.Retry.Attempts == 0 {
		return n
	}
	for _, c := range s.live {
		if c.state == callPausing {
			n--
		}
	}
	return n
}
