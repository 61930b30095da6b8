package search

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// FrontierKind is the kind of search, as results.Search spells it, that finds the capacity
// along several rays: mixes of all services' loads, each raised by one factor.
const FrontierKind = "frontier"

// A Frontier runs one [Capacity] after another, one for each mix of the run's Search. Each
// step's plan has the number of its ray, so that the same comes out of a run directory.
// A budget is for all of them: each may spend its part of what those before have left. It
// serves one cell and is for one goroutine, but that Watch may be called by another while
// a step runs.
type Frontier struct {
	env     results.Environment
	at      int       // the ray that is searched
	current *Capacity // its search; nil when all have ended
	ended   []analysis.Capacity
	spent   float64 // seconds under load, of those that ended
}

// NewFrontier makes the searches of what a run is to record, as [New] does one. It fails
// where one of them cannot be made, or if there is no mix of all services.
func NewFrontier(env results.Environment) (*Frontier, error) {
	if env.Search == nil {
		return nil, errors.New("the run has no search")
	}
	if len(env.Search.Mixes) == 0 {
		return nil, errors.New("a frontier has one mix of loads or more")
	}
	f := &Frontier{env: env}
	for ray := range env.Search.Mixes {
		along, err := f.along(ray)
		if err != nil {
			return nil, err
		}
		if _, err := New(along); err != nil {
			return nil, fmt.Errorf("mix %d: %w", ray+1, err)
		}
	}
	f.begin()
	return f, nil
}

// along is the environment of a ray's search: the mix's share of every Target is what one
// factor raises, and the budget is the ray's part of what is left.
func (f *Frontier) along(ray int) (results.Environment, error) {
	mix := f.env.Search.Mixes[ray]
	if len(mix) != len(f.env.Services) {
		return results.Environment{}, fmt.Errorf("mix %d is of %d services, and the run has %d", ray+1, len(mix), len(f.env.Services))
	}
	env, search := f.env, *f.env.Search
	search.Kind, search.Raise, search.Mixes = Interval, "", nil
	if search.Budget > 0 {
		left := search.Budget.Seconds() - f.spent
		search.Budget = max(1, seconds(left/float64(len(f.env.Search.Mixes)-ray)))
	}
	env.Search, env.Services = &search, make([]results.Service, len(mix))
	for i, s := range f.env.Services {
		if !(mix[i] > 0) || math.IsInf(mix[i], 0) {
			return results.Environment{}, fmt.Errorf("mix %d has %g of %s's level, want more than none", ray+1, mix[i], s.Name)
		}
		if s.Target == nil {
			return results.Environment{}, fmt.Errorf("service %s has no level that a mix could be of", s.Name)
		}
		target := *s.Target
		target.Value *= mix[i]
		s.Target = &target
		env.Services[i] = s
	}
	return env, nil
}

// begin makes the search of the ray that is next, if there is one.
func (f *Frontier) begin() {
	f.current = nil
	if f.at < len(f.env.Search.Mixes) {
		f.current = f.search(f.at)
	}
}

// search makes a ray's search, which could be made before.
func (f *Frontier) search(ray int) *Capacity {
	along, err := f.along(ray)
	if err == nil {
		var c *Capacity
		if c, err = New(along); err == nil {
			return c
		}
	}
	panic(err)
}

// leave goes on to the next ray.
func (f *Frontier) leave() {
	f.ended = append(f.ended, f.of(f.at, f.current))
	f.spent += f.current.spent
	f.at++
	f.begin()
}

// Next gives the plan of the step after last, which is nil at first; false when the search
// of every mix has ended.
func (f *Frontier) Next(last *results.StepResult) (results.StepPlan, bool) {
	for f.current != nil {
		plan, more := f.current.Next(last)
		if more {
			plan.Ray = f.at + 1
			plan.Name = fmt.Sprintf("mix %d, %s", plan.Ray, plan.Name)
			return plan, true
		}
		f.leave()
		last = nil
	}
	return results.StepPlan{}, false
}

// Watch says why the step that runs should end early: see [Capacity.Watch].
func (f *Frontier) Watch(p results.Progress) string {
	if f.current == nil {
		return ""
	}
	return f.current.Watch(p)
}

// take goes on from a step that was run.
func (f *Frontier) take(s analysis.Step) {
	for f.current != nil && s.Ray > f.at+1 {
		f.leave()
	}
	if f.current != nil && s.Ray == f.at+1 {
		f.current.take(s)
	}
}

// Capacities is what the search of each mix came to, in their order; before its end, what
// it knows so far.
func (f *Frontier) Capacities() []analysis.Capacity {
	list := append([]analysis.Capacity(nil), f.ended...)
	for ray := len(list); ray < len(f.env.Search.Mixes); ray++ {
		c := f.current
		if ray > f.at {
			c = f.search(ray)
		}
		list = append(list, f.of(ray, c))
	}
	return list
}

// of is what the search of a ray came to, with the mix in words.
func (f *Frontier) of(ray int, c *Capacity) analysis.Capacity {
	out := c.Capacity()
	var words []string
	for i, s := range f.env.Services {
		words = append(words, fmt.Sprintf("%s %g %s", s.Name, digits5(f.env.Search.Mixes[ray][i]*s.Target.Value), s.Target.Unit))
	}
	out.Ray, out.Mix = ray+1, strings.Join(words, " : ")
	return out
}

// completeFrontier says in each cell what the search of each mix came to.
func completeFrontier(s *analysis.Summary) error {
	for i := range s.Cells {
		f, err := NewFrontier(s.Environment)
		if err != nil {
			return fmt.Errorf("cell %s: %w", s.Cells[i].Cell.Folder, err)
		}
		for _, step := range s.Cells[i].Steps {
			f.take(step)
		}
		s.Cells[i].Capacities = f.Capacities()
	}
	return nil
}

// quoteFrontier adds up what the searches of all mixes are likely to cost.
func quoteFrontier(env results.Environment) (time.Duration, error) {
	f, err := NewFrontier(env)
	if err != nil {
		return 0, err
	}
	var price time.Duration
	for ray := range env.Search.Mixes {
		along, err := f.along(ray)
		if err != nil {
			return 0, err
		}
		of, err := Quote(along)
		if err != nil {
			return 0, err
		}
		price += of
	}
	return price, nil
}
