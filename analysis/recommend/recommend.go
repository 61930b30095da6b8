// Package recommend says which configuration to use for what, from what a run measured:
// for each goal the simplest configuration within the indifference zone of the best, and
// for each of the operating environments of EVA's guide that the server is whether the
// measurements say what the guide says. It knows roles, devices and figures, and no
// configuration by its name.
package recommend

import (
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Complete makes the Recommendation of a summary that [analysis.Summary.Complete] has
// seen. A run without a finished cell has none.
func Complete(s *analysis.Summary) {
	s.Recommendation = nil
	all := candidates(s)
	if len(all) == 0 {
		return
	}
	r := run{Summary: s, all: all, zone: s.Zone()}
	out := &analysis.Recommendation{Environments: []analysis.OperatingEnvironment{}, Choices: []analysis.Choice{}}
	out.Environments = r.environments()
	for _, goal := range []string{analysis.GoalJoint, analysis.GoalVision, analysis.GoalAgent, analysis.GoalLatency} {
		if c, ok := r.choose(goal); ok {
			out.Choices = append(out.Choices, c)
		}
	}
	out.NotTested = r.notTested()
	s.Recommendation = out
}

// A run is a summary with its configurations.
type run struct {
	*analysis.Summary
	all  []candidate
	zone float64
}

// A candidate is one configuration, over the cells that were done.
type candidate struct {
	name     string
	config   results.Config
	mig, mps analysis.Use
	cells    []analysis.Cell // done
	first    analysis.Cell   // of them
}

// candidates lists the configurations of which a cell was done, by name.
func candidates(s *analysis.Summary) []candidate {
	var all []candidate
	for _, c := range s.Cells {
		if c.Cell.Config.Name == "" || c.Cell.Status != results.CellDone {
			continue
		}
		i := slices.IndexFunc(all, func(o candidate) bool { return o.name == c.Cell.Config.Name })
		if i < 0 {
			i = len(all)
			all = append(all, candidate{name: c.Cell.Config.Name, config: c.Cell.Config, mig: c.MIG, mps: c.MPS})
		}
		all[i].cells = append(all[i].cells, c)
	}
	for i := range all {
		all[i].first = slices.MinFunc(all[i].cells, func(a, b analysis.Cell) int { return a.Cell.Replicate - b.Cell.Replicate })
	}
	slices.SortFunc(all, byName)
	return all
}

// of gives a candidate by its name.
func (r run) of(name string) (candidate, bool) {
	for _, c := range r.all {
		if c.name == name {
			return c, true
		}
	}
	return candidate{}, false
}

// role reports whether the run has a service of a role.
func (r run) role(role string) bool {
	return slices.ContainsFunc(r.Environment.Services, func(s results.Service) bool { return s.Role == role })
}
