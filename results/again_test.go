package results

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/disk/disktest"
)

// An error that comes once costs nothing of a cell, of the journal and of a session's end:
// it is got over at the second try, and told.
func TestEachFileIsTriedAgain(t *testing.T) {
	told := map[string]int{}
	for at := 0; ; at++ {
		base := t.TempDir()
		dir := filepath.Join(base, "run")
		trial := disktest.New(base, at, disktest.EIO)
		env := Environment{Evabench: "test", Scenario: "s", Planned: []string{"000-a-r1"}, Sessions: []Session{{Evabench: "test"}}}
		w, err := create(dir, env, []byte("name: s\n"), trial.Disk())
		if err != nil {
			continue // nothing is measured yet
		}
		begun := len(trial.Ops)
		c, err := w.Cell("000-a-r1")
		if err != nil {
			continue // likewise
		}
		made := len(trial.Ops)
		var a acknowledged
		if err := writeCell(w, c, &a); err != nil && strings.HasSuffix(trial.Ops[at], "/"+stepsFolder) {
			continue // the step is there, and maybe not for long
		} else if err != nil {
			t.Fatal(err)
		}
		must(t, c.Close(Cell{Status: CellDone}))
		must(t, w.End(time.Unix(0, 0), SessionDone, ""))
		if !trial.Reached() {
			break
		}
		if at < begun {
			t.Fatalf("operation %d of %d was refused, and nothing said so", at, begun)
		}
		if op := trial.Ops[at]; at >= made && !strings.HasPrefix(op, "remove") {
			told[toldAgain(t, dir, op)]++
		}
	}
	for _, what := range []string{"layout.json", "journal.jsonl", "observations.parquet", "cell.json", "environment.json"} {
		if told[what] < 2 {
			t.Errorf("%s was tried again after %d operations: %v", what, told[what], told)
		}
	}
}

// toldAgain gives the last part of the path of the operation that was refused, and faults a
// run that is not whole, or does not tell of it.
func toldAgain(t *testing.T, dir, op string) string {
	t.Helper()
	run, err := Read(dir)
	must(t, err)
	c := run.Cells[0]
	if len(run.Problems) > 0 || !c.Finished || !c.HasLayout || len(c.Steps) != 2 || run.Environment.Sessions[0].Outcome != SessionDone {
		t.Errorf("%s: %+v, cell %+v", op, run.Problems, c)
	}
	warnings := slices.Concat(run.Environment.Warnings, c.Cell.Warnings)
	for _, s := range c.Steps {
		warnings = slices.Concat(warnings, s.Step.Warnings)
	}
	if len(warnings) != 1 || warnings[0].Code != "disk-fault" || !strings.Contains(warnings[0].Text, "input/output error") {
		t.Errorf("%s: warned %+v", op, warnings)
	}
	path := strings.Fields(strings.TrimPrefix(op, "sync folder"))
	return strings.TrimPrefix(filepath.Base(path[len(path)-1]), unfinished)
}
