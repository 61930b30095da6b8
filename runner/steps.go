package runner

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// maxArrivals bounds what a step keeps in memory until it is written: some 300
// bytes a sample, and twice that while it is written, so some 6 GB.
const maxArrivals = 10e6

// steps runs what the chooser asks for. Each step, and what was observed until its end, is
// written by another goroutine while the next one begins.
func (r *cellRun) steps(ctx context.Context, up []running, sink *buffer) (err error) {
	r.chooser = r.bench.NewChooser(r.cell)
	keeping := newKeeper()
	defer func() { err = JoinOnce(err, keeping.end()) }()
	var last *results.StepResult
	from := 0          // its observations
	var ended *failing // what ended in the last step
	for index := 0; ; index++ {
		if keeping.failed() {
			return nil // the keeper tells why: what is measured cannot be kept
		}
		// What the servers count is read before the first request and after the
		// last, so that a step lies between two readings of idle servers.
		mark := sink.observed()
		sink.awaitReads(ctx, idleReads)
		if last != nil {
			last.Observations = sink.since(from, r.origin)
			observed := sink.fresh(r.origin, mark)
			keeping.keep(func() error { return r.writer.Observations(observed) })
		}
		from = mark
		plan, more, err := r.choose(ctx, last)
		if err != nil || !more {
			return err
		}
		if ended != nil {
			revived, err := r.revive(ctx, ended)
			if err != nil {
				return err
			}
			if revived {
				from = sink.observed()
				sink.awaitReads(ctx, idleReads)
			}
		}
		step, f, err := r.step(ctx, plan, index, up, sink)
		if err != nil {
			r.keepBroken(keeping, step, sink, err)
			return err
		}
		ended = f
		samples := sink.takeSamples()
		// Both only read the pieces: the writer gets a copy for its own.
		last = &results.StepResult{Step: step, Samples: each(samples), Instances: r.record.Instances}
		keeping.keep(func() error { return r.writer.Step(step, slices.Concat(samples...)) })
	}
}

// keepBroken keeps what there is of a step that was not driven to its end, if it began.
func (r *cellRun) keepBroken(keeping *keeper, step results.Step, sink *buffer, why error) {
	samples := sink.takeSamples()
	if len(step.Services) == 0 {
		return
	}
	step.Broken = why.Error()
	keeping.keep(func() error { return r.writer.Step(step, slices.Concat(samples...)) })
}

// revive brings back what ended in a step, and warms it: else the next step's stretch
// before its failover would be of cold servers. It tells whether there was anything.
func (r *cellRun) revive(ctx context.Context, ended *failing) (bool, error) {
	if err := ended.reviveAll(ctx); err != nil {
		return false, err
	}
	revived := ended.revived()
	if len(revived) == 0 {
		return false, nil
	}
	return true, r.warm(ctx, revived)
}

// choose asks the chooser for the next step, unless ctx has ended. A panic of it is our own mistake, and must
// cost neither what is measured nor the server's state.
func (r *cellRun) choose(ctx context.Context, last *results.StepResult) (plan results.StepPlan, more bool, err error) {
	if ctx.Err() != nil {
		return plan, false, context.Cause(ctx)
	}
	defer func() {
		if fault := recover(); fault != nil {
			err = panicked("choose the next step", fault)
		}
	}()
	plan, more = r.chooser.Next(last)
	return plan, more, nil
}

func panicked(what string, fault any) error {
	return fmt.Errorf("%s: panic: %v; please report this", what, fault)
}

// step drives one step. What it gives of a failover is for the next step.
func (r *cellRun) step(ctx context.Context, plan results.StepPlan, index int, up []running, sink *buffer) (results.Step, *failing, error) {
	f, err := r.failing(plan, index, up)
	if err != nil {
		return results.Step{}, nil, fmt.Errorf("step %d: %w", index, err)
	}
	loads, err := r.loads(plan, up, f)
	if err != nil {
		return results.Step{}, nil, fmt.Errorf("step %d: %w", index, err)
	}
	if err := r.bench.room(arrivalsOf(plan, loads)); err != nil {
		return results.Step{}, nil, fmt.Errorf("step %d: %w", index, err)
	}
	describe := r.bench.Describe
	if describe == nil {
		describe = Describe
	}
	r.bench.tell("cell %s: step %d, %s", r.cell.Folder, index, describe(plan))
	r.index = index
	r.bench.follow(StepBegins{Cell: r.cell.Folder, Index: index, Plan: plan, Instances: r.record.Instances})
	before := exhausted(up)
	step, err := r.drive(ctx, loadgen.Step{
		Plan: plan, Loads: loads, NewLoop: r.bench.NewLoop,
		Seed: r.cell.Seed + uint64(index)*0x9e3779b97f4a7c15, Nonce: r.record.Nonce,
	}, f, sink)
	step.Index, step.OutOfMemory = index, exhaustedSince(before, exhausted(up))
	r.halts(&step)
	if err != nil {
		return step, nil, fmt.Errorf("step %d: %w", index, err)
	}
	if step.Stopped != "" {
		r.bench.tell("cell %s: step %d, ended early: %s", r.cell.Folder, index, step.Stopped)
	}
	for _, e := range step.Events {
		r.bench.tell("cell %s: step %d, %s %s", r.cell.Folder, index, e.Instance, e.Kind)
	}
	r.bench.follow(StepEnds{Cell: r.cell.Folder, Step: step})
	return step, f, nil
}

// drive drives a step beside what is to happen to its instances, and waits until
// those that are to come back have.
func (r *cellRun) drive(ctx context.Context, plan loadgen.Step, f *failing, sink *buffer) (results.Step, error) {
	loading, stop := context.WithCancelCause(ctx)
	acting, abandon := context.WithCancel(ctx) // goes on past the load
	defer abandon()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		f.watch(loading, acting, stop)
	}()
	f.act(acting, stop)
	plan.Begun = func(start results.Offset) { f.begun <- start }
	step, err := r.watching(loading, plan, sink)
	if cause := context.Cause(loading); err != nil && cause != nil {
		err = cause
	}
	stop(nil)
	<-watched
	if died := f.died(acting, stop); died != nil { // also in the time since watch looked last
		err = died
	}
	close(f.driven)
	if err != nil {
		abandon()
	}
	r.whileTelling("waiting for right answers of what was started again", func() error {
		f.doing.Wait()
		return nil
	})
	if err == nil { // meanwhile, too
		err = f.died(acting, stop)
	}
	events, fault := f.wait()
	if err == nil {
		err = fault
	}
	step.Events = events
	return step, err
}

// watchEvery is how often services are asked whether they still run.
const watchEvery = 500 * time.Millisecond

// Describe puts a plan in words: why it is run, its levels, warm-up and window, who
// ends, and whose load rises.
func Describe(p results.StepPlan) string {
	text := ""
	if p.Purpose != "" {
		text = p.Purpose + ": "
	}
	for i, l := range p.Levels {
		if i > 0 {
			text += ", "
		}
		value := l.Value
		if p.Purpose != "" { // nobody chose its digits
			value, _ = strconv.ParseFloat(strconv.FormatFloat(value, 'g', 5, 64), 64)
		}
		text += fmt.Sprintf("%s %g %s", l.Service, value, l.Unit)
	}
	text += fmt.Sprintf(": %s warm-up, %s window", p.Warmup, p.Window)
	if p.Heavy {
		text += ", all requests heavy"
	}
	if p.Failover != nil {
		text += ", " + p.Failover.String()
	}
	if p.Spike != nil {
		text += ", " + p.Spike.String()
	}
	return text
}

// loads gives the load of each level over the instances of its service.
func (r *cellRun) loads(plan results.StepPlan, up []running, f *failing) ([]loadgen.Load, error) {
	var loads []loadgen.Load
	for _, level := range plan.Levels {
		load := loadgen.Load{Service: level.Service}
		for i, u := range up {
			if u.of.Name != level.Service {
				continue
			}
			load.Workload, load.Timeout, load.MaxInFlight = u.of.Workload, u.of.Timeout, u.of.MaxInFlight
			load.Think, load.ThinkExponential = u.of.Load.Think, u.of.Load.ThinkExponential
			load.Retry = loadgen.Retry(u.of.Retry)
			load.FailurePause, load.Ramp = u.of.Load.FailurePause, u.of.Load.Ramp
			load.Cooldown = min(plan.Cooldown, results.Cooldown(plan.Window, u.of.SLO))
			load.Targets = append(load.Targets, f.target(i))
			if err := setArrivals(&load, plan, level, u.of.Load); err != nil {
				return nil, fmt.Errorf("service %s: %w", level.Service, err)
			}
		}
		if len(load.Targets) == 0 {
			return nil, fmt.Errorf("service %s has no instance", level.Service)
		}
		var err error
		if load.Router, err = r.bench.NewRouter(r.cell.Config.Routing); err != nil {
			return nil, err
		}
		loads = append(loads, load)
	}
	return loads, nil
}

// arrivalsOf is how many arrivals a step may have, as far as that is known before: those of
// closed loops and of later calls are not counted.
func arrivalsOf(plan results.StepPlan, loads []loadgen.Load) (n float64) {
	for _, l := range loads {
		if l.Arrivals != nil {
			n += l.Arrivals.Rate() * plan.Load().Seconds() * float64(1+l.Retry.Attempts)
		}
	}
	return n
}

// CheckStep tells whether a step's samples can be held in memory, and whether its
// arrivals can be made. of gives the services by name. A closed loop's arrivals
// are not known before, nor how many calls a session has: one is counted.
func CheckStep(plan results.StepPlan, of map[string]scenarios.Service) error {
	total := 0.0
	for _, level := range plan.Levels {
		var load loadgen.Load
		service := of[level.Service]
		if err := setArrivals(&load, plan, level, service.Load); err != nil {
			return fmt.Errorf("service %s: %w", level.Service, err)
		}
		if load.Arrivals == nil {
			continue
		}
		total += load.Arrivals.Rate() * plan.Load().Seconds() * float64(1+service.Retry.Attempts)
		if total > maxArrivals {
			return fmt.Errorf("service %s: with %g %s over %s of warm-up, window and cool-down the step may have %.0f arrivals, retries included, more than %.0f, which it does not hold; shorten the window",
				level.Service, level.Value, level.Unit, plan.Load(), total, float64(maxArrivals))
		}
	}
	return nil
}

// CountArrivals is how many arrivals a step may have, retries included. Those of a closed
// loop are not counted, nor are calls after a session's first, nor what [CheckStep] refuses.
func CountArrivals(plan results.StepPlan, of map[string]scenarios.Service) (n float64) {
	for _, level := range plan.Levels {
		var load loadgen.Load
		service := of[level.Service]
		if setArrivals(&load, plan, level, service.Load) == nil && load.Arrivals != nil {
			n += load.Arrivals.Rate() * plan.Load().Seconds() * float64(1+service.Retry.Attempts)
		}
	}
	return n
}

// setArrivals makes a load's arrivals from its level.
func setArrivals(load *loadgen.Load, plan results.StepPlan, level results.Level, of scenarios.Load) (err error) {
	if level.Arrivals == scenarios.Closed {
		load.Users = int(math.Round(level.Value))
		return nil
	}
	of.Arrivals = level.Arrivals
	if plan.Spike != nil && plan.Spike.Service == level.Service {
		of = of.Spiked(*plan.Spike)
	}
	load.Arrivals, err = Arrivals(of, level.Value, plan.Warmup, plan.Window)
	return err
}

// Arrivals makes the arrivals of an open loop at a level, in a step of that
// warm-up and window; nil for a closed one.
func Arrivals(of scenarios.Load, level float64, warmup, window time.Duration) (loadgen.Arrivals, error) {
	if of.Arrivals == scenarios.Closed {
		return nil, nil
	}
	c := arrivals.Config{
		Kind: of.Arrivals, Value: level, FPS: of.FPS, Burstiness: of.Burstiness, File: of.File,
		Warmup: warmup, Window: window,
	}
	for _, p := range of.Shape {
		c.Shape = append(c.Shape, arrivals.Point(p))
	}
	return arrivals.New(c)
}
