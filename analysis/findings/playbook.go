package findings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// playbook gives the documents' first actions when the server is overloaded, in their
// order, with what this run measured of how much.
func playbook(s *analysis.Summary) []string {
	actions := []struct {
		action  string
		figures []string
		without string
	}{
		{"Limit the requests at once", limits(s), "how many is not shown: throughput did not stop to rise at any load of this run"},
		{"Make batches smaller", batches(s), "what that gives was not measured: no two configurations that differ in the bound of a batch alone were held at one load"},
		{"Degrade quality: smaller images, shorter answers, the quicker model", classes(s), "what that gives was not measured: no service has two classes with a median each"},
		{"Shift traffic to instances and servers that have room", room(s), "where there is room was not measured: no capacity is known, and no instance was crowded"},
		{"Slice the GPU anew", slicings(s), "no layout was shown to be better than another in this run"},
		{"Add a GPU", capacities(s), "from what load on was not measured: no capacity was confirmed"},
	}
	var list []string
	for i, a := range actions {
		text := a.without
		if len(a.figures) > 0 {
			text = listed(a.figures)
		}
		list = append(list, fmt.Sprintf("%d. %s: %s.", i+1, a.action, text))
	}
	return list
}

// limits tells where throughput stopped to rise with requests in flight, by
// configuration and service.
func limits(s *analysis.Summary) []string {
	var list []string
	for _, config := range configsOf(s) {
		for _, v := range viewsOf(s, config) {
			if text := v.limit(); text != "" {
				list = append(list, text)
			}
		}
	}
	return list
}

// limit finds, in the first cell that shows it, the fewest requests in flight with which
// throughput was within throughTop of the most, where there are steps with fewer that
// had less, and with riseLeast times as many, of which more was asked, that had no more.
func (v view) limit() string {
	for _, c := range v.cells {
		list := where(v.ofServer(), func(p place) bool {
			_, flows := p.perSecond()
			flight, ok := of(p.service.InFlight)
			return p.cell == c && flows && ok && flight > 0 && p.step.Purpose != results.PurposeProbe
		})
		slices.SortStableFunc(list, func(a, b place) int {
			return cmp.Compare(value(a.service.InFlight), value(b.service.InFlight))
		})
		most := 0.0
		for _, p := range list {
			x, _ := p.perSecond()
			most = max(most, x)
		}
		for i, p := range list {
			x, _ := p.perSecond()
			if x*throughTop < most {
				continue
			}
			flight, n := value(p.service.InFlight), max(1, len(p.instances()))
			beyond := slices.ContainsFunc(list[i+1:], func(o place) bool {
				return value(o.service.InFlight) >= riseLeast*flight && askedMore(o, p)
			})
			if i == 0 || !beyond {
				break
			}
			return fmt.Sprintf("on %s, %s for each instance of %s: there throughput stopped to rise, at %s answers a second",
				v.config, units.Measure(flight/float64(n)), v.service, units.Measure(x))
		}
	}
	return ""
}

// askedMore reports whether a step's load is larger than another's by riseLeast, or of a
// closed loop has more users: an open loop answers no more than is asked of it.
func askedMore(a, b place) bool {
	return load(a) >= riseLeast*load(b) || a.service.Level.Arrivals == "closed" && load(a) > load(b)
}

// batches compares configurations that differ in the bound of a batch alone, at one load: a
// median at a larger load is longer, whatever the batch.
func batches(s *analysis.Summary) []string {
	var list []string
	configs := configsOf(s)
	for _, config := range configs {
		for _, a := range viewsOf(s, config) {
			bound, ok := a.batchLimit()
			if !ok {
				continue
			}
			for _, other := range configs {
				for _, b := range viewsOf(s, other) {
					smaller, ok := b.batchLimit()
					if !ok || b.service != a.service || smaller >= bound || !differInBatch(a, b) {
						continue
					}
					load, ok := commonLoad(a, b)
					if !ok {
						continue
					}
					if x, y := a.at(load, medianOf), b.at(load, medianOf); x.n > 0 && y.n > 0 {
						list = append(list, fmt.Sprintf("at %s %s, %s with batches of at most %s in place of %s has a median of %s in place of %s",
							number(load.Value), load.Unit, a.service, number(smaller), number(bound), y.text(units.Seconds), x.text(units.Seconds)))
					}
				}
			}
		}
	}
	return list
}

func medianOf(p place) (float64, bool) { return of(p.service.Median) }

func differInBatch(a, b view) bool {
	x, y := a.cells[0].Cell.Config, b.cells[0].Cell.Config
	if x.Layout != y.Layout || x.Sharing != y.Sharing || x.Placement != y.Placement || x.Routing != y.Routing || !maps.Equal(x.Workers, y.Workers) || len(x.Params) != len(y.Params) {
		return false
	}
	for name, value := range x.Params {
		key := strings.TrimPrefix(name, a.service+".")
		if other, ok := y.Params[name]; !ok || other != value && !slices.Contains(batchLimits, key) {
			return false
		}
	}
	return true
}

// classes sets the quickest class of a service beside its slowest.
func classes(s *analysis.Summary) []string {
	var list []string
	for _, config := range configsOf(s) {
		for _, v := range viewsOf(s, config) {
			for _, p := range light2(v) {
				var timed []analysis.Group
				for _, g := range p.service.Classes {
					if median(g) > 0 {
						timed = append(timed, g)
					}
				}
				if len(timed) < 2 {
					continue
				}
				slices.SortFunc(timed, func(a, b analysis.Group) int {
					return cmp.Or(cmp.Compare(median(a), median(b)), cmp.Compare(a.Name, b.Name))
				})
				quick, slow := timed[0], timed[len(timed)-1]
				list = append(list, fmt.Sprintf("on %s a request of %s takes %s of %s, one of %s %s", config, quick.Name, seconds(median(quick)), v.service, slow.Name, seconds(median(slow))))
				break
			}
		}
	}
	return list
}

// light2 are the light places, or all where there is one load.
func light2(v view) []place {
	if list := light(v.ofServer()); len(list) > 0 {
		return list
	}
	return v.ofServer()
}

// room tells of crowded instances, and of how far loads are from what was confirmed.
func room(s *analysis.Summary) []string {
	var list []string
	for _, config := range configsOf(s) {
		for _, v := range viewsOf(s, config) {
			for _, p := range heavy(v.ofServer()) {
				seats := seatsOf(p)
				if seats == nil {
					continue
				}
				slices.SortStableFunc(seats, func(a, b seat) int { return cmp.Compare(a.flight, b.flight) })
				idle, full := seats[0], seats[len(seats)-1]
				if full.flight >= crowdedTimes*idle.flight && full.flight-idle.flight >= 1 {
					list = append(list, fmt.Sprintf("on %s, %s had %s in flight and %s %s", config, full.name, units.Measure(full.flight), idle.name, units.Measure(idle.flight)))
					break
				}
			}
		}
		if capacity, n := signedOf(s, config); n > 0 {
			for _, l := range capacity.Loads {
				target := targetOf(s, l)
				if r := analysis.Room(target, l.Signed); r.Known() && *r.Number > 0 {
					list = append(list, fmt.Sprintf("%s bears %s %s of %s%s, %s more than its target of %s", config, text(l.Signed), l.Unit, l.Service, leastOf(n), units.Change(*r.Number), text(target)))
				}
			}
		}
	}
	return list
}

func targetOf(s *analysis.Summary, l analysis.CapacityLoad) analysis.Value {
	for _, v := range s.Environment.Services {
		if v.Name == l.Service && v.Target != nil && v.Target.Unit == l.Unit {
			x := v.Target.Value
			return analysis.Value{Number: &x, Unit: "1"}
		}
	}
	return analysis.Value{Unit: "1", Why: "it was not recorded"}
}

// slicings are layouts that were shown to be better than others, or were better on one
// deployment of each if none was.
func slicings(s *analysis.Summary) []string {
	var list, once, told []string
	for _, c := range s.Contrasts {
		if c.Verdict == analysis.ContrastWorse {
			c = turned(c)
		}
		a, b := cellsOf(s, c.Of), cellsOf(s, c.Against)
		if c.Verdict != analysis.ContrastBetter || !c.Ratio.Known() || len(a) == 0 || len(b) == 0 || a[0].Cell.Config.Layout == b[0].Cell.Config.Layout {
			continue
		}
		text := fmt.Sprintf("%s has %s of the %s of %s", c.Of, units.Change(*c.Ratio.Number-1), c.Figure, c.Against)
		switch {
		case slices.Contains(told, text):
			continue // the other way round
		case shown(c):
			list = append(list, text)
		default:
			once = append(once, text+", on one deployment of each, so that it is not shown; repeat them")
		}
		told = append(told, text)
	}
	if len(list) == 0 {
		return once
	}
	return list
}

// capacities are the loads that were confirmed, in the replicate that bears least.
func capacities(s *analysis.Summary) []string {
	var list []string
	for _, config := range configsOf(s) {
		if c, n := signedOf(s, config); n > 0 {
			list = append(list, fmt.Sprintf("above %s %s on %s%s, which were confirmed", text(c.Signed), c.Unit, config, leastOf(n)))
		}
	}
	return list
}

// signedOf is the capacity of a configuration's replicate with the least confirmed load, and
// of how many replicates one was confirmed.
func signedOf(s *analysis.Summary, config string) (least analysis.Capacity, n int) {
	for _, c := range cellsOf(s, config) {
		if c.Capacity == nil || !c.Capacity.Signed.Known() {
			continue
		}
		if n++; n == 1 || value(c.Capacity.Signed) < value(least.Signed) {
			least = *c.Capacity
		}
	}
	return least, n
}

// leastOf tells that a load is the least of several replicates; empty of one.
func leastOf(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", the least of %d replicates", n)
}
