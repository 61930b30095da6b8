package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// eio is a fault of the disk.
func eio(path string) error { return &disk.Error{Op: disk.Write, Path: path, Err: syscall.EIO} }

// The disk is told once; all else is told, wherever it is joined to the disk's faults.
func TestJoinOnce(t *testing.T) {
	damaged := errors.New("cells: 1 damaged")
	for _, c := range []struct {
		all  []error
		want string
	}{
		{nil, ""},
		{[]error{nil, errors.Join(nil, damaged)}, "cells: 1 damaged"},
		{[]error{eio("a"), fmt.Errorf("cell: %w", errors.Join(eio("b"), eio("c")))}, "write a: input/output error"},
		{[]error{eio("a"), errors.Join(eio("b"), errors.Join(damaged, eio("c")))}, "write a: input/output error\ncells: 1 damaged"},
		{[]error{errors.Join(eio("a"), ErrNotRestored), eio("b")}, "write a: input/output error\n" + ErrNotRestored.Error()},
		{
			[]error{eio("a"), fmt.Errorf("%w for certain: %w", ErrNotRestored, eio("b"))},
			"write a: input/output error\n" + ErrNotRestored.Error() + " for certain: write b: input/output error",
		},
	} {
		got := ""
		if err := JoinOnce(c.all...); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("JoinOnce(%q) = %q, want %q", c.all, got, c.want)
		}
	}
}

// A faulty is a Writer of which some calls go wrong.
type faulty struct {
	Writer
	step, observations, journal, end func() error
}

type faultyCell struct {
	CellWriter
	f *faulty
}

func (f *faulty) Cell(folder string) (CellWriter, error) {
	c, err := f.Writer.Cell(folder)
	return faultyCell{c, f}, err
}

func (f *faulty) Journal(any) error { return f.journal() }

func (c faultyCell) Step(s results.Step, samples []results.Sample) error {
	if c.f.step != nil {
		return c.f.step()
	}
	return c.CellWriter.Step(s, samples)
}

func (c faultyCell) Observations(batch []results.Observation) error {
	if c.f.observations != nil {
		return c.f.observations()
	}
	return c.CellWriter.Observations(batch)
}

func (c faultyCell) Close(cell results.Cell) error {
	err := c.CellWriter.Close(cell)
	if c.f.end != nil {
		return c.f.end()
	}
	return err
}

// tracingWorld tells of what it puts back.
type tracingWorld struct {
	*world
	trace func(partition.Event)
}

func (w *tracingWorld) Trace(f func(partition.Event)) { w.trace = f }

func (w *tracingWorld) Restore(ctx context.Context, s partition.State) error {
	w.trace(partition.Event{})
	return w.world.Restore(ctx, s)
}

// That the server is not put back is told also when the disk takes neither what is measured
// nor the journal.
func TestNotRestoredIsToldBesideTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{failAt: "restore"}
		b, _ := w.bench(t)
		journal, err := partition.OpenJournal(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer journal.Close()
		b.Backend, b.Journal = &tracingWorld{world: w}, journal
		b.Writer = &faulty{Writer: b.Writer,
			step:    func() error { return eio("step") },
			journal: func() error { return eio("journal") },
		}
		err = b.Run(t.Context())
		if !errors.Is(err, ErrNotRestored) || !strings.Contains(err.Error(), "restore: injected") || diskLines(err) != 1 {
			t.Errorf("Run() = %v, want that the server was not put back, and the disk once", err)
		}
	})
}

// A panic while something is written is a fault of its cell: everything is put back, and the
// cells after are tried.
func TestPanicWhileWriting(t *testing.T) {
	bad := func() error { panic("injected") }
	for _, c := range []struct {
		name  string
		fault faulty
	}{
		{"step", faulty{step: bad}},
		{"observations", faulty{observations: bad, end: bad}}, // Close tries them again
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{}
				b, _ := w.bench(t)
				c.fault.Writer = b.Writer
				b.Writer = &c.fault
				err := b.Run(t.Context())
				if !errors.Is(err, ErrNoCell) || !strings.Contains(err.Error(), "panic: injected; please report this") {
					t.Errorf("Run() = %v, want the panic of each cell", err)
				}
				w.undone(t)
				if got := strings.Count(strings.Join(w.log, ", "), "apply, launch vision-0, stop vision-0, restore"); got != 2 {
					t.Errorf("order of work: %v, want both layouts", w.log)
				}
			})
		})
	}
}
