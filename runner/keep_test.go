package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/clocks"
	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/internal/disk/disktest"
	"github.com/evabench/evabench/results"
)

// A notary is a Writer that notes what was acknowledged: steps by cell.
type notary struct {
	Writer
	mu    sync.Mutex
	steps map[string]int
	ended map[string]bool
}

type notedCell struct {
	CellWriter
	n      *notary
	folder string
}

func (n *notary) Cell(folder string) (CellWriter, error) {
	c, err := n.Writer.Cell(folder)
	if err != nil {
		return nil, err
	}
	return notedCell{c, n, folder}, nil
}

func (c notedCell) Step(s results.Step, samples []results.Sample) error {
	err := c.CellWriter.Step(s, samples)
	if err == nil && s.Broken == "" {
		c.n.mu.Lock()
		defer c.n.mu.Unlock()
		c.n.steps[c.folder]++
	}
	return err
}

func (c notedCell) Close(cell results.Cell) error {
	err := c.CellWriter.Close(cell)
	c.n.ended[c.folder] = err == nil
	return err
}

// Whatever operation of the disk goes wrong: everything is put back, completed steps are whole,
// and the fault is told in one line, after which no more load is driven.
func TestRunOnFailingDisk(t *testing.T) {
	base := t.TempDir()
	tried, told := 0, 0
	for i, fault := range disktest.Faults() {
		for at := i; ; at += 11 {
			reached := true
			synctest.Test(t, func(t *testing.T) {
				here := filepath.Join(base, fmt.Sprint(fault, at))
				if err := os.MkdirAll(filepath.Join(here, "live"), 0o700); err != nil {
					t.Fatal(err)
				}
				w := &world{}
				b, _ := w.bench(t)
				trial := disktest.New(filepath.Join(here, "live"), at, fault)
				writer, err := results.CreateOn(trial.Disk(), filepath.Join(here, "live", "run"),
					results.Environment{Scenario: "test", Planned: []string{"000-a-r1", "001-b-r1"}}, []byte("version: 1\n"))
				if err != nil {
					return // nothing was done
				}
				noted := &notary{Writer: To(writer), steps: map[string]int{}, ended: map[string]bool{}}
				b.Writer = noted
				err = b.Run(t.Context())
				reached = trial.Reached()
				w.undone(t)
				if lines := diskLines(err); lines > 1 || lines == 0 && err != nil {
					t.Errorf("%s at operation %d, %q: told in %d lines: %v", fault, at, trial.Ops[at], lines, err)
				} else if lines == 1 {
					told++
				}
				left, err := trial.Left(filepath.Join(here, "dark"))
				if err != nil {
					t.Fatal(err)
				}
				noted.compare(t, filepath.Join(left, "run"))
				if err := os.RemoveAll(here); err != nil {
					t.Fatal(err)
				}
			})
			tried++
			if !reached || t.Failed() {
				break
			}
		}
	}
	if tried < 40 || told < 15 {
		t.Errorf("%d faults tried, %d told", tried, told)
	}
}

// diskLines counts the lines of an error that tell of the disk.
func diskLines(err error) (n int) {
	if err == nil {
		return 0
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		for _, word := range []string{"input/output error", "no space left", "read-only file system", disktest.ErrCut.Error()} {
			if strings.Contains(line, word) {
				n++
			}
		}
	}
	return n
}

// compare holds a run directory against what was acknowledged.
func (n *notary) compare(t *testing.T, dir string) {
	t.Helper()
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range run.Cells {
		whole := 0
		for _, s := range c.Steps {
			if s.Step.Broken != "" {
				continue
			}
			whole++
			if got := count(t, s.Samples()); got != s.Step.Services[0].Due+s.Step.Services[0].WarmupDue {
				t.Errorf("%s step %d: %d samples", c.Cell.Folder, s.Step.Index, got)
			}
		}
		if folder := c.Cell.Folder; whole < n.steps[folder] || n.ended[folder] && !c.Finished {
			t.Errorf("%s: %d steps, %d were acknowledged; finished %v, acknowledged %v", folder, whole, n.steps[folder], c.Finished, n.ended[folder])
		}
	}
	for folder, steps := range n.steps {
		if steps > 0 && len(run.Cells) == 0 {
			t.Errorf("%s is lost", folder)
		}
	}
}

// A disk that fails ends the run: the cells after are not tried.
func TestRunEndsWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Writer = full{b.Writer}
		err := b.Run(t.Context())
		if !errors.Is(err, disk.ErrNoRoom) || diskLines(err) != 0 || strings.Count(err.Error(), disk.ErrNoRoom.Error()) != 1 {
			t.Errorf("Run() = %v, want that there is no room, once", err)
		}
		w.undone(t)
		want := "apply, launch vision-0, stop vision-0, restore"
		if got := strings.Join(w.log, ", "); got != want {
			t.Errorf("order of work:\n got %s\nwant %s", got, want)
		}
		if run, err := results.Read(dir); err != nil || len(run.Cells) != 1 || len(run.Cells[0].Steps) != 0 || run.Cells[0].Cell.Status != results.CellInterrupted {
			t.Errorf("read: %v, %+v", err, run)
		}
	})
}

type full struct{ Writer }

func (full) Room(arrivals float64) error {
	return &disk.Error{Op: "room", Path: "/runs", Err: disk.ErrNoRoom}
}

// What was sent of a step that is broken off is kept, and said not to count.
func TestBrokenStepIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		w := &world{onAnswer: func(n int64) {
			if n == 90 { // in the second step's window
				cancel(errors.New("signal"))
			}
		}}
		b, dir := w.bench(t)
		_ = b.Run(ctx) // told elsewhere
		run, err := results.Read(dir)
		if err != nil || len(run.Problems) > 0 || len(run.Cells) != 1 {
			t.Fatalf("read: %v, %+v", err, run)
		}
		steps := run.Cells[0].Steps
		if len(steps) != 1 && len(steps) != 2 {
			t.Fatalf("%d steps", len(steps))
		}
		last := steps[len(steps)-1]
		n := count(t, last.Samples())
		if due := last.Step.Services[0].Due + last.Step.Services[0].WarmupDue; !strings.Contains(last.Step.Broken, "signal") || n != due || n == 0 {
			t.Errorf("broken %q, %d samples, %d fell due", last.Step.Broken, n, due)
		}
		for _, s := range steps[:len(steps)-1] {
			if s.Step.Broken != "" {
				t.Errorf("step %d: broken: %s", s.Step.Index, s.Step.Broken)
			}
		}
	})
}

// A step in which evabench stood still says so; what happened between steps is the cell's.
func TestHaltsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var slept, set atomic.Int64 // how far the clocks went by themselves
		w := &world{}
		b, dir := w.bench(t)
		b.Cells = b.Cells[:1]
		b.Clocks = func() clocks.Reading {
			now := time.Since(began)
			boot := now + time.Duration(slept.Load())
			return clocks.Reading{Running: now, Boot: boot, Wall: boot + time.Duration(set.Load())}
		}
		w.onAnswer = func(n int64) {
			switch n {
			case 40: // in the first step
				slept.Store(int64(time.Minute))
			case 60:
				set.Store(-int64(time.Hour))
			}
		}
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		first, second := run.Cells[0].Steps[0].Step, run.Cells[0].Steps[1].Step
		if len(first.Halts) != 1 || first.Halts[0].What != results.HaltSuspended || first.Halts[0].For != time.Minute ||
			first.Halts[0].From < first.Start || first.Halts[0].To > first.End {
			t.Errorf("step from %v to %v: halts %+v, want a minute's sleep", first.Start, first.End, first.Halts)
		}
		if len(first.Warnings) != 1 || first.Warnings[0].Code != "clock-set" || !strings.Contains(first.Warnings[0].Text, "-1h0m0s") {
			t.Errorf("warnings %+v, want that the clock was set back by an hour", first.Warnings)
		}
		if len(second.Halts)+len(second.Warnings) > 0 {
			t.Errorf("the second step: %+v, %+v", second.Halts, second.Warnings)
		}
	})
}
