package findings

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

var lostArrivals = rule{
	name: "lost-arrivals", class: invalid, needs: "the load generator's counts beside the samples",
	judge: func(v view) outcome {
		lost := where(v.places, func(p place) bool { return !p.service.Identity.Holds })
		if len(v.places) == 0 {
			return unjudged("no step was run")
		}
		if len(lost) == 0 {
			return outcome{}
		}
		return next(finding(strong, "arrivals are unaccounted for: no number of these steps can be trusted",
			[]string{fmt.Sprintf("%s: %s", units.Plural(len(lost), "step"), lost[0].service.Identity.Why)}, lost),
			"report it: evabench counts every arrival twice, and the counts differ",
			"the same step once more, on the same machine: the counts agree")
	},
}

// clientShare is the share of steps that must measure the client before that is called
// a finding: a probe far beyond what is asked for may.
const clientShare = 0.2

var throttledGenerator = rule{
	name: "throttled-generator", class: invalid, needs: "the load generator's own lag, and its verdicts",
	judge: func(v view) outcome {
		judged := where(v.places, func(p place) bool {
			return p.service.Verdict.Is != analysis.Void && p.service.Verdict.Is != analysis.Unjudged
		})
		if len(judged) == 0 {
			return unjudged("no step has a lag to judge by")
		}
		ours := func(p place) bool { return p.service.Verdict.Is == analysis.ClientLimited }
		limited := where(judged, ours)
		top := heavy(judged)
		share := float64(len(limited)) / float64(len(judged))
		if len(limited) == 0 || share < clientShare && !slices.ContainsFunc(top, ours) {
			return outcome{}
		}
		confidence := weak
		if share >= 0.5 || !slices.ContainsFunc(top, func(p place) bool { return !ours(p) }) {
			confidence = strong
		}
		last := limited[len(limited)-1]
		because := []string{
			fmt.Sprintf("%d of %s measure the client", len(limited), units.Plural(len(judged), "step")),
			last.service.Verdict.Why,
		}
		if c := last.step.Client; c != nil && c.Cores.Known() {
			because = append(because, fmt.Sprintf("the load generator used %s cores, and its thread that sends and reads was busy for %s of the window", units.FormatOr(c.Cores.Number, "1"), units.FormatOr(c.Busy.Number, units.Ratio)))
		}
		return next(finding(confidence, "the load generator could not keep up: these steps measure it and not the server", because, limited),
			"run evabench on processors of its own, away from the servers; ask for less load",
			"the same load against evabench's own stub server (evabench doctor): its lag stays within the limit")
	},
}
