package sim

import (
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// A writer turns a bench's records into server time.
type writer struct {
	acceleration Acceleration
	inner        runner.Writer
	plans        *plans
}

func (w writer) Cell(folder string) (runner.CellWriter, error) {
	c, err := w.inner.Cell(folder)
	if err != nil {
		return nil, err
	}
	return cellWriter{c, w.acceleration, w.plans, folder}, nil
}

// Journal keeps what was changed on the server, whose moments are of the clock.
func (w writer) Journal(change any) error {
	if j, ok := w.inner.(runner.Journaler); ok {
		return j.Journal(change)
	}
	return nil
}

// Room asks for a step's arrivals, which are as many in both times.
func (w writer) Room(arrivals float64) error {
	if r, ok := w.inner.(runner.Roomy); ok {
		return r.Room(arrivals)
	}
	return nil
}

type cellWriter struct {
	runner.CellWriter
	acceleration Acceleration
	plans        *plans
	cell         string
}

func (w cellWriter) Step(step results.Step, samples []results.Sample) error {
	for i := range samples {
		samples[i] = w.acceleration.sample(samples[i])
	}
	return w.CellWriter.Step(w.acceleration.step(step, w.plans.of(w.cell, step.Index)), samples)
}

func (w cellWriter) Observations(batch []results.Observation) error {
	return w.CellWriter.Observations(w.acceleration.observations(batch))
}

func (w cellWriter) Close(c results.Cell) error {
	return w.CellWriter.Close(w.acceleration.cell(c))
}

// stepResult turns what a step gave, its samples one by one as they are ranged
// over. planOf tells what was asked for, in server time.
func (a Acceleration) stepResult(r *results.StepResult, planOf func(step int) results.StepPlan) *results.StepResult {
	if r == nil {
		return nil
	}
	return &results.StepResult{
		Step: a.step(r.Step, planOf(r.Step.Index)),
		Samples: func(yield func(results.Sample) bool) {
			for s := range r.Samples {
				if !yield(a.sample(s)) {
					return
				}
			}
		},
		Observations: a.observations(slices.Clone(r.Observations)), Instances: r.Instances,
	}
}

// progress turns what was done of a step, whose samples are p's own.
func (a Acceleration) progress(p results.Progress) results.Progress {
	p.From, p.To = a.offset(p.From), a.offset(p.To)
	for i := range p.Samples {
		p.Samples[i] = a.sample(p.Samples[i])
	}
	return p
}

// sample turns a sample's moments and spans but those that the server told, which
// are of its time already.
func (a Acceleration) sample(s results.Sample) results.Sample {
	s.Due, s.Sent, s.First, s.Final, s.Done = a.offset(s.Due), a.offset(s.Sent), a.offset(s.First), a.offset(s.Final), a.offset(s.Done)
	s.LongestGap, s.Lag = a.toServer(s.LongestGap), a.toServer(s.Lag)
	return s
}

// step turns a step that was run; plan is what was asked for, in server time.
// Client stays: what the load generator used of its own machine's cores is of
// the clock, and told as that.
func (a Acceleration) step(s results.Step, plan results.StepPlan) results.Step {
	s.Plan = plan
	s.Start, s.End = a.offset(s.Start), a.offset(s.End)
	s.WindowStart, s.WindowEnd, s.LoadEnd = a.offset(s.WindowStart), a.offset(s.WindowEnd), a.offset(s.LoadEnd)
	s.Services = slices.Clone(s.Services)
	for i := range s.Services {
		s.Services[i] = a.integrity(s.Services[i])
	}
	s.Warnings = a.warnings(s.Warnings)
	s.Halts = slices.Clone(s.Halts)
	for i := range s.Halts {
		h := &s.Halts[i]
		h.From, h.To, h.For = a.offset(h.From), a.offset(h.To), a.toServer(h.For)
	}
	s.Broken = a.text(s.Broken)
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		s.Events[i].At = a.offset(s.Events[i].At)
	}
	return s
}

// integrity turns the load generator's own figures: its lag too, which was
// spent on the clock, so that its share of a latency stays true. Counts, and
// variances of counts, are what they are in both times: only the parts in which
// they were counted are turned.
func (a Acceleration) integrity(i results.Integrity) results.Integrity {
	if i.Offered != nil {
		rate := *i.Offered / a.k
		i.Offered = &rate
	}
	i.Lag.P50, i.Lag.P99, i.Lag.Max = a.toServer(i.Lag.P50), a.toServer(i.Lag.P99), a.toServer(i.Lag.Max)
	i.Dispersions = slices.Clone(i.Dispersions)
	for j := range i.Dispersions {
		i.Dispersions[j].Part = a.toServer(i.Dispersions[j].Part)
	}
	g := &i.Gaps
	g.P50, g.P90, g.P99, g.Max = a.toServer(g.P50), a.toServer(g.P90), a.toServer(g.P99), a.toServer(g.Max)
	if i.ThinkAsked != nil {
		asked := a.toServer(*i.ThinkAsked)
		i.ThinkAsked = &asked
	}
	if i.Think != nil {
		think := a.toServer(*i.Think)
		i.Think = &think
	}
	i.FirstErrors = maps.Clone(i.FirstErrors)
	for _, own := range []results.Outcome{results.NotSent, results.Timeout, results.Connect, results.Reset} {
		if text, ok := i.FirstErrors[own.String()]; ok {
			i.FirstErrors[own.String()] = a.text(text)
		}
	}
	return i
}

// observations turns a list in its place.
func (a Acceleration) observations(list []results.Observation) []results.Observation {
	for i := range list {
		list[i] = a.observation(list[i])
	}
	return list
}

// observation turns when it was made. Its value is turned if it tells of the
// client: seconds that it took or used, or for which it saw a page stand. What servers and GPUs tell is server
// time already.
func (a Acceleration) observation(o results.Observation) results.Observation {
	o.At = a.offset(o.At)
	own := o.Subject.Kind == results.SubjectClient || strings.HasPrefix(o.Series, "evabench:") || strings.HasPrefix(o.Series, "dcgm:")
	switch {
	case !own:
	case o.Unit == "s":
		o.Value *= a.k
	case o.Unit == "Hz" || strings.HasSuffix(o.Unit, "/s"):
		o.Value /= a.k
	}
	return o
}

// cell turns a cell's record. Started is a date and stays.
func (a Acceleration) cell(c results.Cell) results.Cell {
	c.Phases = slices.Clone(c.Phases)
	for i := range c.Phases {
		c.Phases[i].Start, c.Phases[i].End = a.offset(c.Phases[i].Start), a.offset(c.Phases[i].End)
	}
	c.Warmed = slices.Clone(c.Warmed)
	for i := range c.Warmed {
		c.Warmed[i].Rounds = slices.Clone(c.Warmed[i].Rounds)
		for j, took := range c.Warmed[i].Rounds {
			c.Warmed[i].Rounds[j] = a.toServer(took)
		}
	}
	c.Warnings, c.Fault = a.warnings(c.Warnings), a.text(c.Fault)
	return c
}

func (a Acceleration) warnings(list []results.Warning) []results.Warning {
	list = slices.Clone(list)
	for i := range list {
		list[i].Text = a.text(list[i].Text)
	}
	return list
}
