package analysis

import (
	"math"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/units"
)

// capacityReading gives the capacity that a search found or, where it met a load and could
// say no more, from where on and up to where it lies; false if it tells neither.
func capacityReading(found Capacity) (reading, bool) {
	switch found.State {
	case CapacityFound:
		if !found.Estimate.Known() {
			return reading{}, false
		}
		r := reading{value: *found.Estimate.Number, deviation: math.NaN()}
		if low, high := found.Low, found.High; low.Known() && high.Known() && *low.Number > 0 {
			// Half of a 95 % interval is 1.96 deviations.
			r.deviation = math.Log(*high.Number / *low.Number) / (2 * 1.959964)
		}
		return r, true
	case CapacityAlways, CapacityCliff, CapacityBracketed:
		if !found.Above.Known() {
			return reading{}, false
		}
		r := reading{value: *found.Above.Number, more: math.Inf(1)}
		if found.State != CapacityAlways && found.Below.Known() && *found.Below.Number > r.value {
			r.more = math.Log(*found.Below.Number / r.value)
		}
		return r, true
	}
	return reading{}, false
}

// bounds reports whether some reading of a configuration is a bound.
func (m *measure) bounds(config string) bool {
	for _, r := range m.by[config] {
		if r.more > 0 {
			return true
		}
	}
	return false
}

// onlyBounds is why there is no ratio of configurations of which some are bounded.
func onlyBounds(names ...string) string {
	return "only a load that was met is known of " + strings.Join(names, " and ") + ", not how much more is"
}

// bounded fills in how far the ratio lies at least and at most, of pairs that have bounds:
// these are the logs of the least and of the most that it may be in each.
func (m matcher) bounded(c *Contrast, least, most []float64, within float64) {
	end := func(logs []float64) (low, high float64) {
		switch {
		case len(logs) == 1:
			return stats.Pairs{N: 1, Mean: logs[0], SE: within, DF: math.Inf(1)}.Interval()
		case m.race:
			_, low, high = stats.Anytime(logs, 0.05)
			return math.Exp(low), math.Exp(high)
		}
		return stats.Paired(logs).Interval()
	}
	low, _ := end(least)
	_, high := end(most)
	c.Low, c.High, c.Verdict = boundedBy(low, high, c.Less, m.zone, c.Ratio.Why)
	if !c.Low.Known() && !c.High.Known() {
		return
	}
	c.Basis = BasisReplicates
	if len(least) == 1 {
		c.Basis = BasisWithin
	}
	if c.decided() {
		c.Needs = inapplicable("min", "it is decided")
	}
}

// boundedBy gives the ends that bound a ratio, and what they decide.
func boundedBy(low, high float64, less bool, zone float64, why string) (from, to Value, verdict string) {
	c := Contrast{Low: unknown("ratio", why), High: unknown("ratio", why), Less: less}
	if low > 0 && !math.IsInf(low, 1) {
		c.Low = known(low, "ratio")
	}
	if high > 0 && !math.IsInf(high, 1) {
		c.High = known(high, "ratio")
	}
	c.judge(zone)
	if c.Verdict == ContrastNone && !(c.Low.Known() && c.High.Known()) {
		c.Verdict = ContrastUnknown // what is bounded on one side only may be any difference
	}
	return c.Low, c.High, c.Verdict
}

// bounded compares a figure of two runs of which one has bounds: see [matcher.bounded].
func (p runPair) bounded(f *AgainstFigure, mine, theirs *measure) {
	var of []string
	for side, m := range []*measure{mine, theirs} {
		if !m.bounds(f.Config) {
			continue
		}
		of = append(of, []string{"the first run", "the other"}[side])
		v := []*Value{&f.First, &f.Other}[side]
		*v = unknown(f.Unit, "at least "+units.Format(*v.Number, f.Unit))
	}
	f.refuse(onlyBounds(of...))
	logs := func(m *measure) (least, most []float64) {
		for _, r := range sortedReadings(m.by[f.Config]) {
			least, most = append(least, math.Log(r.value)), append(most, math.Log(r.value)+r.more)
		}
		return least, most
	}
	leastA, mostA := logs(mine)
	leastB, mostB := logs(theirs)
	end := func(a, b []float64) (low, high float64) {
		pairs := stats.Unpaired(a, b)
		if len(a) == 1 && len(b) == 1 {
			pairs.SE, pairs.DF = math.Hypot(only(mine, f.Config).deviation, only(theirs, f.Config).deviation), math.Inf(1)
		}
		return pairs.Interval()
	}
	low, _ := end(mostA, leastB)
	_, high := end(leastA, mostB)
	f.Low, f.High, f.Verdict = boundedBy(low, high, f.Less, p.zone, f.Ratio.Why)
	if !f.Low.Known() && !f.High.Known() {
		return
	}
	f.Basis = BasisUnpaired
	if len(leastA) == 1 && len(leastB) == 1 {
		f.Basis = BasisWithin
	}
	if f.Verdict != ContrastUnknown && f.Verdict != ContrastNone {
		f.Needs = inapplicable("1", "it is decided")
	}
}
