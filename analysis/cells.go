package analysis

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/evabench/evabench/results"
)

// rowsAtOnce bounds how many samples steps that are summarized at the same time have
// together. A step with more is summarized alone.
const rowsAtOnce = 1 << 20

// crew is who works on cells: as many steps at once as there are processors to run them,
// as long as they have no more than rowsAtOnce samples together. It is safe for
// concurrent use.
type crew struct {
	hands chan struct{}
	rows  *semaphore.Weighted
}

func newCrew() crew {
	return crew{make(chan struct{}, runtime.GOMAXPROCS(0)), semaphore.NewWeighted(rowsAtOnce)}
}

// work does something that holds so many rows.
func (c crew) work(rows int64, do func()) {
	rows = min(max(rows, 0), rowsAtOnce)
	_ = c.rows.Acquire(context.Background(), rows) // never fails: it is not cancelled, and no more than there is
	defer c.rows.Release(rows)
	c.hands <- struct{}{}
	defer func() { <-c.hands }()
	do()
}

// each does something for 0 … n-1, begun in this order, as many at once as there are
// hands, and begins no more once one has failed. It gives the fault of the first that
// did: those before it have all been begun.
func (c crew) each(n int, do func(int) error) error {
	var all sync.WaitGroup
	var failed atomic.Bool
	faults := make([]error, n)
	places := make(chan struct{}, cap(c.hands))
	for i := range n {
		places <- struct{}{}
		if failed.Load() {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			if faults[i] = do(i); faults[i] != nil {
				failed.Store(true)
			}
		})
	}
	all.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// A toldCell is what a cell's facts gave.
type toldCell struct {
	cell     Cell
	warnings []Warning
}

// summarizeCells summarizes the cells of a run, in their order. At any time there are no
// more cells' readings and steps' samples in memory than a crew works on.
func summarizeCells(f facts) ([]toldCell, error) {
	list := make([]toldCell, len(f.cells))
	workers := newCrew()
	err := workers.each(len(list), func(i int) (err error) {
		if list[i], err = workers.cell(f.environment, f.cells[i]); err != nil {
			return fmt.Errorf("summarize cell %s: %w", f.cells[i].cell.Folder, err)
		}
		return nil
	})
	return list, err
}

// cell summarizes one cell, its steps at once.
func (c crew) cell(env results.Environment, facts cellFacts) (told toldCell, err error) {
	var read pages
	var devices *deviceReadings
	c.work(0, func() {
		var err error
		if read, devices, err = readPages(facts); err != nil {
			told.warnings = append(told.warnings, warning(facts.cell.Folder, "unreadable", err.Error()+"; what servers told of the cell is unknown"))
		}
	})
	steps := make([]Step, len(facts.steps))
	err = c.each(len(steps), func(i int) (err error) {
		c.work(facts.steps[i].rows, func() {
			steps[i], err = summarizeStep(env, facts.cell, facts.steps[i], neighboursOf(facts.steps, i), read)
		})
		return err
	})
	if err != nil {
		return toldCell{}, err
	}
	c.work(0, func() {
		told.cell = cellOf(env, facts, steps, read, devices)
		if facts.finished {
			told.warnings = append(told.warnings, cellWarnings(told.cell, env.SimulatedScale)...)
			told.warnings = append(told.warnings, devices.xidWarnings(facts)...)
		}
	})
	for _, step := range facts.steps {
		for _, w := range step.step.Warnings {
			told.warnings = append(told.warnings, Warning{stepName(told.cell, step.step.Index), w})
		}
	}
	return told, nil
}

// cellOf adds to a cell's steps what was read of its devices.
func cellOf(env results.Environment, c cellFacts, steps []Step, pages pages, readings *deviceReadings) Cell {
	out := Cell{Cell: c.cell, Layout: c.layout, Steps: steps}
	out.use()
	out.Late, out.Idle = pages.late(), readings.idle(c)
	for i, step := range c.steps {
		w := window{step.step.WindowStart, step.step.WindowEnd}
		steps[i].Activity, steps[i].Host = readings.activity(c, steps[i], w), readings.host(w, env.Simulated)
	}
	out.Memory = readings.memory(c)
	return out
}
