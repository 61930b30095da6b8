// Package search chooses which step a cell runs next from the steps that it
// has run.
package search

import (
	"slices"

	"github.com/evabench/evabench/results"
)

// A Ladder gives a fixed list of steps, one after the other, whatever the
// steps before gave. It does not change and is safe for concurrent use. The
// zero value has no steps.
type Ladder struct{ plans []results.StepPlan }

// NewLadder makes a Ladder of plans, which are copied.
func NewLadder(plans []results.StepPlan) *Ladder {
	return &Ladder{plans: slices.Clone(plans)}
}

// Next gives the plan of the step after done, the steps of the cell so far in
// their order; false means that the cell is complete.
func (l *Ladder) Next(done []results.Step) (results.StepPlan, bool) {
	if len(done) >= len(l.plans) {
		return results.StepPlan{}, false
	}
	return l.plans[len(done)], true
}
