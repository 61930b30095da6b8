package loadgen

import (
	"math/rand/v2"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// The defaults of [Load].FailurePause and [Load].Ramp.
const (
	DefaultFailurePause = 100 * time.Millisecond
	DefaultRamp         = time.Second
)

// A user of a closed loop: session, think, session. Its k-th session is number
// k·Users + its own, so that what a user asks does not depend on timing.
type user struct {
	*service
	number int64
	random *rand.Rand
	timer  pace.Timer
	state  userState

	n           int64 // of the next session
	next        planned
	ready       bool           // next is made, if the workload is not quick
	due         results.Offset // of the next session, if it is due
	done        results.Offset // of the session before
	asked       time.Duration  // the think time that it takes
	hasFinished bool           // a session: it is not in its first think time
}

type userState uint8

const (
	userThinks userState = iota
	userWaits            // its session is due and not made yet
	userAsks             // its session runs
	userGone
)

// userNumber is the user's number, or -1 in an open loop.
func (v *session) userNumber() int64 {
	if v.user == nil {
		return -1
	}
	return v.user.number
}

// beginClosed starts the users.
//
// They do not start in lockstep. With a think time, each begins somewhere in
// its first one: stratified over it if it is constant, drawn from it if it is
// exponential (whose rest is distributed like the whole). Without, they start
// evenly over the load's Ramp, or less: half the warm-up, or a tenth of the
// window if there is no warm-up.
func (s *service) beginClosed() {
	for n := range int64(s.load.Users) {
		if !s.mine(n) {
			continue
		}
		u := &user{service: s, number: n, n: n, random: rand.New(rand.NewPCG(s.thinkSeed, uint64(n)))}
		u.timer = pace.Timer{F: u.wake, Sharp: true}
		s.people = append(s.people, u)
		s.users++
	}
	for _, u := range s.people {
		u.due = s.start.Add(s.firstThink(u.number, u.random))
		if u.due >= s.loadEnd {
			u.leave()
			continue
		}
		u.planNext()
		s.loop.Set(&u.timer, u.due)
	}
}

// planNext makes the next session while the one before runs.
func (u *user) planNext() {
	if u.quick {
		return
	}
	u.ready = false
	n := u.n
	var p planned
	u.later(func() { p = u.plan(n) }, func() {
		u.next, u.ready = p, true
		if u.state == userWaits {
			u.launchNext()
		}
	})
}

// wake is called at the end of a think time.
//
// A user whom we wake late has thought for longer: Integrity's Think tells what
// it took, to hold against what was asked for, and session times and think
// times make up the whole of a user's time. Our lateness is thus in no latency.
//
// Note: Due as done + think puts it into the latency and the lag instead. A
// simulator at scale 60 on the same two busy cores makes 0.2 s of server time of
// 3 ms, and that tail of the lag spoiled every step.
func (u *user) wake() {
	if u.hasFinished {
		u.due = u.loop.Now()
		if u.due >= u.loadEnd {
			u.leave()
			return
		}
		if u.inWindow(u.due) {
			u.tally.think(u.due.Sub(u.done), u.asked)
		}
	}
	u.launchNext()
}

// launchNext starts the session that is due, if it is made; if it is not, it is
// late, and waited for.
func (u *user) launchNext() {
	n, due := u.n, u.due
	if !u.quick && !u.ready {
		u.state = userWaits
		return
	}
	u.state = userAsks
	u.n += int64(u.load.Users)
	if u.quick {
		u.launchQuick(n, u, due)
		return
	}
	p := u.next
	u.next = planned{}
	u.planNext()
	u.launch(n, p.steps, p.asks, u, due)
}

// sessionOver lets the user think about the next session.
func (u *user) sessionOver(done results.Offset, ok bool) {
	think := u.think(u.random)
	if !ok {
		think = max(think, u.load.FailurePause)
	}
	u.state, u.hasFinished, u.done, u.asked = userThinks, true, done, think
	switch {
	case done.Add(think) >= u.loadEnd || u.stopped:
		u.leave()
	case think > 0:
		u.loop.Set(&u.timer, done.Add(think))
	default:
		u.due = done
		if u.inWindow(done) {
			u.tally.think(0, 0)
		}
		u.launchNext()
	}
}

// stop ends the user unless its session still has to end.
func (u *user) stop() {
	if u.state == userThinks || u.state == userWaits {
		u.leave()
	}
}

// leave ends the user.
func (u *user) leave() {
	if u.state == userGone {
		return
	}
	u.loop.Stop(&u.timer)
	u.state = userGone
	u.users--
	u.check()
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
