package analysis

import (
	"cmp"
	"maps"
	"slices"
)

// isolations ranks the configurations of each victim; none with fewer than two
// configurations.
func isolations(list []Interference) []Isolation {
	var all []Isolation
	var victims []string
	for _, i := range list {
		if slices.Contains(victims, i.Victim) {
			continue
		}
		victims = append(victims, i.Victim)
		var of []Interference
		for _, j := range list {
			if j.Victim == i.Victim {
				of = append(of, j)
			}
		}
		if r, ok := isolationOf(of); ok {
			all = append(all, r)
		}
	}
	return all
}

// isolationOf ranks the configurations of one victim. Where they could not tell the same
// percentile, those that could tell the first one's are ranked.
func isolationOf(list []Interference) (Isolation, bool) {
	if len(list) < 2 {
		return Isolation{}, false
	}
	loads, from := map[float64]int{}, unknown("", noReference)
	for _, i := range list {
		for _, p := range i.Points {
			if p.Inflation.Value.Inapplicable {
				from = p.Load
			} else {
				loads[*p.Load.Number]++
			}
		}
	}
	highest, has := 0.0, false
	for load, n := range loads {
		if n == len(list) && (!has || load > highest) {
			highest, has = load, true
		}
	}
	if !has {
		return Isolation{}, false
	}
	out := Isolation{Victim: list[0].Victim, Neighbour: list[0].Neighbour, From: from}
	points := map[string]InterferencePoint{}
	for _, i := range list {
		at := slices.IndexFunc(i.Points, func(p InterferencePoint) bool { return *p.Load.Number == highest })
		p := i.Points[at]
		out.Load = p.Load
		switch {
		case p.Inflation.Value.Known() && (out.Quantile == 0 || out.Quantile == p.Quantile):
			out.Quantile = p.Quantile
			points[i.Config] = p
		default:
			out.Unranked = append(out.Unranked, i.Config)
		}
	}
	if len(points) == 0 {
		return Isolation{}, false
	}
	order := slices.SortedFunc(maps.Keys(points), func(a, b string) int {
		return cmp.Or(cmp.Compare(*points[a].Inflation.Value.Number, *points[b].Inflation.Value.Number), cmp.Compare(a, b))
	})
	first := points[order[0]]
	for i, config := range order {
		r := IsolationRank{Config: config, Tail: points[config].Tail, Inflation: points[config].Inflation, Over: noEffect("it is the first")}
		if i > 0 {
			over := map[int]float64{}
			for replicate, tail := range points[config].tails {
				if of, has := first.tails[replicate]; has {
					over[replicate] = tail / of
				}
			}
			r.Over = pairedEffect(over)
		}
		out.Ranks = append(out.Ranks, r)
	}
	return out, true
}
