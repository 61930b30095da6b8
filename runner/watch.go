package runner

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// A Watcher is a [Chooser] that also looks at a step while it runs, and may end it.
type Watcher interface {
	// Watch is told, again and again from the step's begin to its window's end, what
	// was done since the call before. The stretches follow one another without a
	// gap. An answer whose end was learned of late comes with the stretch in which it
	// was, so its Done may be a little before From. A text ends the step's window
	// at once, for this reason; an empty one lets it go on. The next call waits for
	// this one, the load does not. Watch and Next are never called at the same time.
	Watch(results.Progress) (stop string)
}

// DefaultLookEvery is the time between two looks of a [Watcher] where nobody says
// another.
const DefaultLookEvery = time.Second

// A watch is one step's, for a chooser that watches.
type watch struct {
	watcher Watcher
	every   time.Duration
	sink    *buffer
	step    *loadgen.Driven
	begun   chan results.Offset // holds the step's start once
	fault   error               // our own mistake; read when run has ended
}

// run looks until the step's window is over or ctx ends.
func (w *watch) run(ctx context.Context) {
	var p results.Progress
	select {
	case p.To = <-w.begun:
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	var seen place
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		var pieces [][]results.Sample
		goesOn := w.step.Look(func(now results.Offset, unfinished map[string]int64) {
			p.From, p.To, p.Unfinished = p.To, now, unfinished
			pieces, seen = w.sink.after(seen)
		})
		if !goesOn {
			return
		}
		p.Samples = slices.Concat(pieces...)
		if why := w.ask(p); why != "" {
			w.step.End(why)
			return
		}
	}
}

// ask asks the watcher whether the step is to end. It ends if the watcher panics, who
// would else take the program with it.
func (w *watch) ask(p results.Progress) (why string) {
	defer func() {
		if fault := recover(); fault != nil {
			w.fault = panicked("look at a step", fault)
			why = w.fault.Error()
		}
	}()
	return w.watcher.Watch(p)
}

// watching drives a step with who follows the run and the cell's chooser looking at it,
// if they do.
func (r *cellRun) watching(ctx context.Context, step loadgen.Step, sink *buffer) (results.Step, error) {
	step.Driven = new(loadgen.Driven)
	var lookers []looker
	var starts []chan<- results.Offset
	if r.bench.Follow != nil {
		f := &following{
			bench: r.bench, sink: sink, step: step.Driven,
			fact: StepRuns{Cell: r.cell.Folder, Index: r.index}, begun: make(chan results.Offset, 1),
			origin: r.origin, observed: sink.observed(),
		}
		lookers, starts = append(lookers, f), append(starts, f.begun)
	}
	watcher, ok := r.chooser.(Watcher)
	if !ok {
		return r.beside(ctx, step, sink, lookers, starts)
	}
	w := &watch{
		watcher: watcher, every: cmp.Or(r.bench.LookEvery, DefaultLookEvery), sink: sink,
		step: step.Driven, begun: make(chan results.Offset, 1),
	}
	driven, err := r.beside(ctx, step, sink, append(lookers, w), append(starts, w.begun))
	if err == nil {
		err = w.fault
	}
	return driven, err
}

// A place is one among the samples of a step; the zero value is their begin.
type place struct{ piece, at int }

// after gives the samples from a place on, as pieces that do not change, and where
// they end. It copies none: the load waits for it.
func (b *buffer) after(p place) ([][]results.Sample, place) {
	b.sampling.Lock()
	defer b.sampling.Unlock()
	if len(b.samples) == 0 {
		return nil, p
	}
	pieces := slices.Clone(b.samples[p.piece:])
	pieces[0] = pieces[0][p.at:]
	last := len(b.samples) - 1
	return pieces, place{last, len(b.samples[last])}
}
