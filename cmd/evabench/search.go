package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// newChooser makes what chooses the steps of a cell.
func (b *bench) newChooser() (runner.Chooser, error) {
	if b.scenario.Search == nil {
		return search.NewLevels(b.scenario.StepPlans()), nil
	}
	env := b.searchEnvironment()
	switch b.scenario.Search.Kind {
	case scenarios.SearchLadder:
		return search.NewClimb(env)
	case scenarios.SearchInterference:
		return search.NewInterference(env)
	case scenarios.SearchFrontier:
		return search.NewFrontier(env)
	}
	return search.New(env)
}

// searchEnvironment is what a search rests on of what the run records.
func (b *bench) searchEnvironment() results.Environment {
	return results.Environment{
		Simulated: b.simulated.server, SimulatedScale: b.simulated.scale,
		Services: b.servicesUnderTest(), Search: b.searchAsked(), Zone: b.scenario.Zone,
	}
}

// searchExtent tells what is searched, and what that may cost.
func (b *bench) searchExtent() string {
	s := b.scenario.Search
	if s.Kind == scenarios.SearchInterference {
		return b.interferenceExtent()
	}
	what, how := "all loads by one factor", "search for capacity"
	if s.Raise != "" {
		what = "the load of " + s.Raise
	}
	switch s.Kind {
	case scenarios.SearchLadder:
		how = "climb"
	case scenarios.SearchFrontier:
		how, what = fmt.Sprintf("search for capacity along each of %s", units.Plural(len(s.Mixes), "ray")), "all its loads by one factor"
	}
	if b.races() {
		return b.raceExtent()
	}
	text := fmt.Sprintf("%s, each a %s that raises %s from %g", units.Plural(len(b.left()), "cell"), how, what, s.From)
	if s.Budget == 0 {
		if s.Kind == scenarios.SearchLadder {
			return text + "; what it costs is known at its end, and search.budget bounds it"
		}
		quote, err := search.Quote(b.searchEnvironment())
		if err != nil {
			return text // the fault is told where the chooser is made
		}
		return text + fmt.Sprintf("; about %s each if the capacity is near twice that, %s in all (quoted again in each cell's report; search.budget bounds it)",
			loadTime(quote), loadTime(quote*time.Duration(len(b.left()))))
	}
	all := s.Budget * time.Duration(len(b.left()))
	text += fmt.Sprintf(", in at most %s; %s in all", loadTime(s.Budget), loadTime(all))
	if b.simulated.scale > sim.MinScale {
		text += fmt.Sprintf(" of server time, %s on the clock", sim.Accelerate(b.simulated.scale).OnClock(all).Round(time.Second))
	}
	return text
}

// loadTime writes what load costs: in minutes, and in hours where they are many.
func loadTime(d time.Duration) string {
	text := units.Plural(int(math.Ceil(d.Minutes())), "load-minute")
	if d >= 2*time.Hour {
		text += fmt.Sprintf(" (%.1f hours)", d.Hours())
	}
	return text
}

// searchAsked records what was asked for; nil if there is no search.
func (b *bench) searchAsked() *results.Search {
	s := b.scenario.Search
	if s == nil {
		return nil
	}
	return &results.Search{
		Kind: s.Kind, Raise: s.Raise, From: s.From, Grow: s.Grow, Most: s.Most, Tolerance: s.Tolerance,
		Budget: s.Budget, Confirm: s.Confirm, Heavy: s.Heavy, Warmup: b.scenario.Warmup, Window: b.scenario.Window,
		Race: s.Mode == scenarios.ModeRace, Loads: s.Loads, Mixes: s.Mixes,
	}
}

// knownSteps gives the steps of which it is known now that they may be run: all of a
// ladder and of interference; of a search the first load and the last of each mix, as long
// as any that was asked for.
func (b *bench) knownSteps() []results.StepPlan {
	s := b.scenario.Search
	if s == nil {
		return b.scenario.StepPlans()
	}
	if s.Kind == scenarios.SearchInterference {
		plans, err := search.InterferencePlans(b.searchEnvironment())
		if err != nil {
			return nil // the fault is told where the chooser is made
		}
		return plans
	}
	loads := []float64{s.From}
	if s.Most > 0 {
		loads = append(loads, s.Most)
	}
	mixes := s.Mixes
	if len(mixes) == 0 {
		mixes = [][]float64{slices.Repeat([]float64{1}, len(b.scenario.Services))}
	}
	var plans []results.StepPlan
	for _, mix := range mixes {
		for _, load := range loads {
			levels, raise := b.scenario.Ray()
			for i := range levels {
				l := &levels[i]
				switch {
				case raise == "":
					l.Value *= mix[i] * load
				case l.Service == raise:
					l.Value = load
				}
				if l.Arrivals == scenarios.Closed || l.Arrivals == scenarios.Cameras {
					l.Value = max(1, math.Round(l.Value))
				}
			}
			window := max(b.scenario.Window, s.Confirm)
			plans = append(plans, results.StepPlan{Levels: levels, Warmup: b.scenario.Warmup, Window: window, Cooldown: b.scenario.Cooldown(window)})
		}
	}
	return plans
}
