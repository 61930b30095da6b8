package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// Drive runs all Loads of a step together and returns when the last answer is
// in and every goroutine and connection it began has ended. Origin is the
// cell's zero of time; sink takes one Sample for each arrival that fell due,
// warm-up included, as soon as its outcome is known, from one goroutine.
//
// Load starts at once. Arrivals due in [Start, WindowStart) are warm-up, those
// in [WindowStart, WindowEnd) are the window's. Load goes on until all of them have
// their outcomes, those of a Load for its Cooldown at the most, so that the last of them meet
// the server that the first did; arrivals due in [WindowEnd, LoadEnd) count as little
// as the warm-up's. None is due later: a session that is not over at LoadEnd makes no
// further call. What is in flight then is waited for until its own Timeout.
// Step.Driven can bring WindowEnd forward, and LoadEnd with it.
//
// When ctx ends, nothing more falls due, then what is in flight is cancelled;
// both leave their samples, and Drive returns the Step so far (End may then be
// before WindowEnd) with ctx's error. It does the same with its own error when
// a request cannot be prepared, for that is a fault of the scenario. Input is
// checked before the first side effect.
//
// All of a step happens on the step's loop, on the calling goroutine: no lock,
// no goroutine and no allocation belongs to a single request, unless its
// workload takes time to make one ([Quick]).
func Drive(ctx context.Context, origin results.Origin, step Step, sink results.Sink) (_ results.Step, err error) {
	if err := check(step, sink); err != nil {
		return results.Step{}, fmt.Errorf("drive step %q: %w", step.Plan.Name, err)
	}
	newLoop := step.NewLoop
	if newLoop == nil {
		newLoop = pace.New
	}
	loop, err := newLoop(origin)
	if err != nil {
		return results.Step{}, fmt.Errorf("drive step %q: %w", step.Plan.Name, err)
	}
	r := &run{
		loop: loop, sink: sink, stepPlan: step.Plan, length: step.Plan.Load(),
		tellBegun: step.Begun, driven: step.Driven,
	}
	r.client.off = step.NewLoop != nil
	defer func() {
		r.ending.Store(true)
		r.ahead.Wait() // each may still post
		err = errors.Join(err, loop.Close())
	}()
	for _, l := range step.Loads {
		s, err := newService(r, l, step)
		if err != nil {
			r.close()
			return results.Step{}, fmt.Errorf("drive step %q: service %q: %w", step.Plan.Name, l.Service, err)
		}
		r.services = append(r.services, s)
	}
	r.drive(ctx)
	return r.result(ctx)
}

// A run is one step while it is driven: what all its services share. All of it
// but ahead and ending is the loop's.
type run struct {
	loop     pace.Loop
	sink     results.Sink
	stepPlan results.StepPlan
	services []*service
	busy     int // services that are not over

	length                        time.Duration // of the load, at most
	start, windowStart, windowEnd results.Offset
	loadEnd                       results.Offset // the latest that it may be, then what it is
	begun                         bool
	tellBegun                     func(results.Offset) // nil: nobody
	end                           pace.Timer           // at windowEnd, then at loadEnd
	windowIsOver, loadIsOver      bool
	why                           string  // the window was ended early
	driven                        *Driven // nil: nobody looks

	stopped   bool
	stoppedAt results.Offset // if stopped: when it was known first
	fault     error          // of the scenario or ours; it stopped the step

	lastDone results.Offset
	latest   results.Offset // the latest Due of an open loop's sessions that began
	client   clientMeter
	ahead    sync.WaitGroup // goroutines that make sessions
	ending   atomic.Bool    // stopped, for them
	weight   atomic.Int64   // bytes of what quick workloads prepared
}

// drive works until the last service is over.
func (r *run) drive(ctx context.Context) {
	r.busy = len(r.services) + 1 // the window is one, too
	r.loop.Post(r.begin)         // before a stop can be: what falls due counts from the begin
	// Arrivals end with ctx, also when the loop comes to know of it later.
	posted := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(posted)
		at := r.loop.Now()
		r.loop.Post(func() { r.stop(at) })
	})
	r.loop.Run()
	if !unhook() {
		<-posted
	}
	r.close()
}

// begin starts the step, once the loop runs.
func (r *run) begin() {
	r.start, r.begun = r.loop.Now(), true
	r.windowStart = r.start.Add(r.stepPlan.Warmup)
	r.windowEnd = r.windowStart.Add(r.stepPlan.Window)
	r.loadEnd = r.start.Add(r.length)
	r.lastDone, r.latest = r.start, r.start
	r.client.watch(r)
	r.end.F = r.windowOver
	r.loop.Set(&r.end, r.windowEnd)
	if r.driven != nil { // before anybody is told of the begin
		r.driven.run.Store(r)
	}
	if r.tellBegun != nil {
		r.tellBegun(r.start)
	}
	for _, s := range r.services {
		s.begin()
	}
}

// close ends the connections.
func (r *run) close() {
	for _, s := range r.services {
		s.close()
	}
}

// windowOver ends the window, once. Load goes on while something of it is not answered.
func (r *run) windowOver() {
	if r.windowIsOver {
		return
	}
	r.windowIsOver = true
	r.loop.Stop(&r.end)
	r.client.windowOver(r)
	r.end.F = r.cool
	r.cool()
}

// cool ends the load unless it is still to go on, and says when it is asked again.
func (r *run) cool() {
	until := r.windowEnd
	for _, s := range r.services {
		if s.pending > 0 || s.isBehind() {
			until = max(until, r.windowEnd.Add(s.load.Cooldown))
		}
	}
	if until <= r.loop.Now() {
		r.loadOver()
	} else if !r.loadIsOver {
		r.loop.Set(&r.end, until)
	}
}

// loadOver ends the load, once: nothing falls due from here on.
func (r *run) loadOver() {
	if r.loadIsOver {
		return
	}
	r.loadIsOver = true
	r.loop.Stop(&r.end)
	if end := r.loop.Now() + 1; end < r.loadEnd { // what falls due at this very moment may have already
		r.loadEnd, r.length = end, end.Sub(r.start)
		for _, s := range r.services {
			s.loadEndsEarly()
		}
	}
	r.over()
}

// over tells that a service, or the load, is.
func (r *run) over() {
	if r.busy--; r.busy == 0 {
		r.loop.Quit()
	}
}

// stop ends the step: what fell due until the moment leaves a cancelled sample.
// If the loop came to know of it later, the moment is that of the last session
// which it began meanwhile.
func (r *run) stop(at results.Offset) {
	if r.stopped {
		return
	}
	r.stopped, r.stoppedAt = true, max(at, r.latest)
	r.ending.Store(true)
	for _, s := range r.services {
		s.stop()
	}
	r.loadOver()
	r.windowOver() // nobody waits for it any more
}

// fail stops the step for a fault that is not the server's.
func (r *run) fail(err error) {
	if r.fault == nil && !r.stopped {
		r.fault = err
	}
	at := r.loop.Now()
	r.loop.Post(func() { r.stop(at) }) // not within what is being done
}

// result puts the step together once everything has ended.
func (r *run) result(ctx context.Context) (results.Step, error) {
	s := results.Step{
		Plan: r.stepPlan, Start: r.start, WindowStart: r.windowStart, WindowEnd: r.windowEnd, LoadEnd: r.loadEnd,
		End: r.lastDone, Client: r.client.result(), Stopped: r.why,
	}
	for _, v := range r.services {
		s.Services = append(s.Services, v.integrity())
	}
	if !r.stopped {
		s.End = max(s.End, s.LoadEnd)
		return s, nil
	}
	s.End = max(s.End, min(r.loop.Now(), s.LoadEnd))
	if r.fault != nil {
		return s, fmt.Errorf("drive step %q: %w", r.stepPlan.Name, r.fault)
	}
	return s, ctx.Err()
}

// inWindow reports whether an arrival due at the moment counts.
func (r *run) inWindow(due results.Offset) bool { return due >= r.windowStart && due < r.windowEnd }

// stoppedBefore reports whether the step was stopped before the moment, so that
// what the schedule has there does not fall due.
func (r *run) stoppedBefore(due results.Offset) bool { return r.stopped && due > r.stoppedAt }
