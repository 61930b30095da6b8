package runner

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// watcher keeps what it sees and ends the n-th step after so long.
type watcher struct {
	asking
	ends []time.Duration // by step; 0 never
	seen [][]results.Progress
}

func (w *watcher) Next(last *results.StepResult) (results.StepPlan, bool) {
	w.seen = append(w.seen, nil)
	return w.asking.Next(last)
}

func (w *watcher) Watch(p results.Progress) string {
	step := len(w.seen) - 1
	w.seen[step] = append(w.seen[step], p)
	if end, since := w.ends[step], p.To.Sub(w.seen[step][0].From); end > 0 && since >= end {
		return "hopeless"
	}
	return ""
}

// A Watcher sees a step from its begin, second by second without a gap, and every
// arrival is either among what was done or unfinished. What it ends ends then, says
// why, keeps its counts, and the next step follows.
func TestWatcherSeesAndEndsSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Cells = b.Cells[:1]
		var told []string
		b.Tell = func(line string) { told = append(told, line) }
		// The first step is ended within its window, the second in its warm-up, the
		// third runs to its end of 5.5 s.
		chooser := &watcher{asking: asking{Chooser: stepsOf(3)}, ends: []time.Duration{3 * time.Second, time.Second, 0}}
		b.NewChooser = func(scenarios.Cell) Chooser { return chooser }
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil || len(run.Cells[0].Steps) != 3 {
			t.Fatalf("%d steps, %v", len(run.Cells[0].Steps), err)
		}
		looks := []int{3, 1, 5}
		for i, recorded := range run.Cells[0].Steps {
			s := recorded.Step
			if got := len(chooser.seen[i]); got != looks[i] {
				t.Fatalf("step %d: %d looks, want %d", i, got, looks[i])
			}
			want, why := 5500*time.Millisecond, ""
			if chooser.ends[i] > 0 {
				want, why = chooser.ends[i]+1, "hopeless"
			}
			if got := s.WindowEnd.Sub(s.Start); got != want || s.Stopped != why {
				t.Errorf("step %d ended after %v by %q, want %v by %q", i, got, s.Stopped, want, why)
			}
			if total := s.Services[0].Due + s.Services[0].WarmupDue; total != count(t, recorded.Samples()) || total == 0 {
				t.Errorf("step %d: %d arrivals counted, %d samples", i, total, count(t, recorded.Samples()))
			}
			checkLooks(t, i, chooser.seen[i], s, chooser.samples[i])
		}
		if s := run.Cells[0].Steps[1].Step; s.WindowStart != s.WindowEnd || s.Services[0].Due != 0 {
			t.Errorf("a step that was ended in its warm-up has the window %v to %v with %d arrivals", s.WindowStart, s.WindowEnd, s.Services[0].Due)
		}
		if line := "cell 000-a-r1: step 0, ended early: hopeless"; !slices.Contains(told, line) {
			t.Errorf("told %q, want %q among them", told, line)
		}
	})
}

// stepsOf is a Chooser of n steps of 5.5 s.
func stepsOf(n int) Chooser {
	var plans plannedSteps
	for range n {
		plan, _ := twoSteps{}.Next(nil)
		plan.Warmup, plan.Window = 1200*time.Millisecond, 4300*time.Millisecond
		plans = append(plans, plan)
	}
	return plans
}

// checkLooks holds looks against the step and its samples.
func checkLooks(t *testing.T, step int, looks []results.Progress, s results.Step, samples []results.Sample) {
	t.Helper()
	at, done := s.Start, 0
	for _, p := range looks {
		if p.From != at || p.To != p.From.Add(time.Second) {
			t.Errorf("step %d: a look from %v to %v follows one until %v", step, p.From, p.To, at)
		}
		at = p.To
		done += len(p.Samples)
		due := 0
		for _, v := range samples {
			if v.Due <= p.To {
				due++
			}
		}
		// Two users: at a moment at which both are answered, their sessions may still
		// be asked what follows, with the samples to come, and their next arrivals not
		// have fallen due yet.
		if n := done + int(p.Unfinished["vision"]); n > due || n < due-4 {
			t.Errorf("step %d at %v: %d done and %d unfinished of %d", step, p.To, done, p.Unfinished["vision"], due)
		}
		for _, v := range p.Samples {
			if v.Done < p.From || v.Done > p.To {
				t.Errorf("step %d: done at %v, seen from %v to %v", step, v.Done, p.From, p.To)
			}
		}
	}
}

// A step of a search is told with its purpose, and its load to five digits.
func TestDescribeTellsPurpose(t *testing.T) {
	plan := results.StepPlan{
		Levels: []results.Level{{Service: "vision", Value: 12.3456789, Unit: "req/s"}, {Service: "agent", Value: 1e6, Unit: "users"}},
		Warmup: 20 * time.Second, Window: 2 * time.Minute,
	}
	for want, change := range map[string]func(*results.StepPlan){
		"vision 12.3456789 req/s, agent 1e+06 users: 20s warm-up, 2m0s window":                          func(*results.StepPlan) {},
		"probe: vision 12.346 req/s, agent 1e+06 users: 20s warm-up, 2m0s window":                       func(p *results.StepPlan) { p.Purpose = results.PurposeProbe },
		"confirm: vision 12.346 req/s, agent 1e+06 users: 20s warm-up, 2m0s window, all requests heavy": func(p *results.StepPlan) { p.Purpose, p.Heavy = results.PurposeConfirm, true },
	} {
		p := plan
		change(&p)
		if got := Describe(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// breaking is a Chooser with a mistake: it panics where it is to choose the second
// step, or to look at it.
type breaking struct {
	watcher
	looking bool
}

func (b *breaking) Next(last *results.StepResult) (results.StepPlan, bool) {
	if last != nil && !b.looking {
		panic("no such load")
	}
	return b.watcher.Next(last)
}

func (b *breaking) Watch(p results.Progress) string {
	if b.looking && len(b.seen) == 2 {
		panic("no such load")
	}
	return b.watcher.Watch(p)
}

// A mistake of the chooser fails the cell: what was measured before stands, and the
// server is put back.
func TestPanicOfChooserFailsCell(t *testing.T) {
	for name, looking := range map[string]bool{"choose the next step": false, "look at a step": true} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			b, dir := w.bench(t)
			b.Cells = b.Cells[:1]
			b.NewChooser = func(scenarios.Cell) Chooser {
				return &breaking{watcher{asking: asking{Chooser: stepsOf(3)}, ends: make([]time.Duration, 3)}, looking}
			}
			err := b.Run(t.Context())
			want := name + ": panic: no such load; please report this"
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("%v, want %q", err, want)
			}
			run, err := results.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := run.Cells[0]
			whole := slices.DeleteFunc(slices.Clone(c.Steps), func(s *results.StepData) bool { return s.Step.Broken != "" })
			if !c.Finished || c.Cell.Status != results.CellFailed || len(whole) != 1 {
				t.Errorf("%d steps in a cell that is %q", len(whole), c.Cell.Status)
			}
		})
	}
}
