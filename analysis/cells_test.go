package analysis

import (
	"errors"
	"fmt"
	"slices"
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
			err := workers.each(9, func(int) error {
				workers.work(c.rows, func() {
					n := now.Add(1)
					most.Store(max(most.Load(), n))
					time.Sleep(time.Second)
					now.Add(-1)
				})
				return nil
			})
			if took := time.Since(start); err != nil || most.Load() != c.most || took != c.took {
				t.Errorf("%d rows: %d at once in %v (%v), want %d in %v", c.rows, most.Load(), took, err, c.most, c.took)
			}
		})
	}
}

// Whichever fails first by the clock, the fault that is told is the first in order, and
// what had not begun does not.
func TestCrewTellsTheFirstFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		workers := crew{make(chan struct{}, 3), semaphore.NewWeighted(rowsAtOnce)}
		var begun atomic.Int64
		err := workers.each(9, func(i int) error {
			begun.Add(1)
			time.Sleep(time.Duration(10-i) * time.Second)
			if i == 0 {
				return nil
			}
			return fmt.Errorf("task %d", i)
		})
		if err == nil || err.Error() != "task 1" || begun.Load() != 3 {
			t.Errorf("%v after %d tasks had begun, want task 1 after 3", err, begun.Load())
		}
	})
}

// However many cells are worked on at once, the Summary has them in their order, and a
// fault is that of the first cell that has one.
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
	damaged := errors.New("damaged")
	for i := 7; i < 20; i += 3 {
		f.cells[i].steps = slices.Clone(f.cells[i].steps)
		f.cells[i].steps[0].samples = func(yield func(results.Sample, error) bool) {
			yield(results.Sample{}, fmt.Errorf("%w: %d", damaged, i))
		}
	}
	if _, err := summarize(f); !errors.Is(err, damaged) || err.Error() != "summarize cell 007-off-r8: read samples of step 0: damaged: 7" {
		t.Errorf("%v, want the fault of cell 7", err)
	}
}
