package loadgen

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
)

// The defaults of [Load].FailurePause and [Load].Ramp.
const (
	DefaultFailurePause = 100 * time.Millisecond
	DefaultRamp         = time.Second
)

// driveClosed runs the users. Each is one goroutine: session, think, session.
//
// Users do not start in lockstep. With a think time, each begins somewhere in
// its first one: stratified over it if it is constant, drawn from it if it is
// exponential (whose rest is distributed like the whole). Without, they start
// evenly over the load's Ramp, or less: half the warm-up, or a tenth of the
// window if there is no warm-up.
func (s *service) driveClosed() {
	w := newWakeUps(s.origin, s.waiter)
	ctx, end := context.WithCancel(s.stop)
	var waking, all sync.WaitGroup
	waking.Go(func() { w.run(ctx) })
	for u := range s.load.Users {
		all.Go(func() { s.user(int64(u), w) })
	}
	all.Wait()
	end()
	waking.Wait()
}

// user runs one user until the window's end. Its k-th session is number
// k·Users + user, so that what a user asks does not depend on timing.
func (s *service) user(u int64, w *wakeUps) {
	random := rand.New(rand.NewPCG(s.thinkSeed, uint64(u)))
	n := u
	next := s.ahead(n)
	due := s.start.Add(s.firstThink(u, random))
	if due >= s.windowEnd || !w.until(s.stop, due) {
		<-next
		return
	}
	for {
		p := <-next
		n += int64(s.load.Users)
		next = s.ahead(n)
		done, ok := s.session(p, u, due)
		think := s.think(random)
		if !ok {
			think = max(think, s.load.FailurePause)
		}
		if due = s.ready(done, think, w); due == results.NoOffset {
			<-next
			return
		}
	}
}

// ahead makes session n while the one before runs.
func (s *service) ahead(n int64) <-chan planned {
	c := make(chan planned, 1)
	go func() { c <- s.plan(n) }()
	return c
}

// ready waits for the end of a think time and gives the moment at which the
// user is ready for the next session, or NoOffset if that is not in this step.
//
// A user whom we wake late has thought for longer: Integrity's Think tells what
// it took, to hold against what was asked for, and session times and think
// times make up the whole of a user's time. Our lateness is thus in no latency.
//
// Note: Due as done + think puts it into the latency and the lag instead. On
// two busy cores half of the users were woken within 30 µs, but a hundredth
// over 3 ms late, 0.2 s of server time at scale 60, and that tail of the lag
// spoiled every step for a mean think time that was 7 % to 13 % too long.
func (s *service) ready(done results.Offset, think time.Duration, w *wakeUps) results.Offset {
	due := done
	if think > 0 {
		if done.Add(think) >= s.windowEnd || !w.until(s.stop, done.Add(think)) {
			return results.NoOffset
		}
		due = s.origin.Now()
	}
	if due >= s.windowEnd || s.stop.Err() != nil {
		return results.NoOffset
	}
	if s.inWindow(due) {
		s.tally.think(due.Sub(done), think)
	}
	return due
}

// think gives the next think time.
func (s *service) think(random *rand.Rand) time.Duration {
	if s.load.ThinkExponential {
		return time.Duration(random.ExpFloat64() * float64(s.load.Think))
	}
	return s.load.Think
}

// firstThink gives the time from the step's start to a user's first session.
func (s *service) firstThink(u int64, random *rand.Rand) time.Duration {
	share := (float64(u) + random.Float64()) / float64(s.load.Users)
	switch {
	case s.load.Think > 0 && s.load.ThinkExponential:
		return s.think(random)
	case s.load.Think > 0:
		return time.Duration(share * float64(s.load.Think))
	}
	ramp := s.windowStart.Sub(s.start) / 2
	if ramp == 0 {
		ramp = s.windowEnd.Sub(s.start) / 10
	}
	return time.Duration(float64(min(ramp, s.load.Ramp)) * float64(u) / float64(s.load.Users))
}
