package analysis

import (
	"fmt"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// counters compares the servers' counts with ours, instance by instance. The
// counts of a server are compared from its last reading that was in before the
// step's first call was sent to its first one that began after the last call
// was done, when both exist outside of other steps: then all load lies
// between, and both must agree. Else the first and last readings within the
// window serve, for information only.
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
	from, to, idle, ok := r.bracket(moments, p.began(), calls)
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
	case series == p.engine.completed && *c.Server.Number > *c.Ours.Number && *c.Server.Number-*c.Ours.Number <= float64(calls.notOK):
		c.Why = fmt.Sprintf("the server counts %.0f, we count %.0f: it may have completed some of the %d calls that were not ok",
			*c.Server.Number, *c.Ours.Number, calls.notOK)
	case series != p.engine.completed && calls.notOK > 0:
		c.Why = fmt.Sprintf("%d calls were not ok, and the server may count their tokens", calls.notOK)
	default:
		c.Result, c.Why = Fail, fmt.Sprintf("the server counts %.0f, we count %.0f", *c.Server.Number, *c.Ours.Number)
	}
	return c
}

// began gives when each reading of a page began, by the moment at which it was
// in, both in seconds. Readings whose length is not told are not there.
func (p page) began() map[float64]float64 {
	began := map[float64]float64{}
	for _, points := range p.readings[results.SeriesReadSeconds] {
		for _, point := range points {
			began[point.At] = point.At - point.Value
		}
	}
	return began
}

// bracket gives the moments of two readings, in seconds: one that was in before
// the first call was sent and one that began after the last was done if there
// are such, else the outermost within the window.
func (r serviceReader) bracket(moments []stats.Point, began map[float64]float64, calls *callsOf) (from, to float64, idle, ok bool) {
	before, after, first, last := -1, -1, -1, -1
	for i, p := range moments {
		start, told := began[p.At]
		if told && p.At < calls.firstSent.Seconds() && (r.around.before == nil || start >= r.around.before.Seconds()) {
			before = i
		}
		if told && after < 0 && start > calls.lastDone.Seconds() && (r.around.after == nil || p.At <= r.around.after.Seconds()) {
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
				if p.At > from && p.Value < high {
					return unknown("1", "the server's counter went back: it was started anew")
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
	for _, a := range r.tally.okDone[instance] {
		if a.done <= from || a.done > to {
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
