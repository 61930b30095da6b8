package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis/stats"
)

// A matcher compares configurations in pairs of replicates.
type matcher struct {
	zone float64
	race bool // replicates ended when enough was known
	// minutes is how long a cell of each configuration takes of the server.
	minutes map[string]float64
}

// all gives one figure's contrasts: of each configuration against the base, and against
// the best if that is another.
func (m matcher) all(f *measure, configs []string, base string) []Contrast {
	others := []string{base}
	if best := f.best(configs); best != "" && best != base {
		others = append(others, best)
	}
	var list []Contrast
	for _, against := range others {
		from := len(list)
		for _, of := range configs {
			// The base against the best is the best against the base, turned round.
			if of == against || of == base {
				continue
			}
			list = append(list, m.pair(f, of, against))
		}
		adjust(list[from:])
	}
	return list
}

// adjust fills in the adjusted p-values of contrasts against one configuration.
func adjust(list []Contrast) {
	p := make([]float64, len(list))
	for i, c := range list {
		p[i] = math.NaN()
		if c.P.Known() {
			p[i] = *c.P.Number
		}
	}
	for i, v := range stats.Holm(p) {
		list[i].Adjusted = list[i].P
		if c := &list[i]; c.P.Known() {
			c.Adjusted = known(v, "ratio")
		}
	}
}

// pair compares one figure of two configurations.
func (m matcher) pair(f *measure, of, against string) Contrast {
	c := Contrast{Of: of, Against: against, Figure: f.name, Unit: f.unit, Step: f.step, Less: f.less, Verdict: ContrastUnknown}
	var logs, least, most []float64
	var grains float64
	within := math.NaN() // deviation of the log ratio of one pair
	apart := false
	for _, replicate := range slices.Sorted(maps.Keys(f.by[of])) {
		a := f.by[of][replicate]
		b, has := f.by[against][replicate]
		if !has {
			continue
		}
		if a.load != b.load {
			apart = true
			continue
		}
		c.Load = a.load
		log := math.Log(a.value / b.value)
		logs, least, most = append(logs, log), append(least, log-b.more), append(most, log+a.more)
		grains += a.grain*a.grain + b.grain*b.grain
		within = math.Hypot(a.deviation, b.deviation)
	}
	c.Pairs = len(logs)
	switch {
	case len(logs) == 0:
		why := "no replicate has both"
		if apart {
			why = "they were not measured at a common load"
		}
		c.refuse(why + because(f.why[of], f.why[against]))
	case !slices.Equal(least, most):
		var names []string
		for _, config := range []string{of, against} {
			if f.bounds(config) {
				names = append(names, config)
			}
		}
		c.refuse(onlyBounds(names...))
		m.bounded(&c, least, most, within)
	case len(logs) == 1 && math.IsNaN(within):
		c.Ratio = known(math.Exp(logs[0]), "ratio")
		c.noInterval("one pair has no spread: it takes two replicates or more, and three to be of use" + because(f.why[of], f.why[against]))
	case len(logs) == 1:
		c.Basis = BasisWithin
		c.fill(stats.Pairs{N: 1, Mean: logs[0], SE: within, DF: math.Inf(1)}, m.zone)
	default:
		c.Basis = BasisReplicates
		p := pairedCounts(logs, grains)
		c.fill(p, m.zone)
		if m.race {
			c.anytime(logs, m.zone)
		}
		m.needs(&c, p)
	}
	return c
}

// pairedCounts is stats.Paired of ratios of counts, of whose grains these are the
// squares' sum. A count is told to within one answer, evenly, so that its deviation is
// 1/√12 of that: counts so small that all pairs are alike have at least this spread.
func pairedCounts(logs []float64, grains float64) stats.Pairs {
	p := stats.Paired(logs)
	p.SE = max(p.SE, math.Sqrt(grains/12)/float64(len(logs)))
	return p
}

// because adds to a reason what did not enter.
func because(lists ...[]string) string {
	all := slices.Concat(lists...)
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// refuse leaves everything unknown.
func (c *Contrast) refuse(why string) {
	c.Ratio = unknown("ratio", why)
	c.noInterval(why)
}

// noInterval leaves all but the ratio unknown.
func (c *Contrast) noInterval(why string) {
	none := unknown("ratio", why)
	c.Low, c.High, c.Better, c.BetterByZone, c.P, c.Adjusted = none, none, none, none, none, none
	c.Needs = unknown("min", why)
}

// fill tells what the pairs do.
func (c *Contrast) fill(p stats.Pairs, zone float64) {
	low, high := p.Interval()
	c.Ratio, c.Low, c.High = known(p.Ratio(), "ratio"), known(low, "ratio"), known(high, "ratio")
	better, byZone := p.Above(1), p.Above(1+zone)
	if c.Less {
		better, byZone = 1-p.Above(1), 1-p.Above(1/(1+zone))
	}
	c.Better, c.BetterByZone, c.P = known(better, "ratio"), known(byZone, "ratio"), known(p.P(), "ratio")
	c.judge(zone)
	c.Needs = inapplicable("min", "it is decided")
	if !c.decided() {
		c.Needs = unknown("min", "how deployments differ is not known: it takes two replicates or more")
	}
}

// anytime puts in place of interval and p those that hold although the race ended when
// it had seen enough.
func (c *Contrast) anytime(logs []float64, zone float64) {
	_, low, high := stats.Anytime(logs, 0.05)
	c.P = known(stats.AnytimeP(logs), "ratio")
	c.Low, c.High = known(math.Exp(low), "ratio"), known(math.Exp(high), "ratio")
	if math.IsInf(low, -1) {
		none := unknown("ratio", fmt.Sprintf("%d pairs of a race, which may end at any look, bound nothing yet", len(logs)))
		c.Low, c.High, c.Basis, c.Verdict = none, none, "", ContrastUnknown
		return
	}
	c.judge(zone)
}

func (c *Contrast) decided() bool { return c.Verdict != ContrastNone && c.Verdict != ContrastUnknown }

// judge gives the verdict of an interval: within 1/(1 + zone) to 1 + zone, which are as
// far from 1 on the log scale, it is equivalent, else on one side of 1 better or worse. An
// end that is not known is nowhere.
func (c *Contrast) judge(zone float64) {
	low, high := 0.0, math.Inf(1)
	if c.Low.Known() {
		low = *c.Low.Number
	}
	if c.High.Known() {
		high = *c.High.Number
	}
	switch {
	case low >= 1/(1+zone) && high <= 1+zone:
		c.Verdict = ContrastEquivalent
	case low > 1 && !c.Less || high < 1 && c.Less:
		c.Verdict = ContrastBetter
	case low > 1 || high < 1:
		c.Verdict = ContrastWorse
	default:
		c.Verdict = ContrastNone
	}
}

// needs tells how long further replicates would take that decide it. With m the log
// ratio and z = log(1 + zone), an interval of the half-width h leaves 1 out where
// h < |m| and lies within the zone where |m| + h ≤ z: h = max(|m|, z − |m|) does one of
// the two.
func (m matcher) needs(c *Contrast, p stats.Pairs) {
	if c.decided() {
		c.Needs = inapplicable("min", "it is decided")
		return
	}
	size := math.Abs(p.Mean)
	k, ok := p.More(max(size, math.Log1p(m.zone)-size))
	if !ok {
		c.Needs = unknown("min", "more than 10,000 further pairs")
		return
	}
	of, knowsOf := m.minutes[c.Of]
	against, knowsAgainst := m.minutes[c.Against]
	if !knowsOf || !knowsAgainst {
		c.Needs = unknown("min", fmt.Sprintf("%d further pairs; how long a cell takes was not recorded", max(k, 1)))
		return
	}
	c.Needs = known(float64(max(k, 1))*(of+against), "min")
}

// minutesOf gives, by configuration, the mean time from the first to the last thing that
// a finished cell did, switches and starts as well as load, in minutes.
func minutesOf(cells []Cell) map[string]float64 {
	sum, n := map[string]float64{}, map[string]float64{}
	for _, c := range cells {
		if !c.Done() {
			continue
		}
		first, last := math.Inf(1), math.Inf(-1)
		for _, p := range c.Cell.Phases {
			first, last = min(first, p.Start.Seconds()), max(last, p.End.Seconds())
		}
		for _, s := range c.Steps {
			first, last = min(first, s.Start), max(last, s.Start+s.Loaded)
		}
		if last > first {
			sum[c.Cell.Config.Name] += (last - first) / 60
			n[c.Cell.Config.Name]++
		}
	}
	for config := range sum {
		sum[config] /= n[config]
	}
	return sum
}
