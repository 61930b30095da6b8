package analysis

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/evabench/evabench/results"
)

// Records that hold anything at all, of a cell and of a step, are summarized without a panic, and
// what a panic of ours would be is not hidden among what is damaged. The other cell is told as it
// always is.
func FuzzSummarize(f *testing.F) {
	made := madeRun()
	cell, err := json.Marshal(made.cells[0].cell)
	if err != nil {
		f.Fatal(err)
	}
	step, err := json.Marshal(made.cells[0].steps[0].step)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cell, step)
	f.Add([]byte("{}"), []byte("{}"))
	whole, err := summarize(made)
	if err != nil {
		f.Fatal(err)
	}
	want, err := json.Marshal(whole.Cells[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, cell, step []byte) {
		var c results.Cell
		var s results.Step
		if json.Unmarshal(cell, &c) != nil || json.Unmarshal(step, &s) != nil {
			return
		}
		g := made
		g.cells = slices.Clone(made.cells)
		g.cells[0].steps = slices.Clone(made.cells[0].steps)
		g.cells[0].cell, g.cells[0].steps[0].step = c, s
		g.cells[0].cell.Folder = made.cells[0].cell.Folder
		got, err := summarize(g)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Fatal(err)
		}
		other, err := json.Marshal(got.Cells[1])
		if err != nil || string(other) != string(want) {
			t.Errorf("the other cell is told otherwise: %v", err)
		}
		for _, w := range got.Warnings {
			if w.Code == Damaged && len(w.Text) > 6 && w.Text[:6] == "panic:" {
				t.Errorf("%s: %s", w.Where, w.Text)
			}
		}
	})
}
