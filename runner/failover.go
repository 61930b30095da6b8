package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// A failing sees to the instances of a step that end because we make one of them
// end, and ends the step when another does. Without a failover in the plan it
// expects no end at all.
//
// Note: a fault of one client of MPS ends every client that is on its GPU with
// it (NVIDIA's MPS documentation, memory protection and error containment). So
// after a fault the instances on the same device may end too: what became of them
// is what the step is to show, and they are ejected and started again likewise.
type failing struct {
	run  *cellRun
	plan *results.Failover // nil: none
	step results.StepPlan
	up   []running
	out  []atomic.Bool // by place in up: out of the balancing
	// victim is the place in up of the instance that is made to end.
	victim int
	seed   uint64

	begun  chan results.Offset // holds the step's start once
	driven chan struct{}       // closed when the load has ended
	doing  sync.WaitGroup

	mu      sync.Mutex // guards the rest
	crashed bool       // the victim has ended
	gone    []bool     // by place in up: ended by our doing, and not started again
	anew    []bool     // by place in up: started again
	events  []results.Event
	faults  []error
}

// crashWithin bounds how long an instance may take to end once it is made to.
const crashWithin = 30 * time.Second

// failing checks a step's failover against the instances that run.
func (r *cellRun) failing(plan results.StepPlan, index int, up []running) (*failing, error) {
	f := &failing{
		run: r, plan: plan.Failover, step: plan, up: up, victim: -1,
		out: make([]atomic.Bool, len(up)), gone: make([]bool, len(up)), anew: make([]bool, len(up)),
		seed:  r.cell.Seed ^ failoverSeed + uint64(index),
		begun: make(chan results.Offset, 1), driven: make(chan struct{}),
	}
	if f.plan == nil {
		return f, nil
	}
	instances := 0
	for i, u := range up {
		if u.of.Name != f.plan.Service {
			continue
		}
		if instances == f.plan.Instance {
			f.victim = i
		}
		instances++
	}
	if f.victim < 0 {
		return nil, fmt.Errorf("failover: %s-%d is to end, but the placement gives service %s %d instances; say instance: 0 to %d",
			f.plan.Service, f.plan.Instance, f.plan.Service, instances, instances-1)
	}
	return f, f.canEnd(f.victim)
}

// failoverSeed keeps the requests to an instance that was started again apart
// from all others, so that no cache knows them.
const failoverSeed = 0xfa110fe2a11ed

// canEnd says why an instance cannot be made to end as the plan says.
func (f *failing) canEnd(i int) error {
	u := f.up[i]
	m, ok := u.service.(services.Mortal)
	if !ok {
		return fmt.Errorf("failover: %s cannot be made to end: its launcher does not know how", u.service.Info().Name)
	}
	if known := m.Crashes(); !slices.Contains(known, f.plan.How) {
		return fmt.Errorf("failover: %s cannot be made to end by %s; its launcher knows: %s", u.service.Info().Name, f.plan.How, strings.Join(known, ", "))
	}
	return nil
}

// target gives the load's target of an instance, by its place in up.
func (f *failing) target(i int) loadgen.Target {
	t := loadgen.Target{Name: f.up[i].service.Info().Name, Endpoint: f.up[i].endpoint}
	if f.plan != nil {
		t.Out = &f.out[i]
	}
	return t
}

// act lets the failover happen, beside the load. What goes wrong ends the step.
func (f *failing) act(ctx context.Context, stop context.CancelCauseFunc) {
	if f.plan == nil {
		return
	}
	f.doing.Go(func() {
		if !f.due(ctx) {
			return
		}
		if err := f.crash(ctx); err != nil {
			f.fault(stop, err)
			return
		}
		if err := f.died(ctx, stop); err != nil {
			stop(err)
		}
		f.follow(ctx, stop, f.victim)
	})
}

// due waits for the moment of the end, and reports whether it came. If we learn of it
// late, when the load is over too, it has come all the same: it lies within the window.
func (f *failing) due(ctx context.Context) bool {
	var start results.Offset
	select {
	case start = <-f.begun:
	case <-f.driven:
		select {
		case start = <-f.begun:
		default:
			return false // the load never began
		}
	}
	at := f.run.origin.Time(start.Add(f.step.Warmup + f.plan.At))
	return f.while(ctx, time.Until(at)) || ctx.Err() == nil && !time.Now().Before(at)
}

// while waits for as long as the load goes on, and reports whether it still does.
func (f *failing) while(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.driven:
	case <-ctx.Done():
	}
	return false
}

// crash ends the victim.
func (f *failing) crash(ctx context.Context) error {
	u := f.up[f.victim]
	if err := u.service.Err(); err != nil {
		return fmt.Errorf("%s ended by itself: %w", u.service.Info().Name, err)
	}
	f.mu.Lock()
	f.gone[f.victim] = true
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, crashWithin)
	defer cancel()
	if err := u.service.(services.Mortal).Crash(ctx, f.plan.How); err != nil {
		return fmt.Errorf("failover: make %s end by %s: %w", u.service.Info().Name, f.plan.How, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true // and first of all events
	f.note(results.EventEnded, f.victim, endText(u.service.Err()))
	return nil
}

// follow is what comes after an instance's end: it is ejected and, if the plan
// says so, started again.
func (f *failing) follow(ctx context.Context, stop context.CancelCauseFunc, i int) {
	if f.while(ctx, f.plan.Eject) {
		f.out[i].Store(true)
		f.event(results.EventEjected, i, "")
	}
	if !f.plan.Restart || ctx.Err() != nil {
		return
	}
	if err := f.revive(ctx, i); err != nil {
		f.fault(stop, err)
	}
}

// revive starts an instance again and waits for its first right answer, also
// past the step's end; then it is back in the balancing.
func (f *failing) revive(ctx context.Context, i int) error {
	u := f.up[i]
	name := u.service.Info().Name
	if err := u.service.(services.Mortal).Revive(ctx); err != nil {
		return fmt.Errorf("failover: start %s again: %w", name, err)
	}
	f.mu.Lock()
	f.gone[i], f.anew[i] = false, true
	f.mu.Unlock()
	f.event(results.EventRestarted, i, "")
	if err := u.answersAgain(ctx, f.seed, f.run.record.Nonce); err != nil {
		return fmt.Errorf("failover: %s was started again: %w", name, err)
	}
	f.event(results.EventAnswered, i, "")
	f.out[i].Store(false)
	return nil
}

// answersAgain waits until an instance that was started again gives one right
// answer, as long as one that is launched may take.
func (u running) answersAgain(ctx context.Context, seed uint64, nonce string) error {
	first := u.workload(nonce).Session(seed, 0).Next(-1, nil)
	if len(first) == 0 {
		return errors.New("the workload's session makes no request")
	}
	start := time.Now()
	if err := u.isUp(ctx); err != nil {
		return err
	}
	limit := launched
	if _, ok := u.of.Launcher.(services.Patient); ok {
		limit = u.patience()
	}
	u.waits = limit.less(time.Since(start))
	_, err := u.insist(ctx, first[0])
	return err
}

// died tells of the first instance that ended by itself. One that our fault took
// along is followed instead.
func (f *failing) died(ctx context.Context, stop context.CancelCauseFunc) error {
	for i, u := range f.up {
		if u.service.Err() == nil {
			continue
		}
		err := f.unexpected(ctx, stop, i)
		if err == nil {
			continue
		}
		return fmt.Errorf("%s ended by itself: %w", u.service.Info().Name, err)
	}
	return nil
}

// unexpected gives why an instance ended; nil if that is our doing. It asks once
// more, for since it was asked the instance may have been started again.
func (f *failing) unexpected(ctx context.Context, stop context.CancelCauseFunc, i int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.up[i].service.Err()
	if end == nil || f.gone[i] {
		return nil
	}
	if f.plan == nil || f.plan.How != services.CrashFault || f.up[i].device == "" || f.up[i].device != f.up[f.victim].device {
		return end
	}
	if _, ok := f.up[i].service.(services.Mortal); !ok {
		return end
	}
	if !f.crashed {
		if f.gone[f.victim] {
			return nil // the victim may take longer to end than those that it takes along: judged once it has
		}
		return end
	}
	f.gone[i] = true
	f.note(results.EventEnded, i, endText(end))
	f.doing.Go(func() { f.follow(ctx, stop, i) })
	return nil
}

// watch ends a step when an instance has ended that is not to.
func (f *failing) watch(ctx, acting context.Context, stop context.CancelCauseFunc) {
	for pause(ctx, watchEvery) {
		if err := f.died(acting, stop); err != nil {
			stop(err)
			return
		}
	}
}

// wait waits until all that is to come back has, and gives the step's events.
func (f *failing) wait() ([]results.Event, error) {
	f.doing.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.events, func(a, b results.Event) int { return int(a.At.Sub(b.At)) })
	return f.events, errors.Join(f.faults...)
}

// reviveAll starts what was left ended, for the next step.
func (f *failing) reviveAll(ctx context.Context) error {
	for i, gone := range f.gone {
		if !gone {
			continue
		}
		name := f.up[i].service.Info().Name
		f.run.bench.tell("cell %s: start %s again", f.run.cell.Folder, name)
		revive := func() error { return f.revive(ctx, i) }
		if err := f.run.whileTelling("waiting for a right answer of "+name, revive); err != nil {
			return err
		}
	}
	return nil
}

// revived gives the instances that were started again, once the step is over.
func (f *failing) revived() (all []running) {
	for i, u := range f.up {
		if f.anew[i] {
			all = append(all, u)
		}
	}
	return all
}

func (f *failing) fault(stop context.CancelCauseFunc, err error) {
	f.mu.Lock()
	f.faults = append(f.faults, err)
	f.mu.Unlock()
	stop(err)
}

func (f *failing) event(kind string, i int, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(kind, i, text)
}

// note is event for who holds mu.
func (f *failing) note(kind string, i int, text string) {
	f.events = append(f.events, results.Event{
		At: f.run.origin.Now(), Kind: kind, Instance: f.up[i].service.Info().Name, Text: text,
	})
}

// endText is how an instance ended, without its log.
func endText(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*services.ExitError](err); ok {
		without := *e
		without.LogFile, without.Log = "", nil
		return without.Error()
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// alive leaves out what has ended: a failover may have left it so.
func alive(up []running) []running {
	return slices.DeleteFunc(slices.Clone(up), func(u running) bool { return u.service.Err() != nil })
}
