package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evabench/evabench/internal/device"
)

// ErrNotRestored says that the server could not be put back as it was.
var ErrNotRestored = errors.New("the GPUs were not put back as they were")

// A Session is what [With] works with. The caller keeps both parts.
type Session struct {
	Backend Backend
	// Journal is nil for servers that need none, such as one without GPUs.
	Journal *Journal
	// RestoreWithin is the time limit of putting the server back, over 0.
	RestoreWithin time.Duration
}

// With applies a plan, calls f with the devices, and puts the server back to what
// the plan was made from, whatever f did and however ctx ended. The journal has the
// state on disk from before the first change until the server is back, and every
// change that a [Traced] backend tries. The error joins what went wrong, and wraps
// [ErrNotRestored] if the server is not as it was: then the journal keeps the state.
// Where Apply says [ErrNothingChanged], nothing is put back, and what others made
// since the plan stays.
func With(ctx context.Context, s Session, p Plan, f func([]device.Device) error) (err error) {
	before := p.ToRestore()
	if s.RestoreWithin <= 0 {
		return errors.New("apply a plan: there is no time to put the server back")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var faults []error // of the trace
	if s.Journal != nil {
		if err := s.Journal.Begin(before); err != nil {
			return err
		}
		if t, ok := s.Backend.(Traced); ok {
			t.Trace(func(e Event) { faults = append(faults, s.Journal.Record(e)) })
		}
	}
	untouched := false
	defer func() {
		if untouched {
			err = errors.Join(err, s.end())
		} else {
			err = errors.Join(err, s.restore(ctx, before))
		}
		err = errors.Join(append(faults, err)...) // the restore's too
	}()
	devices, err := s.Backend.Apply(ctx, p)
	if err != nil {
		untouched = errors.Is(err, ErrNothingChanged)
		return fmt.Errorf("apply layout %s: %w", p.Layout, err)
	}
	return f(devices)
}

// restore puts the server back to before, also when ctx has ended.
func (s Session) restore(ctx context.Context, before State) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.RestoreWithin)
	defer cancel()
	if err := s.Backend.Restore(ctx, before); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRestored, err)
	}
	if err := s.end(); err != nil {
		return fmt.Errorf("%w for certain: %w", ErrNotRestored, err)
	}
	return nil
}

// end ends the journal's entry.
func (s Session) end() error {
	if s.Journal == nil {
		return nil
	}
	return s.Journal.End()
}
