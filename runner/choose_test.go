package runner

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// asking is a Chooser that keeps what it is told.
type asking struct {
	Chooser
	told    []results.StepResult
	samples [][]results.Sample
}

func (a *asking) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil {
		a.told = append(a.told, *last)
		a.samples = append(a.samples, slices.Collect(last.Samples))
	}
	return a.Chooser.Next(last)
}

// A Chooser is given what is written: the step, all its samples, and what was read
// from before its first request until after its last answer, at its moment of the
// cell. No two steps share a sample.
func TestChooserSeesWhatIsRecorded(t *testing.T) {
	const every = 250 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Cells, b.CollectEvery = b.Cells[:1], every
		start := time.Now()
		b.Services[0].Sources = []Source{{Kind: "clock", Source: clock{start}}}
		chooser := &asking{Chooser: twoSteps{}}
		b.NewChooser = func(scenarios.Cell) Chooser { return chooser }
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		cell := run.Cells[0]
		if len(chooser.told) != 2 || len(cell.Steps) != 2 {
			t.Fatalf("told of %d steps, %d recorded; want 2", len(chooser.told), len(cell.Steps))
		}
		origin := cell.Cell.Started.Sub(start)
		for i, told := range chooser.told {
			if !reflect.DeepEqual(told.Step, cell.Steps[i].Step) {
				t.Errorf("step %d: told %+v, recorded %+v", i, told.Step, cell.Steps[i].Step)
			}
			var want []results.Sample
			for s, err := range cell.Steps[i].Samples() {
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, s)
			}
			bySeq := func(a, b results.Sample) int { return int(a.Seq - b.Seq) }
			slices.SortFunc(want, bySeq)
			slices.SortFunc(chooser.samples[i], bySeq)
			if !slices.Equal(chooser.samples[i], want) {
				t.Errorf("step %d: told %d samples that are not the %d recorded", i, len(chooser.samples[i]), len(want))
			}
			checkReadings(t, told, origin)
			if !reflect.DeepEqual(told.Instances, cell.Cell.Instances) || len(told.Instances) == 0 {
				t.Errorf("step %d: told of the instances %+v, recorded are %+v", i, told.Instances, cell.Cell.Instances)
			}
		}
	})
}

// checkReadings checks the clock's readings, which a step was told with, against
// when its origin was after the clock's start.
func checkReadings(t *testing.T, told results.StepResult, origin time.Duration) {
	t.Helper()
	var at []results.Offset
	for _, o := range told.Observations {
		if o.Series != "clock" {
			continue
		}
		at = append(at, o.At)
		if off := (origin + time.Duration(o.At)).Seconds() - o.Value; off > 1e-6 || off < -1e-6 {
			t.Errorf("step %d: what was read at %v s stands at %v", told.Step.Index, o.Value, o.At)
		}
	}
	if len(at) < 20 || at[0] > told.Step.Start || at[len(at)-1] < told.Step.End {
		t.Errorf("step %d of %v to %v: %d readings, %v", told.Step.Index, told.Step.Start, told.Step.End, len(at), at)
	}
}

// A cell that is interrupted between two steps asks for no further one.
func TestInterruptedBetweenSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		start := time.Now()
		b.Services[0].Sources = []Source{{Kind: "clock", Source: clock{start}}}
		b.Cells, b.CollectEvery = b.Cells[:1], 10*time.Second // which the end of a step of 5.5 s is followed by in some 4 s
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		chooser := &asking{Chooser: stepsOf(3)}
		b.NewChooser = func(scenarios.Cell) Chooser {
			time.AfterFunc(8*time.Second, func() { cancel(interrupted) })
			return chooser
		}
		var told []string
		b.Tell = func(line string) { told = append(told, line) }
		err := b.Run(ctx)
		run, readErr := results.Read(dir)
		if !errors.Is(err, interrupted) || readErr != nil {
			t.Fatal(err, readErr)
		}
		if c := run.Cells[0]; c.Cell.Status != results.CellInterrupted || len(c.Steps) != 1 {
			t.Errorf("%d steps in a cell that is %q, want 1", len(c.Steps), c.Cell.Status)
		}
		another := func(line string) bool { return strings.Contains(line, "step 1") }
		if len(chooser.told) > 0 || slices.ContainsFunc(told, another) {
			t.Errorf("asked %d times for a further step; told %q", len(chooser.told), told)
		}
	})
}
