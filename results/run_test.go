package results

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/disk"
)

// all reads a sequence to its end and fails on a fault.
func all[T any](t require, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var items []T
	for item, err := range seq {
		if err != nil {
			t.Fatalf("reading: %v", err)
		}
		items = append(items, item)
	}
	return items
}

type require interface {
	Helper()
	Fatalf(string, ...any)
}

func must(t require, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// A step and observations come back as they were written, whatever the order
// of the samples and the batches.
func TestRoundTrip(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		defer os.RemoveAll(dir)
		samples := rapid.SliceOfN(rapid.Custom(drawSample), 0, 20).Draw(t, "samples")
		observations := rapid.SliceOfN(rapid.Custom(drawObservation), 0, 20).Draw(t, "observations")
		split := rapid.IntRange(0, len(observations)).Draw(t, "split")
		step := Step{Index: 7, WindowEnd: 1} // no window's latency: it is tested apart

		w, err := Create(dir, Environment{Planned: []string{"000-a-r1"}}, []byte("name: x\n"))
		must(t, err)
		c, err := w.Cell("000-a-r1")
		must(t, err)
		want := slices.Clone(samples)
		slices.SortStableFunc(want, compareSamples)
		must(t, c.Step(step, samples))
		must(t, c.Observations(observations[:split]))
		must(t, c.Observations(observations[split:]))
		must(t, c.Close(Cell{Status: CellDone}))

		run, err := Read(dir)
		must(t, err)
		if len(run.Problems) > 0 || len(run.Missing) > 0 || len(run.Cells) != 1 || len(run.Cells[0].Steps) != 1 {
			t.Fatalf("read back: %+v", run)
		}
		got := all(t, run.Cells[0].Steps[0].Samples())
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("sample %d: got %+v, want %+v", i, got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("got %d samples, want %d", len(got), len(want))
		}
		if seen := all(t, run.Cells[0].Observations()); !slices.Equal(seen, observations) {
			t.Fatalf("got %+v, want %+v", seen, observations)
		}
	})
}

// writeRun writes a run of two planned cells, of which it finishes one.
func writeRun(dir string, d *disk.Disk) error {
	w, err := create(dir, Environment{Evabench: "test", Scenario: "s"}, []byte("name: s\n"), d)
	if err != nil {
		return err
	}
	if err := w.Planned(Environment{Evabench: "test", Scenario: "s", Planned: []string{"000-a-r1", "001-b-r1"}}); err != nil {
		return err
	}
	c, err := w.Cell("000-a-r1")
	if err != nil {
		return err
	}
	if err := c.Layout(Layout{Asked: "off", Applied: "off", Verified: true}); err != nil {
		return err
	}
	for i := range 2 {
		step, samples := oneStep(i)
		if err := c.Step(step, samples); err != nil {
			return err
		}
		if err := c.Observations([]Observation{{At: 1, Series: "a", Value: float64(i), Unit: "1"}}); err != nil {
			return err
		}
	}
	return c.Close(Cell{Status: CellDone, Seed: 1})
}

// Every field of a step comes back, and a cell's beginning to the nanosecond.
func TestStepRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, Environment{Planned: []string{"000"}}, nil)
	must(t, err)
	c, err := w.Cell("000")
	must(t, err)
	step, samples := oneStep(0)
	must(t, c.Step(step, samples))
	started := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)
	must(t, c.Close(Cell{Status: CellDone, Started: started}))
	run, err := Read(dir)
	must(t, err)
	if got := run.Cells[0].Steps[0].Step; !reflect.DeepEqual(got, step) {
		t.Errorf("got %+v, want %+v", got, step)
	}
	if got := run.Cells[0].Cell.Started; !got.Equal(started) {
		t.Errorf("started %v, want %v", got, started)
	}
}

func TestSameInputSameBytes(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dirs[i] = filepath.Join(t.TempDir(), "run")
		must(t, writeRun(dirs[i], nil))
	}
	files := 0
	must(t, filepath.WalkDir(dirs[0], func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		if got := info.Mode().Perm(); got != map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()] {
			t.Errorf("%s: mode %v", path, got)
		}
		if d.IsDir() {
			return nil
		}
		files++
		a, err := os.ReadFile(path)
		must(t, err)
		b, err := os.ReadFile(filepath.Join(dirs[1], strings.TrimPrefix(path, dirs[0])))
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: two writings differ", path)
		}
		return nil
	}))
	// scenario, environment; layout, cell, observations; 2 x (step, samples, latency).
	if files != 11 {
		t.Errorf("got %d files, want 11", files)
	}
}

func TestLatencyLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, writeRun(dir, nil))
	text, err := os.ReadFile(filepath.Join(dir, "cells/000-a-r1/steps/01/latency.hlog"))
	must(t, err)
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(text))
	vision, err := reader.NextIntervalHistogram()
	must(t, err)
	if vision.Tag() != "vision" || vision.TotalCount() != 2 || vision.StartTimeMs() != 1000 || vision.EndTimeMs() != 2000 {
		t.Errorf("got %q n=%d %d to %d ms", vision.Tag(), vision.TotalCount(), vision.StartTimeMs(), vision.EndTimeMs())
	}
	// The 2 h are above the usual range of 1 h: they are kept, to 3 digits.
	for q, want := range map[float64]time.Duration{50: 30 * time.Millisecond, 100: 2 * time.Hour} {
		got := time.Duration(vision.ValueAtQuantile(q))
		if off := (got - want).Abs(); off > want/1000 {
			t.Errorf("p%v: got %v, want %v", q, got, want)
		}
	}
	agent, err := reader.NextIntervalHistogram()
	must(t, err)
	if agent.Tag() != "agent" || agent.TotalCount() != 0 {
		t.Errorf("got %q n=%d, want agent without any", agent.Tag(), agent.TotalCount())
	}
}

func TestWriterRefuses(t *testing.T) {
	good, samples := oneStep(0)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "there"), nil, 0o600))
	if _, err := Create(dir, Environment{}, nil); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with something in it: %v", err)
	}
	w, err := Create(filepath.Join(t.TempDir(), "a/b"), Environment{}, nil)
	must(t, err)
	for _, name := range []string{"", ".", "..", "../x", "a/b", "a b", "-x", ".x", "a\x00", strings.Repeat("x", 201)} {
		if _, err := w.Cell(name); err == nil {
			t.Errorf("cell %q: no error", name)
		}
	}
	c, err := w.Cell("000")
	must(t, err)
	if _, err := w.Cell("000"); err == nil {
		t.Error("the same cell twice: no error")
	}
	if err := w.Planned(Environment{}); err == nil {
		t.Error("planned after the first cell: no error")
	}
	for name, spoil := range map[string]func(*Step, *Sample){
		"no outcome":       func(_ *Step, s *Sample) { s.Outcome = 0 },
		"no due":           func(_ *Step, s *Sample) { s.Due = NoOffset },
		"no done":          func(_ *Step, s *Sample) { s.Done = NoOffset },
		"a gap of nothing": func(_ *Step, s *Sample) { s.Chunks, s.LongestGap = 1, 1 },
		"done before due":  func(_ *Step, s *Sample) { s.Done = s.Due - 1 },
		"negative index":   func(s *Step, _ *Sample) { s.Index = -1 },
		"tag with a comma": func(s *Step, _ *Sample) { s.Services = []Integrity{{Service: "a,b"}} },
	} {
		step, spoiled := oneStep(3)
		spoil(&step, &spoiled[1])
		if err := c.Step(step, spoiled); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	must(t, c.Step(good, samples))
	if err := c.Step(good, samples); err == nil {
		t.Error("the same step twice: no error")
	}
	nan := 0.0
	if err := c.Observations([]Observation{{Value: nan / nan}}); err == nil {
		t.Error("NaN: no error")
	}
	must(t, c.Close(Cell{}))
	if c.Close(Cell{}) == nil || c.Step(good, samples) == nil || c.Observations(nil) == nil {
		t.Error("a closed cell takes more")
	}
}

func TestFolder(t *testing.T) {
	at := time.Date(2026, 11, 21, 4, 3, 4, 0, time.FixedZone("", 2*3600))
	for name, want := range map[string]string{
		"pro6000x1": "pro6000x1-20261121T020304Z",
		"../a b/ü":  "a-b---20261121T020304Z",
		"":          "run-20261121T020304Z",
	} {
		got := Folder(name, at)
		if got != want || checkFolder(got) != nil {
			t.Errorf("Folder(%q) = %q, want %q", name, got, want)
		}
	}
}
