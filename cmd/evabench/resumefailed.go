package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/evabench/evabench/results"
)

// failed gives the cells that were run to an end which is a failure: they are kept.
func (g *goingOn) failed() []results.Cell {
	var all []results.Cell
	for _, c := range g.run.Cells {
		if g.measured[c.Cell.Folder] && c.Cell.Status == results.CellFailed {
			all = append(all, c.Cell)
		}
	}
	return all
}

// failures is the fault of a session whose run keeps cells that failed before; nil with none.
func (g *goingOn) failures() error {
	if g == nil {
		return nil
	}
	var faults []error
	for _, c := range g.failed() {
		faults = append(faults, fmt.Errorf("cell %s failed before and is kept (%s): to measure it again, take %s away and resume",
			c.Folder, c.Fault, quoted(filepath.Join(g.run.Dir, "cells", c.Folder))))
	}
	return errors.Join(faults...)
}

// kept tells how many of a run's cells are not run again, and why.
func (g *goingOn) kept(finished int, cells string) string {
	if failed := len(g.failed()); failed > 0 {
		return fmt.Sprintf("of %s %d measured, %d failed: kept", cells, finished-failed, failed)
	}
	return fmt.Sprintf("%d of %s measured and kept", finished, cells)
}

// reportAgain makes the reports of a run of which nothing is left to measure.
func (g *goingOn) reportAgain(s streams) error {
	failed, what := g.failures(), "every cell of %s is measured"
	if failed != nil {
		what = "every cell of %s had its turn, and not every one is measured"
	}
	fmt.Fprintf(s.err, "evabench: "+what+"; the reports are made again\n", g.run.Dir)
	if err := results.RemoveHalf(g.run.Dir); err != nil {
		return errors.Join(failed, err)
	}
	err := reported(g.run.Dir, s)
	if failed != nil && errors.Is(err, errNoValid) {
		err = nil // the failures tell why
	}
	return errors.Join(failed, err)
}
