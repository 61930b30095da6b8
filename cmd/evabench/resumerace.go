package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// keptAsMeasured and keptAsFailed are why a cell is not run again.
const (
	keptAsMeasured = "it is measured already, and kept"
	keptAsFailed   = "it failed before, and is kept"
)

// skipped leaves out the cells that are measured; nil where all are run.
func (b *bench) skipped() func(scenarios.Cell) string {
	if b.going == nil {
		return nil
	}
	failed := b.going.failed()
	return func(c scenarios.Cell) string {
		switch {
		case !b.going.measured[c.Folder]:
			return ""
		case slices.ContainsFunc(failed, func(f results.Cell) bool { return f.Folder == c.Folder }):
			return keptAsFailed
		}
		return keptAsMeasured
	}
}

// replays are the measured cells of a race, from which it decides as it did when they ran.
type replays struct {
	cells map[string]*replayed // by folder
	taken map[string]bool
}

// A replayed is a measured cell: what its steps gave, and what they were.
type replayed struct {
	cell  results.Cell
	steps []analysis.Step
	plans []results.StepPlan
}

// newReplays reads what the measured cells gave.
func (g *goingOn) newReplays() (*replays, error) {
	whole := *g.run
	whole.Cells = nil
	r := &replays{map[string]*replayed{}, map[string]bool{}}
	for _, c := range g.run.Cells {
		if !g.measured[c.Cell.Folder] {
			continue
		}
		whole.Cells = append(whole.Cells, c)
		of := &replayed{cell: c.Cell}
		for _, s := range c.Steps {
			if s.Step.Broken == "" { // the race was not told of it
				of.plans = append(of.plans, s.Step.Plan)
			}
		}
		r.cells[c.Cell.Folder] = of
	}
	if len(whole.Cells) == 0 {
		return r, nil
	}
	summary, err := analysis.Summarize(&whole)
	if err != nil {
		return nil, err
	}
	for _, c := range summary.Cells {
		r.cells[c.Cell.Folder].steps = c.Steps
	}
	return r, nil
}

// raceDiffers tells how a race would not have done what it did; empty if it would have.
func (g *goingOn) raceDiffers(env results.Environment, entries []search.Entry) (why []string, err error) {
	race, err := search.NewRace(env, entries)
	if err != nil {
		return nil, err
	}
	if g.replays, err = g.newReplays(); err != nil {
		return nil, err
	}
	if err := g.replays.recheck(race, entries); err != nil {
		why = append(why, fmt.Sprintf("its race would go another way, and what it does next would not follow from what is measured: %v", err))
	}
	return why, nil
}

// recheck replays the cells in their order as far as each was run after those before it. What
// was run before one of those was taken away and measured again rests on another past.
func (r *replays) recheck(race *search.Race, entries []search.Entry) error {
	var last time.Time
	for _, e := range entries {
		why, c := race.Skip(e.Folder), r.cells[e.Folder]
		switch {
		case c == nil && why == "":
			return nil // it is to be run
		case c == nil:
			continue
		case c.cell.Started.Before(last):
			return nil
		case why != "":
			return fmt.Errorf("cell %s was run, and would be left out: %s", e.Folder, why)
		}
		last = c.cell.Started
		if err := race.Recheck(e.Folder, c.steps, c.plans, c.cell.Status == results.CellDone); err != nil {
			return err
		}
	}
	return nil
}

// skip is a race's: each measured cell is replayed when its turn has come.
func (r *replays) skip(race *search.Race) func(scenarios.Cell) string {
	return func(c scenarios.Cell) string {
		why, known := race.Skip(c.Folder), r.cells[c.Folder]
		switch {
		case known == nil:
			return why
		case why == "" && !r.taken[c.Folder]:
			r.taken[c.Folder] = true
			if err := race.Replay(c.Folder, known.steps); err != nil {
				panic(err) // the cell is one of the entries
			}
		}
		return keptAsMeasured
	}
}
