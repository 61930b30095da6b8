package analysis

import (
	"fmt"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// counters compares the servers' counts with ours, instance by instance. The
// counts of a server are compared from its last reading before the step's
// calls to its first one after them, when both exist outside of other steps:
// then all load lies between, and both must agree. Else the first and last
// readings within the window serve, for information only.
func (r serviceReader) counters() []Counter {
	var list []Counter
	for _, p := range r.pages {
		for _, c := range []struct {
			what, series string
			ours         func(answered) (int64, bool)
		}{
			{"completed", p.engine.completed, func(answered) (int64, bool) { return 1, true }},
			{"prompt tokens", p.engine.prompt, func(a answered) (int64, bool) {
				return a.prompt, a.prompt != results.UnknownTokens
			}},
			{"output tokens", p.engine.output, func(a answered) (int64, bool) {
				return a.output, a.output != results.UnknownTokens
			}},
		} {
			if c.series == "" || len(p.readings[c.series]) == 0 {
				continue
			}
			list = append(list, r.counter(p, c.what, c.series, c.ours))
		}
	}
	return list
}

func (r serviceReader) counter(p page, what, series string, ours func(answered) (int64, bool)) Counter {
	c := Counter{What: what, Source: p.source + " " + series, Instance: p.instance, Result: NotJudged}
	parts := p.readings[series]
	var moments []stats.Point // of all parts; any tells when the page was read
	for _, points := range parts {
		moments = append(moments, points...)
	}
	sortPoints(moments)
	calls := r.tally.calls[p.instance]
	if calls == nil {
		c.Why = "no call was sent to it"
		c.Server, c.Ours = unknown("1", c.Why), known(0, "1")
		return c
	}
	begin := calls.firstSent
	if series == p.engine.completed {
		begin = calls.firstDone // nothing is counted before
	}
	from, to, idle, ok := r.bracket(moments, begin, calls.lastDone)
	if !ok {
		c.Why = "fewer than two readings around or within the window"
		c.Server, c.Ours = unknown("1", c.Why), unknown("1", c.Why)
		return c
	}
	c.From, c.To, c.Idle = offsetOf(from), offsetOf(to), idle
	c.Server = difference(parts, from, to)
	c.Ours = r.ourCount(p.instance, c.From, c.To, ours)
	switch {
	case !c.Server.Known():
		c.Why = c.Server.Why
	case !c.Ours.Known():
		c.Why = c.Ours.Why
	case !idle:
		c.Why = "requests were in flight at both ends, so the counts may differ by them"
	case *c.Server.Number == *c.Ours.Number:
		c.Result = Pass
	case series != p.engine.completed && calls.notOK > 0:
		c.Why = fmt.Sprintf("%d calls were not ok, and the server may count their tokens", calls.notOK)
	default:
		c.Result, c.Why = Fail, fmt.Sprintf("the server counts %.0f, we count %.0f", *c.Server.Number, *c.Ours.Number)
	}
	return c
}

// bracket gives the moments of two readings, in seconds: before begin and
// after end if there are such, else the outermost within the window.
func (r serviceReader) bracket(moments []stats.Point, begin, end results.Offset) (from, to float64, idle, ok bool) {
	before, after, first, last := -1, -1, -1, -1
	for i, p := range moments {
		if p.At < begin.Seconds() && (r.around.before == nil || p.At >= r.around.before.Seconds()) {
			before = i
		}
		if after < 0 && p.At > end.Seconds() && (r.around.after == nil || p.At <= r.around.after.Seconds()) {
			after = i
		}
		if p.At >= r.window.from.Seconds() && p.At <= r.window.to.Seconds() {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if before >= 0 && after >= 0 {
		return moments[before].At, moments[after].At, true, true
	}
	if first >= 0 && moments[last].At > moments[first].At {
		return moments[first].At, moments[last].At, false, true
	}
	return 0, 0, false, false
}

// difference adds up, over a counter's parts, how much each grew from one
// reading to the other. A part that was first told after from had been 0:
// servers make a labelled counter when it first counts.
func difference(parts map[string][]stats.Point, from, to float64) Value {
	var sum float64
	for _, points := range parts {
		var low, high float64
		for _, p := range points {
			if p.At <= from {
				low = p.Value
			}
			if p.At <= to {
				if p.Value < high {
					return unknown("1", "the server's counter went back")
				}
				high = p.Value
			}
		}
		sum += high - low
	}
	return known(sum, "1")
}

func (r serviceReader) ourCount(instance string, from, to results.Offset, count func(answered) (int64, bool)) Value {
	var sum, untold int64
	for _, a := range r.tally.okDone {
		if a.endpoint != instance || a.done <= from || a.done > to {
			continue
		}
		n, told := count(a)
		if !told {
			untold++
			continue
		}
		sum += n
	}
	if untold > 0 {
		return unknown("1", fmt.Sprintf("%d answers did not tell their tokens", untold))
	}
	return known(float64(sum), "1")
}

func offsetOf(seconds float64) results.Offset { return results.Offset(seconds * 1e9) }
