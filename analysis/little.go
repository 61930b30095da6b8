package analysis

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis/stats"
)

// The rule of both checks by Little's law: they are judged in windows of at
// least littleWindows times the time that one item stays, and pass within
// littleTolerance.
const (
	littleWindows   = 25
	littleTolerance = 0.03
)

// population checks, in a closed loop,
//
//	sessions/s · (session time + think time) = users
//
// with the sessions that ended within the window. What fails it is time in
// which a user neither waited for an answer nor thought, or a lost session.
func (r serviceReader) population(s Sessions) Check {
	c := Check{What: "sessions/s x (session time + think time) = users"}
	if r.level.Arrivals != closedLoop {
		const why = "not a closed loop"
		c.Left, c.Right, c.Ratio = inapplicable("1", why), inapplicable("1", why), inapplicable("ratio", why)
		c.Result, c.Why = NotJudged, why
		return c
	}
	c.Right = known(r.level.Value, "1")
	if s.Ended == 0 {
		c.Left, c.Ratio = unknown("1", "no session ended in the window"), unknown("ratio", "no session ended in the window")
		c.Result, c.Why = NotJudged, "no session ended in the window"
		return c
	}
	if !s.Think.Known() {
		c.Left, c.Ratio = unknown("1", s.Think.Why), unknown("ratio", s.Think.Why)
		c.Result, c.Why = NotJudged, s.Think.Why
		return c
	}
	stay := *s.Time.Mean.Number + *s.Think.Number
	c.Left = known(*s.PerSecond.Number*stay, "1")
	return c.judge(r.window, stay, "session and think time")
}

// serverInFlight checks
//
//	requests in flight, as we count them = running + waiting
//
// where the right side is the servers' own gauge, averaged over time, and the
// left side what we had between Sent and Done at the moments of its readings,
// averaged in the same way. That is calls/s · call time without the edges of
// the window. With both sides taken at the same moments, what the load did
// between readings is no part of their difference; what is left of chance is
// told by batch means, and a difference that it could explain is not judged.
//
// Note: our exact average against the gauge's was tried first. At 4 users and a
// reading each 100 ms for 120 s the gauge alone has a standard error of about
// 3 %, so that hardly a step could be judged.
func (r serviceReader) serverInFlight() Check {
	c := Check{What: "requests in flight, ours = the servers' running + waiting"}
	calls := r.tally.served
	f, err := r.inServers()
	switch {
	case err != nil:
		c.Why = err.Error()
	case len(calls) == 0:
		c.Why = "no call was done in the window"
	}
	if c.Why != "" {
		c.Result = NotJudged
		c.Left, c.Right, c.Ratio = r.tally.total.inFlight(r.window), unknown("1", c.Why), unknown("ratio", c.Why)
		if err == nil {
			c.Right = known(f.theirs, "1")
		}
		return c
	}
	c.Left, c.Right = known(f.ours, "1"), known(f.theirs, "1")
	c = c.judge(r.window, stats.Mean(calls), "call time")
	if c.Result == NotJudged || f.theirs == 0 {
		return c
	}
	return c.doubt(f, float64(len(calls))/r.window.seconds())
}

// doubt leaves a check unjudged that chance could have decided, and says of one
// that fails where the difference is. Calls are those of a second.
func (c Check) doubt(f flights, calls float64) Check {
	limit, more := littleTolerance*f.theirs, f.ours-f.theirs
	switch noise := 2 * f.stderr; {
	case math.IsNaN(noise):
		c.Result, c.Why = NotJudged, fmt.Sprintf("fewer than %d readings", 2*batches)
	case noise > limit && math.Abs(more)-noise <= limit:
		c.Result = NotJudged
		c.Why = fmt.Sprintf("two standard errors of the difference are %.1f %%, more than the %.0f %% to be judged", noise/f.theirs*100, littleTolerance*100)
	case c.Result == Fail && more > 0:
		c.Why = fmt.Sprintf("we had %.3g requests (%.1f %%) more in flight than the servers tell: for %.3g ms of each call they were in a server's frontend or on the way, which its page does not count",
			more, more/f.theirs*100, more/calls*1e3)
	case c.Result == Fail:
		c.Why = fmt.Sprintf("the servers tell of %.3g requests (%.1f %%) more than we had in flight", -more, -more/f.theirs*100)
	}
	return c
}

// batches is into how many stretches readings are cut to tell chance.
const batches = 20

// flights are requests in flight, averaged over time: ours at the moments of
// the servers' readings, and theirs. Stderr is the standard error of their
// difference.
type flights struct{ ours, theirs, stderr float64 }

// inServers adds flights up over the instances.
func (r serviceReader) inServers() (flights, error) {
	if len(r.pages) == 0 {
		return flights{}, fmt.Errorf("no instances are known")
	}
	var sum flights
	var variance float64
	for _, p := range r.pages {
		if p.source != "" && p.engine.running == "" {
			return flights{}, fmt.Errorf("the %s page tells waiting requests only", p.source)
		}
		points, err := p.total(r.window, p.engine.running, p.engine.waiting)
		if err != nil {
			return flights{}, err
		}
		theirs, err := p.gaugeOf(points, r.window)
		if err != nil {
			return flights{}, err
		}
		sum.theirs += theirs.mean
		calls := r.tally.calls[p.instance]
		if calls == nil {
			calls = &callsOf{}
		}
		at := calls.inFlightAt(points)
		ours, _ := stats.TimeMean(at, r.window.from.Seconds(), r.window.to.Seconds())
		sum.ours += ours
		differences := make([]float64, len(points))
		for i := range points {
			differences[i] = at[i].Value - points[i].Value
		}
		one := stats.BatchError(differences, batches)
		variance += one * one
	}
	sum.stderr = math.Sqrt(variance)
	return sum, nil
}

// judge compares both sides, which are known. Stay is in seconds.
func (c Check) judge(w window, stay float64, of string) Check {
	if *c.Right.Number == 0 {
		c.Ratio = unknown("ratio", "the right side is zero")
	} else {
		c.Ratio = known(*c.Left.Number / *c.Right.Number, "ratio")
	}
	switch {
	case w.seconds() < littleWindows*stay:
		c.Result = NotJudged
		c.Why = fmt.Sprintf("window too short to judge: %.3g s is less than %d x the %s of %.3g s", w.seconds(), littleWindows, of, stay)
	case !c.Ratio.Known():
		c.Result, c.Why = Fail, "the servers told of no request while calls were made"
	case math.Abs(*c.Ratio.Number-1) <= littleTolerance:
		c.Result = Pass
	default:
		c.Result = Fail
		c.Why = fmt.Sprintf("the ratio is further from 1 than %.0f %%", littleTolerance*100)
	}
	return c
}
