package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A queueRace is a race of queues in virtual time, whose run directory is written as a
// sweep's is.
type queueRace struct {
	env     results.Environment
	entries []search.Entry
	systems map[string]*queues.System // by configuration
}

// raced is what a race did: the steps that it asked for, by cell, and why it left cells out.
type raced struct {
	plans map[string][]results.StepPlan
	left  map[string]string
	race  analysis.Race
}

func newQueueRace(t *testing.T) queueRace {
	t.Helper()
	s, ok := queues.Named("slow")
	if !ok {
		t.Fatal("there is no system slow")
	}
	small := *s
	small.Server.Workers = 5
	q := queueRace{
		env: results.Environment{
			Services: s.Services, Scenario: "race", Zone: 0.05,
			Search: &results.Search{
				Kind: search.Interval, Race: true, Raise: s.Services[0].Name, From: s.From, Tolerance: 0.10,
				Warmup: 3 * time.Second, Window: 10 * time.Second,
			},
		},
		systems: map[string]*queues.System{"a": s, "b": &small, "c": s},
	}
	target := s.Levels(s.From)[0]
	q.env.Services[0].Target = &target
	order := []string{"a", "b", "c"}
	for r := 1; r <= 4; r++ {
		for _, config := range order {
			e := search.Entry{Folder: fmt.Sprintf("%03d-%s-r%d", len(q.entries), config, r), Config: config, Replicate: r}
			q.entries, q.env.Planned = append(q.entries, e), append(q.env.Planned, e.Folder)
		}
		slices.Reverse(order)
	}
	return q
}

// run goes through the cells. skip leaves out those that are measured already.
func (q queueRace) run(t *testing.T, w *results.Writer, race *search.Race, skip func(scenarios.Cell) string) raced {
	t.Helper()
	out := raced{map[string][]results.StepPlan{}, map[string]string{}, analysis.Race{}}
	for number, e := range q.entries {
		if why := skip(scenarios.Cell{Folder: e.Folder}); why != "" {
			out.left[e.Folder] = why
			continue
		}
		chooser, err := race.Chooser(e.Folder)
		if err != nil {
			t.Fatal(err)
		}
		cell, err := w.Cell(e.Folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := cell.Layout(results.Layout{}); err != nil {
			t.Fatal(err)
		}
		target := q.systems[e.Config].Start(uint64(number))
		for plan, more := chooser.Next(nil); more; {
			out.plans[e.Folder] = append(out.plans[e.Folder], plan)
			step := target.Step(plan, chooser.Watch)
			if err := cell.Step(step.Step, slices.Collect(step.Samples)); err != nil {
				t.Fatal(err)
			}
			plan, more = chooser.Next(&step)
		}
		if err := cell.Close(results.Cell{Config: results.Config{Name: e.Config}, Replicate: e.Replicate, Status: results.CellDone}); err != nil {
			t.Fatal(err)
		}
	}
	out.race = race.Race()
	return out
}

// A race that is gone on with from its run directory asks for the same steps, and leaves out
// the same cells for the same reasons, as in one go, wherever it broke off.
func TestRaceGoesOnFromItsDirectory(t *testing.T) {
	q := newQueueRace(t)
	dir := filepath.Join(t.TempDir(), "run")
	w, err := results.Create(dir, q.env, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	race, err := search.NewRace(q.env, q.entries)
	if err != nil {
		t.Fatal(err)
	}
	whole := q.run(t, w, race, func(c scenarios.Cell) string { return race.Skip(c.Folder) })
	if len(whole.left) == 0 || whole.race.State == analysis.RaceOpen {
		t.Fatalf("the race leaves out %v and ends %s", whole.left, whole.race.State)
	}
	var ran []string
	for _, e := range q.entries {
		if len(whole.plans[e.Folder]) > 0 {
			ran = append(ran, e.Folder)
		}
	}
	for _, k := range []int{1, len(ran) / 2, len(ran) - 1, len(ran)} {
		from := filepath.Join(t.TempDir(), "run")
		if err := os.CopyFS(from, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		for _, folder := range ran[k:] {
			if err := os.RemoveAll(filepath.Join(from, "cells", folder)); err != nil {
				t.Fatal(err)
			}
		}
		got, measured := q.resume(t, from)
		if measured != k {
			t.Errorf("%d cells are measured, %d were kept", measured, k)
		}
		for _, folder := range ran[:k] { // they were not run again
			if got.left[folder] != keptAsMeasured || got.plans[folder] != nil {
				t.Errorf("after %d cells: %s was left out since %q, with %d steps", k, folder, got.left[folder], len(got.plans[folder]))
			}
			delete(got.left, folder)
			got.plans[folder] = whole.plans[folder]
		}
		if !reflect.DeepEqual(got, whole) {
			t.Errorf("after %d cells:\n%+v\nin one go:\n%+v", k, got, whole)
		}
	}
	q.tellsAnotherCourse(t, dir)
}

// tellsAnotherCourse: a race that would not have done what is recorded is told with the
// first cell that tells it.
func (q queueRace) tellsAnotherCourse(t *testing.T, dir string) {
	t.Helper()
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &goingOn{run: run, measured: map[string]bool{}}
	for _, c := range run.Cells {
		g.measured[c.Cell.Folder] = true
	}
	search := *q.env.Search
	search.From *= 2
	other := q.env
	other.Search = &search
	why, err := g.raceDiffers(other, q.entries)
	if err != nil || len(why) != 1 || !strings.Contains(why[0], "its race would go another way") ||
		!strings.Contains(why[0], "step 0 of cell "+q.entries[0].Folder+" was climb ") {
		t.Errorf("it is refused for %q, %v", why, err)
	}
	// A cell that was measured again after others: they rest on the one before it.
	first := run.Cells[0]
	first.Cell.Started = run.Cells[len(run.Cells)-1].Cell.Started.Add(time.Hour)
	for _, s := range run.Cells[1].Steps {
		s.Step.Plan.Window *= 2
	}
	if why, err = g.raceDiffers(q.env, q.entries); err != nil || why != nil {
		t.Errorf("a cell was measured again: it is refused for %q, %v", why, err)
	}
	first.Cell.Started = time.Time{}
	if why, err = g.raceDiffers(q.env, q.entries); err != nil || len(why) != 1 || !strings.Contains(why[0], "step 0 of cell "+q.entries[1].Folder) {
		t.Errorf("the second cell was asked for otherwise: %q, %v", why, err)
	}
}

// resume goes on with a run directory, and says how many cells it found measured.
func (q queueRace) resume(t *testing.T, dir string) (raced, int) {
	t.Helper()
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &goingOn{run: run, measured: map[string]bool{}}
	n := 0
	for _, folder := range q.env.Planned {
		if g.measured[folder] = run.Finished(folder); g.measured[folder] {
			n++
		}
	}
	if why, err := g.raceDiffers(q.env, q.entries); err != nil || why != nil {
		t.Fatal(why, err)
	}
	race, err := search.NewRace(q.env, q.entries)
	if err != nil {
		t.Fatal(err)
	}
	w, err := results.Reopen(dir, run.Environment)
	if err != nil {
		t.Fatal(err)
	}
	skip := g.replays.skip(race)
	return q.run(t, w, race, func(c scenarios.Cell) string {
		skip(c) // it may be asked more than once
		return skip(c)
	}), n
}
