package results

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/internal/disk/disktest"
)

// twoCells is the environment of a run of two cells.
func twoCells(sessions ...Session) Environment {
	return Environment{Evabench: "test", Scenario: "s", Planned: []string{"000-a-r1", "001-b-r1"}, Sessions: sessions}
}

// breakOff writes a run whose second cell broke off after its first step.
func breakOff(dir string, d *disk.Disk) error {
	w, err := create(dir, twoCells(Session{Started: time.Unix(1, 0).UTC(), Evabench: "test"}), []byte("name: s\n"), d)
	if err != nil {
		return err
	}
	if err := w.Before(map[string]string{"gpu": "as it was"}, []Input{{"trace.txt", 4, "abcd"}}, Flags{Mode: "race"}); err != nil {
		return err
	}
	if err := oneCell(w, "000-a-r1", true); err != nil {
		return err
	}
	return oneCell(w, "001-b-r1", false)
}

func oneCell(w *Writer, folder string, whole bool) error {
	c, err := w.Cell(folder)
	if err != nil {
		return err
	}
	if err := w.Journal(folder); err != nil {
		return err
	}
	step, samples := oneStep(0)
	if err := c.Step(step, samples); err != nil {
		return err
	}
	if err := c.Observations([]Observation{{At: 1, Series: "a", Value: 1, Unit: "1"}}); err != nil || !whole {
		return err
	}
	return c.Close(Cell{Status: CellDone, Seed: 1})
}

// goOn is a second session, which measures what is not finished.
func goOn(dir string, d *disk.Disk) error {
	run, err := Read(dir)
	if err != nil {
		return err
	}
	env := run.Environment
	env.Sessions = append(env.Sessions, Session{Started: time.Unix(3, 0).UTC(), Evabench: "test"})
	w, err := reopen(dir, env, d)
	if err != nil {
		return err
	}
	for _, folder := range env.Planned {
		if run.Finished(folder) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, cellsFolder, folder)); err == nil {
			if _, err := w.Aside(folder); err != nil {
				return err
			}
		}
		if err := oneCell(w, folder, true); err != nil {
			return err
		}
	}
	return w.End(time.Unix(4, 0), SessionDone, "")
}

// A run that broke off is gone on with: what was finished stays as it is to the byte, what
// broke off is kept apart, and every session is told.
func TestGoOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, breakOff(dir, nil))
	// What a crash leaves: half a report, and half a line of the journal.
	must(t, os.WriteFile(filepath.Join(dir, unfinished+"report.md"), []byte("half"), 0o600))
	journal := filepath.Join(dir, journalFile)
	text, err := os.ReadFile(journal)
	must(t, err)
	must(t, os.WriteFile(journal, append(text, `{"half`...), 0o600))
	before := contents(t, filepath.Join(dir, cellsFolder))

	must(t, goOn(dir, nil))
	run, err := Read(dir)
	must(t, err)
	if len(run.Problems) > 0 || len(run.Missing) > 0 || !run.Finished("000-a-r1") || !run.Finished("001-b-r1") {
		t.Errorf("problems %v, missing %v", run.Problems, run.Missing)
	}
	if want := []string{"001-b-r1.1"}; !slices.Equal(run.Aside, want) {
		t.Errorf("aside %v, want %v", run.Aside, want)
	}
	after, aside := contents(t, filepath.Join(dir, cellsFolder)), contents(t, filepath.Join(dir, asideFolder))
	for name, was := range before {
		kept, is := after, name
		if cell, rest, _ := strings.Cut(name, string(filepath.Separator)); cell == "001-b-r1" {
			kept, is = aside, filepath.Join("001-b-r1.1", rest)
		}
		if kept[is] != was {
			t.Errorf("%s is not as it was", name)
		}
	}
	s := run.Environment.Sessions
	if len(s) != 2 || !s[0].Ended.IsZero() || s[0].Outcome != "" || s[1].Outcome != SessionDone || !s[1].Ended.Equal(time.Unix(4, 0)) {
		t.Errorf("sessions %+v", s)
	}
	if _, err := os.Lstat(filepath.Join(dir, unfinished+"report.md")); err == nil {
		t.Error("half a report is still there")
	}
	text, err = os.ReadFile(journal)
	must(t, err)
	if want := "\"000-a-r1\"\n\"001-b-r1\"\n{\"half\n\"001-b-r1\"\n"; string(text) != want {
		t.Errorf("journal %q, want %q", text, want)
	}
	var state map[string]string
	if inputs, err := ReadBefore(dir, &state); err != nil || state["gpu"] != "as it was" || len(inputs) != 1 || inputs[0].SHA256 != "abcd" {
		t.Errorf("before: %v, %v, %v", state, inputs, err)
	}
	if flags, err := ReadFlags(dir); err != nil || flags != (Flags{Mode: "race"}) {
		t.Errorf("the flags are read back as %+v, %v", flags, err)
	}
}

// contents gives the files below a folder, by path, with their bytes.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		all[name] = string(text)
		return err
	}))
	if len(all) == 0 {
		t.Fatalf("%s holds nothing", folder)
	}
	return all
}

// stride is how many operations lie between two of which one kind of fault is tried:
// five kinds begin at three places, so that each operation has one or two of them.
const stride = 3

// Whatever operation of the disk goes wrong while a run is gone on with, what was finished
// stays as it is, nothing that was measured is lost, and a third session ends the run.
func TestGoOnSurvivesFaults(t *testing.T) {
	for i, fault := range disktest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel() // it waits for the disk
			base := t.TempDir()
			count := disktest.New(base, 1<<30, fault)
			must(t, breakOff(filepath.Join(base, "runs", "run"), count.Disk()))
			first := len(count.Ops)
			for at := first + i%stride; ; at += stride {
				here := filepath.Join(base, fmt.Sprint(at))
				live := filepath.Join(here, "live")
				must(t, os.MkdirAll(live, 0o700))
				trial := disktest.New(live, at, fault)
				dir := filepath.Join(live, "runs", "run")
				must(t, breakOff(dir, trial.Disk()))
				whole := contents(t, filepath.Join(dir, cellsFolder, "000-a-r1"))
				told := goOn(dir, trial.Disk())
				if !trial.Reached() {
					if at < first+40 {
						t.Fatalf("only %d operations of going on were seen", at-first)
					}
					return
				}
				left, err := trial.Left(filepath.Join(here, "dark"))
				must(t, err)
				dir = filepath.Join(left, "runs", "run")
				if problem := goesOn(t, dir, whole, told); problem != "" {
					t.Errorf("%s at operation %d, %q: %s", fault, at, trial.Ops[at], problem)
				}
				must(t, os.RemoveAll(here))
			}
		})
	}
}

// goesOn says what of a run that was broken off twice is not as it should be.
func goesOn(t *testing.T, dir string, whole map[string]string, told error) string {
	if err := goOn(dir, nil); err != nil {
		return fmt.Sprintf("it cannot be gone on with: %v", err)
	}
	run, err := Read(dir)
	must(t, err)
	for _, p := range run.Problems {
		return fmt.Sprintf("problem %+v", p)
	}
	if len(run.Missing) > 0 || len(run.Aside) == 0 {
		return fmt.Sprintf("missing %v, aside %v", run.Missing, run.Aside)
	}
	now := contents(t, filepath.Join(dir, cellsFolder, "000-a-r1"))
	for name, was := range whole {
		if now[name] != was {
			return fmt.Sprintf("%s of the finished cell is not as it was (the fault: %v)", name, told)
		}
	}
	for name := range contents(t, filepath.Join(dir, asideFolder)) {
		if strings.HasSuffix(name, filepath.Join("steps", "00", samplesFile)) {
			return ""
		}
	}
	return "the step of the cell that broke off is lost"
}

// A cell is finished if it ended, also with a fault, and nothing of it is damaged.
func TestFinished(t *testing.T) {
	for name, test := range map[string]struct {
		status string
		spoil  func(cell string) error
		want   bool
	}{
		"done":                      {CellDone, nil, true},
		"failed":                    {CellFailed, nil, true},
		"interrupted":               {CellInterrupted, nil, false},
		"no record":                 {CellDone, func(c string) error { return os.Remove(filepath.Join(c, cellFile)) }, false},
		"half a record":             {CellDone, func(c string) error { return os.Truncate(filepath.Join(c, cellFile), 100) }, false},
		"no samples":                {CellDone, func(c string) error { return os.Remove(filepath.Join(c, stepsFolder, "00", samplesFile)) }, false},
		"observations cut off":      {CellDone, func(c string) error { return os.Truncate(filepath.Join(c, observationsFile), 10) }, false},
		"a step that was not whole": {CellFailed, func(c string) error { return os.Mkdir(filepath.Join(c, stepsFolder, unfinished+"01"), 0o700) }, false},
		"not there":                 {CellDone, os.RemoveAll, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			w, err := Create(dir, Environment{Planned: []string{"000-a", "000-ab"}}, nil)
			must(t, err)
			for _, folder := range []string{"000-a", "000-ab"} {
				c, err := w.Cell(folder)
				must(t, err)
				step, samples := oneStep(0)
				must(t, c.Step(step, samples))
				must(t, c.Close(Cell{Status: test.status}))
			}
			if test.spoil != nil {
				must(t, test.spoil(filepath.Join(dir, cellsFolder, "000-a")))
			}
			run, err := Read(dir)
			must(t, err)
			if got := run.Finished("000-a"); got != test.want {
				t.Errorf("got %v, want %v; problems %v", got, test.want, run.Problems)
			}
			if other := run.Finished("000-ab"); other != (test.status != CellInterrupted) {
				t.Errorf("the other cell: %v", other)
			}
		})
	}
}

// Whoever goes on with a run that came from elsewhere is not led out of it.
func TestGoOnStaysInside(t *testing.T) {
	for _, name := range []string{cellsFolder, asideFolder} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			dir, outside := filepath.Join(base, "run"), filepath.Join(base, "outside")
			must(t, breakOff(dir, nil))
			if name == cellsFolder {
				must(t, os.Rename(filepath.Join(dir, cellsFolder), outside))
			} else {
				must(t, os.Mkdir(outside, 0o700))
			}
			must(t, os.Symlink(outside, filepath.Join(dir, name)))
			if err := goOn(dir, nil); err == nil || !strings.Contains(err.Error(), name+" is no folder") {
				t.Errorf("got %v, want that %s is no folder", err, name)
			}
			if name == asideFolder {
				left, err := os.ReadDir(outside)
				if err != nil || len(left) > 0 {
					t.Errorf("outside: %v, %v", left, err)
				}
			}
		})
	}
	for _, folder := range []string{"..", "../x", "a/b", "", ".x"} {
		w := &Writer{dir: t.TempDir()}
		if to, err := w.Aside(folder); err == nil {
			t.Errorf("%q was set aside as %q", folder, to)
		}
	}
}
