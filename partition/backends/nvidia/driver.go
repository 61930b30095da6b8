package nvidia

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/nvml"
)

// Limits bound what is asked of the driver and of MPS daemons. A zero field means its default.
type Limits struct {
	// Read is the limit of one reading call, 30 s by default: a walk over all MIG
	// devices of a busy host takes some 10 s (comments in
	// kubernetes-sigs/dra-driver-nvidia-gpu, nvlib.go).
	Read time.Duration
	// Change is the limit of one changing call, 2 min by default: some cards
	// reset for a mode change.
	Change time.Duration
	// MPS is the limit of one start, stop or listing of MPS daemons, 5 min by default:
	// a daemon is asked to quit, then to quit within a time, then sent SIGTERM.
	MPS time.Duration
	// Tries is how often a change is tried that finds the GPU in use, 4 by
	// default; the pauses between double.
	Tries int
	// Pause is the first of them, 500 ms by default.
	Pause time.Duration
}

func (l Limits) orDefaults() Limits {
	if l.Read == 0 {
		l.Read = 30 * time.Second
	}
	if l.Change == 0 {
		l.Change = 2 * time.Minute
	}
	if l.MPS == 0 {
		l.MPS = 5 * time.Minute
	}
	if l.Tries == 0 {
		l.Tries = 4
	}
	if l.Pause == 0 {
		l.Pause = 500 * time.Millisecond
	}
	return l
}

// A driver passes calls to the library, each under a limit of its own. A call that does
// not come back in time is left behind in its goroutine, as no call can be broken
// off; until it does come back, nothing more is asked.
//
// Note: a context does not end a call either. What a call has done when its caller
// left early is unknown, so an interrupt waits for the call, which the limit bounds.
type driver struct {
	api    nvml.API
	limits Limits

	mu sync.Mutex
	// stuck are the calls that were left behind, by what they do.
	stuck map[string]int
}

// An errStuck says that the driver does not answer.
type errStuck struct{ what string }

func (e *errStuck) Error() string {
	return fmt.Sprintf("the driver has not come back from %q; nothing more is asked of it, and nothing is changed, until it does (look at dmesg for Xid errors; a hung driver needs a reset or a reboot)", e.what)
}

// ask makes a call within limit.
func ask[T any](d *driver, limit time.Duration, what string, call func() (T, error)) (T, error) {
	var zero T
	if err := d.check(); err != nil {
		return zero, err
	}
	type answer struct {
		value T
		err   error
	}
	back := make(chan answer, 1)
	d.enter(what, 1)
	go func() {
		v, err := call()
		d.enter(what, -1)
		back <- answer{v, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-back:
		return a.value, a.err
	case <-timer.C:
		return zero, fmt.Errorf("no answer within %v: %w", limit, &errStuck{what})
	}
}

func (d *driver) enter(what string, by int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stuck[what] += by; d.stuck[what] == 0 {
		delete(d.stuck, what)
	}
}

// check refuses while a call is out. The backend makes one at a time, so that one
// which is still out was left behind.
func (d *driver) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for what := range d.stuck {
		return &errStuck{what}
	}
	return nil
}

// read makes a call that changes nothing.
func read[T any](ctx context.Context, d *driver, what string, call func() (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	v, err := ask(d, d.limits.Read, what, call)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// An attempt counts how often changes were tried, for the journal.
type attempt struct {
	tries   int
	touched bool // a changing call was made
}

// change makes a changing call, again while the GPU is in use.
func (d *driver) change(ctx context.Context, n *attempt, what string, call func() error) error {
	// Not within the call, which may come back after its attempt is over.
	n.touched = n.touched || ctx.Err() == nil
	return d.again(ctx, n, what, call)
}

// again makes a call, again while the GPU is in use, with growing pauses.
// Nothing else is tried again: what it did is not known.
func (d *driver) again(ctx context.Context, n *attempt, what string, call func() error) error {
	pause := d.limits.Pause
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := ask(d, d.limits.Change, what, func() (struct{}, error) { return struct{}{}, call() })
		n.tries = max(n.tries, try)
		if err == nil {
			return nil
		}
		if !errors.Is(err, nvml.ErrInUse) || try >= d.limits.Tries {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errors.Join(err, ctx.Err()))
		}
		pause *= 2
	}
}
