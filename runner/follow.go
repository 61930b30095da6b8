package runner

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A Fact is something that happened while a bench runs: one of [PhaseBegins],
// [CellLeftOut], [CellBegins], [StepBegins], [StepRuns], [StepEnds] and [CellEnds].
// Whoever follows a run gets facts, and computes from them what it shows.
type Fact interface{ fact() }

// PhaseBegins: Phase is being done from now on: "apply", "restore", "adapt", "launch",
// "warm", "alone", "count", "steps", "recount" or "stop". Cell is empty of those of a
// layout, which Layout names.
type PhaseBegins struct{ Cell, Layout, Phase string }

// CellLeftOut: a cell is not run. It is told once of each.
type CellLeftOut struct {
	Cell scenarios.Cell
	Why  string
}

// CellBegins: a cell is run, on these devices; on none if it cannot be run at all.
type CellBegins struct {
	Cell    scenarios.Cell
	Devices []device.Device // as they were read back; not changed by the follower
}

// CellEnds: a cell ended, and its record, which the follower does not change, was
// written.
type CellEnds struct{ Cell results.Cell }

// StepBegins: a step's load begins soon.
type StepBegins struct {
	Cell  string
	Index int
	Plan  results.StepPlan
	// Instances are those that run, some of which Observations are of; not changed by
	// the follower.
	Instances []results.Instance
}

// StepRuns tells of a stretch of a step that runs: From ≤ moments < To, those of a step
// following one another without a gap. The first begins at Start, the last ends when the
// last answer is in.
type StepRuns struct {
	Cell            string
	Index           int
	Start, From, To results.Offset
	// Samples gives those done within, in no order, and is good until Follow returns.
	Samples iter.Seq[results.Sample]
	// Unfinished counts by service, at To, the arrivals that fell due and are not done.
	Unfinished map[string]int64
	// Observations were made since the stretch before; the follower may keep them.
	Observations []results.Observation
}

// StepEnds: a step was driven to its end. One that failed ends with its cell.
type StepEnds struct {
	Cell string
	Step results.Step
}

func (PhaseBegins) fact() {}
func (CellLeftOut) fact() {}
func (CellBegins) fact()  {}
func (CellEnds) fact()    {}
func (StepBegins) fact()  {}
func (StepRuns) fact()    {}
func (StepEnds) fact()    {}

// followEvery is the time of the clock between two StepRuns.
const followEvery = time.Second

// follow tells who follows.
func (b *Bench) follow(f Fact) {
	if b.Follow != nil {
		b.Follow(f)
	}
}

// A following tells of one step's stretches.
type following struct {
	bench *Bench
	fact  StepRuns // that is told next
	sink  *buffer
	step  *loadgen.Driven
	begun chan results.Offset // holds the step's start once

	origin   results.Origin
	seen     place
	observed int
}

// run tells of stretches until ctx ends, as it does when the step has, and then of the
// last.
func (f *following) run(ctx context.Context) {
	select {
	case f.fact.Start = <-f.begun:
	case <-ctx.Done():
		select {
		case f.fact.Start = <-f.begun: // a short one
		default:
			return
		}
	}
	f.fact.To = f.fact.Start
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f.look()
		case <-ctx.Done():
			pieces, _ := f.sink.after(f.seen)
			f.tell(max(f.origin.Now(), f.fact.To), map[string]int64{}, pieces)
			return
		}
	}
}

// look tells of the stretch until now, if the step still runs.
func (f *following) look() {
	var to results.Offset
	var waiting map[string]int64
	var pieces [][]results.Sample
	if f.step.LookOn(func(now results.Offset, unfinished map[string]int64) {
		to, waiting = now, unfinished
		pieces, f.seen = f.sink.after(f.seen)
	}) {
		f.tell(to, waiting, pieces)
	}
}

func (f *following) tell(to results.Offset, unfinished map[string]int64, pieces [][]results.Sample) {
	f.fact.From, f.fact.To = f.fact.To, to
	f.fact.Unfinished, f.fact.Samples = unfinished, each(pieces)
	f.fact.Observations = f.sink.since(f.observed, f.origin)
	f.observed += len(f.fact.Observations)
	f.bench.follow(f.fact)
}

// A looker looks at a step beside its load, from when it began until ctx ends.
type looker interface{ run(ctx context.Context) }

// beside drives a step with lookers beside it, who are told its start.
func (r *cellRun) beside(ctx context.Context, step loadgen.Step, sink *buffer, lookers []looker, starts []chan<- results.Offset) (results.Step, error) {
	begun := step.Begun
	step.Begun = func(start results.Offset) {
		begun(start)
		for _, c := range starts {
			c <- start
		}
	}
	looking, stop := context.WithCancel(context.WithoutCancel(ctx)) // until the last sample is in
	var all sync.WaitGroup
	for _, l := range lookers {
		all.Go(func() { l.run(looking) })
	}
	driven, err := loadgen.Drive(ctx, r.origin, step, sink)
	stop()
	all.Wait()
	return driven, err
}
