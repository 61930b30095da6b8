package virtual

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/parameters"
)

// A Target is a cell under test in virtual time: it runs steps one after the other,
// each on servers that were just started, and tells of them what the runner would.
// It is for one goroutine; several of one Bench may run at once while the Bench is
// not changed.
type Target struct {
	bench      *Bench
	cell       scenarios.Cell
	parameters parameters.Set
	placed     []services.Assignment
	seed       uint64
	steps      int
	now        results.Offset
}

// Start gives a target for a cell that has run nothing yet. Targets of one seed that
// are asked for the same steps give the same results.
func (b *Bench) Start(c scenarios.Cell, p parameters.Set, seed uint64) (*Target, error) {
	if len(c.Config.Params) > 0 {
		return nil, fmt.Errorf("%s has launch parameters, which virtual time does not know", c.Config.Name)
	}
	placed, err := b.assign(c.Config)
	if err != nil {
		return nil, err
	}
	return &Target{bench: b, cell: c, parameters: p, placed: placed, seed: seed}, nil
}

// A log holds the samples of a step.
type log struct {
	base    results.Offset // the step's start
	samples []results.Sample
	ended   []int // of them, those that are done, in their order
}

// asked notes a request and gives its number.
func (l *log) asked(s *play, call int, q *loadgen.Request, instance int, due time.Duration) int {
	if l == nil {
		return 0
	}
	at := l.base.Add(due)
	l.samples = append(l.samples, results.Sample{
		Service: s.of.Name, Class: q.Class, Model: q.Model, Endpoint: fmt.Sprintf("%s-%d", s.of.Name, instance),
		Seq: s.service.asked, Session: s.n, User: s.user, Call: call, Due: at, Sent: at,
		ServerQueue: results.Untold, ServerWork: results.Untold,
	})
	return len(l.samples) - 1
}

// done notes what became of a request.
func (l *log) done(i int, o results.Outcome, p reply, now time.Duration) {
	if l == nil {
		return
	}
	s := &l.samples[i]
	s.Outcome, s.Done, s.First, s.Final = o, l.base.Add(now), results.NoOffset, results.NoOffset
	s.PromptTokens, s.OutputTokens, s.CachedTokens = p.prompt, p.output, results.UnknownTokens
	switch {
	case o != results.OK:
		s.Status = 503
	case p.first >= 0:
		s.Status, s.First, s.Final, s.Chunks = 200, l.base.Add(p.first), s.Done, max(1, p.output)
	default:
		s.Status, s.First, s.Final, s.Chunks = 200, s.Done, s.Done, 1
	}
	l.ended = append(l.ended, i)
}

// last notes whether a request was its session's last.
func (l *log) last(i int, last bool) {
	if l != nil {
		l.samples[i].Last = last
	}
}

// Step runs a step. The plan's levels are of services of the scenario and of their
// arrivals; a service without one stands still. Watch, if it is not nil, is called during
// warm-up and window every second or 60 times a step, whichever is less often, and ends
// the arrivals of the step when it returns a reason. The result's Samples stay.
func (t *Target) Step(plan results.StepPlan, watch func(results.Progress) string) (results.StepResult, error) {
	r, err := t.begin(plan)
	if err != nil {
		return results.StepResult{}, fmt.Errorf("step %q of %s: %w", plan.Name, t.cell.Config.Name, err)
	}
	r.drive()
	step := results.Step{Index: t.steps, Plan: plan}
	looked, seen := time.Duration(0), 0
	every := max(time.Second, (plan.Warmup+plan.Window)/60)
	for at := every; watch != nil && at < r.windowEnd && step.Stopped == ""; at += every {
		r.world.Advance(at - 1)
		if step.Stopped = watch(t.progress(r, looked, at, r.log.ended[seen:])); step.Stopped != "" {
			r.loadEnd, r.windowEnd, r.windowStart = at, at, min(at, r.windowStart)
		}
		looked, seen = at, len(r.log.ended)
	}
	r.world.Advance(r.windowEnd - 1)
	windowEnd := r.log.base.Add(r.windowEnd)
	pending := map[string]int{} // by service, of the window
	for i := range r.log.samples {
		if s := &r.log.samples[i]; s.Due >= r.log.base.Add(r.windowStart) && s.Outcome == 0 {
			pending[s.Service]++
		}
	}
	if step.Stopped == "" {
		r.loadEnd = r.cool(plan, pending, r.windowEnd)
	}
	end := windowEnd
	for ended := len(r.log.ended); len(r.log.ended) < len(r.log.samples) || r.world.Now() < r.loadEnd-1; {
		at, ok := r.world.NextEvent()
		if !ok && len(r.log.ended) == len(r.log.samples) {
			break // an open loop's schedule is over
		}
		if !ok {
			return results.StepResult{}, fmt.Errorf("step %q of %s: %d requests are never answered", plan.Name, t.cell.Config.Name, len(r.log.samples)-len(r.log.ended))
		}
		r.world.Advance(at)
		end = max(end, r.log.base.Add(at))
		for ; ended < len(r.log.ended); ended++ {
			if s := &r.log.samples[r.log.ended[ended]]; s.Due >= r.log.base.Add(r.windowStart) && s.Due < windowEnd {
				pending[s.Service]--
			}
		}
		r.loadEnd = min(r.loadEnd, r.cool(plan, pending, at+1))
	}
	end = max(end, r.log.base.Add(r.loadEnd))
	step.Start, step.WindowStart, step.WindowEnd, step.LoadEnd, step.End = r.log.base, r.log.base.Add(r.windowStart), windowEnd, r.log.base.Add(r.loadEnd), end
	for _, l := range plan.Levels {
		for _, v := range r.services {
			if v.of.Name == l.Service {
				step.Services = append(step.Services, v.integrity(step))
			}
		}
	}
	t.steps++
	t.now = end
	return results.StepResult{Step: step, Samples: slices.Values(r.log.samples)}, nil
}

// cool gives when load ends, as the load generator has it: that of each service is waited for
// by its own limits while something of it is pending; not before now.
func (r *run) cool(plan results.StepPlan, pending map[string]int, now time.Duration) time.Duration {
	until := now
	for _, v := range r.services {
		if pending[v.of.Name] > 0 {
			until = max(until, r.windowEnd+min(plan.Cooldown, results.Cooldown(plan.Window, v.of.SLO)))
		}
	}
	return until
}

// begin makes the run of a step.
func (t *Target) begin(plan results.StepPlan) (*run, error) {
	l := load{warmup: plan.Warmup, window: plan.Window, cooldown: plan.Cooldown, levels: make([]float64, len(t.bench.Scenario.Services)), spike: plan.Spike}
	if len(plan.Levels) == 0 {
		return nil, errors.New("it has no level of any service")
	}
	for _, of := range plan.Levels {
		i := slices.IndexFunc(t.bench.Scenario.Services, func(s scenarios.Service) bool { return s.Name == of.Service })
		if i < 0 || of.Arrivals != t.bench.Scenario.Services[i].Load.Arrivals || !(of.Value > 0) {
			return nil, fmt.Errorf("a level of %g %s arrivals is not one of service %s", of.Value, of.Arrivals, of.Service)
		}
		l.levels[i] = of.Value
	}
	// One step's draws are of its own.
	seed := t.seed*0x9e3779b97f4a7c15 + uint64(t.steps)*0xd1342543de82ef95
	r, err := t.bench.begin(t.cell, t.parameters, t.placed, seed, l)
	if err != nil {
		return nil, err
	}
	r.log = &log{base: t.now}
	return r, nil
}

// progress tells of the time since the last look.
func (t *Target) progress(r *run, from, to time.Duration, ended []int) results.Progress {
	p := results.Progress{From: r.log.base.Add(from), To: r.log.base.Add(to), Unfinished: make(map[string]int64, len(r.services))}
	for _, i := range ended {
		p.Samples = append(p.Samples, r.log.samples[i])
	}
	for _, v := range r.services {
		for _, n := range v.inFlight {
			p.Unfinished[v.of.Name] += n
		}
	}
	return p
}

// integrity tells what a load generator would have counted.
func (v *service) integrity(step results.Step) results.Integrity {
	out := results.Integrity{Service: v.of.Name}
	var dues, dones []float64
	for i := range v.log.samples {
		s := &v.log.samples[i]
		if s.Service != v.of.Name {
			continue
		}
		dues, dones = append(dues, s.Due.Seconds()), append(dones, s.Done.Seconds())
		switch {
		case s.Due < step.WindowStart:
			out.WarmupDue++
		case s.Due >= step.WindowEnd:
			out.CooldownDue++
		default:
			out.Due++
		}
	}
	out.Sent, out.Lag.N = out.Due, out.Due
	if v.arrivals != nil {
		rate, n := v.arrivals.Rate(), v.sessions
		out.Offered, out.Scheduled = &rate, &n
	} else if v.thinks > 0 {
		mean := v.thought / time.Duration(v.thinks)
		out.Think, out.ThinkAsked = &mean, &mean
	}
	if step.WindowEnd > step.WindowStart {
		out.InFlight, out.PeakInFlight = queues.Occupancy(dues, dones, step.WindowStart.Seconds(), step.WindowEnd.Seconds())
	}
	return out
}
