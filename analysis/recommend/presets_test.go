package recommend

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim/parameters"
	"github.com/evabench/evabench/sim/virtual"
)

// measure runs a preset's cells of these configurations over three replicates on the
// simulated servers' model, in virtual time, and recommends.
func measure(t *testing.T, preset string, p parameters.Set, of func(results.Config) bool) *analysis.Summary {
	t.Helper()
	data, ok := scenarios.Preset(preset)
	if !ok || strings.Count(string(data), "replicates: 1") != 1 {
		t.Fatalf("no preset %s with one replicate", preset)
	}
	b, err := virtual.Open(preset, []byte(strings.Replace(string(data), "replicates: 1", "replicates: 3", 1)))
	if err != nil {
		t.Fatal(err)
	}
	b.Cells = slices.DeleteFunc(b.Cells, func(c scenarios.Cell) bool { return !of(c.Config) })
	env := results.Environment{Schema: results.SchemaVersion, Scenario: preset, Simulated: preset, Zone: b.Scenario.Zone}
	plan := results.StepPlan{Name: "preset", Warmup: 2 * time.Minute, Window: 6 * time.Minute}
	for _, v := range b.Scenario.Services {
		env.Services = append(env.Services, results.Service{Name: v.Name, Role: v.Role, Percentiles: v.Percentiles, SLO: v.SLO})
		plan.Levels = append(plan.Levels, results.Level{Service: v.Name, Arrivals: v.Load.Arrivals, Value: v.Load.Levels[0], Unit: v.Load.Unit()})
	}
	var cells []analysis.Cell
	for _, c := range b.Cells {
		instances, devices, err := b.Placed(c)
		if err != nil {
			t.Fatal(err)
		}
		cell := results.Cell{Index: c.Index, Folder: c.Folder, Config: c.Config, Replicate: c.Replicate, Seed: c.Seed, Status: results.CellDone, Instances: instances}
		target, err := b.Start(c, p, c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		r, err := target.Step(plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		step, err := analysis.Judge(env, cell, r)
		if err != nil {
			t.Fatal(err)
		}
		cells = append(cells, analysis.Cell{
			Cell: cell, Layout: results.Layout{Asked: c.Config.Layout, Applied: c.Config.Layout, Verified: true, Devices: devices}, Steps: []analysis.Step{step},
		})
	}
	s := analysis.SummarizeSteps(env, cells)
	s.Complete()
	Complete(s)
	if s.Recommendation == nil {
		t.Fatal("nothing is recommended")
	}
	return s
}

// chosen gives what a configuration that was chosen for a goal uses.
func chosen(t *testing.T, s *analysis.Summary, goal string) (mig, mps analysis.Use) {
	t.Helper()
	for _, c := range s.Recommendation.Choices {
		if c.Goal != goal {
			continue
		}
		for _, cell := range s.Cells {
			if cell.Cell.Config.Name == c.Config {
				t.Logf("%s: %s; as good %v; next %s; %s; %v", goal, c.Config, c.Equivalent, c.RunnerUp, c.Sure, strings.Join(c.Because, "\n\t"))
				return cell.MIG, cell.MPS
			}
		}
	}
	t.Fatalf("no choice for %s in %+v", goal, s.Recommendation.Choices)
	return
}

func environment(t *testing.T, s *analysis.Summary, name string) analysis.OperatingEnvironment {
	t.Helper()
	for _, e := range s.Recommendation.Environments {
		if e.Name == name {
			t.Logf("%s (%s): %s: %s", e.Name, e.Why, e.Measured, e.Because)
			return e
		}
	}
	t.Fatalf("the server is no %s: %+v", name, s.Recommendation.Environments)
	return analysis.OperatingEnvironment{}
}

// guides says whether a configuration is one of the two corners that the guide measured on
// both of its servers: neither MIG nor MPS, and both.
func guides(c results.Config) bool { return (c.Layout == "off") == (c.Sharing == "ts") }

func all(results.Config) bool { return true }

// The guide's conclusions come out of what is measured on its servers' models: MIG first
// on one GPU that both roles share, no MIG on three, MPS for many Vision workers.
func TestGuidesConclusions(t *testing.T) {
	s := measure(t, "pro6000x1", parameters.Default(), all)
	e := environment(t, s, SingleMixed)
	if e != s.Recommendation.Environments[0] || e.Measured != analysis.Agrees {
		t.Errorf("one GPU, both roles: the guide's rule %s, and the first environment is %s", e.Measured, s.Recommendation.Environments[0].Name)
	}
	// The guide says nothing of MPS without MIG there. Where that is better than MIG, it
	// is chosen, and the rule says so.
	if mig, _ := chosen(t, s, analysis.GoalJoint); mig != analysis.UseAll && !strings.Contains(e.Because, "Better still, which the guide has not measured: MPS without MIG") {
		t.Errorf("no MIG was chosen, and the rule does not say why: %s", e.Because)
	}
	two := analysis.SummarizeSteps(s.Environment, slices.DeleteFunc(slices.Clone(s.Cells), func(c analysis.Cell) bool { return !guides(c.Cell.Config) }))
	two.Complete()
	Complete(two)
	if mig, _ := chosen(t, two, analysis.GoalJoint); mig != analysis.UseAll {
		t.Error("of the guide's two configurations on one GPU, that without MIG was chosen")
	}

	s = measure(t, "pro5000x3", parameters.Default(), all)
	if e := environment(t, s, MultiVLM); e.Measured != analysis.Agrees {
		t.Errorf("three GPUs: the guide's rule %s", e.Measured)
	}
	if e := environment(t, s, Separable); e.Measured != analysis.Agrees {
		t.Errorf("roles on GPUs of their own: the guide's rule %s", e.Measured)
	}
	for _, goal := range []string{analysis.GoalJoint, analysis.GoalVision, analysis.GoalAgent} {
		if mig, _ := chosen(t, s, goal); mig != analysis.UseNone {
			t.Errorf("three GPUs, %s: MIG was chosen", goal)
		}
	}

	s = measure(t, "mps-vision", parameters.Default(), all)
	if e := environment(t, s, ManyVision); e.Measured != analysis.Agrees {
		t.Errorf("many workers: the guide's rule %s", e.Measured)
	}
	if _, mps := chosen(t, s, analysis.GoalVision); mps != analysis.UseAll {
		t.Error("many workers: no MPS was chosen")
	}
}

// Where the mechanisms are others, the recommendations are.
func TestConclusionsTurnRound(t *testing.T) {
	// A detector's kernels fill any device, and turns cost nothing: whoever has the device
	// uses it whole, and neither slices nor MPS can give more than time does.
	full := func() parameters.Set {
		p := parameters.Default()
		for _, g := range p.GPUs {
			g.Switch, g.TimeSlice = 0, 1e-4
		}
		for _, d := range p.Detectors {
			d.Parallel = 1000
		}
		return p
	}
	s := measure(t, "pro6000x1", full(), guides)
	if e := environment(t, s, SingleMixed); e.Measured != analysis.Disagrees {
		t.Errorf("one GPU, both roles: the guide's rule %s", e.Measured)
	}
	if mig, mps := chosen(t, s, analysis.GoalJoint); mig != analysis.UseNone || mps != analysis.UseNone {
		t.Errorf("one GPU: MIG on %s, MPS on %s was chosen", mig, mps)
	}
	s = measure(t, "mps-vision", full(), all)
	if e := environment(t, s, ManyVision); e.Measured != analysis.Disagrees {
		t.Errorf("many workers: the guide's rule %s", e.Measured)
	}
	if _, mps := chosen(t, s, analysis.GoalVision); mps != analysis.UseNone {
		t.Error("many workers: MPS was chosen, which gives nothing")
	}
	// A language model waits for the one thread that takes its images in, and a detector
	// is small: more and smaller instances do more.
	p := parameters.Default()
	for _, e := range p.Engines {
		e.PerImage = 10
	}
	for _, d := range p.Detectors {
		d.Parallel, d.Work = 8, d.Work/8
	}
	s = measure(t, "pro5000x3", p, all)
	if e := environment(t, s, MultiVLM); e.Measured != analysis.Disagrees {
		t.Errorf("three GPUs: the guide's rule %s", e.Measured)
	}
	for _, goal := range []string{analysis.GoalJoint, analysis.GoalAgent} {
		if mig, _ := chosen(t, s, goal); mig != analysis.UseAll {
			t.Errorf("three GPUs, %s: no MIG was chosen", goal)
		}
	}
}
