package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis/stats"
)

// compare sets one figure of a configuration of two runs side by side.
func (p runPair) compare(config string, mine, theirs *measure, how pairing) AgainstFigure {
	a, first := logsOf(mine, config)
	b, other := logsOf(theirs, config)
	f := AgainstFigure{
		Config: config, Run: p.run, Figure: mine.name, Unit: mine.unit, Less: mine.less, FirstN: len(a), OtherN: len(b),
		First: meanOf(a, mine.unit, mine.why[config]), Other: meanOf(b, mine.unit, theirs.why[config]),
		Verdict: ContrastUnknown,
	}
	if len(a) == 0 || len(b) == 0 {
		f.refuse("a run has no replicate of it" + because(mine.why[config], theirs.why[config]))
		return f
	}
	if how.same {
		f.Ratio = known(math.Exp(stats.Mean(b)-stats.Mean(a)), "ratio")
		f.noInterval("both are the same measurement, which says nothing of another")
		f.Verdict = ContrastNone
		f.Needs = inapplicable("1", "both are the same measurement")
		return f
	}
	if mine.bounds(config) || theirs.bounds(config) {
		p.bounded(&f, mine, theirs)
		return f
	}
	if how.paired && slices.Equal(first, other) && len(a) > 1 {
		p.paired(&f, config, mine, theirs, first)
		return f
	}
	p.unpaired(&f, config, mine, theirs, a, b)
	return f
}

// paired compares replicates that met the same arrivals.
func (p runPair) paired(f *AgainstFigure, config string, mine, theirs *measure, replicates []int) {
	var logs []float64
	var grains float64
	for _, r := range replicates {
		x, y := mine.by[config][r], theirs.by[config][r]
		logs = append(logs, math.Log(y.value/x.value))
		grains += x.grain*x.grain + y.grain*y.grain
	}
	f.Basis = BasisSameArrivals
	pairs := stats.Paired(logs)
	// A count is told to within one answer, evenly: see the contrasts of one run.
	pairs.SE = max(pairs.SE, math.Sqrt(grains/12)/float64(len(logs)))
	f.fill(pairs, p.zone)
	f.need(pairs, p.zone, pairs.More)
}

// unpaired compares replicates of which each run has its own: by how they vary, and with
// one of each by what tells how sure the figures themselves are.
func (p runPair) unpaired(f *AgainstFigure, config string, mine, theirs *measure, a, b []float64) {
	pairs := stats.Unpaired(a, b)
	if !math.IsNaN(pairs.SE) {
		var grain float64
		for _, m := range []*measure{mine, theirs} {
			var sum float64
			for _, r := range m.by[config] {
				sum += r.grain * r.grain
			}
			n := float64(len(m.by[config]))
			grain += sum / 12 / (n * n)
		}
		pairs.SE = max(pairs.SE, math.Sqrt(grain))
		f.Basis = BasisUnpaired
		f.fill(pairs, p.zone)
		f.need(pairs, p.zone, func(half float64) (int, bool) { return stats.MoreUnpaired(a, b, half) })
		return
	}
	within := math.NaN()
	if len(a) == 1 && len(b) == 1 {
		within = math.Hypot(only(mine, config).deviation, only(theirs, config).deviation)
	}
	if math.IsNaN(within) {
		f.Ratio = known(math.Exp(pairs.Mean), "ratio")
		f.noInterval(fmt.Sprintf("it takes two replicates of each run or more, and there are %d and %d", len(a), len(b)))
		f.Needs = known(float64(2-min(len(a), len(b))), "1")
		return
	}
	f.Basis = BasisWithin
	f.fill(stats.Pairs{N: 1, Mean: pairs.Mean, SE: within, DF: math.Inf(1)}, p.zone)
	if f.Verdict == ContrastNone {
		f.Needs = unknown("1", "how deployments differ is not known: it takes two replicates or more")
	}
}

func only(m *measure, config string) reading {
	for _, r := range m.by[config] {
		return r
	}
	return reading{deviation: math.NaN()}
}

// fill tells what a ratio's logs do; the verdict is that of a contrast.
func (f *AgainstFigure) fill(p stats.Pairs, zone float64) {
	low, high := p.Interval()
	f.Ratio, f.Low, f.High, f.P = known(p.Ratio(), "ratio"), known(low, "ratio"), known(high, "ratio"), known(p.P(), "ratio")
	c := Contrast{Low: f.Low, High: f.High, Less: f.Less}
	if !f.Low.Known() || !f.High.Known() {
		f.noInterval("the replicates give no interval")
		return
	}
	c.judge(zone)
	f.Verdict = c.Verdict
	f.Needs = inapplicable("1", "it is decided")
}

// need tells how many more replicates would decide what is not: see [matcher.needs].
func (f *AgainstFigure) need(p stats.Pairs, zone float64, more func(half float64) (int, bool)) {
	if f.Verdict != ContrastNone {
		return
	}
	size := math.Abs(p.Mean)
	k, ok := more(max(size, math.Log1p(zone)-size))
	f.Needs = unknown("1", "more than 10,000")
	if ok {
		f.Needs = known(float64(max(k, 1)), "1")
	}
}

// refuse leaves all but the two sides unknown.
func (f *AgainstFigure) refuse(why string) {
	f.Ratio = unknown("ratio", why)
	f.noInterval(why)
	f.Verdict = ContrastUnknown
}

func (f *AgainstFigure) noInterval(why string) {
	none := unknown("ratio", why)
	f.Low, f.High, f.P, f.Basis = none, none, none, ""
	f.Needs = unknown("1", why)
}

// logsOf gives the logs of a configuration's readings, in the order of the replicates.
func logsOf(m *measure, config string) (logs []float64, replicates []int) {
	for replicate := range m.by[config] {
		replicates = append(replicates, replicate)
	}
	slices.Sort(replicates)
	for _, replicate := range replicates {
		logs = append(logs, math.Log(m.by[config][replicate].value))
	}
	return logs, replicates
}

// meanOf is the geometric mean of what has such logs.
func meanOf(logs []float64, unit string, why []string) Value {
	if len(logs) == 0 {
		return unknown(unit, "no replicate has it"+because(why))
	}
	return known(math.Exp(stats.Mean(logs)), unit)
}
