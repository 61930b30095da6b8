package analysis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/evabench/evabench/results"
)

// Three hands, each of ten tasks of a second: never more than three at once, and of those
// with too many rows fewer.
func TestCrewBoundsWhatIsAtWork(t *testing.T) {
	for _, c := range []struct {
		rows int64
		most int64
		took time.Duration // of 9 tasks of 1 s
	}{
		{0, 3, 3 * time.Second},
		{rowsAtOnce / 3, 3, 3 * time.Second},
		{rowsAtOnce/3 + 1, 2, 5 * time.Second},
		{rowsAtOnce/2 + 1, 1, 9 * time.Second},
		{10 * rowsAtOnce, 1, 9 * time.Second}, // larger than all: alone
		{-1, 3, 3 * time.Second},              // not known
	} {
		synctest.Test(t, func(t *testing.T) {
			workers := crew{make(chan struct{}, 3), semaphore.NewWeighted(rowsAtOnce)}
			var now, most atomic.Int64
			start := time.Now()
			workers.each(9, func(int) {
				workers.work(c.rows, func() {
					n := now.Add(1)
					most.Store(max(most.Load(), n))
					time.Sleep(time.Second)
					now.Add(-1)
				})
			})
			if took := time.Since(start); most.Load() != c.most || took != c.took {
				t.Errorf("%d rows: %d at once in %v, want %d in %v", c.rows, most.Load(), took, c.most, c.took)
			}
		})
	}
}

// However many cells are worked on at once, the Summary has them in their order, with what
// is told of each.
func TestCellsStayInOrder(t *testing.T) {
	f := madeRun()
	one := f.cells[0]
	f.cells, f.missing, f.environment.Planned = nil, nil, nil
	for i := range 20 {
		c := one
		c.cell.Index, c.cell.Folder = i, fmt.Sprintf("%03d-off-r%d", i, i+1)
		c.cell.Warnings = []results.Warning{{Code: "mark", Text: c.cell.Folder, Count: 1}}
		f.cells = append(f.cells, c)
	}
	s := summarized(t, f)
	var marks []string
	for _, w := range s.Warnings {
		if w.Code == "mark" {
			marks = append(marks, w.Text)
		}
	}
	for i, c := range s.Cells {
		if c.Cell.Index != i || len(marks) != 20 || marks[i] != c.Cell.Folder {
			t.Fatalf("cell %d is %s, warnings of %v", i, c.Cell.Folder, marks)
		}
	}
}

// A step that cannot be read, that does not fit its plan, or that makes us panic is left out
// and told with the place of its file; every other step is as it was, and so are the tables.
func TestDamagedStepIsLeftOut(t *testing.T) {
	for name, spoil := range map[string]func(*stepFacts){
		"unreadable": func(s *stepFacts) {
			whole := s.samples
			s.samples = func(yield func(results.Sample, error) bool) {
				n := 0
				for sample := range whole {
					if n++; n == 7 {
						yield(results.Sample{}, errors.New("told: page 3 is damaged"))
						return
					}
					if !yield(sample, nil) {
						return
					}
				}
			}
		},
		"strangers": func(s *stepFacts) {
			s.samples = func(yield func(results.Sample, error) bool) { yield(results.Sample{Service: "told: nobody"}, nil) }
		},
		"no count": func(s *stepFacts) { s.step.Services = nil },
		"panic": func(s *stepFacts) {
			s.samples = func(func(results.Sample, error) bool) { panic("told: our own mistake") }
		},
	} {
		f := madeRun()
		f.cells[0].steps = append(slices.Clone(f.cells[0].steps), f.cells[0].steps[0])
		f.cells[0].steps[1].step.Index = 1
		want := summarized(t, f)
		spoil(&f.cells[0].steps[1])
		f.cells[0].steps[1].path = "cells/a/steps/01/samples.parquet"
		got := summarized(t, f)
		if n := len(got.Cells[0].Steps); n != 1 || got.Cells[0].Steps[0].Index != 0 || len(want.Cells[0].Steps) != 2 {
			t.Errorf("%s: %d steps, want the one that is whole", name, n)
			continue
		}
		if got, want := asJSON(t, &Summary{Cells: got.Cells[1:]}), asJSON(t, &Summary{Cells: want.Cells[1:]}); got != want {
			t.Errorf("%s: the other cell differs", name)
		}
		told := slices.DeleteFunc(slices.Clone(got.Warnings), func(w Warning) bool { return w.Code != Damaged })
		if len(told) != 1 || told[0].Where != "cells/a/steps/01/samples.parquet" || !strings.Contains(told[0].Text, "left out") || name != "no count" && name != "strangers" && !strings.Contains(told[0].Text, "told: ") {
			t.Errorf("%s: warnings %+v", name, told)
		}
	}
}
