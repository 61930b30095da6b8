package search

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/results"
)

// The stages of a search.
const (
	climbing   = iota // looks for loads that meet and that miss the SLO
	probing           // near the boundary
	splitting         // between a load that meets and one that misses, hardly apart
	confirming        // at the load that is to be signed
	ended
)

// A Capacity looks for the largest load that meets every clause: it climbs until the
// SLO is missed, probes around the boundary, and confirms the lower end of the
// interval. What it does next depends on nothing but what the steps gave, so that
// [Complete] comes to the same from a run directory. It serves one cell and is for
// one goroutine, but that Watch may be called by another while a step runs.
type Capacity struct {
	env     results.Environment
	search  results.Search
	ray     ray
	clauses []clause
	watcher watcher

	stage  int
	looks  []look
	next   float64 // load of the next step
	plans  plans
	quoted float64 // seconds
	spent  float64

	center       float64
	probes       []boundary.Probe // of the stage probing, that are no bounds
	near         int              // steps of it
	estimate     boundary.Estimate
	found        bool
	returns      int // from splitting to probing
	lookedAbove  int // how many loads far above the bracket
	spoiled      int // steps in a row
	signed       float64
	heavy        bool // the next confirmation is with heavy payloads
	confirmed    []analysis.Confirmation
	state, why   string
	above, below float64 // bounds that are told; NaN if unknown

	// long is how long the next step lasts at least, for answers that come seldom, and
	// lengthened how many steps were made longer for that.
	long       time.Duration
	lengthened int

	// short ends probing after the planned number of probes, however wide the interval.
	// slope, if it is above 0, is known from before: then probes lie close from the first
	// on. steep is how many times as steep as is usual lines are expected to be, 0 for 1.
	// held, if it is above 0, is the load about which probes lie for as long as the estimate
	// stays near. paired is as in [boundary.Clause]. All are a race's.
	// known is a look at an earlier deployment, for rate and sessions while no look tells of
	// this one, and deployments how many the estimate is of; 0 of this one alone.
	short       bool
	slope       float64
	steep, held float64
	paired      bool
	known       look
	deployments int
}

// New makes the search of what a run is to record: its Search, and its services with
// their SLOs and Targets. It fails if there is nothing to raise, no load above 0 to begin
// at or no SLO to miss.
func New(env results.Environment) (*Capacity, error) {
	if env.Search == nil {
		return nil, errors.New("the run has no search")
	}
	r, err := newRay(env)
	if err != nil {
		return nil, err
	}
	if !(env.Search.From > 0) || math.IsInf(env.Search.From, 0) {
		return nil, fmt.Errorf("the search begins at a load of %g, want one above 0", env.Search.From)
	}
	c := &Capacity{
		env: env, search: *env.Search, ray: r, clauses: clausesOf(env.Services),
		next: r.settle(env.Search.From, env.Search.Most), above: math.NaN(), below: math.NaN(),
	}
	if len(c.clauses) == 0 {
		return nil, errors.New("no service has an SLO that a load could miss")
	}
	c.watcher = watcher{services: env.Services, clauses: c.clauses}
	c.watcher.begin()
	c.plans = newPlans(c.search, c.clauses, r.raised)
	return c, nil
}

// Next gives the plan of the step after last, which is nil at first; false when the
// search has ended.
func (c *Capacity) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil {
		step, err := analysis.Judge(c.env, results.Cell{}, *last)
		if err != nil {
			c.end(analysis.CapacityInvalid, err.Error())
			return results.StepPlan{}, false
		}
		c.take(step)
	}
	if c.stage == ended {
		return results.StepPlan{}, false
	}
	c.watcher.begin()
	return c.plan(), true
}

// Watch says why the step that runs should end early: it is hopeless, and the search does
// not rest on its whole window. Empty lets it go on, as it does every confirmation.
func (c *Capacity) Watch(p results.Progress) string {
	if c.stage == confirming {
		return ""
	}
	return c.watcher.watch(p)
}

// plan makes the next step.
func (c *Capacity) plan() results.StepPlan {
	p := results.StepPlan{Levels: c.ray.at(c.next), Warmup: c.settle(), Heavy: c.heavy}
	rate := c.rateAt(c.next)
	switch c.stage {
	case climbing:
		p.Purpose, p.Window = results.PurposeClimb, max(c.growing(c.plans.climb(rate)), c.long)
	case confirming:
		p.Purpose = results.PurposeConfirm
		p.Window, _ = c.confirmation(c.next)
	default:
		p.Purpose, p.Window = results.PurposeProbe, max(c.plans.probe(rate, c.settle()), c.long)
	}
	p.Name = fmt.Sprintf("%s %g %s", p.Purpose, c.next, c.ray.unit())
	p.Cooldown = results.CooldownOf(p.Window, c.env.Services)
	return p
}

// growing bounds a window of the climb by mostGrowing times the one before: that few requests
// came, by chance or because their user was busy, tells little of how many will.
func (c *Capacity) growing(window time.Duration) time.Duration {
	if n := len(c.looks); n > 0 && !c.looks[n-1].ended {
		return min(window, max(c.plans.climb(0), seconds(mostGrowing*c.looks[n-1].probe.Seconds)))
	}
	return window
}

const mostGrowing = 4

// settle is how long a step warms up: queues take time to fill, and where users run long
// sessions the first of which met an idle server, some sessions' time. More users have longer
// ones, in proportion at the most.
func (c *Capacity) settle() time.Duration {
	near := c.known
	for _, l := range c.looks { // of those equally near the last
		if l.session > 0 && (near.session == 0 || c.away(l) <= c.away(near)) {
			near = l
		}
	}
	if near.session == 0 {
		return c.plans.settle
	}
	s := settleSessions * near.session
	if c.ray.closed() {
		s *= math.Max(1, c.next/near.load)
	}
	return max(c.plans.settle, seconds(s).Round(100*time.Millisecond))
}

// away is how far a look's load lies from the next, as a logarithm.
func (c *Capacity) away(l look) float64 { return math.Abs(math.Log(l.load / c.next)) }

// settleSessions is how many mean sessions a warm-up lasts at least.
const settleSessions = 1.5

// rateAt guesses how many requests of the raised service a second there are at a load.
func (c *Capacity) rateAt(load float64) float64 {
	for i := len(c.looks) - 1; i >= 0; i-- {
		if l := c.looks[i]; l.rate > 0 {
			return l.rate / l.load * load
		}
	}
	if l := c.known; l.rate > 0 {
		return l.rate / l.load * load
	}
	if c.ray.raised >= 0 && c.ray.unit() == "req/s" {
		return load
	}
	return 0
}

// take goes on from what a step gave.
func (c *Capacity) take(s analysis.Step) {
	if c.stage == ended || s.Failover != nil {
		return
	}
	l, err := lookAt(s, c.ray, c.clauses)
	if err != nil {
		c.end(analysis.CapacityInvalid, err.Error())
		return
	}
	c.spent += l.loaded
	// A search that was run by other rules, and is told by these, may have gone on with
	// probes where these confirm: what was met by chance in one signs nothing.
	if c.stage == confirming && s.Purpose != results.PurposeConfirm {
		return
	}
	if l.empty && c.plans.stretch < mostStretch {
		c.plans.stretch *= 2 // the same load again, for longer
		return
	}
	if l.spoiled != "" {
		c.again(l.spoiled)
		return
	}
	c.spoiled, c.long = 0, 0
	c.looks = append(c.looks, l)
	switch c.stage {
	case climbing:
		c.climbed(l)
	case probing:
		c.probed(l)
	case splitting:
		c.split(l)
	case confirming:
		c.confirmedAt(l)
	}
	if c.stage != ended && c.stage != confirming && c.spent+c.cost() > c.budget() {
		c.outOfBudget()
	}
}

// again has the same load again, after a step that measured nothing of the server for
// the reason why. What was found by then stays found.
func (c *Capacity) again(why string) {
	c.spoiled++
	switch {
	case c.stage == confirming && c.state != "" && c.spoiled > mostSpoiled:
		c.why = join(c.why, fmt.Sprintf("%d confirmations in a row do not count, the last since %s", c.spoiled, why))
		c.stage = ended
	case c.spoiled > mostSpoiled:
		c.bounds()
		c.end(analysis.CapacityInvalid, fmt.Sprintf("%d steps in a row do not count, the last since %s", c.spoiled, why))
	case c.stage != confirming && c.spent+c.cost() > c.budget():
		c.outOfBudget()
	}
}

// mostSpoiled is how many steps in a row may measure the client before the search ends.
const mostSpoiled = 3

// mostStretch is how many times as long windows get in which nothing fell due: the users of
// a closed loop may all be busy with long sessions.
const mostStretch = 16

// cost is the load time of the next step, in seconds.
func (c *Capacity) cost() float64 {
	return c.plan().Load().Seconds()
}

// budget is the load time that may be spent before the confirmation, in seconds.
func (c *Capacity) budget() float64 {
	all := math.Inf(1)
	switch {
	case c.search.Budget > 0:
		all = c.search.Budget.Seconds()
	case c.quoted > 0:
		all = mostOfQuote * c.quoted
	}
	confirm := c.plans.confirm(c.rateAt(c.next))
	if c.found { // an interval comes first
		confirm, _ = c.confirmation(c.next)
	}
	return all - (c.settle() + confirm + results.CooldownOf(confirm, c.env.Services)).Seconds()
}

// mostOfQuote is how many times what was quoted a search may spend.
const mostOfQuote = 1.5

func (c *Capacity) end(state, why string) { c.stage, c.state, c.why = ended, state, why }

func (c *Capacity) outOfBudget() {
	if c.drifts(driftLevel) {
		return
	}
	if c.found && c.estimate.Low > 0 && !math.IsInf(c.estimate.High, 1) {
		c.finish(fmt.Sprintf("the load time ran out at ±%.3g %%, before the tolerance of ±%.3g %%", 100*c.estimate.HalfWidth(), 100*c.tolerance()))
		return
	}
	c.bounds()
	c.end(analysis.CapacityUnfinished, fmt.Sprintf("after %.0f s of load, what is left of the budget pays for no further step and a confirmation, and there is no interval yet", c.spent))
}

// tolerance is the half-width that is asked for, as a share; before there is a center,
// that at the next load.
func (c *Capacity) tolerance() float64 {
	if c.center == 0 {
		return c.toleranceAt(c.next)
	}
	return c.toleranceAt(c.center)
}

func (c *Capacity) toleranceAt(load float64) float64 {
	switch {
	case c.search.Tolerance > 0:
		return c.search.Tolerance
	case c.rateAt(load) > fastRate:
		return fastTolerance
	}
	return slowTolerance
}

// A service that is asked more often than fastRate, in 1/s, has a tolerance of
// fastTolerance if nobody says another.
const (
	fastRate      = 50
	fastTolerance = 0.03
	slowTolerance = 0.10
)
