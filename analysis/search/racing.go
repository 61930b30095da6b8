package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// A Racing chooses the steps of one cell of a [Race]. It is a runner.Chooser and a
// runner.Watcher.
type Racing struct{ run *racing }

// Next gives the plan of the step after last, which is nil at first; false when the cell
// has nothing more to tell.
func (r *Racing) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil {
		step, err := analysis.Judge(r.run.race.env, results.Cell{}, *last)
		if err != nil {
			r.run.capacity.end(analysis.CapacityInvalid, err.Error())
			r.run.done = true
			return results.StepPlan{}, false
		}
		r.run.take(step)
	}
	if r.run.done {
		return results.StepPlan{}, false
	}
	r.run.capacity.watcher.begin()
	return r.run.capacity.plan(), true
}

// Watch says why the step that runs should end early, as a [Capacity]'s does.
func (r *Racing) Watch(p results.Progress) string { return r.run.capacity.Watch(p) }

// The purposes of a cell in a race.
const (
	screens  = iota // a short search
	compares        // a block
	signs           // a confirmation
)

// racing is one cell while it runs.
type racing struct {
	race      *Race
	racer     *racer
	replicate int
	purpose   int
	capacity  *Capacity
	against   *racer  // screens: whose capacity it begins at; nil of none
	from      float64 // screens: that load
	done      bool
}

// The size of a race's steps.
const (
	// screenTolerance is how near a screening is to come, screenProbes from how many.
	screenTolerance = 0.10
	screenProbes    = 6
	// blockProbes is from how many a block's capacity is told.
	blockProbes = 6
	// blockError is the standard error of a block's capacity that is aimed at, as a share
	// of the zone.
	blockError = 0.55
	// mostBlock is how many times as long as a screening's a block's probes may be.
	mostBlock = 8
)

// begin makes what runs a cell.
func (r *Race) begin(e Entry) (*racing, error) {
	env, search := r.env, *r.env.Search
	env.Search = &search
	run := &racing{race: r, racer: r.racer(e.Config), replicate: e.Replicate}
	search.Heavy = false
	known := run.racer.screened
	switch {
	case r.decided:
		run.purpose = signs
		search.Heavy = r.env.Search.Heavy
		if known.slope == 0 { // no line tells its capacity: a search of its own
			search.From = run.racer.capacity()
		}
	// One of which the replicate before told nothing is screened again: that finds where its
	// capacity is, which a block about a wrong one does not.
	case known != nil && known.slope > 0 && run.racer.told >= e.Replicate-1:
		run.purpose = compares
	default:
		run.purpose = screens
		search.Tolerance = math.Max(search.Tolerance, screenTolerance)
		if best := r.incumbent(); best != nil && best != run.racer {
			run.against = best
			search.From = best.capacity() * math.Exp(-best.screened.spread-r.zone)
		}
	}
	c, err := New(env)
	if err != nil {
		return nil, err
	}
	run.capacity, c.paired = c, run.purpose != signs
	if known != nil {
		c.known = known.look
	}
	switch run.purpose {
	case screens:
		run.from, c.short = c.next, true
	case compares:
		c.compare(run.racer.capacity(), known.slope, r.blockWindow())
		if r.edge.steep > 0 {
			c.slope, c.steep = r.edge.slope, r.edge.steep
			if len(run.racer.blocks) > 0 {
				c.held = c.center // else it is a screening's, and hardly known
			}
		}
	case signs:
		if known.slope > 0 {
			run.sign()
		}
	}
	return run, nil
}

// blockWindow is how long a block's probes last, in seconds: the same for all, so that
// they meet the same arrivals. It follows from how much the screenings' probes
// scattered, on average, since each tells of that by a few probes only.
func (r *Race) blockWindow() float64 {
	sum, n := 0.0, 0.0
	for _, x := range r.still() {
		if s := x.screened; s != nil && s.slope > 0 {
			sum, n = sum+s.tau/(s.slope*s.slope), n+1
		}
	}
	if n == 0 {
		return 0
	}
	e := blockError * r.zone
	return sum / n / (blockProbes * e * e)
}

// compare begins a block: probes about a capacity, with a slope that is known, whose
// windows last as long as is asked for if that is not out of all proportion.
func (c *Capacity) compare(center, slope, window float64) {
	c.stage, c.center, c.slope, c.short = probing, center, slope, true
	c.next = c.ray.settle(center, c.search.Most)
	c.plans.aim(c.tolerance(), c.settle())
	c.plans.probes = blockProbes
	usual := c.plans.probe(c.rateAt(center), 0).Seconds()
	c.plans.requests, c.search.Window = 0, seconds(math.Min(math.Max(window, usual/mostBlock), mostBlock*usual))
	c.plans.search.Window = c.search.Window
}

// shortly goes on from a probe of a screening or a block.
func (c *Capacity) shortly() {
	switch {
	case c.near >= c.plans.probes && c.found:
		if !c.drifts(driftLevel) {
			c.finish("")
		}
	case c.near >= 2*c.plans.probes:
		c.bounds()
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("%d probes about %s %s tell no interval", c.near, figure(c.center), c.ray.words()))
	default:
		c.aim()
	}
}

// spread is the standard error of an estimate's logarithm: that of the mean of its
// probes' log shares over the slope. Few probes may scatter little by chance.
func spread(e boundary.Estimate) float64 {
	return math.Sqrt(math.Max(e.Scatter, usualScatter)/math.Max(1, float64(e.Probes))) / e.Slope
}

// usualScatter is the least relative variance of a probe's share that is believed of six.
const usualScatter = 0.2

// interval is the capacity over the blocks, with a 95 % interval of Student's t in which
// what differs between deployments is; false with fewer than two.
func (x *racer) interval() (boundary.Estimate, bool) {
	n := float64(len(x.blocks))
	if n < 2 {
		return boundary.Estimate{}, false
	}
	mean, sum := math.Log(x.capacity()), 0.0
	var out boundary.Estimate
	for _, b := range x.blocks {
		d := math.Log(b.capacity) - mean
		sum += d * d
		out.Binding, out.Slope = b.estimate.Binding, b.estimate.Slope
		out.Probes, out.Requests = out.Probes+b.estimate.Probes, out.Requests+b.estimate.Requests
	}
	half := stats.TQuantile(0.975, n-1) * math.Sqrt(sum/(n-1)/n)
	out.Load, out.Low, out.High = math.Exp(mean), math.Exp(mean-half), math.Exp(mean+half)
	return out, true
}

// sign sets the confirmation of the capacity that the blocks tell, from the lower end of
// its interval down. A race that was over before there were any has the capacity probed
// as a search does, from what the screening told.
func (run *racing) sign() {
	c, x := run.capacity, run.racer
	e, ok := x.interval()
	if !ok {
		c.begin(x.capacity())
		return
	}
	c.center, c.found = e.Load, true
	c.estimate = e
	c.plans.aim(c.tolerance(), c.settle())
	c.deployments = len(x.blocks)
	c.finish("")
	run.done = c.stage == ended
}

// take goes on from what a step gave.
func (run *racing) take(s analysis.Step) {
	c := run.capacity
	if run.purpose == signs && c.stage == confirming && s.Purpose != results.PurposeConfirm {
		c.end(analysis.CapacityInvalid, "the steps are not those that the race asks for")
		run.done = true
		return
	}
	c.take(s)
	switch {
	case c.stage == ended:
		run.done = true
	case run.purpose == signs:
	case c.stage == confirming: // a race confirms the winner only
		c.why = join(c.why, "a race confirms the winner's load only")
		c.stage = ended
		run.done = true
	case run.purpose == screens && run.beaten():
		run.done = true
	}
}

// beaten ends the screening of a configuration that clearly misses the SLO, twice, at the
// capacity of another.
func (run *racing) beaten() bool {
	c := run.capacity
	if run.against == nil || c.stage != climbing {
		return false
	}
	looks, missed := c.votes(run.from, func(look) bool { return true }), c.votes(run.from, look.clearlyMissed)
	switch {
	case missed == 0 || missed < looks || len(c.looks) != looks:
		return false
	case looks == 1:
		c.next = run.from
		return false
	}
	c.below = run.from
	c.end(analysis.CapacityBeaten, fmt.Sprintf("the SLO is clearly missed, twice, at the capacity of %s: %s", run.against.config, c.whyAt(run.from)))
	return true
}

// learn takes what a cell that has ended gave into the race.
func (run *racing) learn() {
	r, x, c := run.race, run.racer, run.capacity
	if run.purpose == signs {
		x.signed = run.done // one that broke off is tried again while replicates are left
		return
	}
	if !run.done {
		x.why = "its cell did not end as it should"
		return
	}
	switch {
	case c.state == analysis.CapacityFound && run.purpose == compares:
		x.blocks = append(x.blocks, block{run.replicate, c.estimate.Load, spread(c.estimate), c.estimate, c.probes})
		x.told = run.replicate
	case c.state == analysis.CapacityFound:
		e := c.estimate
		seconds := 0.0
		for _, p := range c.probes {
			seconds += p.Seconds / float64(len(c.probes))
		}
		x.screened = &screening{capacity: e.Load, slope: e.Slope, tau: e.Scatter * seconds, spread: spread(e), look: c.looks[len(c.looks)-1]}
		x.told = run.replicate
		if run.replicate > 1 && len(x.blocks) == 0 {
			x.blocks = append(x.blocks, block{run.replicate, e.Load, spread(e), e, c.probes})
		}
	case c.state == analysis.CapacityBeaten:
		x.below = c.below
		r.drop(x, run.replicate, c.why)
	case c.state == analysis.CapacityNever:
		x.below = c.below
		r.drop(x, run.replicate, c.why)
	case c.state == analysis.CapacityCliff && c.above > 0:
		run.sharp(math.Sqrt(c.above*c.below), math.Log(c.below/c.above)/2)
	case c.state == analysis.CapacityAlways:
		run.sharp(c.above, 0)
		x.screened.capped = true
	default:
		x.why = c.state + ": " + c.why
	}
}

// sharp takes a capacity that no line was fitted to: the configuration is searched again
// in each block.
func (run *racing) sharp(load, spread float64) {
	x := run.racer
	x.screened = &screening{capacity: load, spread: spread, look: run.capacity.looks[len(run.capacity.looks)-1]}
	x.told = run.replicate
	if run.replicate > 1 {
		x.blocks = append(x.blocks, block{run.replicate, load, spread, boundary.Estimate{Load: load, Low: load, High: load}, nil})
	}
}
