// Package search chooses which step a cell runs next from the steps that it
// has run.
package search

import (
	"slices"

	"github.com/evabench/evabench/results"
)

// A Ladder gives a fixed list of steps, one after the other, whatever the
// steps before gave. One Ladder serves one cell. The zero value has no steps.
type Ladder struct {
	plans []results.StepPlan
	given int
}

// NewLadder makes a Ladder of plans, which are copied.
func NewLadder(plans []results.StepPlan) *Ladder {
	return &Ladder{plans: slices.Clone(plans)}
}

// Next gives the plan of the next step; false means that the cell is complete.
// What the last step gave does not matter.
func (l *Ladder) Next(*results.StepResult) (results.StepPlan, bool) {
	if l.given == len(l.plans) {
		return results.StepPlan{}, false
	}
	l.given++
	return l.plans[l.given-1], true
}
