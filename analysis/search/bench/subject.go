package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// A target runs steps in virtual time.
type target interface {
	Step(plan results.StepPlan, watch func(results.Progress) string) results.StepResult
}

// A subject is a system that is searched, whatever runs it.
type subject struct {
	name     string
	services []results.Service
	// levels are those of a step at a load of the first service, whose unit is unit.
	levels     func(load float64) []results.Level
	unit       string
	closed     bool
	from, most float64 // most is +Inf if there is no largest load
	truth      queues.Truth
	start      func(seed uint64) target
}

// ofQueue makes a queue system a subject.
func ofQueue(s *queues.System) subject {
	return subject{
		name: s.Name, services: s.Services, levels: s.Levels, from: s.From, most: s.Most, truth: s.Truth,
		unit: s.Sources[0].Unit, closed: s.Sources[0].Arrivals == queues.Closed,
		start: func(seed uint64) target { return s.Start(seed) },
	}
}

// found says whether the subject has a capacity that is to be found.
func (s subject) found() bool { return s.truth.State == analysis.CapacityFound }

// drawn gives the subject with another first load, by a factor of up to √2 that is drawn.
// What a bisection comes to depends on where its loads happen to lie beside the capacity:
// with one first load for all, every one of them would be as lucky. A subject without a
// capacity to be found stays as it is: what it ends in may depend on the first load.
func (s subject) drawn(seed uint64) subject {
	if !s.found() {
		return s
	}
	s.from *= math.Exp2(rand.New(rand.NewPCG(seed, firstLoads)).Float64() - 0.5)
	if s.closed {
		s.from = math.Max(1, math.Round(s.from))
	}
	return s
}

// firstLoads is the stream of numbers that first loads are drawn from.
const firstLoads = 0xf1257

// subjects gives every system.
func subjects() ([]subject, error) {
	var all []subject
	for _, s := range queues.All() {
		all = append(all, ofQueue(s))
	}
	for _, e := range evaSystems() {
		s, err := ofEVA(e)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// chosen gives the systems of these names, separated by commas, or all for none.
func chosen(names string) ([]subject, error) {
	all, err := subjects()
	if err != nil || names == "" {
		return all, err
	}
	var some []subject
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(s subject) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no system is called %q", name)
		}
		some = append(some, all[i])
	}
	return some, nil
}

// An engine is what looks for the capacity: a runner.Chooser and runner.Watcher that
// tells at the end what it came to.
type engine interface {
	Next(last *results.StepResult) (results.StepPlan, bool)
	Watch(p results.Progress) string
	Capacity() analysis.Capacity
}

// A trial is one search.
type trial struct {
	capacity analysis.Capacity
	steps    int
	// seconds under load, warm-ups too, and requests in all.
	seconds  float64
	requests int64
	// relative is the estimate over the truth less 1, NaN without an estimate.
	relative float64
}

// try runs a search to its end.
func try(s subject, e engine, seed uint64) trial {
	t := s.start(seed)
	var out trial
	var last *results.StepResult
	for {
		plan, more := e.Next(last)
		if !more {
			break
		}
		r := t.Step(plan, e.Watch)
		out.steps++
		out.seconds += r.Step.Loaded().Seconds()
		for _, v := range r.Step.Services {
			out.requests += v.Due + v.WarmupDue
		}
		last = &r
	}
	out.capacity = e.Capacity()
	out.relative = math.NaN()
	if out.capacity.State == analysis.CapacityFound && out.capacity.Estimate.Known() {
		out.relative = *out.capacity.Estimate.Number/s.truth.Load - 1
	}
	return out
}
