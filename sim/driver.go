package sim

import (
	"context"
	"errors"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// errStopped says that the simulated server is ending.
var errStopped = errors.New("the simulated server is stopping")

// A driver owns the World and moves it with the clock. Moments are computed,
// never slept: when a timer is late, so is the answer, but not the model.
type driver struct {
	calls   chan call
	stopped chan struct{}
	world   model.World
	start   time.Time
}

type call struct {
	at   time.Duration
	f    func(*model.World)
	done chan struct{}
}

func newDriver() *driver {
	return &driver{calls: make(chan call), stopped: make(chan struct{}), start: time.Now()}
}

// do runs f on the World as it is now, apart from everything else. f and the
// callbacks that it leaves in the World must not block.
func (d *driver) do(f func(*model.World)) error {
	c := call{at: time.Since(d.start), f: f, done: make(chan struct{})}
	select {
	case d.calls <- c:
		<-c.done
		return nil
	case <-d.stopped:
		return errStopped
	}
}

// run moves the World until ctx ends.
func (d *driver) run(ctx context.Context) {
	defer close(d.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if at, ok := d.world.NextEvent(); ok {
			timer.Reset(time.Until(d.start.Add(at)))
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
			d.world.Advance(time.Since(d.start))
		case c := <-d.calls:
			d.world.Advance(c.at)
			c.f(&d.world)
			close(c.done)
		}
	}
}
