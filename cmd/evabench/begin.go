package main

import (
	"context"
	"time"

	"github.com/evabench/evabench/results"
)

// keepBefore keeps what a session that goes on is to find as it is now.
func (b *bench) keepBefore(w *results.Writer) error {
	inputs, err := inputsOf(b.scenario.Source)
	if err != nil {
		return err
	}
	flags := b.flags
	if b.going != nil {
		flags = b.going.run.Environment.Flags
	}
	return w.Before(keptState(b.state), inputs, flags)
}

// begin makes the run directory, or opens the one that is gone on with.
func (b *bench) begin(ctx context.Context, o sweepOptions, s streams) (w *results.Writer, unlock func() error, err error) {
	env := b.environment()
	if b.going != nil {
		w, err = b.going.begin(b, env, s.err)
		return w, func() error { return nil }, err // it is locked since it was read
	}
	if b.flags, err = o.flagsSaid(); err != nil {
		return nil, nil, err
	}
	env.Flags = b.flags
	if !o.noSelftest {
		if env.SelfTest, err = selftestForRun(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	dir := o.out
	if dir == "" {
		dir = "runs/" + results.Folder(b.scenario.Name, time.Now())
	}
	env.Sessions = []results.Session{sessionNow()}
	if w, err = results.Create(dir, env, b.scenario.Source); err != nil {
		return nil, nil, notEmpty(dir, err)
	}
	if unlock, err = lockRun(dir, s.err); err != nil {
		return nil, nil, err
	}
	return w, unlock, b.keepBefore(w)
}
