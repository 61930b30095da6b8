package search

import (
	"testing"

	"github.com/evabench/evabench/results"
)

func TestLadder(t *testing.T) {
	for _, names := range [][]string{nil, {"one"}, {"low", "middle", "high"}} {
		var plans []results.StepPlan
		for _, name := range names {
			plans = append(plans, results.StepPlan{Name: name})
		}
		chooser := NewLadder(plans)
		for i := range plans {
			plans[i].Name = "changed by the caller"
		}
		var done []results.Step
		for plan, ok := chooser.Next(done); ok; plan, ok = chooser.Next(done) {
			if len(done) >= len(names) {
				t.Fatalf("%v: Next goes on after %d steps", names, len(done))
			}
			if plan.Name != names[len(done)] {
				t.Errorf("%v: step %d is %q", names, len(done), plan.Name)
			}
			done = append(done, results.Step{Index: len(done), Plan: plan})
		}
		if len(done) != len(names) {
			t.Errorf("%v: %d steps, want %d", names, len(done), len(names))
		}
	}
}
