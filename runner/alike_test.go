package runner

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A server that is another than before ends the run before any load: its cell is to be
// measured again, no other is begun, and everything is put back.
func TestAnotherServerEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Alike = func(c scenarios.Cell, i results.Instance) (string, error) {
			return "", errors.New(c.Folder + " " + i.Name + " is another")
		}
		if err := b.Run(t.Context()); !errors.Is(err, ErrOther) || !strings.Contains(err.Error(), "000-a-r1 vision-0 is another") {
			t.Errorf("Run() = %v", err)
		}
		w.undone(t)
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(run.Cells) != 1 || run.Cells[0].Cell.Status != results.CellInterrupted || len(run.Cells[0].Steps) != 0 {
			t.Errorf("cells %+v", run.Cells)
		}
	})
}

// A server that may be another than before is measured, and its cell warned of.
func TestDoubtfulServerIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Alike = func(c scenarios.Cell, i results.Instance) (doubt string, err error) {
			if c.Index > 0 {
				doubt = "it may be another"
			}
			return doubt, nil
		}
		var told []string
		b.Tell = func(line string) { told = append(told, line) }
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := results.Warning{Code: "servers-differ", Subject: "vision-0", Text: "it may be another", Count: 1}
		if a, z := run.Cells[0].Cell, run.Cells[1].Cell; slices.Contains(a.Warnings, want) || !slices.Contains(z.Warnings, want) || z.Status != results.CellDone {
			t.Errorf("warnings %+v, and %+v of a cell that is %s", a.Warnings, z.Warnings, z.Status)
		}
		if !slices.Contains(told, "cell 001-b-r1: WARNING: vision-0: it may be another") {
			t.Errorf("told %q", told)
		}
	})
}
