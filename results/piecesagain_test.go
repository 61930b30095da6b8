package results

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/disk/disktest"
)

// An error that comes once costs no observations: a batch is written at the second try, and
// the cell says so.
func TestObservationsAreTriedAgain(t *testing.T) {
	told := 0
	for at := 0; ; at++ {
		base := t.TempDir()
		trial := disktest.New(base, at, disktest.EIO)
		a, faults := writeUntil(filepath.Join(base, "run"), trial.Disk())
		if !trial.Reached() {
			break
		}
		op := trial.Ops[at]
		if !strings.Contains(op, "/"+piecesFolder+"/") && !strings.HasSuffix(op, "/"+piecesFolder) || strings.HasPrefix(op, "remove") {
			continue
		}
		if len(faults) > 0 || a.observations != 2 {
			t.Errorf("%s: %d batches, %v", op, a.observations, faults)
			continue
		}
		run, err := Read(filepath.Join(base, "run"))
		must(t, err)
		if c := run.Cells[0]; len(c.Cell.Warnings) != 1 || c.Cell.Warnings[0].Code != "disk-fault" ||
			!strings.Contains(c.Cell.Warnings[0].Text, "input/output error") {
			t.Errorf("%s: warned %+v", op, c.Cell.Warnings)
		}
		told++
	}
	if told < 10 {
		t.Errorf("batches were tried again after %d operations", told)
	}
}
