package results

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// runFiles are the files of a run directory that are read, as FuzzRead numbers them.
var runFiles = []string{
	"environment.json", "scenario.yaml", "cells/000-a-r1/cell.json", "cells/000-a-r1/layout.json", "cells/000-a-r1/observations.parquet",
	"cells/000-a-r1/steps/00/step.json", "cells/000-a-r1/steps/00/samples.parquet", "cells/000-a-r1/steps/00/latency.hlog",
}

// A run directory in which one file holds anything is read without a panic and without
// more memory than it could need, what is read of it makes sense, and the step that is
// whole is there as it was written. A document whose hash is wrong is given the right
// one, and a table its checksum, so that its content is what is judged.
func FuzzRead(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "run")
	must(f, writeRun(dir, nil))
	var good [][]byte
	for i, name := range runFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(f, err)
		good = append(good, text)
		f.Add(uint8(i), text)
		f.Add(uint8(i), text[:len(text)/2])
	}
	whole, err := Read(dir)
	must(f, err)
	want := all(f, whole.Cells[0].Steps[1].Samples())
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		i := int(which) % len(runFiles)
		name := filepath.Join(dir, runFiles[i])
		must(t, os.WriteFile(name, resealed(text), 0o600))
		rechecked(t, dir, i, text)
		defer func() {
			must(t, os.WriteFile(name, good[i], 0o600))
			rechecked(t, dir, i, good[i])
		}()
		before := allocated()
		defer func() {
			if took := allocated() - before; took > maxAllocated {
				t.Errorf("%s: %d bytes took %d MiB", runFiles[i], len(text), took>>20)
			}
		}()
		run, err := Read(dir)
		if err != nil {
			if i != 0 {
				t.Fatalf("%s: %v", runFiles[i], err)
			}
			return
		}
		if len(run.Cells) != 1 || len(run.Cells[0].Steps) == 0 {
			t.Fatalf("%s: the cell, or its whole step, is gone: %+v", runFiles[i], run)
		}
		for _, err := range run.Cells[0].Observations() {
			if err != nil {
				break
			}
		}
		for _, step := range run.Cells[0].Steps {
			got, err := readSome(step)
			if step.Step.Index != 1 {
				continue
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%s: the whole step reads %+v, %v", runFiles[i], got, err)
			}
		}
	})
}

// readSome reads a step's samples, ten thousand at most.
func readSome(step *StepData) (got []Sample, err error) {
	for s, err := range step.Samples() {
		if err != nil || len(got) == 10_000 {
			return got, err
		}
		got = append(got, s)
	}
	return got, nil
}

// A histogram log is refused, or has for each interval what can be written again.
func FuzzReadLatencyLog(f *testing.F) {
	step, samples := oneStep(0)
	log, err := latencyLog(step, samples)
	must(f, err)
	f.Add(log)
	f.Add([]byte("Tag=a,0.000,1.000,0.000,HISTFAAAAAp4nJNpmSwMAAdzAfA=\n"))
	f.Add([]byte("#\n\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		intervals, err := readLatencyLog(text)
		if err != nil {
			return
		}
		for _, h := range intervals {
			if h.TotalCount() < 0 || h.Tag() == "" && !bytes.Contains(text, []byte("Tag=,")) {
				t.Fatalf("%q: %d values of %q", text, h.TotalCount(), h.Tag())
			}
		}
		_ = checkLatencyLog(text, step)
	})
}

// Every document of a run directory is refused, or comes back the same when it is written again.
func FuzzDecode(f *testing.F) {
	step, _ := oneStep(0)
	for _, v := range []any{
		stepRecord{SchemaVersion, "a", 5, 7, step}, cellRecord{SchemaVersion, 2, 8, 1, true, Cell{Folder: "a", Config: Config{Workers: map[string]int{"m": 1}}}},
		layoutRecord{SchemaVersion, "a", Layout{Asked: "off"}}, Environment{Schema: SchemaVersion, Planned: []string{"a"}},
	} {
		text, err := encode(v)
		must(f, err)
		f.Add(text)
	}
	f.Add([]byte(`{"schema":5,"samples":0}{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		roundTrip[stepRecord](t, text)
		roundTrip[cellRecord](t, text)
		roundTrip[layoutRecord](t, text)
		roundTrip[Environment](t, text)
	})
}

func roundTrip[T any](t *testing.T, text []byte) {
	var once, twice T
	if decode(text, &once) != nil {
		return
	}
	again, err := encode(once)
	must(t, err)
	must(t, decode(again, &twice))
	third, err := encode(twice)
	must(t, err)
	if !bytes.Equal(again, third) { // empty and absent lists are the same document
		t.Errorf("got %+v, want %+v", reflect.ValueOf(twice), reflect.ValueOf(once))
	}
}
