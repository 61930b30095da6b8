package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/analysis/stats"
)

// Where probes lie about the estimate: by how much the logarithm of the binding share
// is to differ from the allowed one's. The first are spread to learn the slope, the
// others lie about the boundary, where a wrong slope does no harm.
var (
	apart = [...]float64{0, -1.2, 0.6, -0.6, 0.4}
	about = [...]float64{0, -0.7, 0.5, -0.35, 0.3, -0.15, 0.15, -0.5, 0.6, -0.8}
)

// The bounds of a probe's distance from the estimate, as a share of it: farther ones
// would bend the line.
const (
	wideBelow, wideAbove   = 0.09, 0.06
	closeBelow, closeAbove = 0.045, 0.04
)

// The estimate moves at most by these shares from one probe to the next.
const (
	wideMove  = 0.08
	closeMove = 0.04
)

// begin starts probing about a load.
func (c *Capacity) begin(load float64) {
	c.stage, c.center = probing, load
	rate := c.rateAt(load)
	c.plans.aim(c.tolerance())
	c.quoted = c.spent + float64(c.plans.probes)*(c.plans.settle+c.plans.probe(rate)).Seconds() + (c.plans.settle + c.plans.confirm(rate)).Seconds()
	c.next = c.ray.settle(c.center, c.search.Most)
}

// probed goes on from a probe.
func (c *Capacity) probed(l look) {
	c.near++
	if l.ended {
		c.center = math.Min(c.center, l.load*0.97)
	} else {
		c.probes = append(c.probes, l.probe)
	}
	if c.hardBinds() || c.isCliff() {
		return
	}
	c.refit()
	enough := c.near >= c.plans.probes && c.found
	if enough && c.drifts() {
		return
	}
	if enough && c.estimate.HalfWidth() <= c.tolerance() {
		c.finish("")
		return
	}
	c.aim()
}

// refit brings the estimate up to date, and the center with it.
func (c *Capacity) refit() {
	for range 3 {
		e, ok := boundary.Fit(c.shares(), c.probes, c.center, c.ray.grain())
		if !ok {
			c.found = false
			if len(c.probes) > 0 {
				_, missed := c.bracket()
				c.center = math.Min(c.center*1.06, missed)
			}
			return
		}
		c.found, c.estimate = !math.IsInf(e.High, 1), e
		move := wideMove
		if c.near > len(apart) {
			move = closeMove
		}
		to := math.Min(math.Max(e.Load, c.center*(1-move)), c.center*(1+move))
		settled := math.Abs(to/c.center-1) < 0.001
		c.center = to
		if settled || c.near < c.plans.probes {
			return
		}
	}
}

// shares are the clauses as the boundary sees them; hard ones allow a share that
// nothing of what was seen is over.
func (c *Capacity) shares() []boundary.Clause {
	list := make([]boundary.Clause, len(c.clauses))
	for i, k := range c.clauses {
		list[i] = k.Clause
		if k.hard {
			list[i].Allowed = 1e9 // judged by hardBinds
		}
	}
	return list
}

// aim chooses the next probe's load.
func (c *Capacity) aim() {
	pattern, at, below, above := apart[:], c.near, wideBelow, wideAbove
	slope := 15.0
	if c.found {
		slope = c.estimate.Slope
	}
	if c.near >= len(apart) {
		pattern, at, below, above = about[:], c.near-len(apart), closeBelow, closeAbove
	} else {
		slope = math.Min(slope, 15)
	}
	d := pattern[at%len(pattern)] / math.Max(slope, 6)
	d = math.Min(math.Max(d, -below), above)
	load := c.center * (1 + d)
	if g := c.ray.grain(); g > 0 && math.Abs(d)*c.center < g && pattern[at%len(pattern)] != 0 {
		load = c.center + math.Copysign(g, d)
	}
	c.next = c.ray.settle(load, c.search.Most)
}

// hardBinds ends the search where what may not happen at all happens before any share is
// reached: there is no line to fit then, only a bracket.
func (c *Capacity) hardBinds() bool {
	least, times := math.Inf(1), 0
	for _, l := range c.looks {
		if math.IsInf(l.excess, 1) && l.purpose != "" {
			least, times = math.Min(least, l.load), times+1
		}
	}
	if times < 3 || c.found && least > c.estimate.High || c.near < 3 {
		return false
	}
	met := 0.0
	for _, l := range c.looks {
		if l.met && l.load < least {
			met = math.Max(met, l.load)
		}
	}
	if met == 0 || least/met > 1+2*c.tolerance() {
		c.stage = splitting
		c.splitNext(met, least)
		return true
	}
	c.cliff(met, least)
	return true
}

// isCliff notices that there are only loads that meet the SLO by far and loads that are
// far from it, and goes on by halving.
func (c *Capacity) isCliff() bool {
	if c.near < 5 {
		return false
	}
	telling := 0
	for _, l := range c.looks[len(c.looks)-c.near:] {
		if !l.ended && l.excess > 0.02 && l.excess < 30 {
			telling++
		}
	}
	met, missed := c.bracket()
	if telling >= 2 || met == 0 || math.IsInf(missed, 1) {
		return false
	}
	c.stage = splitting
	c.splitNext(met, missed)
	return true
}

// splitNext halves a bracket, or ends if it is narrow enough.
func (c *Capacity) splitNext(met, missed float64) {
	if met > 0 && (missed/met <= 1+c.tolerance() || c.adjacent(met, missed)) {
		c.cliff(met, missed)
		return
	}
	if met == 0 {
		met = missed / 2
	}
	if next := c.ray.settle(math.Sqrt(met*missed), c.search.Most); next > met && next < missed {
		c.next = next
		return
	}
	c.cliff(met, missed)
}

// split goes on from a step between the ends of a cliff.
func (c *Capacity) split(look) {
	if again, ends := c.contradiction(); ends {
		return
	} else if again > 0 {
		c.next = again
		return
	}
	met, missed := 0.0, math.Inf(1)
	for _, l := range c.looks {
		if !l.met {
			missed = math.Min(missed, l.load)
		}
	}
	for _, l := range c.looks {
		if l.met && l.load < missed {
			met = math.Max(met, l.load)
		}
	}
	c.splitNext(met, missed)
}

func (c *Capacity) cliff(met, missed float64) {
	c.above, c.below = met, missed
	why := ""
	for _, l := range c.looks {
		if l.load == missed && l.why != "" {
			why = l.why
		}
	}
	c.end(analysis.CapacityCliff, fmt.Sprintf("the SLO is met at %g %s and missed at %g (%s), with nothing between", met, c.ray.unit(), missed, why))
}

// driftLevel is the probability below which a trend of the probes' shares is none of
// chance.
const driftLevel = 0.003

// drifts ends the search where the same loads gave shares that moved with time.
func (c *Capacity) drifts() bool {
	t := stats.MannKendall(c.estimate.Residuals)
	p := 2 * math.Min(t.Up, t.Down)
	if p >= driftLevel {
		return false
	}
	half := len(c.probes) / 2
	early, okEarly := boundary.Fit(c.shares(), c.probes[:half], c.center, c.ray.grain())
	late, okLate := boundary.Fit(c.shares(), c.probes[half:], c.center, c.ray.grain())
	if !okEarly || !okLate || math.Abs(early.Load/late.Load-1) < c.tolerance()/2 {
		return false
	}
	c.above, c.below = math.Min(early.Load, late.Load), math.Max(early.Load, late.Load)
	c.end(analysis.CapacityDrift, fmt.Sprintf("the boundary moved from %.4g to %.4g %s between the first and the second half of the probes (p = %.2g)", early.Load, late.Load, c.ray.unit(), p))
	return true
}
