package analysis

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// A step in which evabench or the machine stood still measures nothing of the server.
func TestHaltedStepIsNotValid(t *testing.T) {
	for what, want := range map[string]string{
		"":                    "",
		results.HaltStopped:   "evabench was stopped, or had no processor, for 3 s, 12 s after the step's start",
		results.HaltSuspended: "the machine of evabench slept, or was paused, for 3 s, 12 s after",
	} {
		f := madeRun()
		step := &f.cells[0].steps[0].step
		if what != "" {
			at := step.Start.Add(12 * time.Second)
			step.Halts = []results.Halt{{From: at, To: at.Add(3 * time.Second), For: 3 * time.Second, What: what}}
		}
		for _, v := range summarized(t, f).Cells[0].Steps[0].Services {
			if limited := v.Verdict.Is == ClientLimited; limited != (what != "") || !strings.Contains(v.Verdict.Why, want) {
				t.Errorf("halt %q: %s is %s: %s", what, v.Name, v.Verdict.Is, v.Verdict.Why)
			}
		}
	}
}

// A step that was broken off is in no figure, and told with where its samples are.
func TestBrokenStepIsLeftOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := results.Create(dir, results.Environment{Planned: []string{"000"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Cell("000")
	if err != nil {
		t.Fatal(err)
	}
	for i, broken := range []string{"", "interrupted"} {
		step := madeRun().cells[0].steps[0].step
		step.Index, step.Broken = i, broken
		if err := c.Step(step, madeSamples(100*time.Millisecond, time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(results.Cell{Status: results.CellInterrupted, Fault: "interrupted"}); err != nil {
		t.Fatal(err)
	}
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Summarize(run)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Cells) != 1 || len(s.Cells[0].Steps) != 1 || s.Cells[0].Steps[0].Index != 0 {
		t.Errorf("cells %+v, want one with step 0 alone", s.Cells)
	}
	told := 0
	for _, w := range s.Warnings {
		if w.Code == StepBroken && w.Where == "000 step 1" && strings.Contains(w.Text, "cells/000/steps/01/samples.parquet") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("warnings %+v", s.Warnings)
	}
}
