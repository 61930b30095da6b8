package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
)

// narrow is the ratio of a bracket's ends from which on probes are worth their length.
const narrow = 1.35

// climbed goes on from a step of the climb.
func (c *Capacity) climbed(l look) {
	if again, nonMonotone := c.contradiction(); nonMonotone {
		return
	} else if again > 0 {
		c.next = again
		return
	}
	met, missed := c.bracket()
	between := !l.clearlyMissed() && l.excess > 1 // over, but not by much
	most := c.search.Most
	switch {
	case between && !math.IsInf(missed, 1) && missed/l.load <= narrow:
		c.begin(l.load)
	case met > 0 && missed/met <= narrow, c.adjacent(met, missed):
		c.begin(math.Sqrt(met * missed))
	case math.IsInf(missed, 1) && most > 0 && l.load >= c.ray.settle(most, most):
		if between {
			c.begin(l.load)
			return
		}
		c.above = l.load
		c.end(analysis.CapacityAlways, fmt.Sprintf("the SLO is met at %g %s, the largest load that may be asked for", l.load, c.ray.unit()))
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

// adjacent says that there is no load between two.
func (c *Capacity) adjacent(met, missed float64) bool {
	return met > 0 && !math.IsInf(missed, 1) && c.ray.grain() > 0 && missed-met <= c.ray.grain()
}

// leastOfFirst is the share of the first load below which no load is tried.
const leastOfFirst = 1.0 / 32

// descend looks below a load that missed the SLO. A first load whose queue did not
// grow may be too low as well as too high (a server that waits for a batch to fill),
// so that the double is tried once.
func (c *Capacity) descend(missed float64) {
	first := c.looks[0]
	if len(c.looks) == 1 && !first.beyond && first.load != c.ray.settle(2*first.load, c.search.Most) {
		c.next = c.ray.settle(2*first.load, c.search.Most)
		return
	}
	next := c.ray.settle(missed/2, c.search.Most)
	if next >= missed || next < leastOfFirst*first.load {
		c.below = missed
		why := c.looks[len(c.looks)-1].why
		c.end(analysis.CapacityNever, fmt.Sprintf("the SLO is not met at %g %s, the least load that was tried: %s", missed, c.ray.unit(), why))
		return
	}
	c.next = next
}

// bracket gives the largest load that met the SLO below the least that clearly missed it;
// 0 and +Inf if there is none. Of several looks at one load most decide.
func (c *Capacity) bracket() (met, missed float64) {
	missed = math.Inf(1)
	for _, l := range c.looks {
		if c.votes(l.load, look.clearlyMissed)*2 > c.votes(l.load, func(look) bool { return true }) {
			missed = math.Min(missed, l.load)
		}
	}
	for _, l := range c.looks {
		if l.load < missed && l.excess <= 1 && !l.beyond && c.votes(l.load, func(o look) bool { return o.excess <= 1 && !o.beyond })*2 >= c.votes(l.load, func(look) bool { return true }) {
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
			if b.load < a.load*1.1 || b.excess > clearlyMet || b.beyond {
				continue
			}
			all, missed := c.votes(a.load, func(look) bool { return true }), c.votes(a.load, look.clearlyMissed)
			switch {
			case all == 1:
				return a.load, false
			case missed == all:
				c.above, c.below = b.load, a.load
				c.end(analysis.CapacityNonMonotone, fmt.Sprintf("the SLO was missed %d of %d times at %g %s (%s), and met at %g", missed, all, a.load, c.ray.unit(), a.why, b.load))
				return 0, true
			}
		}
	}
	return 0, false
}

// bounds notes between which loads the boundary lies.
func (c *Capacity) bounds() {
	met, missed := c.bracket()
	if met > 0 {
		c.above = met
	}
	if !math.IsInf(missed, 1) {
		c.below = missed
	}
}
