package analysis

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"

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
// hands.
func (c crew) each(n int, do func(int)) {
	var all sync.WaitGroup
	places := make(chan struct{}, cap(c.hands))
	for i := range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			do(i)
		})
	}
	all.Wait()
}

// A toldCell is what a cell's facts gave.
type toldCell struct {
	cell     Cell
	warnings []Warning
}

// summarizeCells summarizes the cells of a run, in their order. At any time there are no
// more cells' readings and steps' samples in memory than a crew works on.
func summarizeCells(f facts) []toldCell {
	list := make([]toldCell, len(f.cells))
	workers := newCrew()
	workers.each(len(list), func(i int) { list[i] = workers.cell(f.environment, f.cells[i]) })
	return list
}

// cell summarizes one cell, its steps at once.
func (c crew) cell(env results.Environment, facts cellFacts) (told toldCell) {
	var fault error
	defer func() {
		if fault != nil {
			told = toldCell{
				cell:     Cell{Cell: facts.cell, Layout: facts.layout, Steps: []Step{}},
				warnings: []Warning{warning(facts.cell.Folder, Damaged, fault.Error()+"; the cell's steps are left out")},
			}
		}
	}()
	defer recovered(&fault)
	var steps []Step
	var read pages
	var devices *deviceReadings
	c.work(0, func() {
		var err error
		if read, devices, err = readPages(facts); err != nil {
			told.warnings = append(told.warnings, warning(facts.cell.Folder, Damaged, err.Error()+"; what servers told of the cell is unknown"))
		}
	})
	facts.steps, told.warnings, steps = c.steps(env, facts, read, told.warnings)
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
	return told
}

// steps summarizes the steps of a cell at once. Those that cannot be are left out, of their facts
// too, and told.
func (c crew) steps(env results.Environment, facts cellFacts, read pages, told []Warning) (kept []stepFacts, warnings []Warning, steps []Step) {
	all, faults := make([]Step, len(facts.steps)), make([]error, len(facts.steps))
	kept, steps = make([]stepFacts, 0, len(all)), make([]Step, 0, len(all))
	c.each(len(all), func(i int) {
		c.work(facts.steps[i].rows, func() {
			defer recovered(&faults[i])
			all[i], faults[i] = summarizeStep(env, facts.cell, facts.steps[i], neighboursOf(facts.steps, i), read)
		})
	})
	for i, step := range facts.steps {
		if faults[i] != nil {
			where := cmp.Or(step.path, stepName(Cell{Cell: facts.cell}, step.step.Index))
			told = append(told, warning(where, Damaged, faults[i].Error()+"; the step is left out"))
			continue
		}
		kept, steps = append(kept, step), append(steps, all[i])
	}
	return kept, told, steps
}

// recovered turns a panic over a record that makes no sense into a fault: it must not cost
// what the others tell.
func recovered(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("panic: %v; please report this", fault)
	}
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
