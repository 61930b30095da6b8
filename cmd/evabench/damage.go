package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// fillLost fills what a lost environment.json held as far as the scenario tells it, and the
// flags that stood in its place. What a race left out is not known: then no search is told,
// nor one that may have been a race.
func fillLost(run *results.Run) {
	var b bench
	flags, unknown := results.ReadFlags(run.Dir)
	if unknown != nil {
		run.Problems = append(run.Problems, results.Problem{
			Path: "before.json", Damaged: true,
			Text: fmt.Sprintf("the flags of the run are not known: it may have been on another simulated server (--sim), at another speed (--sim-scale), or another search (--mode) than scenario.yaml says: %v", unknown),
		})
	}
	b.kinds = knownKinds(sim.NewHost("", "", io.Discard))
	scenario, err := scenarios.Read("scenario.yaml", run.Scenario, b.kinds.checks(simOptions{server: flags.Sim, scale: flags.SimScale}, nil))
	if err == nil {
		err = setMode(scenario, flags.Mode)
	}
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		run.Problems = append(run.Problems, results.Problem{
			Path: "scenario.yaml", Text: "it cannot be read in place of environment.json, so roles and objectives are not known: " + why, Damaged: true,
		})
		return
	}
	b.scenario = scenario
	env := &run.Environment
	env.Scenario, env.Services, env.Zone = scenario.Name, b.servicesUnderTest(), scenario.Zone
	if on, err := simulationOf(scenario); err == nil {
		env.Simulated, env.SimulatedScale, env.SimulatedFaults = on.server, on.scale, on.faults
	}
	mayRace := unknown != nil && scenario.Search != nil && scenario.Search.Kind == scenarios.SearchCapacity
	if !b.races() && !mayRace {
		env.Search = b.searchAsked()
	}
}

// toldDamage is how many damaged parts of a run directory are told each on a line of its own.
const toldDamage = 20

// damagedIn is the fault of a run directory of which parts were damaged: everything else was
// reported. Each line says what, where and why. nil if nothing is damaged.
func damagedIn(dir string, s *analysis.Summary) error {
	var lines []error
	more := 0
	for _, w := range s.Warnings {
		switch {
		case w.Code != analysis.Damaged:
		case len(lines) == toldDamage:
			more++
		default:
			lines = append(lines, fmt.Errorf("  %s: %s", printable(filepath.Join(dir, w.Where)), printable(w.Text)))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if more > 0 {
		lines = append(lines, fmt.Errorf("  and %d more; the full report lists all", more))
	}
	head := fmt.Errorf("%s is damaged: what is told here was left out, and the reports are of what is whole; take the folder from a copy, or measure again what is missing", dir)
	return errors.Join(append([]error{head}, lines...)...)
}

// printable is a text that came from a folder of somebody else, fit for a terminal's line.
func printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	if plain := quoted[1 : len(quoted)-1]; plain != text {
		return quoted
	}
	return text
}
