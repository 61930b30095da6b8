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

// openJournal takes the host's lock, and puts back what an earlier run left
// behind. A layout that "gpu apply" left on purpose is refused, but where over
// says that what comes is to be the new normal: it is for its owner to say whether
// it goes.
func openJournal(ctx context.Context, backend partition.Backend, dir string, over bool, s streams) (_ *partition.Journal, err error) {
	j, err := partition.OpenJournal(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = joined(err, j.Close())
		}
	}()
	left, pending, err := j.Pending()
	if err != nil || !pending || left.Kept && over {
		return j, err
	}
	if left.Kept {
		return nil, fmt.Errorf("the GPUs stand as %q left them at %s, and %s says how they were before; put them back first with \"evabench gpu restore\", or make that layout the normal state with \"evabench gpu restore --forget\"",
			left.Command, left.Begun.Local().Format(time.DateTime), dir)
	}
	fmt.Fprintln(s.err, "evabench: an earlier run did not put the GPUs back; doing it now")
	if err := putBack(ctx, backend, j, left.State); err != nil {
		return nil, fmt.Errorf("an earlier run left them changed: %w; its state is in %s, and \"evabench gpu restore\" tries again", err, dir)
	}
	return j, nil
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
