package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
)

// capacity compares what searches found; false if the first run searched for none.
func (p runPair) capacity(config string, a, b []Cell) (AgainstFigure, bool) {
	mine, has := capacitiesOf(a, p.first.raced())
	if !has {
		return AgainstFigure{}, false
	}
	theirs, had := capacitiesOf(b, p.other.raced())
	same := len(a) == len(b)
	for i := range a {
		same = same && sameCell(a[i], b[i])
	}
	f := p.compare(config, mine, theirs, pairing{same: same})
	if !had {
		f.Other = unknown(mine.unit, "no capacity was searched for")
	} else if why := p.otherSearch(mine, theirs); why != "" {
		f.refuse(why)
	}
	f.LeftOut = p.other.Race.Beat(config)
	return f, true
}

// otherSearch says why the capacities of two runs are not of the same thing.
func (p runPair) otherSearch(x, y *measure) string {
	a, b := p.first, p.other
	switch loads := p.otherArrivals(); {
	case x.unit != y.unit:
		return fmt.Sprintf("one is in %s, the other in %s", x.unit, y.unit)
	case raised(a) != raised(b):
		return "the searches raised other loads: " + raised(a) + " against " + raised(b)
	case len(loads) > 0:
		return "the load arrives in another way: " + strings.Join(slices.Sorted(maps.Values(loads)), "; ")
	case objectives(a) != objectives(b):
		return "the objectives differ: a capacity is of its objectives"
	}
	return ""
}

// raised names what a search raised and what it held.
func raised(s *Summary) string {
	if s.Environment.Search == nil {
		return "nothing"
	}
	up := s.Environment.Search.Raise
	all := []string{cmp.Or(up, "all by one factor")}
	for _, v := range s.Environment.Services {
		if v.Name != up && v.Target != nil {
			all = append(all, fmt.Sprintf("%s from %g %s", v.Name, v.Target.Value, v.Target.Unit))
		}
	}
	return strings.Join(all, ", ")
}

// otherArrivals tells, by service, whose load the two runs make to arrive in ways that
// are known to differ: one level of theirs is two loads.
func (p runPair) otherArrivals() map[string]string {
	list := map[string]string{}
	for _, v := range p.first.Environment.Services {
		at := slices.IndexFunc(p.other.Environment.Services, func(w results.Service) bool { return w.Name == v.Name })
		if at < 0 {
			continue
		}
		w := p.other.Environment.Services[at]
		x, y := v.Load, w.Load
		if x == "" || y == "" { // one does not tell
			x, y = arrivalsOf(v), arrivalsOf(w)
		}
		if x != y && x != "" && y != "" {
			list[v.Name] = fmt.Sprintf("%s %s against %s", v.Name, x, y)
		}
	}
	return list
}

// arrivalsOf is the kind of a service's arrivals; empty if it was not recorded.
func arrivalsOf(v results.Service) string {
	if v.Target == nil {
		return ""
	}
	return v.Target.Arrivals
}

// objectives writes those of all services.
func objectives(s *Summary) string {
	var all []string
	for _, v := range s.Environment.Services {
		for _, clause := range v.SLO {
			all = append(all, v.Name+": "+clause.Text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}
