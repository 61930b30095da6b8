package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim/parameters"
	"github.com/evabench/evabench/sim/virtual"
)

// onModel runs a preset's cells on the simulated server's model, each step as its chooser
// asks for it, and writes the run directory. Old and new texts change the preset.
func onModel(t *testing.T, preset string, changes ...string) (*analysis.Summary, report.Section) {
	t.Helper()
	data, ok := scenarios.Preset(preset)
	if !ok {
		t.Fatalf("there is no preset %s", preset)
	}
	text := string(data)
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("preset %s has no %q", preset, changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	v, err := virtual.Open(preset+".yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{scenario: v.Scenario, cells: v.Cells}
	env := b.environmentOnModel()
	dir := filepath.Join(t.TempDir(), "run")
	w, err := results.Create(dir, env, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cells {
		chooser, err := b.newChooser()
		if err != nil {
			t.Fatal(err)
		}
		target, err := v.Start(c, parameters.Default(), c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		cell, err := w.Cell(c.Folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := cell.Layout(results.Layout{}); err != nil {
			t.Fatal(err)
		}
		var watch func(results.Progress) string
		if watcher, ok := chooser.(runner.Watcher); ok {
			watch = watcher.Watch
		}
		for plan, more := chooser.Next(nil); more; {
			r, err := target.Step(plan, watch)
			if err != nil {
				t.Fatal(err)
			}
			var samples []results.Sample
			for s := range r.Samples {
				samples = append(samples, s)
			}
			if err := cell.Step(r.Step, samples); err != nil {
				t.Fatal(err)
			}
			plan, more = chooser.Next(&r)
		}
		record := results.Cell{Index: c.Index, Folder: c.Folder, Config: c.Config, Replicate: c.Replicate, Seed: c.Seed, Status: results.CellDone}
		if err := cell.Close(record); err != nil {
			t.Fatal(err)
		}
	}
	s, whole, err := document(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(whole.Sections, func(s report.Section) bool { return s.Title == "Services beside one another" })
	if at < 0 {
		t.Fatal("the report does not tell of services beside one another")
	}
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, v := range step.Services {
				if !v.Identity.Holds {
					t.Errorf("%s, step %d, %s: %s", c.Cell.Folder, step.Index, v.Name, v.Identity.Why)
				}
			}
		}
	}
	return s, whole.Sections[at]
}

// environmentOnModel is what a run records, without a machine.
func (b *bench) environmentOnModel() results.Environment {
	env := b.searchEnvironment()
	env.Scenario = b.scenario.Name
	return env
}

// The law of interference: on slices of its own Vision does not feel the Agents; where they
// take turns on one GPU it feels them much; and under MPS in between.
func TestInterferenceLaw(t *testing.T) {
	s, section := onModel(t, "coupling", "window: 450s", "window: 300s", "loads: [0, 0.5, 1, 1.5]", "loads: [0, 1.5]", "replicates: 1", "replicates: 3")
	inflation := map[string]analysis.Effect{}
	for _, i := range s.Interference {
		if i.Victim != "vision" || i.Neighbour != "agent" || len(i.Points) != 2 {
			t.Fatalf("%+v", i)
		}
		p := i.Points[1]
		if *p.Load.Number != 15 || p.N != 3 || !p.Inflation.Low.Known() {
			t.Errorf("%s: load %g, n %d: %s", i.Config, *p.Load.Number, p.N, p.Inflation.Low.Why)
		}
		inflation[i.Config] = p.Inflation
		t.Logf("%s: p%g from %.3g s to %.3g s: %+.3g [%+.3g, %+.3g]", i.Config, 100*p.Quantile, *i.Points[0].Tail.Number, *p.Tail.Number,
			*p.Inflation.Value.Number, *p.Inflation.Low.Number, *p.Inflation.High.Number)
	}
	if len(inflation) != 4 {
		t.Fatalf("configurations %v", inflation)
	}
	for _, mig := range []string{"4x1g.24gb-ts", "4x1g.24gb-mps"} {
		if e := inflation[mig]; *e.Value.Number > 0.05 || *e.Value.Number < -0.05 {
			t.Errorf("%s: Vision's tail changes by %g", mig, *e.Value.Number)
		}
	}
	if ts := inflation["off-ts"]; *ts.Low.Number < 1 {
		t.Errorf("in turns Vision's tail grows by %g at least, want 1", *ts.Low.Number)
	}
	if mps, ts := *inflation["off-mps"].Value.Number, *inflation["off-ts"].Value.Number; !(mps < ts && mps > 0.05) {
		t.Errorf("under MPS Vision's tail grows by %g, in turns by %g", mps, ts)
	}
	t.Log(section.Notes[0])
	if !strings.HasPrefix(section.Notes[0], "4x1g.24gb-") || !strings.Contains(section.Notes[0], " isolates vision best: with agent at 15 users in place of 0 users, its p99 changes by") {
		t.Errorf("the report says %q", section.Notes)
	}
	if len(s.Isolations) != 1 || !strings.HasPrefix(s.Isolations[0].Ranks[0].Config, "4x1g.24gb") || s.Isolations[0].Ranks[3].Config != "off-ts" {
		t.Errorf("isolation %+v", s.Isolations)
	}
}

// Every arrival of a spike is made and accounted for, and the higher one takes longer to
// recover from, where the server cannot follow it: two workers that take turns with a
// language model answer some 20 a second.
func TestSpikesOnModel(t *testing.T) {
	s, _ := onModel(t, "spike")
	recovered := map[string]float64{}
	if len(s.Spikes) != 8 {
		t.Fatalf("%d spikes", len(s.Spikes))
	}
	for _, k := range s.Spikes {
		vision, agent := k.Services[0], k.Services[1]
		t.Logf("%s x%g: %d, %d, %d due; median %.3g, %.3g, %.3g s; agent's %.3g, %.3g, %.3g s; recovery %v %s", k.Config, k.Factor,
			vision.Before.Due, vision.Within.Due, vision.After.Due, number(vision.Before.Median), number(vision.Within.Median), number(vision.After.Median),
			number(agent.Before.Median), number(agent.Within.Median), number(agent.After.Median), number(k.Recovery), k.Recovery.Why)
		recovered[fmt.Sprintf("%s x%g", k.Config, k.Factor)] = number(k.Recovery)
		// 8 a second for 100 s, and so many times that for 30 s, each within four deviations.
		for _, c := range []struct {
			due  int64
			want float64
		}{{vision.Before.Due, 800}, {vision.Within.Due, 240 * k.Factor}, {vision.After.Due, 1360}} {
			if d := float64(c.due) - c.want; d*d > 16*c.want {
				t.Errorf("%s x%g: %d due, want some %g", k.Config, k.Factor, c.due, c.want)
			}
		}
	}
	if low, high := recovered["off-ts x3"], recovered["off-ts x5"]; !(high > low && high >= 5) {
		t.Errorf("in turns, recovered after %g s and %g s", low, high)
	}
	for _, c := range s.Comparison {
		if c.Index > 0 {
			t.Errorf("step %d is compared", c.Index)
		}
	}
}

func number(v analysis.Value) float64 {
	if v.Known() {
		return *v.Number
	}
	return -1
}

// What a frontier came to when it ran is what its run directory says.
func TestFrontierOnModel(t *testing.T) {
	s, section := onModel(t, "capacity", "kind: capacity        #", "kind: frontier        #", "raise: vision         #", "mixes: [{}, {vision: 4}] #",
		"budget: 60m           #", "budget: 120m           #", `layout: ["off"]`, `layout: ["off"]`, "sharing: [ts, mps]", "sharing: [mps]")
	if s.Environment.Search.Kind != "frontier" || len(s.Cells) != 1 || len(section.Tables) != 2 {
		t.Fatalf("%+v, %d cells, %d tables", s.Environment.Search, len(s.Cells), len(section.Tables))
	}
	list := s.Cells[0].Capacities
	if len(list) != 2 || s.Cells[0].Capacity != nil {
		t.Fatalf("capacities %+v", list)
	}
	for _, c := range list {
		t.Logf("%s: %s", c.Mix, c.Sentence)
	}
	if reflect.DeepEqual(list[0], list[1]) {
		t.Error("both mixes are one")
	}
	// More of Vision costs some of the Agents, so both points are on the front.
	if len(s.Frontiers) != 1 || len(s.Frontiers[0].Points) != 2 {
		t.Fatalf("frontiers %+v", s.Frontiers)
	}
	a, b := s.Frontiers[0].Points[0], s.Frontiers[0].Points[1]
	t.Logf("%g/s with %g/min, %g/s with %g/min", number(a.Vision), number(a.Agent), number(b.Vision), number(b.Agent))
	if !(number(a.Vision) < number(b.Vision) && number(a.Agent) > number(b.Agent) && a.Best && b.Best && a.Low.Known() && b.High.Known()) {
		t.Errorf("%+v and %+v", a, b)
	}
}
