package analysis

import (
	"fmt"
	"slices"
	"strings"
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
	} else if why := otherSearch(p.first, p.other, mine, theirs); why != "" {
		f.refuse(why)
	}
	f.LeftOut = p.other.Race.Beat(config)
	return f, true
}

// otherSearch says why the capacities of two runs are not of the same thing.
func otherSearch(a, b *Summary, x, y *measure) string {
	switch {
	case x.unit != y.unit:
		return fmt.Sprintf("one is in %s, the other in %s", x.unit, y.unit)
	case raised(a) != raised(b):
		return "the searches raised other loads: " + raised(a) + " against " + raised(b)
	case objectives(a) != objectives(b):
		return "the objectives differ: a capacity is of its objectives"
	}
	return ""
}

// raised names what a search raised and what it held, with the arrivals of each.
func raised(s *Summary) string {
	if s.Environment.Search == nil {
		return "nothing"
	}
	up := s.Environment.Search.Raise
	var all []string
	for _, v := range s.Environment.Services {
		switch {
		case v.Target == nil:
		case v.Name == up:
			all = slices.Insert(all, 0, fmt.Sprintf("%s (%s)", up, v.Target.Arrivals))
		default:
			all = append(all, fmt.Sprintf("%s from %g %s (%s)", v.Name, v.Target.Value, v.Target.Unit, v.Target.Arrivals))
		}
	}
	if up == "" {
		all = slices.Insert(all, 0, "all by one factor")
	}
	return strings.Join(all, ", ")
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
