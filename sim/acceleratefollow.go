package sim

import (
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// follow turns facts into server time for who follows a run. A cell's Started is a
// date, and phases are told without one. plans holds what each step's chooser asked for.
func (a Acceleration) follow(f func(runner.Fact), plans *plans) func(runner.Fact) {
	return func(fact runner.Fact) {
		switch fact := fact.(type) {
		case runner.StepBegins:
			fact.Plan = plans.of(fact.Cell, fact.Index)
			f(fact)
		case runner.StepRuns:
			fact.Start, fact.From, fact.To = a.offset(fact.Start), a.offset(fact.From), a.offset(fact.To)
			samples := fact.Samples
			fact.Samples = func(yield func(results.Sample) bool) {
				for s := range samples {
					if !yield(a.sample(s)) {
						return
					}
				}
			}
			fact.Observations = a.observations(fact.Observations)
			f(fact)
		case runner.StepEnds:
			fact.Step = a.step(fact.Step, plans.of(fact.Cell, fact.Step.Index))
			f(fact)
		case runner.CellEnds:
			fact.Cell = a.cell(fact.Cell)
			f(fact)
		default:
			f(fact)
		}
	}
}
