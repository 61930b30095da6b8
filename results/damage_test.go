package results

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/disk"
)

// A run directory with one thing wrong: Read says where, and the rest is
// still there.
func TestReadTellsWhatIsWrong(t *testing.T) {
	const cell = "cells/000-a-r1/"
	flip := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return []byte(strings.Replace(string(b), old, new, 1)) }
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return resealed(flip(old, new)(b)) }
	}
	crc := func(b []byte) []byte {
		return resealed(regexp.MustCompile(`crc32c": \d+`).ReplaceAll(b, []byte(`crc32c": 1`)))
	}
	ours := fmt.Sprintf(`"schema": %d`, SchemaVersion)
	half := func(b []byte) []byte { return b[:len(b)/2] }
	for _, c := range []struct {
		name, file string
		spoil      func([]byte) []byte // nil removes the file
		path, text string              // of the problem
		steps      int                 // still readable
		finished   bool
	}{
		{"scenario changed", "scenario.yaml", replace("s", "t"), "scenario.yaml", "changed after the run", 2, true},
		{"a wrong digit", cell + "steps/01/step.json", flip(`"value": 3`, `"value": 8`), cell + "steps/01/step.json", "not as it was written", 1, true},
		{"a wrong digit of the environment", "environment.json", flip(`"scenario": "s"`, `"scenario": "t"`), "environment.json", "not as it was written", 2, true},
		{"a wrong hash", cell + "layout.json", flip(`"sha256": "`, `"sha256": "0`), cell + "layout.json", "not as it was written", 2, true},
		{"no syntax", cell + "steps/01/step.json", flip(`"index"`, `"index`), cell + "steps/01/step.json", "line 7: invalid", 1, true},
		{"another type", cell + "steps/01/step.json", replace(`"index": 1`, `"index": "1"`), cell + "steps/01/step.json", "line 6: json: cannot", 1, true},
		{"half a log", cell + "steps/01/latency.hlog", half, cell + "steps/01/latency.hlog", "no end", 2, true},
		{"no log", cell + "steps/01/latency.hlog", nil, cell + "steps/01/latency.hlog", "no such file", 2, true},
		{"another log", cell + "steps/01/latency.hlog", flip("Tag=vision", "Tag=wision"), cell + "steps/01/latency.hlog", `is of "wision"`, 2, true},
		{"a log of other times", cell + "steps/01/latency.hlog", flip("vision,1.0", "vision,1.1"), cell + "steps/01/latency.hlog", "from 1100 to 2100 ms", 2, true},
		{"a wrong line of the log", cell + "steps/01/latency.hlog", flip("HISTF", "hISTF"), cell + "steps/01/latency.hlog", "line 5: ", 2, true},
		{"newer step", cell + "steps/01/step.json", replace(ours, fmt.Sprintf(`"schema": %d`, SchemaVersion+1)), cell + "steps/01/step.json", "newer evabench", 1, true},
		{"older step", cell + "steps/01/step.json", replace(ours, fmt.Sprintf(`"schema": %d`, SchemaVersion-1)), cell + "steps/01/step.json", "older evabench", 1, true},
		{"unknown field", cell + "steps/01/step.json", replace(`"index"`, `"indices"`), cell + "steps/01/step.json", "indices", 1, true},
		{"wrong folder", cell + "steps/01/step.json", replace(`"index": 1`, `"index": 0`), cell + "steps/01/step.json", "of step 0", 1, true},
		{"half a step", cell + "steps/00/step.json", half, cell + "steps/00/step.json", "", 1, true},
		{"half the samples", cell + "steps/00/samples.parquet", half, cell + "steps/00/samples.parquet", "", 1, true},
		{"no samples", cell + "steps/00/samples.parquet", nil, cell + "steps/00/samples.parquet", "no such file", 1, true},
		{"rows missing", cell + "steps/00/step.json", replace(`"samples": 5`, `"samples": 6`), cell + "steps/00/samples.parquet", "5 rows, 6 were written", 1, true},
		{"another checksum", cell + "steps/00/step.json", crc, cell + "steps/00/samples.parquet", "not as it was written", 1, true},
		{"samples twice", cell + "steps/00/samples.parquet", func(b []byte) []byte { return append(slices.Clone(b), b...) }, cell + "steps/00/samples.parquet", "not as it was written", 1, true},
		{"a step of another cell", cell + "steps/00/step.json", replace(`"cell": "000-a-r1"`, `"cell": "001-b-r1"`), cell + "steps/00/step.json", "of another cell", 1, true},
		{"a layout of another cell", cell + "layout.json", replace(`"cell": "000-a-r1"`, `"cell": "001-b-r1"`), cell + "layout.json", "of another cell", 2, true},
		{"observations changed", cell + "cell.json", crc, cell + "observations.parquet", "not as it was written", 2, true},
		{"half the observations", cell + "observations.parquet", half, cell + "observations.parquet", "", 2, true},
		{"no observations", cell + "observations.parquet", nil, cell + "observations.parquet", "no such file", 2, true},
		{"observations missing", cell + "cell.json", replace(`"observations": 2`, `"observations": 3`), cell + "observations.parquet", "2 rows, 3 were written", 2, true},
		{"no layout", cell + "layout.json", nil, cell + "layout.json", "no such file", 2, true},
		{"a step too few", cell + "cell.json", replace(`"steps": 2`, `"steps": 3`), cell + "steps", "it has 2 steps, 3 were written", 2, true},
		{"half a layout", cell + "layout.json", half, cell + "layout.json", "unexpected", 2, true},
		{"half a cell", cell + "cell.json", half, cell + "cell.json", "unexpected", 2, false},
		{"another cell", cell + "cell.json", replace("000-a-r1", "../../x"), cell + "cell.json", "another cell", 2, false},
		{"unfinished", cell + "cell.json", nil, "", "", 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			must(t, writeRun(dir, nil))
			file := filepath.Join(dir, filepath.FromSlash(c.file))
			before, err := os.ReadFile(file)
			must(t, err)
			if c.spoil == nil {
				must(t, os.Remove(file))
			} else {
				after := c.spoil(before)
				if slices.Equal(before, after) {
					t.Fatal("the case spoils nothing")
				}
				must(t, os.WriteFile(file, after, 0o600))
			}
			run, err := Read(dir)
			must(t, err)
			if c.path == "" && len(run.Problems) > 0 {
				t.Errorf("problems %+v, want none", run.Problems)
			}
			if c.path != "" && (len(run.Problems) != 1 || run.Problems[0].Path != c.path || !strings.Contains(run.Problems[0].Text, c.text)) {
				t.Errorf("problems %+v, want one of %s with %q", run.Problems, c.path, c.text)
			}
			for _, p := range run.Problems {
				if want := c.name != "scenario changed"; p.Damaged != want {
					t.Errorf("%+v: damaged %v, want %v", p, p.Damaged, want)
				}
			}
			if len(run.Cells) != 1 || len(run.Cells[0].Steps) != c.steps || run.Cells[0].Finished != c.finished {
				t.Errorf("cells %+v, want %d steps, finished %v", run.Cells, c.steps, c.finished)
			}
			want := 2 // of observations
			if !c.finished || strings.HasSuffix(c.path, observationsFile) {
				want = 0
			}
			if got := all(t, run.Cells[0].Observations()); len(got) != want {
				t.Errorf("%d observations, want %d", len(got), want)
			}
			missing := []string{"001-b-r1"}
			if !c.finished {
				missing = []string{"000-a-r1", "001-b-r1"}
			}
			if !slices.Equal(run.Missing, missing) {
				t.Errorf("missing %q, want %q", run.Missing, missing)
			}
		})
	}
}

// resealed gives a document that was changed as one that was written so: what it holds is
// to be judged, not that it was changed.
func resealed(text []byte) []byte {
	if at := strings.LastIndex(string(text), sealField); at >= 0 {
		return sealed(text[:at])
	}
	return text
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"none":         "",
		"newer schema": `{"schema": 99}`,
		"no schema":    `{}`,
	} {
		dir := t.TempDir()
		if text != "" {
			must(t, os.WriteFile(filepath.Join(dir, environmentFile), []byte(text), 0o600))
		}
		_, err := Read(dir)
		if err == nil || !strings.Contains(err.Error(), environmentFile) || text != "" && !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("no folder: no error")
	}
}

// Without its environment a run's cells are read, and what is not known is told. A folder
// without a cell is no run.
func TestReadWithoutEnvironment(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 50) },
	} {
		dir := filepath.Join(t.TempDir(), "run")
		must(t, writeRun(dir, nil))
		whole, err := Read(dir)
		must(t, err)
		must(t, spoil(filepath.Join(dir, environmentFile)))
		run, err := Read(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if run.Environment.Lost == "" || !slices.Equal(run.Environment.Planned, whole.Environment.Planned[:len(run.Cells)]) || len(run.Cells) != len(whole.Cells) ||
			!bytes.Equal(run.Scenario, whole.Scenario) {
			t.Errorf("%s: environment %+v with %d cells", name, run.Environment, len(run.Cells))
		}
		if len(run.Problems) != 1 || run.Problems[0].Path != environmentFile || !run.Problems[0].Damaged {
			t.Errorf("%s: problems %+v", name, run.Problems)
		}
		must(t, os.RemoveAll(filepath.Join(dir, cellsFolder)))
		must(t, os.Mkdir(filepath.Join(dir, cellsFolder), 0o700))
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), environmentFile) {
			t.Errorf("%s, and no cell: %v", name, err)
		}
	}
}

// A run directory that came from elsewhere leads nowhere else.
func TestReadStaysInside(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	must(t, writeRun(outside, nil))
	dir := filepath.Join(base, "run")
	must(t, writeRun(dir, nil))
	must(t, os.Symlink(filepath.Join(outside, "cells/000-a-r1"), filepath.Join(dir, "cells/001-b-r1")))
	must(t, os.RemoveAll(filepath.Join(dir, "cells/000-a-r1/steps/01")))
	must(t, os.Symlink("../../../../outside/cells/000-a-r1/steps/01", filepath.Join(dir, "cells/000-a-r1/steps/01")))
	text, err := os.ReadFile(filepath.Join(dir, environmentFile))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, environmentFile),
		resealed([]byte(strings.Replace(string(text), `"001-b-r1"`, `"001-b-r1", "../../outside/cells/000-a-r1"`, 1))), 0o600))

	run, err := Read(dir)
	must(t, err)
	for _, c := range run.Cells {
		if c.Cell.Folder == "001-b-r1" {
			t.Errorf("read through a link: %+v", c)
		}
		if c.Cell.Folder == "000-a-r1" && len(c.Steps) != 1 {
			t.Errorf("got %d steps, want the one that is inside", len(c.Steps))
		}
	}
	want := []string{environmentFile, "cells/000-a-r1/steps/01", "cells/001-b-r1"}
	for _, path := range want {
		if !slices.ContainsFunc(run.Problems, func(p Problem) bool { return p.Path == path }) {
			t.Errorf("problems %+v, want one of %s", run.Problems, path)
		}
	}
}

// One wrong byte in samples.parquet is told or changes nothing: no sample
// changes in silence, and nothing panics.
func TestOneWrongByte(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, writeRun(dir, nil))
	file := filepath.Join(dir, "cells/000-a-r1/steps/00/samples.parquet")
	good, err := os.ReadFile(file)
	must(t, err)
	run, err := Read(dir)
	must(t, err)
	want := all(t, run.Cells[0].Steps[0].Samples())
	told := 0
	for i := 0; i < len(good); i += 31 {
		bad := slices.Clone(good)
		bad[i] ^= 0x55
		must(t, os.WriteFile(file, bad, 0o600))
		samples, err := readAll(file)
		switch {
		case err != nil:
			told++
		case !slices.Equal(samples, want):
			t.Errorf("byte %d of %d: got %+v", i, len(good), samples)
		}
	}
	if told < len(good)/31/4 {
		t.Errorf("only %d of %d were told", told, len(good)/31)
	}
}

// readAll opens and reads a samples.parquet as Read and Samples do.
func readAll(file string) ([]Sample, error) {
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	opened, _, err := openTable[sampleRow](root, filepath.Base(file)) // without the checksum of the whole
	if err != nil {
		return nil, err
	}
	opened.Close()
	var samples []Sample
	for s, err := range table[sampleRow](filepath.Dir(file), filepath.Base(file), readSamples) {
		if err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// A cell whose Close failed at its first write takes nothing more.
func TestFailedCloseCloses(t *testing.T) {
	full := errors.New("no space left")
	w, err := create(filepath.Join(t.TempDir(), "run"), Environment{}, []byte("name: s\n"), disk.Faulty(func(op disk.Op) error {
		if strings.HasSuffix(op.Path, observationsFile) {
			return full
		}
		return nil
	}))
	must(t, err)
	c, err := w.Cell("000-a-r1")
	must(t, err)
	if err := c.Close(Cell{}); !errors.Is(err, full) {
		t.Fatalf("Close: %v, want %v", err, full)
	}
	if err := c.Observations([]Observation{{At: 1, Series: "a"}}); err == nil || errors.Is(err, full) {
		t.Errorf("Observations after Close: %v, want that the cell is closed", err)
	}
}
