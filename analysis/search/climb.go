package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
)

// narrow is the ratio of a bracket's ends from which on probes are worth their length.
func (c *Capacity) narrow() float64 {
	if t := c.toleranceAt(c.next); t > 2*fastTolerance {
		return 1 + 5*t // steps are long, and the estimate moves far from probe to probe
	}
	return 1.12
}

// farAbove is how many times the least load that missed is looked at once each, for a
// server that is better at a higher load.
var farAbove = [...]float64{1.6, 2.4}

// patient is the largest limit, in seconds, of an SLO for which that is worth its time.
const patient = 10

// climbed goes on from a step of the climb.
func (c *Capacity) climbed(l look) {
	if again, nonMonotone := c.contradiction(); nonMonotone {
		return
	} else if again > 0 {
		c.next = again
		return
	}
	if c.endless(l) {
		return
	}
	met, missed := c.bracket()
	if c.lookAbove(met, missed) {
		return
	}
	if c.toleranceAt(l.load) > 2*fastTolerance && c.straddles() {
		c.begin(l.load)
		return
	}
	if c.crowded() {
		return
	}
	between := !l.clearlyMissed() && !l.within() // over, but not by much
	most := c.search.Most
	switch {
	case between && !math.IsInf(missed, 1) && l.load < missed:
		if missed/l.load <= c.narrow() {
			c.begin(l.load)
			return
		}
		if c.adjacent(l.load, missed) && c.votes(l.load, func(look) bool { return true }) >= manyLooks {
			c.begin(l.load) // another look says no more than these
			return
		}
		c.next = c.ray.settle(math.Sqrt(l.load*missed), most)
	case met > 0 && missed/met <= c.narrow(), c.adjacent(met, missed):
		c.begin(math.Sqrt(met * missed))
	case math.IsInf(missed, 1) && most > 0 && l.load >= c.ray.settle(most, most):
		if between {
			c.begin(l.load)
			return
		}
		if !l.met {
			c.end(analysis.CapacityUnfinished, fmt.Sprintf("at %g %s, the largest load that may be asked for, %s", l.load, c.ray.words(), l.why))
			return
		}
		c.atMost(l)
	case math.IsInf(missed, 1) && between:
		c.next = c.ray.settle(math.Max(l.load*1.2, l.load+c.ray.grain()), most)
	case math.IsInf(missed, 1):
		c.next = c.ray.settle(l.load*2, most)
	case met > 0:
		c.next = c.ray.settle(math.Sqrt(met*missed), most)
	default:
		c.descend(missed)
	}
}

// mostGrowth is how many times the first load is the largest that is tried: a server, or
// an SLO, that no load ever touches must not be asked for ever.
const mostGrowth = 1 << 20

// manyLooks is how often one load is looked at beside one that clearly missed, with none
// between, before probing begins.
const manyLooks = 3

// endless ends the climb where it has gone too far.
func (c *Capacity) endless(l look) bool {
	if l.load < mostGrowth*c.looks[0].load {
		return false
	}
	c.bounds()
	c.end(analysis.CapacityUnfinished, fmt.Sprintf("the SLO is not clearly missed at %g %s, %.3g times the first load: say the largest that is of interest", l.load, c.ray.words(), l.load/c.looks[0].load))
	return true
}

// lookAbove asks once for a load far above the bracket.
func (c *Capacity) lookAbove(met, missed float64) bool {
	if met == 0 || math.IsInf(missed, 1) || c.plans.limit > patient || missed/met > 2 {
		return false
	}
	for c.lookedAbove < len(farAbove) {
		load := c.ray.settle(farAbove[c.lookedAbove]*missed, c.search.Most)
		c.lookedAbove++
		if load > missed && c.votes(load, func(look) bool { return true }) == 0 {
			c.next = load
			return true
		}
	}
	return false
}

// crowded halves, where long steps raise the users of a closed loop, between the most that
// kept within the SLO and the fewest that were over it. Their calls take longer by and by as
// they become more: a load that is over by a little may be twice what is sustained, while a
// queue at such a load would grow without end.
func (c *Capacity) crowded() bool {
	within, over := c.between(func(l look) bool { return l.within() && !l.beyond }, func(l look) bool { return !l.within() || l.beyond })
	if !c.ray.closed() || c.rateAt(c.next) > fastRate || math.IsInf(over, 1) {
		return false
	}
	if within == 0 { // where more users do not help, fewer may
		if !slices.ContainsFunc(c.looks, func(l look) bool { return l.load > over && !l.within() }) {
			return false
		}
		down := c.ray.settle(over/2, c.search.Most)
		switch helped := slices.ContainsFunc(c.looks, func(l look) bool { return l.load > over && l.within() && !l.beyond }); {
		case helped && c.votes(over, func(look) bool { return true }) < 2:
			c.next = over
		case helped:
			return false
		case down < over && down >= leastOfFirst*c.looks[0].load:
			c.next = down
		case c.votes(over, func(look) bool { return true }) < 2:
			c.next = over // once more, before it is said that nothing is met
		default:
			c.never(over)
		}
		return true
	}
	middle := math.Sqrt(within * over)
	if over/within <= crowdedNarrow || c.adjacent(within, over) {
		c.begin(middle)
		return true
	}
	c.next = c.ray.settle(middle, c.search.Most)
	return true
}

// crowdedNarrow is the ratio of users between which probes of them begin.
const crowdedNarrow = 1.3

// straddles says that enough looks tell how far the boundary is, on both of its sides: where
// steps are long, the first probes may as well be begun.
func (c *Capacity) straddles() bool {
	within, over := 0, 0
	for _, l := range c.looks {
		switch {
		case l.ended || l.excess < 0.05 || l.excess > tooMuch:
		case l.within():
			within++
		default:
			over++
		}
	}
	return within > 0 && over > 0 && within+over >= 3
}

// guess is where a straight line through the logarithms of what the climb's looks were over
// the SLO crosses 1, of the looks that are near enough to tell; else, or outside of the
// bracket, it is otherwise.
func (c *Capacity) guess(otherwise float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, l := range c.looks {
		if l.ended || l.excess < 0.05 || l.excess > tooMuch {
			continue
		}
		x, y := math.Log(l.load/otherwise), math.Log(l.excess)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	if n < 3 || !(slope > 2) {
		return otherwise
	}
	met, missed := c.bracket()
	return math.Min(math.Max(otherwise*math.Exp(-(sy-slope*sx)/n/slope), 0.8*met), missed)
}

// adjacent says that there is no load between two.
func (c *Capacity) adjacent(met, missed float64) bool {
	return met > 0 && !math.IsInf(missed, 1) && c.ray.grain() > 0 && missed-met < 1.5*c.ray.grain()
}

// leastOfFirst is the share of the first load below which no load is tried.
const leastOfFirst = 1.0 / 32

// descend looks below a load that missed the SLO. A first load whose queue did not grow
// may be too low as well as too high (a server that waits for a batch to fill), so
// that higher ones are tried first until the queue grows.
func (c *Capacity) descend(missed float64) {
	last := c.looks[len(c.looks)-1]
	first := c.looks[0]
	if up := c.ray.settle(2*last.load, c.search.Most); !first.beyond && !last.beyond && last.load >= first.load && up > last.load && !math.IsInf(last.excess, 1) && up <= mostUp*first.load {
		c.next = up
		return
	}
	next := c.ray.settle(missed/2, c.search.Most)
	if next >= missed || next < leastOfFirst*first.load {
		c.never(missed)
		return
	}
	c.next = next
}

// never ends the search at the least load that was tried, which missed the SLO.
func (c *Capacity) never(missed float64) {
	c.below = missed
	c.end(analysis.CapacityNever, fmt.Sprintf("the SLO is not met at %g %s, the least load that was tried: %s", missed, c.ray.words(), c.whyAt(missed)))
}

// whyAt is what the last look at a load missed; empty if none missed anything.
func (c *Capacity) whyAt(load float64) string {
	why := ""
	for _, l := range c.looks {
		if l.load == load && l.why != "" {
			why = l.why
		}
	}
	return why
}

// mostUp is how many times the first load is tried where it missed.
const mostUp = 64

// bracket gives the largest load that met the SLO below the least that clearly missed it;
// 0 and +Inf if there is none.
func (c *Capacity) bracket() (met, missed float64) {
	return c.between(func(l look) bool { return l.within() && !l.beyond }, look.clearlyMissed)
}

// between gives the least load that most looks at it missed, and the largest below it that
// as many looks met as not; 0 and +Inf if there is none. One look at a load may be a stray.
func (c *Capacity) between(meets, misses func(look) bool) (met, missed float64) {
	missed = math.Inf(1)
	for _, l := range c.looks {
		if c.votes(l.load, misses)*2 > c.votes(l.load, func(look) bool { return true }) {
			missed = math.Min(missed, l.load)
		}
	}
	for _, l := range c.looks {
		if l.load < missed && meets(l) && c.votes(l.load, meets)*2 >= c.votes(l.load, func(look) bool { return true }) {
			met = math.Max(met, l.load)
		}
	}
	return met, missed
}

// votes counts the looks at a load of which something is true.
func (c *Capacity) votes(load float64, is func(look) bool) int {
	n := 0
	for _, l := range c.looks {
		if l.load == load && is(l) {
			n++
		}
	}
	return n
}

// contradiction finds a load that clearly missed the SLO below one that clearly met
// it. The first time it is to be looked at again; if it misses again, the search ends.
func (c *Capacity) contradiction() (again float64, ends bool) {
	for _, a := range c.looks {
		if !a.clearlyMissed() {
			continue
		}
		for _, b := range c.looks {
			if b.load < a.load*1.1 || b.excess > clearlyMet || !b.met || a.worst >= 0 && b.probe.Counts[a.worst].N == 0 {
				continue
			}
			all, missed := c.votes(a.load, func(look) bool { return true }), c.votes(a.load, look.clearlyMissed)
			switch {
			case all == 1:
				return a.load, false
			case missed == all:
				c.above, c.below = b.load, a.load
				c.end(analysis.CapacityNonMonotone, fmt.Sprintf("the SLO was missed %d of %d times at %g %s (%s), and met at %g", missed, all, a.load, c.ray.words(), a.why, b.load))
				return 0, true
			}
		}
	}
	return 0, false
}

// bounds notes between which loads the boundary lies.
func (c *Capacity) bounds() {
	met, missed := c.bracket()
	if met > 0 && c.votes(met, func(l look) bool { return l.met && l.unknown == "" }) > 0 {
		c.above = met
	}
	if !math.IsInf(missed, 1) {
		c.below = missed
	}
}
