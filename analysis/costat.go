package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
)

// picked are the steps that the rates of a configuration are of.
type picked struct {
	words string
	at    []pickedStep // one of each cell that has one
}

// A pickedStep is one cell's; capacity is nil where it is not of one.
type pickedStep struct {
	step     Step
	capacity *Capacity
}

// pick chooses them as [Cost] says.
func pick(env results.Environment, cells []Cell) picked {
	if p := atCapacity(cells); len(p.at) > 0 {
		return p
	}
	var candidates [][]pickedStep
	for _, c := range cells {
		for _, s := range c.Steps {
			if s.Failover != nil || s.Heavy || s.Stopped != "" || s.Purpose == results.PurposeSpike || s.Purpose == results.PurposeInterference {
				continue
			}
			// Steps of levels are the same in all cells, those of a search are not.
			i := -1
			if env.Search == nil {
				i = slices.IndexFunc(candidates, func(o []pickedStep) bool { return o[0].step.Index == s.Index })
			}
			if i < 0 {
				i, candidates = len(candidates), append(candidates, nil)
			}
			candidates[i] = append(candidates[i], pickedStep{step: s})
		}
	}
	return bestOf(candidates)
}

// bestOf takes, of groups of steps, the one with the most throughput: of those that met
// every objective, if any did, else of those that measure the server.
func bestOf(candidates [][]pickedStep) picked {
	has := func(is func(Step) bool) func([]pickedStep) bool {
		return func(group []pickedStep) bool {
			return !slices.ContainsFunc(group, func(p pickedStep) bool { return !is(p.step) })
		}
	}
	measured := keep(candidates, has(measures))
	met := keep(measured, has(metAll))
	suffix := ""
	switch {
	case len(measured) == 0:
		return picked{words: "no step measures the server"}
	case len(met) > 0:
		measured = met
	case slices.ContainsFunc(measured, func(group []pickedStep) bool { return stated(group[0].step) > 0 }):
		suffix = "; no step met every objective"
	default:
		suffix = "; no objectives are stated"
	}
	most := map[string]float64{}
	for _, group := range measured {
		for role, rate := range ratesOf(group) {
			most[role] = max(most[role], rate)
		}
	}
	var best []pickedStep
	score := math.Inf(-1)
	for _, group := range measured {
		var sum float64
		for role, rate := range ratesOf(group) {
			if most[role] > 0 {
				sum += rate / most[role]
			}
		}
		if sum > score {
			best, score = group, sum
		}
	}
	words := fmt.Sprintf("step %d", best[0].step.Index)
	if name := best[0].step.Name; name != "" {
		words += ": " + name
	}
	return picked{words + suffix, best}
}

func keep[T any](list []T, good func(T) bool) []T {
	var kept []T
	for _, x := range list {
		if good(x) {
			kept = append(kept, x)
		}
	}
	return kept
}

// measures reports whether a step measures the server, in every service.
func measures(s Step) bool {
	return len(s.Services) > 0 && !slices.ContainsFunc(s.Services, func(v Service) bool { return !v.Verdict.Measures() })
}

// stated counts a step's objectives.
func stated(s Step) int {
	n := 0
	for _, v := range s.Services {
		n += len(v.SLO)
	}
	return n
}

// metAll reports whether there are objectives and a step met every one.
func metAll(s Step) bool {
	return stated(s) > 0 && !slices.ContainsFunc(s.Services, func(v Service) bool {
		return slices.ContainsFunc(v.SLO, func(c ClauseValue) bool { return c.Result != Met })
	})
}

// ratesOf gives the mean throughput of each role, in answers a second.
func ratesOf(group []pickedStep) map[string]float64 {
	rates := map[string]float64{}
	for _, p := range group {
		for _, v := range p.step.Services {
			rates[v.Role] += float64(v.Total.Completed) / p.step.Window / float64(len(group))
		}
	}
	return rates
}

// atCapacity picks the steps nearest to the capacities that were found.
func atCapacity(cells []Cell) picked {
	var p picked
	var measured []string
	for _, c := range cells {
		k := c.Capacity
		if k == nil || k.State != CapacityFound || !k.Estimate.Known() {
			continue
		}
		s, ok := nearest(c.Steps, k)
		if !ok {
			continue
		}
		p.at = append(p.at, pickedStep{s, k})
		for _, l := range k.Loads {
			if !ownRate(l) {
				measured = append(measured, l.Role)
			}
		}
	}
	p.words = "capacity"
	if n := len(p.at); n < len(cells) {
		p.words += fmt.Sprintf(" of %d of %d cells", n, len(cells))
	} else if n > 1 {
		p.words += fmt.Sprintf(", mean of %d cells", n)
	}
	if slices.Sort(measured); len(measured) > 0 {
		var steps []string
		for _, at := range p.at {
			steps = append(steps, fmt.Sprint(at.step.Index))
		}
		p.words += fmt.Sprintf("; %s as completed in the steps nearest to it (%s)", strings.Join(slices.Compact(measured), " and "), strings.Join(steps, ", "))
	}
	return p
}

// ownRate reports whether a load is itself a rate of answers: an open loop's of Vision,
// whose sessions are of one call.
func ownRate(l CapacityLoad) bool {
	return l.Role == results.RoleVision && l.Unit == "req/s" && l.Estimate.Known()
}

// nearest is the step whose load is nearest to a capacity, by its ratio; of two alike the
// longer one.
func nearest(steps []Step, k *Capacity) (Step, bool) {
	i := 0
	if k.Raised != "" {
		i = slices.IndexFunc(k.Loads, func(l CapacityLoad) bool { return l.Service == k.Raised })
	}
	if i < 0 || i >= len(k.Loads) || !k.Loads[i].Estimate.Known() {
		return Step{}, false
	}
	var best Step
	least := math.Inf(1)
	for _, s := range steps {
		at := slices.IndexFunc(s.Services, func(v Service) bool { return v.Name == k.Loads[i].Service })
		if at < 0 || s.Heavy || s.Stopped != "" || s.Failover != nil || s.Purpose == results.PurposeSpike || !measures(s) {
			continue
		}
		apart := math.Abs(math.Log(s.Services[at].Level.Value / *k.Loads[i].Estimate.Number))
		if apart < least || apart == least && s.Window > best.Window {
			best, least = s, apart
		}
	}
	return best, !math.IsInf(least, 1)
}

// rate is the mean over the cells of what a role's services answer in a second.
func (p picked) rate(env results.Environment, role string) Value {
	if !slices.ContainsFunc(env.Services, func(s results.Service) bool { return s.Role == role }) {
		return inapplicable("1/s", "no "+role+" service")
	}
	if len(p.at) == 0 {
		return unknown("1/s", p.words)
	}
	var sum float64
	for _, at := range p.at {
		for _, v := range at.step.Services {
			if v.Role == role {
				sum += at.answers(v)
			}
		}
	}
	return known(sum/float64(len(p.at)), "1/s")
}

// answers is a service's rate at the capacity, or in the step.
func (p pickedStep) answers(v Service) float64 {
	if p.capacity != nil {
		for _, l := range p.capacity.Loads {
			if l.Service == v.Name && ownRate(l) {
				return *l.Estimate.Number
			}
		}
	}
	return float64(v.Total.Completed) / p.step.Window
}

// power is the mean over the cells of what all their GPUs drew together.
func (p picked) power() Value {
	if len(p.at) == 0 {
		return unknown("W", p.words)
	}
	var sum float64
	for _, at := range p.at {
		if at.step.Activity == nil || len(at.step.Activity.GPUs) == 0 {
			return unknown("W", "nothing was read of the GPUs' power")
		}
		for _, g := range at.step.Activity.GPUs {
			if !g.Power.Known() {
				return unknown("W", g.GPU+": "+g.Power.Why)
			}
			sum += *g.Power.Number
		}
	}
	return known(sum/float64(len(p.at)), "W")
}
