package runner

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/clocks"
	"github.com/evabench/evabench/results"
)

// A clockWatch keeps what happened to the clocks, and to the process, while a cell is
// measured.
type clockWatch struct {
	*clocks.Watch
	zero time.Duration // the running clock at Offset 0
}

// at turns a moment of the running clock into one of the cell.
func (w *clockWatch) at(t time.Duration) results.Offset { return results.Offset(t - w.zero) }

// watchClocks runs f with the clocks watched; nothing is watched where the bench has none.
// They are watched beside the load, which does not wait for it.
func (r *cellRun) watchClocks(ctx context.Context, f func() error) error {
	read := r.bench.Clocks
	if read == nil {
		return f()
	}
	w := &clockWatch{clocks.NewWatch(read), read().Running - time.Duration(r.origin.Now())}
	r.clocks = w
	watched, stop := context.WithCancel(context.WithoutCancel(ctx))
	var watching sync.WaitGroup
	watching.Go(func() { w.Run(watched) })
	err := f()
	stop()
	watching.Wait()
	for _, m := range w.Take(math.MaxInt64) { // between steps, or after the last
		r.warning(warningOf(m))
	}
	return err
}

// halts records in a step what happened while it ran, and at the cell what happened before.
func (r *cellRun) halts(step *results.Step) {
	w := r.clocks
	if w == nil {
		return
	}
	w.Look() // what reaches over the step's end was not seen yet
	for _, m := range w.Take(time.Duration(step.End) + w.zero) {
		switch {
		case w.at(m.To) < step.Start:
			r.warning(warningOf(m))
		case m.What == clocks.Set:
			r.bench.tell("cell %s: step %d: WARNING: %s", r.cell.Folder, step.Index, warningOf(m).Text)
			step.Warnings = append(step.Warnings, warningOf(m))
		default:
			what := results.HaltStopped
			if m.What == clocks.Suspended {
				what = results.HaltSuspended
			}
			step.Halts = append(step.Halts, results.Halt{From: w.at(m.From), To: w.at(m.To), For: m.For, What: what})
			r.bench.tell("cell %s: step %d does not count: %s", r.cell.Folder, step.Index, warningOf(m).Text)
		}
	}
}

// warningOf puts a mishap in words.
func warningOf(m clocks.Mishap) results.Warning {
	by := m.For.Round(time.Millisecond)
	switch m.What {
	case clocks.Set:
		return results.Warning{Code: "clock-set", Count: 1,
			Text: fmt.Sprintf("the machine's time of day was set, by %v: what was measured does not depend on it, but other machines' stamps cannot be placed beside it", by)}
	case clocks.Suspended:
		return results.Warning{Code: "suspended", Count: 1, Text: fmt.Sprintf("the machine slept, or was paused, for %v", by)}
	default:
		return results.Warning{Code: "stopped", Count: 1, Text: fmt.Sprintf("evabench did not run for %v: it was stopped, or had no processor", by)}
	}
}
