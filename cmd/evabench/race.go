package main

import (
	"fmt"

	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// choosing makes what chooses the steps of cells, and what leaves cells out; nil for the
// latter where all are run.
func (b *bench) choosing() (func(scenarios.Cell) runner.Chooser, func(scenarios.Cell) string, error) {
	if !b.races() {
		if _, err := b.newChooser(); err != nil {
			return nil, nil, err
		}
		return func(scenarios.Cell) runner.Chooser {
			c, err := b.newChooser()
			if err != nil {
				panic(err) // it could be made above
			}
			return c
		}, b.skipped(), nil
	}
	race, err := search.NewRace(b.searchEnvironment(), b.entries())
	if err != nil {
		return nil, nil, err
	}
	skip := func(c scenarios.Cell) string { return race.Skip(c.Folder) }
	if b.going != nil {
		skip = b.going.replays.skip(race)
	}
	return func(c scenarios.Cell) runner.Chooser {
		one, err := race.Chooser(c.Folder)
		if err != nil {
			panic(err) // the cell is one of the entries
		}
		return one
	}, skip, nil
}

// races says whether configurations that cannot win are left out.
func (b *bench) races() bool {
	return b.scenario.Search != nil && b.scenario.Search.Mode == scenarios.ModeRace
}

// entries are the cells of a race.
func (b *bench) entries() []search.Entry {
	var all []search.Entry
	for _, c := range b.cells {
		all = append(all, search.Entry{Folder: c.Folder, Config: c.Config.Name, Replicate: c.Replicate})
	}
	return all
}

// raceReplicates is how many replicates a race may take where the scenario asks for fewer
// than it needs.
const raceReplicates = 8

// setMode lets --mode stand for the scenario's search.mode.
func setMode(s *scenarios.Scenario, mode string) error {
	switch {
	case mode == "":
		return nil
	case mode != scenarios.ModeGrid && mode != scenarios.ModeRace:
		return fmt.Errorf("--mode %q is not known; known: %s, %s", mode, scenarios.ModeGrid, scenarios.ModeRace)
	case mode == scenarios.ModeRace && (s.Search == nil || s.Search.Kind != scenarios.SearchCapacity):
		return fmt.Errorf("--mode race compares capacities, and %s searches for none: give it search: {kind: capacity}", s.File)
	case s.Search == nil:
		return nil // a ladder of levels fills every point
	}
	s.Search.Mode = mode
	if mode == scenarios.ModeRace && s.Replicates < search.LeastReplicates {
		s.Replicates = raceReplicates
	}
	return nil
}

// raceExtent tells what a race may take.
func (b *bench) raceExtent() string {
	configs := map[string]bool{}
	for _, c := range b.cells {
		configs[c.Config.Name] = true
	}
	return fmt.Sprintf("a race of %s over at most %s, which leaves out what cannot win",
		units.Plural(len(configs), "configuration"), units.Plural(b.scenario.Replicates, "replicate"))
}
