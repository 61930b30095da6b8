// Package findings goes from the evidence of a run to diagnoses, each with the next
// experiment that would refute it.
//
// A rule looks at one service on one configuration, over all its replicates and steps.
// It asks for intervals where there are any, and says that it could not judge where the
// run has nothing on it: what was not read is not taken for what is not there.
package findings

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// The classes of diagnoses, in their order of precedence: what comes first may be the
// cause of all behind it, and spoils their evidence.
const (
	invalid       = iota + 1 // the run measures something else
	exhaustion               // errors, and memory that runs out
	shift                    // the server did not stay the same
	throttling               // clocks held down
	interfering              // others on the GPU
	beforeGPU                // processors, network, and other places on the way
	outOfCapacity            // capacity, and how requests are spread
	tuning
)

// A rule is one way from evidence to a diagnosis.
type rule struct {
	name  string // stable
	class int
	// needs says what the rule judges by.
	needs string
	judge func(view) outcome
	// explains names the rules whose diagnosis is but a consequence of this one's.
	explains []string
}

// An outcome is what a rule made of one service on one configuration. With neither a
// finding nor a reason, there is nothing of what the rule looks for.
type outcome struct {
	finding  *analysis.Finding // without its rule, place and class
	unjudged string            // why it could not be judged
}

func unjudged(why string) outcome { return outcome{unjudged: why} }

// rules are all there are, in their order within a class.
func rules() []rule {
	return []rule{
		lostArrivals, throttledGenerator,
		memoryLeak, outOfMemory, memoryNearLimit, errorsBeforeLatency,
		regimeShift, deploymentsDiffer,
		clockDrop,
		interference, pcieContention,
		slowPreprocessing, packetDelay, jitter,
		slowWorker, routingImbalance, capacityReached, queueing,
		launchBound, contextSwitching, batchCap, batchDelay, tooManyWorkers, mixedClasses, hiddenStage,
	}
}

// perConfig is how many findings of a configuration are among the top ones.
const perConfig = 3

// The degrees of confidence.
const (
	strong = "strong"
	weak   = "weak"
)

// Complete fills in the Findings of a summary that is complete otherwise. The order of
// cells does not matter.
func Complete(s *analysis.Summary) {
	f := &analysis.Findings{Top: []analysis.Finding{}, Fired: map[string][]string{}}
	reasons := map[string]map[string][]string{} // by rule and why: services and configurations
	judged := map[string]bool{}                 // by rule
	configs := configsOf(s)
	for _, config := range configs {
		found := []analysis.Finding{}
		for _, r := range rules() {
			for _, v := range viewsOf(s, config) {
				o := r.judge(v)
				switch {
				case o.unjudged != "":
					if reasons[r.name] == nil {
						reasons[r.name] = map[string][]string{}
					}
					reasons[r.name][o.unjudged] = append(reasons[r.name][o.unjudged], v.service+" on "+config)
				default:
					judged[r.name] = true
				}
				if o.finding != nil {
					o.finding.Rule, o.finding.Class = r.name, r.class
					o.finding.Config, o.finding.Service = config, v.service
					found = append(found, *o.finding)
				}
			}
		}
		for _, one := range byRule(found) {
			f.Fired[config] = append(f.Fired[config], one.Rule)
		}
		top := byRule(withoutConsequences(found))
		f.Top = append(f.Top, top[:min(perConfig, len(top))]...)
	}
	f.Silent = len(f.Fired) == 0
	f.Unjudged = unjudgedOf(reasons, judged)
	if len(configs) == 0 {
		f.Unjudged = map[string]string{}
		for _, r := range rules() {
			f.Unjudged[r.name] = "no cell was finished; it needs " + r.needs
		}
	}
	f.Apart, f.Playbook = apart(s), playbook(s)
	s.Findings = f
}

// byRule makes one finding of each rule's, in the order of precedence.
func byRule(found []analysis.Finding) []analysis.Finding {
	var list []analysis.Finding
	for _, r := range rules() {
		of := slices.DeleteFunc(slices.Clone(found), func(f analysis.Finding) bool { return f.Rule != r.name })
		if len(of) > 0 {
			list = append(list, together(of))
		}
	}
	slices.SortStableFunc(list, byPrecedence)
	return list
}

// together makes one finding of a rule's findings on one configuration: the surest, which
// names the others.
func together(list []analysis.Finding) analysis.Finding {
	slices.SortStableFunc(list, func(a, b analysis.Finding) int { return cmp.Compare(rank(a), rank(b)) })
	first := list[0]
	var others []string
	for _, o := range list[1:] {
		others = append(others, o.Service)
	}
	if len(others) > 0 {
		first.Because = append(slices.Clone(first.Because), "the same is found of "+strings.Join(others, " and "))
	}
	return first
}

// rank is 0 of what is surer.
func rank(f analysis.Finding) int {
	if f.Confidence == strong {
		return 0
	}
	return 1
}

func byPrecedence(a, b analysis.Finding) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(rank(a), rank(b)))
}

// withoutConsequences leaves out what another rule that fired explains: of the same service,
// since one's trouble may be the cause of another's, and nothing that is surer than what
// would explain it.
func withoutConsequences(found []analysis.Finding) []analysis.Finding {
	explains := map[string][]string{}
	for _, r := range rules() {
		explains[r.name] = r.explains
	}
	return slices.DeleteFunc(slices.Clone(found), func(f analysis.Finding) bool {
		return slices.ContainsFunc(found, func(by analysis.Finding) bool {
			return by.Service == f.Service && rank(by) <= rank(f) && slices.Contains(explains[by.Rule], f.Rule)
		})
	})
}

// unjudgedOf tells of each rule why it could not be judged, and where if it could elsewhere.
func unjudgedOf(reasons map[string]map[string][]string, judged map[string]bool) map[string]string {
	out := map[string]string{}
	for name, whys := range reasons {
		var parts []string
		for _, why := range slices.Sorted(maps.Keys(whys)) {
			if judged[name] || len(whys) > 1 {
				where := slices.Compact(slices.Sorted(slices.Values(whys[why])))
				parts = append(parts, listed(where)+": "+why)
			} else {
				parts = append(parts, why)
			}
		}
		out[name] = strings.Join(parts, "; ")
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// listed names the first three of a list, and how many more there are.
func listed(list []string) string {
	const most = 3
	if n := len(list) - most; n > 0 {
		return strings.Join(list[:most], ", ") + ", and " + plural(n, "more")
	}
	return strings.Join(list, ", ")
}
