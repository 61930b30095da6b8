package analysis

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"pgregory.net/rapid"
)

// completed is a summary with its costs.
func completed(t *testing.T, f facts) *Summary {
	t.Helper()
	s := summarized(t, f)
	s.Complete()
	return s
}

func costFor(t *testing.T, s *Summary, config string) Cost {
	t.Helper()
	for _, c := range s.Costs {
		if c.Config == config {
			return c
		}
	}
	t.Fatalf("no cost of %s in %+v", config, s.Costs)
	return Cost{}
}

// Two GPUs of 300 W and 150 W in the window, 36 EUR an hour, which is a cent a second.
func TestCostOfAStep(t *testing.T) {
	f := madeActivity()
	f.environment.CostPerHour, f.environment.Currency = 36, "EUR"
	s := completed(t, f)
	c := costFor(t, s, "off")
	if c.At != "step 0: 8 users + 4 agents; no step met every objective" {
		t.Errorf("at %q", c.At)
	}
	number(t, "GPUs", c.GPUs, 2)
	number(t, "slices", c.Slices, 2)
	number(t, "unused", c.Unused, 0)
	number(t, "unused memory", c.UnusedMemory, 0)
	number(t, "power", c.Power, 450)
	number(t, "Vision", c.Vision.PerSecond, 19.99)
	number(t, "Vision by GPU", c.Vision.PerGPU, 19.99/2)
	number(t, "Vision by joule", c.Vision.PerJoule, 19.99/450)
	number(t, "joules of a request", c.Vision.Energy, 450/19.99)
	number(t, "Vision by EUR", c.Vision.PerCost, 1999)
	if c.Vision.PerCost.Unit != "1/EUR" {
		t.Errorf("unit %q", c.Vision.PerCost.Unit)
	}
	number(t, "Agent", c.Agent.PerSecond, 0.67)
	number(t, "Agent by EUR", c.Agent.PerCost, 67)
	// The slices' one GPU draws 200 W, which is not added up for each of them.
	mig := costFor(t, s, "mig|mps")
	number(t, "power of the slices' GPU", mig.Power, 200)
	number(t, "GPUs of the slices", mig.GPUs, 1)
	number(t, "slices", mig.Slices, 2)
	number(t, "Vision by slice", mig.Vision.PerSlice, 9.99/2)
}

// Without a currency, readings or roles there is no figure, and never a zero.
func TestCostUnknown(t *testing.T) {
	s := completed(t, madeRun()) // simulated
	c := costFor(t, s, "off")
	why(t, "power", c.Power, "nothing was read of the GPUs' power")
	why(t, "by joule", c.Vision.PerJoule, "nothing was read of the GPUs' power")
	why(t, "joules", c.Agent.Energy, "nothing was read of the GPUs' power")
	why(t, "idle", c.Idle, "no reading of the GPUs' power before load")
	why(t, "switch", c.Switch, "the simulated server does not model")
	why(t, "start", c.Start, "the simulated server does not model")
	why(t, "by currency", c.Vision.PerCost, "states no server.cost_per_hour")
	if !c.Vision.PerCost.Inapplicable {
		t.Error("the cost is missing, though nobody stated one")
	}
	why(t, "switching of all", s.Spent.Switching, "does not model")
	f := madeRun()
	f.environment.Services = f.environment.Services[:1]
	for i := range f.cells {
		f.cells[i].cell.Instances[0].Device = ""
		f.cells[i].layout.Devices = f.cells[i].layout.Devices[:1]
	}
	c = costFor(t, completed(t, f), "off")
	why(t, "Agent without one", c.Agent.PerSecond, "no agent service")
	if !c.Agent.PerSecond.Inapplicable || !c.Agent.Energy.Inapplicable {
		t.Errorf("agent %+v", c.Agent)
	}
	why(t, "unused", c.Unused, "on which device")
	why(t, "by slice", c.Vision.PerSlice, "on which device")
	f.cells[0].layout.Devices = nil
	c = costFor(t, completed(t, f), "off")
	why(t, "GPUs", c.GPUs, "tells no devices")
	why(t, "by GPU", c.Vision.PerGPU, "tells no devices")
	f.cells[0].cell.Status = results.CellFailed
	if s := completed(t, f); len(s.Costs) != 1 {
		t.Errorf("%d costs, want none of what was not done", len(s.Costs))
	}
}

// phases are a start of 2 + 3 + 5 s after a switch of 1 + 9 s, until 0.5 s before load.
func madePhases(scale float64) []results.Phase {
	var list []results.Phase
	at := -20.5 * scale
	for _, p := range []struct {
		name string
		took float64
	}{{"plan", 1}, {"apply", 9}, {"launch", 2}, {"ready", 3}, {"warm", 5}} {
		end := at + p.took*scale
		list = append(list, results.Phase{Name: p.name, Start: at0(time.Duration(at * 1e9)), End: at0(time.Duration(end * 1e9))})
		at = end
	}
	return list
}

func TestCostOfSwitchAndStart(t *testing.T) {
	f := madeActivity()
	f.environment.CostPerHour, f.environment.Currency = 36, "EUR"
	again := madeCell(0, "off", 100*time.Millisecond, time.Second, f.cells[0].layout.Devices)
	again.observations, again.cell.Replicate = f.cells[0].observations, 2
	f.cells = append(f.cells[:1], again)
	f.cells[0].cell.Phases, f.cells[1].cell.Phases = madePhases(1), madePhases(3)
	f.cells[0].layout.Plan, f.cells[1].layout.Plan = []string{"MIG off"}, []string{"MIG off"}
	f.cells[1].cell.Started = f.cells[1].cell.Started.Add(time.Hour)
	s := completed(t, f)
	c := costFor(t, s, "off")
	number(t, "switch", c.Switch, 20) // the middle of 10 and 30
	number(t, "start", c.Start, 20)
	// A reading at -0.5 s of each gauge: 900 W and 120 W. The counter has but one.
	number(t, "idle", c.Idle, 1020)
	number(t, "switching", s.Spent.Switching, 20+60)
	number(t, "loaded", s.Spent.Loaded, 220)
	number(t, "share", s.Spent.Share, 80.0/300)
	number(t, "its cost", s.Spent.Cost, 0.8)
	// Cells of one layout in a row tell of one switch.
	f.cells[1].cell.Started, f.cells[1].cell.Phases = f.cells[0].cell.Started.Add(200*time.Second), madePhases(1)
	for i := range 2 {
		p := &f.cells[1].cell.Phases[i]
		p.Start, p.End = p.Start.Add(-200*time.Second), p.End.Add(-200*time.Second)
	}
	number(t, "switching once", completed(t, f).Spent.Switching, 10+10+10)
	// What was not to be changed was not switched.
	f.cells[0].layout.Plan, f.cells[1].layout.Plan = nil, nil
	c = costFor(t, completed(t, f), "off")
	why(t, "switch", c.Switch, "nothing was to be changed")
	if !c.Switch.Inapplicable {
		t.Error("a switch that was not made is missing")
	}
}

// Devices without an instance are counted, and the memory that only they have.
func TestUnusedDevices(t *testing.T) {
	f := madeRun()
	card := f.cells[0].layout.Devices[0]
	slice := func(uuid string, gi, ci int) device.Device {
		return device.Device{UUID: uuid, GPU: card.UUID, Name: uuid, Instance: &device.Instance{GI: gi, CI: ci, Profile: "1g.24gb"}, MemoryBytes: 24 << 30, SMs: 46}
	}
	// Two compute instances of GPU instance 1, of which one is in use; 2 and 3 whole.
	f.cells[1] = madeCell(1, "slices", 200*time.Millisecond, 500*time.Millisecond, []device.Device{slice("MIG-a", 1, 0), slice("MIG-b", 2, 0), slice("MIG-c", 1, 1), slice("MIG-d", 3, 0)})
	c := costFor(t, completed(t, f), "slices")
	number(t, "slices", c.Slices, 2)
	number(t, "unused", c.Unused, 2)
	number(t, "unused memory", c.UnusedMemory, 1.0/3)
}

// A ladder is told at its step with the most that met every objective.
func TestCostAtTheBestStep(t *testing.T) {
	step := func(index int, vision, agent int64, met bool) Step {
		result := map[bool]string{true: Met, false: NotMet}[met]
		of := func(name, role string, n int64) Service {
			return Service{Name: name, Role: role, Total: Group{Completed: n}, Verdict: Verdict{Is: Valid}, SLO: []ClauseValue{{Result: result}}}
		}
		return Step{Index: index, Window: 100, Services: []Service{of("vision", results.RoleVision, vision), of("agent", results.RoleAgent, agent)}}
	}
	env := results.Environment{Services: []results.Service{{Name: "vision", Role: results.RoleVision}, {Name: "agent", Role: results.RoleAgent}}}
	for _, test := range []struct {
		steps  []Step
		change func([]Step)
		at     string
		rate   float64
	}{
		{[]Step{step(0, 1000, 10, true), step(1, 2000, 20, true), step(2, 3000, 30, false)}, nil, "step 1", 20},
		{[]Step{step(0, 1000, 10, false), step(1, 2000, 20, false)}, nil, "step 1; no step met every objective", 20},
		{[]Step{step(0, 2000, 10, true), step(1, 1900, 30, true)}, nil, "step 1", 19}, // 0.95 + 1 against 1 + 1/3
		{[]Step{step(0, 1000, 10, true), step(1, 2000, 20, true)}, func(s []Step) { s[1].Services[0].Verdict.Is = ClientLimited }, "step 0", 10},
		{[]Step{step(0, 1000, 10, true), step(1, 2000, 20, true)}, func(s []Step) { s[1].Purpose = results.PurposeSpike }, "step 0", 10},
		{[]Step{step(0, 1000, 10, true), step(1, 2000, 20, true)}, func(s []Step) { s[1].Failover = &Failover{} }, "step 0", 10},
		{[]Step{step(0, 1000, 10, true)}, func(s []Step) {
			s[0].Services[0].SLO, s[0].Services[1].SLO = nil, nil
		}, "step 0; no objectives are stated", 10},
		{[]Step{step(0, 1000, 10, true)}, func(s []Step) { s[0].Services[1].Verdict.Is = Void }, "no step measures the server", math.NaN()},
	} {
		if test.change != nil {
			test.change(test.steps)
		}
		cell := Cell{Cell: results.Cell{Config: results.Config{Name: "a"}, Status: results.CellDone, Replicate: 1}, Steps: test.steps}
		c := costs(&Summary{Environment: env, Cells: []Cell{cell}})[0]
		if c.At != test.at {
			t.Errorf("at %q, want %q", c.At, test.at)
		}
		if math.IsNaN(test.rate) {
			why(t, test.at, c.Vision.PerSecond, "no step measures the server")
		} else {
			number(t, test.at, c.Vision.PerSecond, test.rate)
		}
	}
}

// At a capacity an open loop's rate is the load itself; users' is what the nearest step
// completed.
func TestCostAtCapacity(t *testing.T) {
	step := func(index int, cameras float64, users float64, vision, agent int64) Step {
		return Step{Index: index, Window: 100, Purpose: results.PurposeProbe, Services: []Service{
			{Name: "vision", Role: results.RoleVision, Level: results.Level{Value: cameras, Unit: "req/s"}, Total: Group{Completed: vision}, Verdict: Verdict{Is: Valid}},
			{Name: "agent", Role: results.RoleAgent, Level: results.Level{Value: users, Unit: "users"}, Total: Group{Completed: agent}, Verdict: Verdict{Is: Valid}},
		}}
	}
	env := results.Environment{
		Search:   &results.Search{Kind: "capacity"},
		Services: []results.Service{{Name: "vision", Role: results.RoleVision}, {Name: "agent", Role: results.RoleAgent}},
	}
	cell := func(replicate int, estimate float64, state string) Cell {
		return Cell{
			Cell:  results.Cell{Config: results.Config{Name: "a"}, Status: results.CellDone, Replicate: replicate},
			Steps: []Step{step(0, 10, 4, 900, 100), step(1, 20, 8, 1900, 200), step(2, 40, 16, 3000, 250)},
			Capacity: &Capacity{State: state, Estimate: known(estimate, "ratio"), Loads: []CapacityLoad{
				{Service: "vision", Role: results.RoleVision, Unit: "req/s", Estimate: known(10*estimate, "req/s")},
				{Service: "agent", Role: results.RoleAgent, Unit: "users", Estimate: known(4*estimate, "users")},
			}},
		}
	}
	s := &Summary{Environment: env, Cells: []Cell{cell(1, 2.2, CapacityFound), cell(2, 2.6, CapacityFound)}}
	c := costs(s)[0]
	if c.At != "capacity, mean of 2 cells; agent as completed in the steps nearest to it (1, 1)" {
		t.Errorf("at %q", c.At)
	}
	number(t, "Vision", c.Vision.PerSecond, 24) // the loads themselves
	number(t, "Agent", c.Agent.PerSecond, 2)    // 8 users' 200 answers in 100 s
	// 2.9 is nearer to 4 than to 2 by its ratio.
	s.Cells[1] = cell(2, 2.9, CapacityFound)
	number(t, "Agent", costs(s)[0].Agent.PerSecond, 2.25)
	s.Cells[1] = cell(2, 2.9, CapacityDrift)
	if c = costs(s)[0]; !strings.HasPrefix(c.At, "capacity of 1 of 2 cells; agent as completed") {
		t.Errorf("at %q", c.At)
	}
	number(t, "Vision", c.Vision.PerSecond, 22)
	s.Cells[0] = cell(1, 2.2, CapacityDrift)
	if c = costs(s)[0]; c.At != "step 2; no objectives are stated" {
		t.Errorf("at %q", c.At)
	}
	number(t, "Vision", c.Vision.PerSecond, 30)
}

// Twice the GPUs, slices, power or price give half as much for each, and joules each
// times answers by joule is 1.
func TestCostLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		positive := rapid.Float64Range(1e-3, 1e6)
		rate, gpus, slices, power, price := positive.Draw(t, "rate"), positive.Draw(t, "gpus"), positive.Draw(t, "slices"), positive.Draw(t, "power"), positive.Draw(t, "price")
		of := func(k float64) CostRates {
			c := Cost{GPUs: known(k*gpus, "1"), Slices: known(k*slices, "1"), Power: known(k*power, "W")}
			return c.rates(results.Environment{CostPerHour: k * price, Currency: "EUR"}, known(rate, "1/s"))
		}
		a, b := of(1), of(2)
		for name, pair := range map[string][2]Value{
			"GPU": {a.PerGPU, b.PerGPU}, "slice": {a.PerSlice, b.PerSlice}, "joule": {a.PerJoule, b.PerJoule}, "price": {a.PerCost, b.PerCost}, "energy": {b.Energy, a.Energy},
		} {
			if ratio := *pair[0].Number / *pair[1].Number; math.Abs(ratio-2) > 1e-9 {
				t.Fatalf("by %s: %v and %v", name, *pair[0].Number, *pair[1].Number)
			}
		}
		if one := *a.PerJoule.Number * *a.Energy.Number; math.Abs(one-1) > 1e-9 {
			t.Fatal(fmt.Sprintf("%v answers by joule of %v J each", *a.PerJoule.Number, *a.Energy.Number))
		}
	})
}
