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
		if env.Search.Raise == "" && !(s.Target.Value > 0) {
			return ray{}, fmt.Errorf("service %s has a level of %g, which no factor raises", s.Name, s.Target.Value)
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
// cameras, 0 of rates; of a factor of nothing but users and cameras that which adds one
// to the largest.
func (r ray) grain() float64 {
	if p := r.parts(); p > 0 {
		return 1 / p
	}
	return 0
}

// parts is how many loads that can be asked for there are up to 1; 0 if they are not
// counted.
func (r ray) parts() float64 {
	if r.raised >= 0 {
		if whole(r.levels[r.raised]) {
			return 1
		}
		return 0
	}
	most := 0.0
	for _, l := range r.levels {
		if !whole(l) {
			return 0
		}
		most = math.Max(most, l.Value)
	}
	return most
}

// closed says that what is raised are users who wait for their answers.
func (r ray) closed() bool { return r.raised >= 0 && r.levels[r.raised].Unit == "users" }

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

// of gives the load that a step's services were driven at: the very number that was
// asked for, if that was settled.
func (r ray) of(services []analysis.Service) float64 {
	if r.raised >= 0 {
		return services[r.raised].Level.Value
	}
	// Rounded levels tell the factor badly, that of the largest base best.
	base, factor := 0.0, math.NaN()
	for i, s := range services {
		if b := r.levels[i].Value; !whole(r.levels[i]) {
			return digits5(s.Level.Value / b)
		} else if b > base {
			base, factor = b, s.Level.Value/b
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

// words are the unit as a text after a load has it.
func (r ray) words() string {
	if r.raised < 0 {
		return "times their levels"
	}
	return r.unit()
}

func (r ray) arrivals() string {
	if r.raised < 0 {
		return "all"
	}
	return r.levels[r.raised].Arrivals
}

// settle brings a load onto the grain and within the bound, 0 for none. Loads that are
// not counted get 5 digits, by which one may be above the bound.
func (r ray) settle(load, most float64) float64 {
	if most > 0 {
		load = math.Min(load, most)
	}
	if p := r.parts(); p > 0 {
		n := math.Round(load * p)
		if most > 0 && n > most*p*(1+1e-9) {
			n--
		}
		return math.Max(1, n) / p
	}
	return digits5(load)
}

// digits5 rounds a load, above 0, to five digits: what people read and files hold need
// not have 17, and a factor comes out the same when levels are divided by it again.
func digits5(load float64) float64 {
	scale := math.Pow(10, 4-math.Floor(math.Log10(load)))
	return math.Round(load*scale) / scale
}
