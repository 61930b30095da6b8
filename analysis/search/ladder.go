// Package search chooses which step a cell runs next from the steps that it
// has run.
package search

import (
	"slices"

	"github.com/evabench/evabench/results"
)

// A Steps chooser gives a fixed list of steps, one after the other. Use
// [Ladder] to make one. It holds no state and is safe for concurrent use.
type Steps struct{ plans []results.StepPlan }

// Ladder makes a chooser that runs plans in their order, each once, whatever
// the steps before gave. The plans are copied; a ladder of none ends at once.
func Ladder(plans []results.StepPlan) *Steps {
	return &Steps{plans: slices.Clone(plans)}
}

// Next gives the plan of the step after done, the steps of the cell so far in
// their order; false means that the cell is complete.
func (s *Steps) Next(done []results.Step) (results.StepPlan, bool) {
	if len(done) >= len(s.plans) {
		return results.StepPlan{}, false
	}
	return s.plans[len(done)], true
}
