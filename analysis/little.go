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
	c.Left, c.Right, c.Ratio = unknown("1", "not a closed loop"), unknown("1", "not a closed loop"), unknown("ratio", "not a closed loop")
	if r.level.Arrivals != closedLoop {
		c.Result, c.Why = NotJudged, "not a closed loop"
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
//	calls/s · mean (Sent to Done) = running + waiting, averaged over time
//
// where the right side is the servers' own gauge. Calls are all that were sent
// and done within the window, whatever their outcome.
func (r serviceReader) serverInFlight() Check {
	c := Check{What: "calls/s x call time = requests in the servers"}
	c.Left, c.Right, c.Ratio = unknown("1", "no call was done in the window"), unknown("1", ""), unknown("ratio", "")
	right, err := r.inServers()
	if err != nil {
		c.Right, c.Ratio = unknown("1", err.Error()), unknown("ratio", err.Error())
	} else {
		c.Right = known(right, "1")
	}
	calls := r.tally.sent.served
	if len(calls) == 0 {
		c.Ratio = unknown("ratio", "no call was done in the window")
		c.Result, c.Why = NotJudged, "no call was done in the window"
		return c
	}
	stay := stats.Mean(calls)
	c.Left = known(float64(len(calls))/r.window.seconds()*stay, "1")
	if err != nil {
		c.Result, c.Why = NotJudged, err.Error()
		return c
	}
	return c.judge(r.window, stay, "call time")
}

// inServers adds up the time averages of running and waiting requests.
func (r serviceReader) inServers() (float64, error) {
	if len(r.pages) == 0 {
		return 0, fmt.Errorf("no instances are known")
	}
	var sum float64
	for _, p := range r.pages {
		if p.source != "" && p.engine.running == "" {
			return 0, fmt.Errorf("the %s page tells waiting requests only", p.source)
		}
		for _, series := range []string{p.engine.running, p.engine.waiting} {
			g, err := p.gauge(series, r.window)
			if err != nil {
				return 0, err
			}
			sum += g.mean
		}
	}
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
