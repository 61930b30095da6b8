package main

import (
	"slices"

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
	steps map[string][]analysis.Step // by folder
	taken map[string]bool
}

// newReplays reads what the measured cells gave.
func (g *goingOn) newReplays() (*replays, error) {
	whole := *g.run
	whole.Cells = nil
	for _, c := range g.run.Cells {
		if g.measured[c.Cell.Folder] {
			whole.Cells = append(whole.Cells, c)
		}
	}
	r := &replays{map[string][]analysis.Step{}, map[string]bool{}}
	if len(whole.Cells) == 0 {
		return r, nil
	}
	summary, err := analysis.Summarize(&whole)
	if err != nil {
		return nil, err
	}
	for _, c := range summary.Cells {
		r.steps[c.Cell.Folder] = c.Steps
	}
	return r, nil
}

// skip is a race's: each measured cell is replayed when its turn has come.
func (r *replays) skip(race *search.Race, measured map[string]bool) func(scenarios.Cell) string {
	return func(c scenarios.Cell) string {
		why := race.Skip(c.Folder)
		switch {
		case !measured[c.Folder]:
			return why
		case why == "" && !r.taken[c.Folder]:
			r.taken[c.Folder] = true
			if err := race.Replay(c.Folder, r.steps[c.Folder]); err != nil {
				panic(err) // the cell is one of the entries
			}
		}
		return keptAsMeasured
	}
}
