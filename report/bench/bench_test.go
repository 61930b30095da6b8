package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A made-up run is whole: nothing of it is unreadable, and the columns that are read alone
// have as many rows as were made.
func TestMadeRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	n := size{cells: 2, samples: 300}
	if err := makeRun(t.Context(), dir, n); err != nil {
		t.Fatal(err)
	}
	run, err := results.Read(dir)
	if err != nil || len(run.Problems) > 0 || len(run.Missing) > 0 || len(run.Cells) != n.cells {
		t.Fatalf("%d cells, problems %+v, missing %v (%v)", len(run.Cells), run.Problems, run.Missing, err)
	}
	var rows int64
	for _, c := range run.Cells {
		for _, s := range c.Steps {
			rows += s.Rows
		}
	}
	// An Agent's session that begins late has one call instead of two.
	if want := int64(n.cells * len(rates) * 2 * n.samples); rows > want || rows < want*9/10 {
		t.Errorf("%d samples, want about %d", rows, want)
	}
	s, err := analysis.Summarize(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, v := range step.Services {
				if !v.Verdict.Measures() {
					t.Errorf("%s, step %d, %s: %+v", c.Cell.Folder, step.Index, v.Name, v.Verdict)
				}
			}
		}
	}
	var out bytes.Buffer
	if err := readColumns(dir, &out); err != nil || strings.TrimSpace(out.String()) == "0" || firstLine(out.Bytes()) == "" {
		t.Fatalf("%q (%v)", out.String(), err)
	}
	if err := readColumns(t.TempDir(), &out); err == nil {
		t.Error("no samples at all: no error")
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		u    use
		want string
	}{
		{use{wall: mostSeconds * 1e9, peak: mostBytes}, ""},
		{use{wall: mostSeconds*1e9 + 1e8, peak: mostBytes}, "took 60.1 s"},
		{use{wall: 1, peak: mostBytes + 1<<20}, "took 1025 MiB"},
	} {
		err := c.u.within()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.u, err, c.want)
		}
	}
}
