package search

import (
	"testing"

	"github.com/evabench/evabench/results"
)

func TestLevels(t *testing.T) {
	for _, names := range [][]string{nil, {"one"}, {"low", "middle", "high"}} {
		var plans []results.StepPlan
		for _, name := range names {
			plans = append(plans, results.StepPlan{Name: name})
		}
		chooser := NewLevels(plans)
		for i := range plans {
			plans[i].Name = "changed by the caller"
		}
		done := 0
		for plan, ok := chooser.Next(nil); ok; done++ {
			if done >= len(names) {
				t.Fatalf("%v: Next goes on after %d steps", names, done)
			}
			if plan.Name != names[done] {
				t.Errorf("%v: step %d is %q", names, done, plan.Name)
			}
			plan, ok = chooser.Next(&results.StepResult{Step: results.Step{Index: done, Plan: plan}})
		}
		if _, more := chooser.Next(nil); done != len(names) || more {
			t.Errorf("%v: %d steps, want %d; more after the last: %v", names, done, len(names), more)
		}
	}
}
