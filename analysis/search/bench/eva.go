package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim/parameters"
	"github.com/evabench/evabench/sim/virtual"
)

// An edit is a preset's text that is replaced, once.
type edit struct{ old, new string }

// An evaSystem is a cell of the preset pro6000x1 on the simulated server's model.
type evaSystem struct {
	name, config, raised string
	edits                []edit
	from                 float64
	truth                queues.Truth
	// around are two loads, one below the truth and one above, between which the
	// long runs interpolate.
	around [2]float64
}

// tighter gives the Agent limits that a capacity is looked for at: the preset's have room.
var tighter = edit{`slo: ["p90 < 75 s", "ttft p90 < 45 s", "errors <= 0 %"]`, `slo: ["p90 < 60 s", "ttft p90 < 30 s", "errors <= 0 %"]`}

// evaSystems are EVA's two services, each with the other under a load that is held.
// Their truths are what -truths prints.
func evaSystems() []evaSystem {
	return []evaSystem{
		{name: "eva-agent", config: "4x1g.24gb-ts", raised: "agent", from: 3, around: [2]float64{10, 11},
			truth: queues.Truth{State: "found", Load: 10.1016, Error: 0.002, Binding: "p90 < 60 s"},
			edits: []edit{tighter, {"levels: [96]", "levels: [1]"}, {`slo: ["p95 < 40 s", "errors <= 0 %"]`, `slo: ["p95 < 15 s", "errors <= 0 %"]`}}},
		{name: "eva-vision", config: "4x1g.24gb-mps", raised: "vision", from: 4, around: [2]float64{22, 23.5},
			truth: queues.Truth{State: "found", Load: 22.55, Error: 0.0005, Binding: "p99 < 1.5 s"},
			edits: []edit{
				{"arrivals: closed                      #", "arrivals: poisson                     #"},
				{"levels: [96]", "levels: [4]"}, {"think: 0.2s                           #", "#"},
				tighter,
				{`slo: ["p95 < 40 s", "errors <= 0 %"]`, `slo: ["p95 < 1 s", "p99 < 1.5 s", "errors <= 0.1 %"]`},
				{"levels: [10], think: 20s", "levels: [3], think: 20s"},
			}},
	}
}

// ofEVA makes one a subject. What is not raised stays at the preset's level.
func ofEVA(e evaSystem) (subject, error) {
	data, ok := scenarios.Preset("pro6000x1")
	if !ok {
		return subject{}, fmt.Errorf("%s: no preset pro6000x1", e.name)
	}
	text := string(data)
	for _, x := range e.edits {
		if strings.Count(text, x.old) != 1 {
			return subject{}, fmt.Errorf("%s: the preset has %q %d times, want once", e.name, x.old, strings.Count(text, x.old))
		}
		text = strings.Replace(text, x.old, x.new, 1)
	}
	bench, err := virtual.Open(e.name, []byte(text))
	if err != nil {
		return subject{}, err
	}
	at := slices.IndexFunc(bench.Cells, func(c scenarios.Cell) bool { return c.Config.Name == e.config })
	if at < 0 {
		return subject{}, fmt.Errorf("%s: no configuration %s", e.name, e.config)
	}
	s := subject{name: e.name, from: e.from, most: math.Inf(1), truth: e.truth}
	for _, v := range bench.Scenario.Services {
		r := results.Service{Name: v.Name, Role: v.Role, Percentiles: v.Percentiles, SLO: v.SLO, GapShape: v.Load.GapShape()}
		if v.Name == e.raised { // the first is the one that is raised
			s.services = append([]results.Service{r}, s.services...)
			s.unit, s.closed = v.Load.Unit(), v.Load.Arrivals == scenarios.Closed
			continue
		}
		s.services = append(s.services, r)
	}
	s.levels = func(load float64) []results.Level {
		var all []results.Level
		for _, r := range s.services {
			i := slices.IndexFunc(bench.Scenario.Services, func(v scenarios.Service) bool { return v.Name == r.Name })
			l := bench.Scenario.Services[i].Load
			value := l.Levels[0]
			if r.Name == e.raised {
				value = load
			}
			all = append(all, results.Level{Service: r.Name, Arrivals: l.Arrivals, Value: value, Unit: l.Unit()})
		}
		return all
	}
	s.start = func(seed uint64) target {
		t, err := bench.Start(bench.Cells[at], parameters.Default(), seed)
		if err != nil {
			panic(fmt.Sprintf("bench: %s: %v", e.name, err)) // Open accepted it
		}
		return cellTarget{t}
	}
	return s, nil
}

// A cellTarget panics where a step cannot be run: the engines' plans fit.
type cellTarget struct{ *virtual.Target }

func (t cellTarget) Step(plan results.StepPlan, watch func(results.Progress) string) results.StepResult {
	r, err := t.Target.Step(plan, watch)
	if err != nil {
		panic(fmt.Sprintf("bench: %v", err))
	}
	return r
}
