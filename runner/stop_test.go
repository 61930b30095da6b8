package runner

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/results"
)

// An instance that does not end would hold its device beside the next cell: no other is
// begun, on this layout or another; its own is to be measured again, everything is put back,
// and the fault is told once.
func TestNotStoppedEndsTheRun(t *testing.T) {
	for name, then := range map[string]string{"the same layout": "a", "another layout": "b"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{failAt: "stop vision-0"}
				b, dir := w.bench(t)
				b.Cells[1].Config = config(then)
				err := b.Run(t.Context())
				left, ok := errors.AsType[*StopError](err)
				if !ok || left.Instance != "vision-0" || strings.Count(err.Error(), "injected") != 1 || !strings.Contains(err.Error(), "by hand") {
					t.Errorf("Run() = %v", err)
				}
				w.undone(t)
				if got, want := strings.Join(w.log, ", "), "apply, launch vision-0, stop vision-0, restore"; got != want {
					t.Errorf("order of work:\n got %s\nwant %s", got, want)
				}
				run, err := results.Read(dir)
				if err != nil {
					t.Fatal(err)
				}
				if len(run.Cells) != 1 || run.Cells[0].Cell.Status != results.CellInterrupted || len(run.Cells[0].Steps) != 2 || run.Finished("000-a-r1") {
					t.Errorf("cells %+v", run.Cells)
				}
			})
		})
	}
}
