package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// followed keeps the facts of a run in short, and every stretch.
type followed struct {
	facts  []string
	runs   []StepRuns
	counts []int // samples of each stretch
}

func (f *followed) follow(fact Fact) {
	switch fact := fact.(type) {
	case PhaseBegins:
		f.facts = append(f.facts, strings.TrimSpace(fact.Cell+" "+fact.Phase))
	case CellLeftOut:
		f.facts = append(f.facts, fact.Cell.Folder+" left out: "+fact.Why)
	case CellBegins:
		f.facts = append(f.facts, fact.Cell.Folder+" begins")
	case CellEnds:
		f.facts = append(f.facts, fact.Cell.Folder+" "+fact.Cell.Status)
	case StepBegins:
		f.facts = append(f.facts, fmt.Sprintf("%s step %d", fact.Cell, fact.Index))
	case StepEnds:
		f.facts = append(f.facts, fmt.Sprintf("%s step %d ends", fact.Cell, fact.Step.Index))
	case StepRuns:
		n := 0
		for range fact.Samples {
			n++
		}
		fact.Samples = nil // good until now
		f.runs, f.counts = append(f.runs, fact), append(f.counts, n)
	}
}

// of gives the stretches of a step, and the number of samples in them.
func (f *followed) of(index int) (runs []StepRuns, samples int64) {
	for i, r := range f.runs {
		if r.Index == index {
			runs, samples = append(runs, r), samples+int64(f.counts[i])
		}
	}
	return runs, samples
}

// Who follows a run is told of each cell and step in order, and of each step without a
// gap until its last answer: every sample once, and what is unfinished at each moment.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Cells = append(b.Cells, scenarios.Cell{Index: 2, Folder: "002-b-r2", Config: config("b"), Replicate: 2})
		b.NewChooser = func(scenarios.Cell) Chooser { return stepsOf(2) }
		b.Skip = func(c scenarios.Cell) string {
			return map[string]string{"001-b-r1": "it cannot win", "002-b-r2": "nor this"}[c.Folder]
		}
		var seen followed
		b.Follow = seen.follow
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		cell := "000-a-r1 "
		want := []string{
			cell + "begins", cell + "launch", cell + "count", cell + "steps", cell + "step 0", cell + "step 0 ends", cell + "step 1", cell + "step 1 ends", cell + "recount",
			cell + "stop", cell + "done", "001-b-r1 left out: it cannot win", "002-b-r2 left out: nor this",
		}
		if !slices.Equal(seen.facts, want) {
			t.Errorf("facts:\n got %q\nwant %q", seen.facts, want)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, recorded := range run.Cells[0].Steps {
			s := recorded.Step
			runs, samples := seen.of(i)
			// 5.5 s of load and an answer that is in within 0.1 s: a look each second.
			if len(runs) != 6 {
				t.Fatalf("step %d: %d stretches, want 6", i, len(runs))
			}
			at := s.Start
			for _, r := range runs {
				if r.Start != s.Start || r.From != at || r.To < r.From {
					t.Errorf("step %d from %v: a stretch of one from %v, from %v to %v, follows one until %v", i, s.Start, r.Start, r.From, r.To, at)
				}
				at = r.To
			}
			if last := runs[len(runs)-1]; at < s.End || len(last.Unfinished) != 0 {
				t.Errorf("step %d: the last stretch ends at %v with %v unfinished, the step at %v", i, at, last.Unfinished, s.End)
			}
			if n := count(t, recorded.Samples()); samples != n || n == 0 {
				t.Errorf("step %d: %d samples told of, %d recorded", i, samples, n)
			}
			// Of the 2 users' arrivals each is told of as done or unfinished; at a moment
			// at which both are answered, what follows may not have fallen due yet.
			told := int64(0)
			for k, r := range runs {
				told += int64(seen.counts[slices.IndexFunc(seen.runs, func(o StepRuns) bool { return o.Index == i })+k])
				due := int64(0)
				for v, err := range recorded.Samples() {
					if err != nil {
						t.Fatal(err)
					}
					if v.Due <= r.To {
						due++
					}
				}
				if n := told + r.Unfinished["vision"]; n > due || n < due-4 {
					t.Errorf("step %d at %v: %d done and %d unfinished of %d", i, r.To, told, r.Unfinished["vision"], due)
				}
			}
		}
	})
}

// A run that is interrupted in a step is followed to its end: every sample of the step is
// told of, and the cell is interrupted.
func TestFollowInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, _ := w.bench(t)
		b.NewChooser = func(scenarios.Cell) Chooser { return stepsOf(1) }
		ctx, cancel := context.WithCancelCause(t.Context())
		w.onAnswer = func(n int64) {
			if n == 20 {
				cancel(errors.New("enough"))
			}
		}
		var seen followed
		b.Follow = seen.follow
		if err := b.Run(ctx); err == nil {
			t.Fatal("no error")
		}
		if _, samples := seen.of(0); samples < 20 || samples > 22 {
			t.Errorf("told of %d samples, want those of the 21 that were asked and of what waits", samples)
		}
		if last := seen.facts[len(seen.facts)-1]; last != "000-a-r1 interrupted" {
			t.Errorf("the last fact is %q", last)
		}
	})
}

// After the window's end, while answers are waited for, stretches go on.
func TestFollowPastTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answer: func(int64) loadgen.Answer { time.Sleep(4 * time.Second); return loadgen.Answer{Outcome: results.OK} }}
		b, _ := w.bench(t)
		b.Cells = b.Cells[:1]
		b.Services[0].Timeout = 10 * time.Second
		b.NewChooser = func(scenarios.Cell) Chooser { return stepsOf(1) }
		var seen followed
		b.Follow = seen.follow
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		runs, _ := seen.of(0)
		past := runs[len(runs)-2] // 7 or 8 s after the start, of a window that ended at 5.5 s
		if since := past.To.Sub(past.Start); since < 6*time.Second || past.Unfinished["vision"] == 0 {
			t.Errorf("the last look is %v after the start, with %v unfinished", since, past.Unfinished)
		}
	})
}

// BenchmarkLook says how long the load's loop stands still for one look, of which who
// follows a run takes one a second: at 50,000 requests a second.
func BenchmarkLook(b *testing.B) {
	sink := newBuffer(nil, results.NewOrigin(time.Now()))
	for range 100_000 {
		sink.Sample(results.Sample{Service: "vision"})
	}
	second := place{piece: 50_000 / samplesPiece, at: 50_000 % samplesPiece}
	b.ReportAllocs()
	for b.Loop() {
		if pieces, _ := sink.after(second); len(pieces) == 0 {
			b.Fatal("no samples")
		}
	}
}
