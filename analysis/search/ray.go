package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A ray says which loads of all services stand for one load of the search.
type ray struct {
	levels []results.Level // where every service is held, and is raised from
	raised int             // index of the one that is raised; -1 for all by one factor
}

// newRay makes the ray of what a run recorded.
func newRay(env results.Environment) (ray, error) {
	r := ray{raised: -1}
	for _, s := range env.Services {
		if s.Target == nil {
			return ray{}, fmt.Errorf("service %s has no level to be held at or raised from", s.Name)
		}
		if s.Name == env.Search.Raise {
			r.raised = len(r.levels)
		}
		r.levels = append(r.levels, *s.Target)
	}
	if env.Search.Raise != "" && r.raised < 0 {
		return ray{}, fmt.Errorf("search raises %q, which is no service", env.Search.Raise)
	}
	return r, nil
}

// grain is the distance between two loads that can be asked for: 1 of users and
// cameras, 0 of rates.
func (r ray) grain() float64 {
	if r.raised >= 0 && whole(r.levels[r.raised]) {
		return 1
	}
	return 0
}

func whole(l results.Level) bool { return l.Unit == "users" || l.Unit == "cameras" }

// at gives all levels at a load. Users and cameras are rounded, and at least 1.
func (r ray) at(load float64) []results.Level {
	levels := make([]results.Level, len(r.levels))
	for i, l := range r.levels {
		switch {
		case r.raised < 0:
			l.Value *= load
		case i == r.raised:
			l.Value = load
		}
		if whole(l) {
			l.Value = math.Max(1, math.Round(l.Value))
		}
		levels[i] = l
	}
	return levels
}

// of gives the load that a step's services were driven at.
func (r ray) of(services []analysis.Service) float64 {
	if r.raised >= 0 {
		return services[r.raised].Level.Value
	}
	// Rounded levels tell the factor badly, large ones better.
	best, factor := 0.0, math.NaN()
	for i, s := range services {
		if base := r.levels[i].Value; !whole(r.levels[i]) {
			return s.Level.Value / base
		} else if s.Level.Value > best {
			best, factor = s.Level.Value, s.Level.Value/base
		}
	}
	return factor
}

// unit is that of loads.
func (r ray) unit() string {
	if r.raised < 0 {
		return "ratio"
	}
	return r.levels[r.raised].Unit
}

func (r ray) arrivals() string {
	if r.raised < 0 {
		return "all"
	}
	return r.levels[r.raised].Arrivals
}

// settle brings a load onto the grain and within the bound, 0 for none.
func (r ray) settle(load, most float64) float64 {
	if most > 0 {
		load = math.Min(load, most)
	}
	if g := r.grain(); g > 0 {
		return math.Max(g, math.Round(load/g)*g)
	}
	// What people read and files hold need not have 17 digits.
	digits := math.Pow(10, 4-math.Floor(math.Log10(load)))
	return math.Round(load*digits) / digits
}
