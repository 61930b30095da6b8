package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/results"
)

// Drive runs all Loads of a step together and returns when the last answer is
// in and every goroutine it started has ended. Origin is the cell's zero of
// time; sink takes one Sample for each arrival that fell due, warm-up included,
// as soon as its outcome is known, from many goroutines at once.
//
// Load starts at once. Arrivals due in [Start, WindowStart) are warm-up, those
// in [WindowStart, WindowEnd) are the window's, and none is due later: a
// session that is not over at WindowEnd makes no further call. What is in
// flight then is waited for until its own Timeout.
//
// When ctx ends, nothing more falls due, then what is in flight is cancelled;
// both leave their samples, and Drive returns the Step so far (End may then be
// before WindowEnd) with ctx's error. It does the same with its own error when
// a request cannot be prepared, for that is a fault of the scenario. Input is
// checked before the first side effect.
func Drive(ctx context.Context, origin results.Origin, step Step, sink results.Sink) (results.Step, error) {
	if err := check(step, sink); err != nil {
		return results.Step{}, fmt.Errorf("drive step %q: %w", step.Plan.Name, err)
	}
	if step.Waiter == nil {
		step.Waiter = timerWaiter{}
	}
	r := &run{origin: origin, sink: sink, waiter: step.Waiter, start: origin.Now()}
	r.windowStart = r.start.Add(step.Plan.Warmup)
	r.windowEnd = r.windowStart.Add(step.Plan.Window)
	r.lastDone.Store(int64(r.start))

	// Arrivals end with stop; what is in flight ends right after it, and always
	// as cancelled, never as timed out by a deadline that ctx may carry.
	stop, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	flight, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(stop, cancel)()
	r.stop, r.fail, r.flight = stop, fail, flight
	r.stoppedAt = sync.OnceValue(origin.Now)
	defer context.AfterFunc(stop, func() { r.stoppedAt() })()

	services := make([]*service, len(step.Loads))
	var all sync.WaitGroup
	for i, l := range step.Loads {
		services[i] = newService(r, l, step.Seed, step.Nonce)
		all.Go(services[i].drive)
	}
	timerWaiter{}.Until(stop, origin, r.windowEnd)
	all.Wait()
	return r.result(ctx, step.Plan, services)
}

// A run is one step while it is driven: what all its services share.
type run struct {
	origin results.Origin
	sink   results.Sink
	waiter Waiter

	start, windowStart, windowEnd results.Offset

	stop context.Context // ends arrivals
	// stoppedAt gives the moment of the stop: when it was first seen. It is
	// asked only once stop is done.
	stoppedAt func() results.Offset
	fail      context.CancelCauseFunc
	flight    context.Context // ends what is in flight

	lastDone atomic.Int64 // results.Offset
}

// A fault is an error of the scenario or ours that ends the step.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

// result puts the step together once everything has ended.
func (r *run) result(ctx context.Context, plan results.StepPlan, services []*service) (results.Step, error) {
	s := results.Step{
		Plan: plan, Start: r.start, WindowStart: r.windowStart, WindowEnd: r.windowEnd,
		End: results.Offset(r.lastDone.Load()),
	}
	for _, v := range services {
		s.Services = append(s.Services, v.integrity())
	}
	stopped := r.stop.Err() != nil
	if !stopped {
		s.End = max(s.End, s.WindowEnd)
		return s, nil
	}
	s.End = max(s.End, min(r.origin.Now(), s.WindowEnd))
	var f fault
	if errors.As(context.Cause(r.stop), &f) {
		return s, fmt.Errorf("drive step %q: %w", plan.Name, f.error)
	}
	return s, ctx.Err()
}

// inWindow reports whether an arrival due at the moment counts.
func (r *run) inWindow(due results.Offset) bool { return due >= r.windowStart && due < r.windowEnd }

// stoppedBefore reports whether the step was stopped before the moment, so that
// what the schedule has there does not fall due.
func (r *run) stoppedBefore(due results.Offset) bool {
	return r.stop.Err() != nil && due > r.stoppedAt()
}

// raise makes a at least v.
func raise(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// timerWaiter waits with package time, which is late by up to a millisecond on
// a real clock and exact in virtual time.
type timerWaiter struct{}

func (timerWaiter) Until(ctx context.Context, origin results.Origin, at results.Offset) bool {
	for {
		if ctx.Err() != nil {
			return false
		}
		left := at.Sub(origin.Now())
		if left <= 0 {
			return true
		}
		t := time.NewTimer(left)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}
