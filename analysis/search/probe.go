package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/results"
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
	wideBelow, wideAbove   = 0.07, 0.05
	closeBelow, closeAbove = 0.04, 0.035
)

// The estimate moves at most by these shares from one probe to the next.
const (
	wideMove  = 0.12
	closeMove = 0.04
)

// begin starts probing about a load.
func (c *Capacity) begin(load float64) {
	c.stage, c.center = probing, c.guess(load)
	c.next = c.ray.settle(c.center, c.search.Most)
	rate := c.rateAt(c.center)
	c.plans.aim(c.tolerance(), c.settle())
	if c.short {
		c.plans.probes = screenProbes
	}
	confirm, _ := c.confirmation(c.center)
	window := c.plans.probe(rate, c.settle())
	c.quoted = c.spent + float64(c.plans.probes)*(c.settle()+window+results.CooldownOf(window, c.env.Services)).Seconds() +
		(c.settle() + confirm + results.CooldownOf(confirm, c.env.Services)).Seconds()
}

// probed goes on from a probe.
func (c *Capacity) probed(l look) {
	c.near++
	if l.ended || l.excess > tooMuch {
		c.center = math.Min(c.center, c.wellBelow(l.load))
	}
	if !l.ended {
		c.probes = append(c.probes, l.probe)
	}
	if c.hardBinds() || c.isCliff() {
		return
	}
	c.refit()
	if c.short {
		c.shortly()
		return
	}
	enough := c.near >= c.plans.probes && c.found
	if enough && c.drifts(driftLevel) {
		return
	}
	if enough && c.estimate.HalfWidth() <= enoughWidth*c.tolerance() {
		c.finish("")
		return
	}
	c.aim()
}

// enoughWidth is how many tolerances the half-width may have when probing ends: the
// confirmation, which is as long as many probes, makes it less.
const enoughWidth = 1.15

// tooMuch is the excess over which a probe is no neighbour of the boundary.
const tooMuch = 30

// wellBelow is a load below one that was far too much: half way to what met the SLO, if that
// is near.
func (c *Capacity) wellBelow(load float64) float64 {
	met := 0.0
	for _, l := range c.looks {
		if l.met && l.load < load {
			met = math.Max(met, l.load)
		}
	}
	return math.Max(0.92*load, math.Min(0.98*load, math.Sqrt(met*load)))
}

// refit brings the estimate up to date, and the center with it.
func (c *Capacity) refit() {
	for range 3 {
		e, ok := boundary.Fit(c.shares(), c.probes, c.center, c.ray.grain())
		if !ok {
			c.found = false
			if len(c.probes) > 0 && (c.held == 0 || c.near > 1) { // of one probe there is no line
				_, missed := c.bracket()
				c.center = math.Min(c.center*1.06, missed)
			}
			return
		}
		c.found, c.estimate = !math.IsInf(e.High, 1), e
		move := wideMove
		if c.near > len(apart) && !c.astray() {
			move = closeMove
		}
		to := math.Min(math.Max(e.Load, c.center*(1-move)), c.center*(1+move))
		if _, missed := c.bracket(); to > 1.03*missed {
			to = 1.03 * missed
		}
		settled := math.Abs(to/c.center-1) < 0.001
		c.center = to
		if settled || c.near < c.plans.probes {
			return
		}
	}
}

// astray says that the last steps all lay on one side of the boundary, and not near it:
// probing began far from it.
func (c *Capacity) astray() bool {
	last := c.looks[max(0, len(c.looks)-min(c.near, astrayLooks)):]
	over, within := 0, 0
	for _, l := range last {
		switch {
		case l.ended || l.excess > astrayBy:
			over++
		case l.excess < 1/astrayBy:
			within++
		}
	}
	return len(last) == astrayLooks && max(over, within) == astrayLooks
}

// How many looks in a row, each so many times over what is allowed or under it, are astray.
const (
	astrayLooks = 3
	astrayBy    = 2.0
)

// shares are the clauses as the boundary sees them.
func (c *Capacity) shares() []boundary.Clause { return sharesOf(c.clauses, c.steep, c.paired) }

// sharesOf are clauses, whose lines are so many times as steep as is usual, as the boundary
// sees them; hard ones allow a share that nothing of what was seen is over. For paired see
// [boundary.Clause].
func sharesOf(clauses []clause, steep float64, paired bool) []boundary.Clause {
	list := make([]boundary.Clause, len(clauses))
	for i, k := range clauses {
		list[i] = k.Clause
		list[i].Steep, list[i].Paired = steep, paired
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
	switch {
	case c.slope > 0:
		pattern, slope, below, above = about[:], c.slope, closeBelow, closeAbove
	case c.near >= len(apart):
		pattern, at, below, above = about[:], c.near-len(apart), closeBelow, closeAbove
	default:
		slope = math.Min(slope, 15)
	}
	d := pattern[at%len(pattern)] / math.Max(slope, 6)
	d = math.Min(math.Max(d, -below), above)
	from := c.center
	if c.held > 0 && math.Abs(c.center/c.held-1) < closeAbove {
		from = c.held
	}
	load := from * (1 + d)
	if g := c.ray.grain(); g > 0 && math.Abs(d)*c.center < g && pattern[at%len(pattern)] != 0 {
		load = c.center + math.Copysign(g, d)
	}
	c.next = c.ray.settle(load, c.search.Most)
}

// hardBinds ends the search where what may not happen at all happens before any share is
// reached: there is no line to fit then, only a bracket.
func (c *Capacity) hardBinds() bool {
	hard := func(l look) bool { return math.IsInf(l.excess, 1) && l.purpose != "" }
	met, least := c.between(func(l look) bool { return l.met }, hard)
	times := 0
	for _, l := range c.looks {
		if hard(l) && l.load >= least {
			times++
		}
	}
	if times < 3 || c.found && least > c.estimate.High || c.near < 3 {
		return false
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
	if c.near < 6 {
		return false
	}
	telling := 0
	for _, l := range c.looks[len(c.looks)-c.near:] {
		if l.telling() {
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

// telling says that the look's shares tell how far the boundary is.
func (l look) telling() bool { return !l.ended && l.excess > 0.002 && l.excess < 2*tooMuch }

// splitNext halves a bracket, or ends if it is narrow enough.
func (c *Capacity) splitNext(met, missed float64) {
	if met > 0 && (missed/met <= 1+c.tolerance()/2 || c.adjacent(met, missed)) {
		for _, load := range []float64{met, missed} { // each is looked at twice before it is believed
			if c.votes(load, func(l look) bool { return l.purpose != results.PurposeClimb }) < 2 {
				c.next = load
				return
			}
		}
		c.cliff(met, missed)
		return
	}
	known := met > 0
	if !known {
		met = missed / 2
	}
	next := c.ray.settle(math.Sqrt(met*missed), c.search.Most)
	switch {
	case next > met && next < missed && (known || next >= leastOfFirst*c.looks[0].load):
		c.next = next
	case known:
		c.cliff(met, missed)
	default:
		c.never(missed)
	}
}

// mostReturns is how often a search that halves goes back to probing: where a load
// between the ends has a telling share, it was no cliff, but a steep slope.
const mostReturns = 4

// split goes on from a step between the ends of a cliff.
func (c *Capacity) split(l look) {
	if l.telling() && c.returns < mostReturns {
		c.returns++
		c.probes = append(c.probes, l.probe)
		c.stage, c.near, c.center = probing, 1, l.load
		window := c.plans.probe(c.rateAt(l.load), c.settle())
		c.quoted += float64(c.plans.probes) * (c.settle() + window + results.CooldownOf(window, c.env.Services)).Seconds()
		c.refit()
		c.aim()
		return
	}
	if again, ends := c.contradiction(); ends {
		return
	} else if again > 0 {
		c.next = again
		return
	}
	met, missed := c.between(func(l look) bool { return l.met }, func(l look) bool { return !l.met })
	if math.IsInf(missed, 1) { // what was missed was met when it was looked at again
		c.climbOn(l)
		return
	}
	c.splitNext(met, missed)
}

// climbOn goes back to climbing, where no load is left that most looks missed.
func (c *Capacity) climbOn(l look) {
	if c.returns >= mostReturns {
		c.bounds()
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("what was missed, the last at %g %s, was met as often", l.load, c.ray.words()))
		return
	}
	c.returns++
	c.stage, c.near = climbing, 0
	c.climbed(l)
}

func (c *Capacity) cliff(met, missed float64) {
	why, longer := c.told(met)
	switch {
	case longer:
		c.stage = splitting
		return
	case why != "":
		c.bounds()
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("at %g %s nothing is missed, at %g the SLO is (%s), with nothing between, but %s", met, c.ray.words(), missed, c.whyAt(missed), why))
		return
	}
	c.above, c.below = met, missed
	c.end(analysis.CapacityCliff, fmt.Sprintf("the SLO is met at %g %s and missed at %g (%s), with nothing between", met, c.ray.words(), missed, c.whyAt(missed)))
}
