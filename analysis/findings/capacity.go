package findings

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The limits of rules on capacity.
const (
	idleGPU     = 0.5  // nothing is short of GPU that idles so much
	spentSM     = 0.35 // SMs that are less busy are not spent
	riseLeast   = 1.2  // in flight, for throughput to be called at its top
	throughTop  = 1.02
	waitShare   = 0.5 // of the time from sent to done
	unevenCount = 1.25
)

var capacityReached = rule{
	name: "capacity-reached", class: outOfCapacity, needs: "a step that was not run to look for the boundary, with a backlog that could grow, or two loads of a closed loop",
	judge: func(v view) outcome {
		list := where(v.ofServer(), func(p place) bool { return !p.step.Looks() })
		judged, over1 := 0, []place{}
		var because []string
		for _, p := range list {
			switch p.service.Growth.Result {
			case analysis.Grew:
				judged++
				over1 = append(over1, p)
				because = append(because, "in "+stepName(p)+": "+grown(p.service.Growth))
			case analysis.Steady, analysis.Shrank:
				judged++
			}
		}
		flat, words, known := v.flat(list)
		if known {
			judged++
		}
		if flat != nil {
			over1, because = append(over1, flat...), append(because, words)
		}
		if judged == 0 {
			return unjudged("no step with an open loop was long enough to tell whether its backlog grew, and no closed loop had two loads")
		}
		if len(over1) == 0 || unspent(over1) != "" || uneven(over1) {
			return outcome{}
		}
		confidence := strong
		because = firstOf(because)
		if c, work := workGrew(v); work != "" {
			if c == strong {
				return outcome{} // others on the GPU, or its clock: what there is is worth less
			}
			confidence, because = weak, append(because, work) // computing is not what it was at the least load
		} else if s := workGrowth(v); s.n > 0 {
			because = append(because, "computing a request took as long as at the least load: "+s.text(units.Ratio))
		} else {
			confidence = weak
		}
		if busy := each(over1, busyOf); len(busy) > 0 {
			because = append(because, "something ran on its devices for "+over(busy).text(units.Ratio)+" of the time")
		}
		return next(finding(confidence, "the load is more than the service can do: its instances are all used", because, over1),
			"a larger slice, more instances, or larger batches; refuse early what is too much",
			"one more instance: capacity grows by about one part in the number of instances")
	},
}

func grown(g analysis.QueueGrowth) string {
	return fmt.Sprintf("the backlog rose by %s over the window, and %s would have been too little to tell", text(g.Size), text(g.Floor))
}

// flat finds two steps of a cell, of a closed loop, of which the one with more in flight
// completed no more.
func (v view) flat(list []place) (both []place, words string, known bool) {
	for _, a := range list {
		for _, b := range list {
			if a.cell != b.cell || a.service.Level.Arrivals != "closed" || b.service.Level.Value <= a.service.Level.Value {
				continue
			}
			fa, okA := of(a.service.InFlight)
			fb, okB := of(b.service.InFlight)
			x, okX := a.perSecond()
			y, okY := b.perSecond()
			if !okA || !okB || !okX || !okY || fb < riseLeast*fa {
				continue
			}
			known = true
			if y < throughTop*x && both == nil {
				both = []place{b}
				words = fmt.Sprintf("with %s in flight in place of %s, %s answers a second came in place of %s", units.Measure(fb), units.Measure(fa), units.Measure(y), units.Measure(x))
			}
		}
	}
	return both, words, known
}

// unspent says in words that the GPU was not what there was too little of; empty if it
// was, or if nothing tells.
func unspent(list []place) string {
	idle := over(each(list, func(p place) (float64, bool) { x := idleOf(p); return x, known(x) }))
	if idle.above(idleGPU) != "" {
		return "the GPU idled"
	}
	sm := over(each(list, smOf))
	if sm.below(spentSM) != "" {
		return "its SMs had little to do"
	}
	return ""
}

func smOf(p place) (float64, bool) {
	return mean(each1(p.devices(), func(d analysis.DeviceActivity) analysis.Value { return d.SM }))
}

// uneven reports whether most of the places spread requests unevenly over instances.
func uneven(list []place) bool {
	n := 0
	for _, p := range list {
		if slices.ContainsFunc(p.service.Imbalances, func(i analysis.Imbalance) bool { return value(i.MaxToMean) > unevenCount }) {
			n++
		}
	}
	return 2*n > len(list)
}

var queueing = rule{
	name: "queueing", class: outOfCapacity, needs: "the wait in the server's queue, and a clause on latency",
	judge: func(v view) outcome {
		var late []place
		var shares []float64
		judged := false
		for _, p := range v.ofServer() {
			if p.service.Verdict.Is == analysis.Saturated || p.step.Looks() || len(p.service.SLO) == 0 {
				continue
			}
			w := p.waiting()
			took, ok := of(p.service.Total.Served.Mean)
			if w == nil || !ok || took <= 0 {
				continue
			}
			wait, ok := of(w.Wait.Value)
			if !ok {
				continue
			}
			judged = true
			if p.unmet() {
				late, shares = append(late, p), append(shares, wait/took)
			}
		}
		s := over(shares)
		confidence := s.above(waitShare)
		switch {
		case !judged:
			return unjudged("no server told how long requests waited, or the service has no objectives")
		case confidence == "":
			return outcome{}
		}
		return next(finding(confidence, "an objective is missed by waiting in the queue, which does not grow: normal queueing at this load",
			[]string{"waiting was " + s.text(units.Ratio) + " of the time from sent to done"}, late),
			"less load, an objective that allows for it, one queue for all instances, or requests that take more alike",
			"the same load evenly spaced (constant arrivals): the wait is a fraction")
	},
}
