package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/internal/disk/disktest"
)

// acknowledged is what a Writer has said is on the disk.
type acknowledged struct {
	created, planned bool
	layout           bool
	steps            int
	observations     int
	journal          int
	closed           bool
}

// writeUntil writes a run of two planned cells, the first of which it finishes, as the runner
// does: it stops at the first fault but still closes the cell. It says what was acknowledged.
func writeUntil(dir string, d *disk.Disk) (a acknowledged, faults []error) {
	env := Environment{Evabench: "test", Scenario: "s"}
	w, err := create(dir, env, []byte("name: s\n"), d)
	if err != nil {
		return a, []error{err}
	}
	a.created = true
	env.Planned = []string{"000-a-r1", "001-b-r1"}
	if err := w.Planned(env); err != nil {
		return a, []error{err}
	}
	a.planned = true
	c, err := w.Cell("000-a-r1")
	if err != nil {
		return a, []error{err}
	}
	if err := writeCell(w, c, &a); err != nil {
		faults = append(faults, err)
	}
	if err := c.Close(Cell{Status: CellDone, Seed: 1}); err != nil {
		return a, append(faults, err)
	}
	a.closed = true
	return a, faults
}

func writeCell(w *Writer, c *CellWriter, a *acknowledged) error {
	if err := c.Layout(Layout{Asked: "off", Applied: "off", Verified: true}); err != nil {
		return err
	}
	a.layout = true
	for i := range 2 {
		if err := w.Journal(i); err != nil {
			return err
		}
		a.journal++
		step, samples := oneStep(i)
		if err := c.Step(step, samples); err != nil {
			return err
		}
		a.steps++
		if err := c.Observations([]Observation{{At: 1, Series: "a", Value: float64(i), Unit: "1"}}); err != nil {
			return err
		}
		a.observations++
	}
	return nil
}

// Whatever operation of the disk goes wrong and however, what was acknowledged is whole and can
// be read, nothing else is taken for whole, and every fault that was not got over is told.
func TestFaultAtAnyOperation(t *testing.T) {
	for _, fault := range disktest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			base := t.TempDir()
			for at := 0; ; at++ {
				here := filepath.Join(base, fmt.Sprint(at))
				must(t, os.MkdirAll(filepath.Join(here, "live"), 0o700))
				trial := disktest.New(filepath.Join(here, "live"), at, fault)
				a, faults := writeUntil(filepath.Join(here, "live", "runs", "run"), trial.Disk())
				if !trial.Reached() {
					if at < 60 {
						t.Fatalf("only %d operations were seen", at)
					}
					return
				}
				left, err := trial.Left(filepath.Join(here, "dark"))
				must(t, err)
				if problem := holds(filepath.Join(left, "runs", "run"), a, faults); problem != "" {
					t.Errorf("%s at operation %d, %q: %s", fault, at, trial.Ops[at], problem)
				}
				must(t, os.RemoveAll(here))
			}
		})
	}
}

// holds says what of the run directory is not as it was acknowledged; empty if all is.
func holds(dir string, a acknowledged, faults []error) string {
	for _, err := range faults {
		if _, ok := errors.AsType[*disk.Error](err); !ok {
			return fmt.Sprintf("the fault is not told as the disk's: %v", err)
		}
	}
	run, err := Read(dir)
	switch {
	case err != nil && a.created:
		return fmt.Sprintf("it was made and cannot be read: %v", err)
	case err != nil:
		return ""
	case a.planned && len(run.Environment.Planned) != 2:
		return "the plan is lost"
	}
	for _, p := range run.Problems {
		if p.Damaged || !strings.Contains(p.Path, unfinished) {
			return fmt.Sprintf("problem %+v", p)
		}
	}
	var c CellData
	if len(run.Cells) > 0 {
		c = *run.Cells[0]
	}
	if c.Finished && !a.closed && len(faults) == 0 || a.closed && !c.Finished {
		return fmt.Sprintf("finished %v, closed %v", c.Finished, a.closed)
	}
	if a.layout && !c.HasLayout {
		return "the layout is lost"
	}
	// One more may be whole than was acknowledged: its last sync failed.
	if n := len(c.Steps); n < a.steps || n > a.steps+1 {
		return fmt.Sprintf("%d steps, %d were acknowledged", n, a.steps)
	}
	for _, s := range c.Steps {
		n := 0
		for _, err := range s.Samples() {
			if err != nil {
				return err.Error()
			}
			n++
		}
		if n != 5 {
			return fmt.Sprintf("step %d has %d samples", s.Step.Index, n)
		}
	}
	var values []float64
	for o, err := range c.Observations() {
		if err != nil {
			return err.Error()
		}
		values = append(values, o.Value)
	}
	if want := []float64{0, 1}[:min(2, max(a.observations, len(values)))]; !slices.Equal(values, want) {
		return fmt.Sprintf("observations %v, %d were acknowledged", values, a.observations)
	}
	text, _ := os.ReadFile(filepath.Join(dir, journalFile))
	if want := "0\n1\n"[:2*a.journal]; !strings.HasPrefix(string(text), want) {
		return fmt.Sprintf("journal %q, want %q", text, want)
	}
	return ""
}

// An error that comes once costs nothing: the step is written at the second try, and says so.
func TestStepIsTriedAgain(t *testing.T) {
	told := 0
	for at := 0; ; at++ {
		base := t.TempDir()
		trial := disktest.New(base, at, disktest.EIO)
		_, faults := writeUntil(filepath.Join(base, "run"), trial.Disk())
		if !trial.Reached() {
			break
		}
		if at := trial.Ops[at]; !strings.Contains(at, "steps/"+unfinished) || strings.HasPrefix(at, "rename") && !strings.Contains(at, ".json") {
			continue
		}
		if len(faults) > 0 {
			t.Errorf("%s: %v", trial.Ops[at], faults)
			continue
		}
		run, err := Read(filepath.Join(base, "run"))
		must(t, err)
		for _, s := range run.Cells[0].Steps {
			for _, w := range s.Step.Warnings {
				if w.Code != "disk-fault" || !strings.Contains(w.Text, "input/output error") {
					t.Errorf("%s: warned %+v", trial.Ops[at], w)
				}
				told++
			}
		}
	}
	if told < 20 {
		t.Errorf("%d steps were tried again and say so", told)
	}
}
