package main

import (
	"context"
	"errors"
	"fmt"
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
	// hostLock is the lock file of the host, empty for GPUs of no host.
	hostLock string
}

// A heldJournal is a journal with the locks that go with it.
type heldJournal struct {
	*partition.Journal
	unlock func() error // the host; nil without
}

// open takes both locks.
func (k keeping) open() (*heldJournal, error) {
	j, err := partition.OpenJournal(k.dir)
	if err != nil {
		return nil, err
	}
	held := &heldJournal{Journal: j}
	if k.hostLock == "" {
		return held, nil
	}
	if held.unlock, err = partition.LockHost(k.hostLock); err != nil {
		return nil, joined(err, j.Close())
	}
	return held, nil
}

// Close gives the locks back.
func (h *heldJournal) Close() error {
	var err error
	if h.unlock != nil {
		err = h.unlock()
	}
	return errors.Join(h.Journal.Close(), err)
}

// openJournal takes the locks, and puts back what an earlier run left behind. A
// layout that "gpu apply" left on purpose is refused, but where over says that what
// comes goes on top of it: it is for its owner to say whether it goes.
func openJournal(ctx context.Context, backend partition.Backend, k keeping, over bool, s streams) (_ *heldJournal, err error) {
	j, err := k.open()
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
		if err != nil || !pending || left.Kept && over {
			return j, err
		}
		if left.Kept {
			return nil, fmt.Errorf("the GPUs stand as %q left them at %s, and %s says how they were before; put them back first with \"evabench gpu restore\", or make that layout the normal state with \"evabench gpu restore --forget\"",
				left.Command, left.Begun.Local().Format(time.DateTime), k.dir)
		}
		fmt.Fprintln(s.err, "evabench: an earlier run did not put the GPUs back; doing it now")
		if err := putBack(ctx, backend, j.Journal, left.State); err != nil {
			return nil, fmt.Errorf("an earlier run left them changed: %w; its state is in %s, and \"evabench gpu restore\" tries again", err, k.dir)
		}
	}
}

// putBack restores the state that a journal holds, also when ctx has ended, and
// ends the journal's entry.
func putBack(ctx context.Context, backend partition.Backend, j *partition.Journal, was partition.State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
	defer cancel()
	var faults []error // of the trace
	if t, ok := backend.(partition.Traced); ok {
		t.Trace(func(e partition.Event) { faults = append(faults, j.Record(e)) })
	}
	if err := backend.Restore(ctx, was); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", partition.ErrNotRestored, err), errors.Join(faults...))
	}
	if err := j.End(); err != nil {
		return fmt.Errorf("%w for certain: %w", partition.ErrNotRestored, err)
	}
	return errors.Join(faults...)
}
