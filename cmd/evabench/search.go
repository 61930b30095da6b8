package main

import (
	"math"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// searchAsked records what was asked for; nil if there is no search.
func (b *bench) searchAsked() *results.Search {
	s := b.scenario.Search
	if s == nil {
		return nil
	}
	return &results.Search{
		Kind: s.Kind, Raise: s.Raise, From: s.From, Grow: s.Grow, Most: s.Most, Tolerance: s.Tolerance,
		Budget: s.Budget, Confirm: s.Confirm, Heavy: s.Heavy, Warmup: b.scenario.Warmup, Window: b.scenario.Window,
	}
}

// knownSteps gives the steps of which it is known now that they may be run: all of a
// ladder; of a search the first load and the last, as long as any that was asked for.
func (b *bench) knownSteps() []results.StepPlan {
	s := b.scenario.Search
	if s == nil {
		return b.scenario.StepPlans()
	}
	loads := []float64{s.From}
	if s.Most > 0 {
		loads = append(loads, s.Most)
	}
	var plans []results.StepPlan
	for _, load := range loads {
		levels, raise := b.scenario.Ray()
		for i := range levels {
			l := &levels[i]
			switch {
			case raise == "":
				l.Value *= load
			case l.Service == raise:
				l.Value = load
			}
			if l.Arrivals == scenarios.Closed || l.Arrivals == scenarios.Cameras {
				l.Value = max(1, math.Round(l.Value))
			}
		}
		plans = append(plans, results.StepPlan{Levels: levels, Warmup: b.scenario.Warmup, Window: max(b.scenario.Window, s.Confirm)})
	}
	return plans
}
