package findings

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// shiftShare is the share of steady steps that must drift: the test of one is wrong in 1
// of 1,000, and a search has dozens.
const shiftShare = 0.2

var regimeShift = rule{
	name: "regime-shift", class: shift, needs: "steps long enough to tell whether requests took as long at the end as at the begin",
	judge: func(v view) outcome {
		judged := where(v.ofServer(), func(p place) bool {
			return !p.step.Looks() && p.service.Verdict.Is != analysis.Saturated && p.service.Drift.Result != analysis.NotJudged && p.service.Drift.Result != ""
		})
		if len(judged) == 0 {
			return unjudged("no step was long enough to tell drift by")
		}
		drifts := where(judged, func(p place) bool { return p.service.Drift.Result == analysis.Drifts })
		if len(drifts) == 0 || float64(len(drifts)) < shiftShare*float64(len(judged)) {
			return outcome{}
		}
		most := drifts[0]
		for _, p := range drifts {
			if math.Abs(value(p.service.Drift.Change)) > math.Abs(value(most.service.Drift.Change)) {
				most = p
			}
		}
		because := []string{
			fmt.Sprintf("%d of %s drifted, at equal numbers in flight; the most in %s: %s", len(drifts), units.Plural(len(judged), "step"), stepName(most), most.service.Drift.Why),
		}
		if change, ok := of(most.service.Drift.Change); ok {
			because = append(because, "the time of a request changed by "+units.Change(change)+" over that window")
		}
		// That one step drifted is shown at 1 in 1,000; that it is the server's way, by two.
		confidence := weak
		if len(drifts) > 1 {
			confidence = strong
		}
		return next(finding(confidence, "the server did not stay the same within a step: its warm-up was longer, a worker ended, or something else began to run", because, drifts),
			"a longer warm-up; read the servers' logs at that time; look at clocks and memory",
			"the same step for twice as long, after twice the warm-up: it is steady")
	},
}

// apartIntervals is how many half-widths capacities of deployments are apart that
// differ by more than their own error.
const apartIntervals = 3

var deploymentsDiffer = rule{
	name: "deployments-differ", class: shift, needs: "capacities of two replicates, each with its interval",
	judge: func(v view) outcome {
		var low, high *analysis.Capacity
		var half float64
		n := 0
		for _, c := range v.cells {
			k := c.Capacity
			if k == nil || !k.Estimate.Known() || !k.Low.Known() || !k.High.Known() {
				continue
			}
			n++
			half = max(half, (value(k.High)-value(k.Low))/2)
			if low == nil || value(k.Estimate) < value(low.Estimate) {
				low = k
			}
			if high == nil || value(k.Estimate) > value(high.Estimate) {
				high = k
			}
		}
		if n < 2 {
			return unjudged("fewer than two replicates have a capacity with an interval")
		}
		gap := value(high.Estimate) - value(low.Estimate)
		if half <= 0 || gap <= apartIntervals*half {
			return outcome{}
		}
		because := []string{fmt.Sprintf("capacities of %s go from %s to %s %s, and the widest interval is +-%s", units.Plural(n, "deployment"),
			text(low.Estimate), text(high.Estimate), low.Unit, units.Measure(half))}
		return next(finding(strong, "one deployment differs from another by more than chance within one: placement, NUMA node, or which instance got what", because, v.ofServer()),
			"pin processes to the GPU's NUMA node and write down the topology; tell the spread between deployments with every capacity",
			"five deployments of the same configuration, pinned: their capacities agree")
	},
}
