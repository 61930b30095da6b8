package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/partition"
)

// restoreWithin bounds how long it may take to put GPUs back.
const restoreWithin = 10 * time.Minute

// hostLockFile is locked by whoever changes the GPUs of this host, beside the state
// folder's own lock: folders can be many.
const hostLockFile = "/run/lock/evabench.lock"

// A keeping is where the state of GPUs is kept that are to be changed.
type keeping struct {
	dir string // of the journal
	sim string // the simulated server whose --sim-dir that is; empty if it is none
	// scratch says that the folder ends with the command: nothing is restored from it.
	scratch bool
	// hostLock is the lock file of the host, empty for GPUs of no host.
	hostLock string
}

// restore is the command that puts back what the journal holds, as a shell takes it.
func (k keeping) restore() string {
	command := "evabench gpu restore"
	switch {
	case k.sim != "" && k.dir == "": // nothing is kept yet
		command += " --sim " + k.sim + " --sim-dir DIR"
	case k.sim != "":
		command += " --sim " + k.sim + " --sim-dir " + quoted(k.dir)
	case k.dir != defaultStateDir:
		command += " --state-dir " + quoted(k.dir)
	}
	return command
}

// quoted writes a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r == '/' || r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// left tells in words, without taking a lock, what change waits to be put back;
// empty if none does.
func (k keeping) left() string {
	if k.dir == "" {
		return ""
	}
	left, pending, err := partition.Peek(k.dir)
	switch at := left.Begun.Local().Format(time.DateTime); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("whether an earlier change waits to be put back is unknown: %v; ask as root", err)
	case err != nil:
		return fmt.Sprintf("whether an earlier change waits to be put back is unknown: %v", err)
	case !pending:
		return ""
	case left.Kept:
		return fmt.Sprintf("%q left the GPUs changed at %s, on purpose; %q puts them back", left.Command, at, k.restore())
	default:
		return fmt.Sprintf("%q (process %d) began to change the GPUs at %s and has not put them back; if it has ended, %q does", left.Command, left.PID, at, k.restore())
	}
}

// halfChanged holds where the journal is of what a command is changing, for the
// notice of an interrupt; nil while it changes nothing.
type halfChanged = atomic.Pointer[keeping]

// halfChangedKey is the key of a context's *halfChanged.
type halfChangedKey struct{}

// thenRun ends the notice of an interrupt: with the command to run should a second
// one leave the GPUs half changed.
func thenRun(half *halfChanged) string {
	k := half.Load()
	if k == nil {
		return ""
	}
	if left, pending, err := partition.Peek(k.dir); err != nil || !pending || left.Kept {
		return ""
	}
	return "; then run " + k.restore()
}

// A heldJournal is a journal with the locks that go with it.
type heldJournal struct {
	*partition.Journal
	unlock func() error // the host; nil without
	half   *halfChanged // of the command; nil without
}

// open takes both locks.
func (k keeping) open(ctx context.Context) (*heldJournal, error) {
	j, err := partition.OpenJournal(k.dir)
	if err != nil {
		return nil, noRight(err)
	}
	held := &heldJournal{Journal: j}
	if k.hostLock != "" {
		if held.unlock, err = partition.LockHost(k.hostLock); err != nil {
			return nil, joined(noRight(err), j.Close())
		}
	}
	if half, ok := ctx.Value(halfChangedKey{}).(*halfChanged); ok && !k.scratch {
		half.Store(&k)
		held.half = half
	}
	return held, nil
}

// noRight adds to the fault of one who may not lock and journal what to do.
func noRight(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w; nothing was changed; changes of GPUs take root: run the same with sudo (evabench run, report, compare and gate need no root)", err)
}

// Close gives the locks back.
func (h *heldJournal) Close() error {
	var err error
	if h.half != nil {
		h.half.Store(nil)
	}
	if h.unlock != nil {
		err = h.unlock()
	}
	return errors.Join(h.Journal.Close(), err)
}

// An intent is what a journal is opened for.
type intent struct {
	on partition.State // the GPUs that are named
	// over says that what comes goes on top of a layout that was left on purpose.
	over bool
}

// openJournal takes the locks, and puts back what an earlier run left behind, but
// for GPUs that are not named, as nobody has given those away, and for those on which
// others have made instances since, or which they manage now: these are refused. A layout
// that "gpu apply" left on purpose is refused too, unless over it: it is for its owner to
// say whether it goes.
func openJournal(ctx context.Context, backend partition.Backend, k keeping, i intent, s streams) (_ *heldJournal, err error) {
	j, err := k.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = joined(err, j.Close())
		}
	}()
	for {
		left, pending, err := j.Pending()
		if err != nil || !pending || left.Kept && i.over {
			return j, err
		}
		if left.Kept {
			return nil, fmt.Errorf("the GPUs stand as %q left them at %s, and %s says how they were before; put them back first with %q, or make that layout the normal state with %q",
				left.Command, left.Begun.Local().Format(time.DateTime), k.dir, k.restore(), k.restore()+" --forget")
		}
		if others := i.unnamed(left.State); others != "" {
			return nil, fmt.Errorf("%q (process %d) began to change %s at %s and did not put that back; it is not named now, and others may have changed it since: put it back with %q, or leave it as it is with %q",
				left.Command, left.PID, others, left.Begun.Local().Format(time.DateTime), k.restore(), k.restore()+" --forget")
		}
		if err := k.stranger(ctx, backend, left); err != nil {
			return nil, err
		}
		fmt.Fprintln(s.err, "evabench: "+markOf(k.sim)+"an earlier run did not put the GPUs back; doing it now")
		if err := endProcesses(ctx, s.err); err != nil {
			return nil, err
		}
		if err := (undoing{backend, j.Journal, s.err, markOf(k.sim)}).putBack(ctx, left.State); err != nil {
			return nil, fmt.Errorf("an earlier run left them changed: %w; its state is in %s, and %q tries again", err, k.dir, k.restore())
		}
	}
}

// stranger refuses to put back unasked what a run left on GPUs on which others have
// made instances since, or which they manage now; nothing to put back is not refused.
func (k keeping) stranger(ctx context.Context, backend partition.Backend, left partition.Left) error {
	now, err := backend.Inspect(ctx, uuidsOf(left.State))
	if err != nil {
		return fmt.Errorf("inspect GPUs: %w", err)
	}
	strange := left.Strange(now)
	if len(strange) == 0 || len(left.State.Differences(now)) == 0 {
		return nil
	}
	return fmt.Errorf("%q (process %d) began to change the GPUs at %s and did not put them back, and this is not of its making: %s; to put them back as they were then, without what was made since: %q; to leave them as they are: %q",
		left.Command, left.PID, left.Begun.Local().Format(time.DateTime), strings.Join(strange, "; "), k.restore(), k.restore()+" --forget")
}

// unnamed tells which GPUs of a state are not named; empty if all are.
func (i intent) unnamed(s partition.State) string {
	var names []string
	for _, g := range s.GPUs {
		if !slices.ContainsFunc(i.on.GPUs, func(n partition.GPU) bool { return n.UUID == g.UUID }) {
			names = append(names, fmt.Sprintf("gpu%d (%s)", g.Index, g.UUID))
		}
	}
	return strings.Join(names, ", ")
}

// An undoing puts GPUs back with a backend, traces it in the journal, and warns of what
// will not last.
type undoing struct {
	backend partition.Backend
	journal *partition.Journal
	warn    io.Writer
	mark    string // see [markOf]
}

// putBack restores the state that the journal holds, also when ctx has ended, and
// ends the journal's entry.
func (u undoing) putBack(ctx context.Context, was partition.State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
	defer cancel()
	var faults []error // of the trace
	if t, ok := u.backend.(partition.Traced); ok {
		t.Trace(func(e partition.Event) {
			faults = append(faults, u.journal.Record(e))
			if e.Warning != "" {
				fmt.Fprintln(u.warn, fold("evabench: "+u.mark+"warning: "+e.Warning))
			}
		})
	}
	if err := u.backend.Restore(ctx, was); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", partition.ErrNotRestored, err), errors.Join(faults...))
	}
	if err := u.journal.End(); err != nil {
		return fmt.Errorf("%w for certain: %w", partition.ErrNotRestored, err)
	}
	return errors.Join(faults...)
}
