package mps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// quitSeconds is what "quit -t" is given: the daemon is to end its servers, which
// have no clients, after that.
const quitSeconds = 2

// Stop ends our daemon of a device and removes its folders. With clients it ends
// nothing: the error is a [*ClientsError], and if the daemon does not tell its
// clients, an error too. If there is no daemon, that is done already.
//
// It asks the daemon to quit, then to quit within a time, then sends SIGTERM to the
// one process that was found with our pipe folder; after each it looks whether the
// process is gone. It never kills.
func (d *Daemons) Stop(ctx context.Context, uuid string) error {
	release, err := d.hold(ctx, uuid)
	if err != nil {
		return fmt.Errorf("stop the MPS daemon of %s: %w", uuid, err)
	}
	defer release()
	if err := d.end(ctx, uuid, false); err != nil {
		return fmt.Errorf("stop the MPS daemon of %s: %w", uuid, err)
	}
	return nil
}

// undo clears away what a failed Start left, also when its context is over.
// Nobody was told of the daemon: it has no clients.
func (d *Daemons) undo(ctx context.Context, uuid string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*d.options.End)
	defer cancel()
	if err := d.end(ctx, uuid, true); err != nil {
		return fmt.Errorf("clear away what was started: %w", err)
	}
	return nil
}

// end ends our daemons of a device, and removes the folders once none runs.
func (d *Daemons) end(ctx context.Context, uuid string, unused bool) error {
	running, err := d.ours(ctx, uuid)
	if err != nil {
		return err
	}
	for _, f := range running {
		if err := d.endOne(ctx, f, unused); err != nil {
			return err
		}
	}
	if running, err = d.ours(ctx, uuid); err != nil {
		return err
	} else if len(running) > 0 {
		return fmt.Errorf("another was started meanwhile: %v", running)
	}
	return d.clear(uuid)
}

// endOne takes the steps of Stop; unused says that there can be no clients.
func (d *Daemons) endOne(ctx context.Context, f Found, unused bool) error {
	var faults []error
	emptied := false // it took a quit, so it takes no new clients
	steps := []func() error{
		func() error { return d.quit(ctx, f, "quit") },
		func() error { return d.quit(ctx, f, fmt.Sprintf("quit -t %d", quitSeconds)) },
		func() error { return d.signal(ctx, f) },
	}
	for _, step := range steps {
		if !unused {
			if gone, err := d.idle(ctx, f, emptied); err != nil {
				return errors.Join(append(faults, err)...)
			} else if gone {
				return nil
			}
		}
		err := step()
		if err == nil {
			emptied = true
			err = d.waitGone(ctx, f)
		} else if gone, lookErr := d.isGone(ctx, f); lookErr == nil && gone {
			err = nil
		}
		if err == nil {
			return nil
		}
		faults = append(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("%s still runs, and is not killed: look at %s: %w", f, f.Log, errors.Join(faults...))
}

// idle refuses a daemon with clients, or that does not tell. It is not idle but
// gone if it ended meanwhile. One that took a quit when it had no clients, and has
// stopped listening, still has none.
func (d *Daemons) idle(ctx context.Context, f Found, emptied bool) (gone bool, err error) {
	pids, err := d.clients(ctx, f.Pipe)
	if errors.Is(err, ErrNoDaemon) && emptied {
		return false, nil
	}
	if errors.Is(err, ErrNoDaemon) {
		// One that does not listen is about to end, or its sockets were removed from
		// under it, or somebody who has died since had just started it.
		err = until(ctx, d.options.End, func(ctx context.Context) (bool, error) {
			if gone, err = d.isGone(ctx, f); err != nil || gone {
				return true, err
			}
			pids, err = d.clients(ctx, f.Pipe)
			return err == nil, err
		})
	}
	switch {
	case err != nil:
		return false, fmt.Errorf("whether %s has clients cannot be told, so it is left: %w", f, err)
	case gone:
		return true, nil
	case len(pids) > 0:
		return false, &ClientsError{Daemon: f, PIDs: pids}
	}
	return false, nil
}

// quit asks a daemon to end. It answers when it has, so it has the time of a step.
func (d *Daemons) quit(ctx context.Context, f Found, command string) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.End)
	defer cancel()
	_, err := d.program.Ask(ctx, f.Pipe, command)
	return err
}

func (d *Daemons) signal(ctx context.Context, f Found) error {
	s, ok := d.program.(Signaller)
	if !ok {
		return errors.New("this program cannot send signals")
	}
	return s.Signal(ctx, f.Process, syscall.SIGTERM)
}

// waitGone waits until a daemon's process has ended, for the time of a step.
func (d *Daemons) waitGone(ctx context.Context, f Found) error {
	err := until(ctx, d.options.End, func(ctx context.Context) (bool, error) {
		gone, err := d.isGone(ctx, f)
		if err == nil && !gone {
			err = fmt.Errorf("process %d is still there", f.PID)
		}
		return gone, err
	})
	if err != nil {
		return fmt.Errorf("wait for the end of %s: %w", f, err)
	}
	return nil
}

func (d *Daemons) isGone(ctx context.Context, f Found) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, max(d.options.Ask, time.Millisecond))
	defer cancel()
	processes, err := d.program.Find(ctx)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(processes, f.same), nil
}
