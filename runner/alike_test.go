package runner

import (
	"errors"
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
		b.Alike = func(c scenarios.Cell, i results.Instance) error {
			return errors.New(c.Folder + " " + i.Name + " is another")
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
