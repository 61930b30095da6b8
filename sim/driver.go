package sim

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// errStopped says that the simulated server is ending.
var errStopped = errors.New("the simulated server is stopping")

// A driver owns the World and moves it with the clock, scale seconds of the
// World a second. Moments are computed, never slept: when an alarm is late, so
// is the answer, but not the model.
type driver struct {
	scale float64
	// gap is the least time of the clock between an alarm and the moment before
	// at which the World was moved: what happens within is noticed together.
	gap   time.Duration
	start time.Time
	alarm alarm

	// turn holds a token while someone has what follows. It is no mutex, so that
	// waiting for it counts as waiting in virtual time.
	turn    chan struct{}
	world   model.World
	moved   time.Duration // of the clock since start, when the World was moved last
	armed   time.Duration // moment of the World for which the alarm is set, or notArmed
	stopped bool
	late    time.Duration // the most that an event was late, in time of the clock
}

const notArmed time.Duration = -1

// alarmGap is the gap of a real server. Turns of a GPU at 60 times the clock's
// speed end each 33 µs, and nobody sees them: woken for each, the server takes
// half a core, which the load generator needs.
const alarmGap = 50 * time.Microsecond

// An alarm wakes the driver.
type alarm interface {
	// set lets wait return after a span, in the place of an earlier one.
	set(after time.Duration)
	// wait returns when a set span has passed, or sooner; false when ctx has
	// ended.
	wait(ctx context.Context) bool
	close()
}

// newDriver makes a driver at the clock's own speed on package time, whose
// timers are late by up to a millisecond, and exact in virtual time.
func newDriver() *driver { return newScaledDriver(1, newTimerAlarm()) }

func newScaledDriver(scale float64, a alarm) *driver {
	return &driver{scale: scale, start: time.Now(), alarm: a, turn: make(chan struct{}, 1), armed: notArmed}
}

// do runs f on the World as it is now, apart from everything else. f and the
// callbacks that it leaves in the World must not block.
func (d *driver) do(f func(*model.World)) error {
	at := time.Since(d.start)
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if d.stopped {
		return errStopped
	}
	d.advance(at)
	f(&d.world)
	d.arm()
	return nil
}

// doTimed runs f, apart from everything else, with the most that an event was
// noticed late so far, in time of the clock.
func (d *driver) doTimed(f func(late time.Duration)) error {
	return d.do(func(*model.World) { f(d.late) })
}

// run moves the World until ctx ends, and lets the alarm go.
func (d *driver) run(ctx context.Context) {
	for d.alarm.wait(ctx) {
		d.turn <- struct{}{}
		d.armed = notArmed
		d.advance(time.Since(d.start))
		d.arm()
		<-d.turn
	}
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	d.stopped = true
	d.alarm.close()
}

// advance brings the World to a moment of the clock.
func (d *driver) advance(clock time.Duration) {
	if at, ok := d.world.NextEvent(); ok {
		d.late = max(d.late, clock-d.clock(at))
	}
	d.world.Advance(time.Duration(float64(clock) * d.scale))
	d.moved = max(d.moved, clock)
}

// clock is when the World comes to a moment, in time of the clock since start.
func (d *driver) clock(at time.Duration) time.Duration {
	return time.Duration(math.Ceil(float64(at) / d.scale))
}

// arm sets the alarm for the World's next event.
func (d *driver) arm() {
	at, ok := d.world.NextEvent()
	if !ok || at == d.armed {
		return // an alarm that is set for nothing any more does no harm
	}
	d.armed = at
	d.alarm.set(max(d.clock(at), d.moved+d.gap) - time.Since(d.start))
}

// A timerAlarm is package time's.
type timerAlarm struct{ timer *time.Timer }

func newTimerAlarm() timerAlarm {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return timerAlarm{t}
}

func (a timerAlarm) set(after time.Duration) { a.timer.Reset(after) }

func (a timerAlarm) wait(ctx context.Context) bool {
	select {
	case <-a.timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a timerAlarm) close() { a.timer.Stop() }

// startDriver makes a driver with the most punctual alarm and runs it until ctx
// ends; all is done when it has ended. Scale 0 means 1.
func startDriver(ctx context.Context, scale float64, all *sync.WaitGroup) (*driver, error) {
	if scale == 0 {
		scale = 1
	}
	if err := CheckScale(scale); err != nil {
		return nil, err
	}
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	d := newScaledDriver(scale, a)
	d.gap = alarmGap
	all.Go(func() { d.run(ctx) })
	return d, nil
}
