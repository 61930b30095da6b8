package search

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// The kinds of search, as results.Search spells them.
const (
	Interval = "capacity" // [Capacity]
	Ladder   = "ladder"   // [Climb]
)

// A Levels gives a fixed list of steps, one after the other, whatever the steps before
// gave. It serves one cell and is for one goroutine. The zero value has no steps.
type Levels struct {
	plans []results.StepPlan
	given int
}

// NewLevels makes Levels of plans, which are copied.
func NewLevels(plans []results.StepPlan) *Levels {
	return &Levels{plans: slices.Clone(plans)}
}

// Next gives the plan of the step after last, which is nil at first; false means that
// the cell is complete.
func (l *Levels) Next(*results.StepResult) (results.StepPlan, bool) {
	if l.given >= len(l.plans) {
		return results.StepPlan{}, false
	}
	l.given++
	return l.plans[l.given-1], true
}

// A Climb raises the load by a share from step to step, as capacity is measured by hand:
// until a clause is missed, a queue grows or throughput no longer rises. It brackets the
// capacity between two steps and says nothing of how sure that is. A step with too few
// answers for a percentile is not met, and does not end it either. It serves one cell
// and is for one goroutine.
type Climb struct {
	env     results.Environment
	search  results.Search
	ray     ray
	clauses []clause
	next    float64
	looks   []look
	spent   float64
	state   string
	why     string
	above   float64
	below   float64
	ended   bool
}

// NewClimb makes a Climb of what a run is to record, as [New] does a Capacity.
func NewClimb(env results.Environment) (*Climb, error) {
	if env.Search == nil {
		return nil, errors.New("the run has no search")
	}
	r, err := newRay(env)
	if err != nil {
		return nil, err
	}
	if !(env.Search.From > 0) || math.IsInf(env.Search.From, 0) || !(env.Search.Grow > 0) {
		return nil, fmt.Errorf("the ladder begins at a load of %g and grows by %g, want both above 0", env.Search.From, env.Search.Grow)
	}
	c := &Climb{env: env, search: *env.Search, ray: r, clauses: clausesOf(env.Services), above: math.NaN(), below: math.NaN()}
	if len(c.clauses) == 0 {
		return nil, errors.New("no service has an SLO that a load could miss")
	}
	c.next = r.settle(c.search.From, c.search.Most)
	return c, nil
}

// Next gives the next step of the ladder; false at its end.
func (c *Climb) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil {
		step, err := analysis.Judge(c.env, results.Cell{}, *last)
		if err != nil {
			c.end(analysis.CapacityInvalid, err.Error())
		} else {
			c.take(step)
		}
	}
	if c.ended {
		return results.StepPlan{}, false
	}
	return results.StepPlan{
		Name:   fmt.Sprintf("%s %g %s", results.PurposeClimb, c.next, c.ray.unit()),
		Levels: c.ray.at(c.next), Warmup: c.search.Warmup, Window: c.search.Window, Purpose: results.PurposeClimb,
		Cooldown: results.CooldownOf(c.search.Window, c.env.Services),
	}, true
}

func (c *Climb) end(state, why string) { c.ended, c.state, c.why = true, state, why }

// take goes on from a step of the ladder.
func (c *Climb) take(s analysis.Step) {
	if c.ended || s.Failover != nil {
		return
	}
	l, err := lookAt(s, c.ray, c.clauses)
	switch {
	case err != nil:
		c.end(analysis.CapacityInvalid, err.Error())
		return
	case l.spoiled != "":
		c.spent += l.loaded
		c.end(analysis.CapacityInvalid, l.spoiled)
		return
	}
	c.spent += l.loaded
	c.looks = append(c.looks, l)
	if c.missed(l) {
		return
	}
	if l.without() {
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("at %g %s %s, which no longer step tells", l.load, c.ray.words(), l.unknown))
		return
	}
	if l.unknown == "" {
		c.above = l.load
	}
	next := c.ray.settle(math.Max(l.load*(1+c.search.Grow), l.load+c.ray.grain()), c.search.Most)
	switch {
	case next <= l.load && l.unknown != "":
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("at %g %s, the largest load that may be asked for, %s: make its steps longer", l.load, c.ray.words(), l.unknown))
	case next <= l.load:
		c.end(analysis.CapacityAlways, fmt.Sprintf("the SLO is met at %g %s, the largest load that may be asked for", l.load, c.ray.words()))
	case l.load >= mostGrowth*c.looks[0].load:
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("the SLO is met at %g %s, %.3g times the first load: say the largest that is of interest", l.load, c.ray.words(), l.load/c.looks[0].load))
	case c.search.Budget > 0 && c.spent >= c.search.Budget.Seconds():
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("the load time of %.0f s was spent", c.spent))
	}
	c.next = next
}

// plateau is the share of a step's growth that throughput must grow by at least.
const plateau = 1.0 / 3

// missed ends the ladder where a step is too much.
func (c *Climb) missed(l look) bool {
	why := ""
	switch {
	case !l.met:
		why = l.why
	case len(c.looks) > 1:
		before := c.looks[len(c.looks)-2]
		if gained := l.served/before.served - 1; before.served > 0 && gained < plateau*(l.load/before.load-1) {
			why = fmt.Sprintf("throughput rose by %.3g %% where the load rose by %.3g %%", 100*gained, 100*(l.load/before.load-1))
		}
	}
	if why == "" {
		return false
	}
	c.below = l.load
	if before := c.unknown(); math.IsNaN(c.above) && before != "" {
		c.end(analysis.CapacityUnfinished, fmt.Sprintf("%g %s is too much (%s), and no load below is known to meet the SLO: %s: make its steps longer", l.load, c.ray.words(), why, before))
	} else if math.IsNaN(c.above) {
		c.end(analysis.CapacityNever, fmt.Sprintf("the first load, %g %s, is too much: %s", l.load, c.ray.words(), why))
	} else {
		c.end(analysis.CapacityBracketed, fmt.Sprintf("met at %g %s, too much at %g: %s", c.above, c.ray.words(), l.load, why))
	}
	return true
}

// unknown is what the last step but one did not tell; empty if it told all, or was not run.
func (c *Climb) unknown() string {
	if len(c.looks) < 2 {
		return ""
	}
	return c.looks[len(c.looks)-2].unknown
}

// Capacity is what the ladder came to.
func (c *Climb) Capacity() analysis.Capacity {
	as := Capacity{
		env: c.env, search: c.search, ray: c.ray, clauses: c.clauses, looks: c.looks, spent: c.spent,
		stage: ended, next: c.next, state: c.state, why: c.why, above: c.above, below: c.below,
	}
	if c.state == "" {
		as.state, as.why = analysis.CapacityUnfinished, "the cell ended before the ladder did"
	}
	return as.Capacity()
}
