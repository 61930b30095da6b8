package recommend

import (
	"fmt"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A made is a configuration of a made-up run: what it is, and what it answered in each
// replicate's window of 1,000 s.
type made struct {
	name     string
	mig, mps bool
	gpus     int
	// vision and agent are the devices of the instances; GPU g's slices are 2g and 2g+1
	// with MIG.
	vision, agent    []int
	workers          int // of Vision's model at each instance
	routing          string
	requests, vlm    []int64 // by replicate
	missed           bool    // an objective
	unknown          []int   // replicates in which it is not known of an objective
	tail             float64 // p99 of Vision, s; 0 if it cannot be told
	fault            string  // every cell failed with it
	late             bool    // the client was
	outOfMemory      int64
	placement        string
	workersOfTheCell map[string]int
}

func (m made) devices() []device.Device {
	var list []device.Device
	sharing := device.Sharing{Mode: device.TimeSlicing}
	if m.mps {
		sharing.Mode = device.MPS
	}
	for g := range max(m.gpus, 1) {
		gpu := fmt.Sprintf("GPU-%d", g)
		if !m.mig {
			list = append(list, device.Device{UUID: gpu, GPU: gpu, Name: fmt.Sprintf("gpu%d", g), MemoryBytes: 96 << 30, SMs: 188, Sharing: sharing})
			continue
		}
		for i := range 2 {
			list = append(list, device.Device{
				UUID: fmt.Sprintf("MIG-%d-%d", g, i), GPU: gpu, Name: fmt.Sprintf("gpu%d/2g.48gb@%d", g, i), MemoryBytes: 48 << 30, SMs: 94, Sharing: sharing,
				Instance: &device.Instance{GI: i + 1, Profile: "2g.48gb", Start: 2 * i, Size: 2},
			})
		}
	}
	return list
}

// cells gives one of each replicate.
func (m made) cells() []analysis.Cell {
	var list []analysis.Cell
	devices := m.devices()
	placement, routing := m.placement, m.routing
	if placement == "" {
		placement = "auto"
	}
	if routing == "" {
		routing = "round-robin"
	}
	layout := "off"
	if m.mig {
		layout = "2x2g.48gb"
	}
	for r := range max(len(m.requests), len(m.vlm)) {
		c := analysis.Cell{Layout: results.Layout{Devices: devices, Asked: layout, Applied: layout}}
		c.Cell = results.Cell{
			Folder: fmt.Sprintf("%s-r%d", m.name, r+1), Replicate: r + 1, Status: results.CellDone,
			Config: results.Config{Name: m.name, Layout: layout, Placement: placement, Routing: routing, Workers: m.workersOfTheCell},
		}
		if m.fault != "" {
			c.Cell.Status, c.Cell.Fault = results.CellFailed, m.fault
			list = append(list, c)
			continue
		}
		for i, d := range m.vision {
			c.Cell.Instances = append(c.Cell.Instances, results.Instance{Service: "eyes", Name: fmt.Sprintf("eyes-%d", i), Device: devices[d].UUID, Workers: map[string]int{"rt": max(m.workers, 1)}})
		}
		for i, d := range m.agent {
			c.Cell.Instances = append(c.Cell.Instances, results.Instance{Service: "mind", Name: fmt.Sprintf("mind-%d", i), Device: devices[d].UUID})
		}
		step := analysis.Step{Name: "both", Window: 1000, Loaded: 1100}
		if len(m.requests) > 0 {
			eyes := service("eyes", results.RoleVision, m.requests[r], m.missed)
			if slices.Contains(m.unknown, r+1) {
				eyes.SLO[0].Result = analysis.Unknown
			}
			if m.tail > 0 {
				tail := m.tail * (1 + 0.001*float64(r))
				eyes.Total.Latency.Quantiles = []analysis.Quantile{{Q: 0.99, Value: analysis.Value{Number: &tail, Unit: "s"}}}
			}
			if m.outOfMemory > 0 {
				eyes.Total.Outcomes = append(eyes.Total.Outcomes, analysis.Count{Outcome: results.OOM, N: m.outOfMemory})
			}
			step.Services = append(step.Services, eyes)
		}
		if len(m.vlm) > 0 {
			step.Services = append(step.Services, service("mind", results.RoleAgent, m.vlm[r], false))
		}
		if m.late {
			step.Services[0].Verdict.Is = analysis.ClientLimited
		}
		c.Steps = []analysis.Step{step}
		list = append(list, c)
	}
	return list
}

func service(name, role string, answers int64, missed bool) analysis.Service {
	v := analysis.Service{Name: name, Role: role, Level: results.Level{Service: name, Arrivals: "closed", Value: 8, Unit: "users"}, Verdict: analysis.Verdict{Is: analysis.Valid}}
	v.Total.OK, v.Total.Completed, v.Total.Due = answers, answers, answers
	v.SLO = []analysis.ClauseValue{{Clause: results.Clause{Metric: "errors", Text: "errors <= 0 %"}, Result: analysis.Met}}
	if missed {
		v.SLO[0].Result = analysis.NotMet
	}
	return v
}

// recommended makes the recommendation of a run of these, in the order of their cells.
func recommended(zone float64, shuffle func([]analysis.Cell), list ...made) *analysis.Summary {
	env := results.Environment{Schema: results.SchemaVersion, Scenario: "made", Zone: zone}
	var cells []analysis.Cell
	for _, m := range list {
		cells = append(cells, m.cells()...)
		for role, name := range map[string]string{results.RoleVision: "eyes", results.RoleAgent: "mind"} {
			has := role == results.RoleVision && len(m.requests) > 0 || role == results.RoleAgent && len(m.vlm) > 0
			if has && !slices.ContainsFunc(env.Services, func(s results.Service) bool { return s.Name == name }) {
				env.Services = append(env.Services, results.Service{Name: name, Role: role})
			}
		}
	}
	slices.SortFunc(env.Services, func(a, b results.Service) int { return len(a.Role) - len(b.Role) })
	if shuffle != nil {
		shuffle(cells)
	}
	s := analysis.SummarizeSteps(env, cells)
	s.Complete()
	Complete(s)
	return s
}

// choice gives what is chosen for a goal.
func choice(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *analysis.Summary, goal string) analysis.Choice {
	t.Helper()
	if s.Recommendation != nil {
		for _, c := range s.Recommendation.Choices {
			if c.Goal == goal {
				return c
			}
		}
	}
	t.Fatalf("nothing is chosen for %s: %+v", goal, s.Recommendation)
	return analysis.Choice{}
}

// three is a count that scatters a little over three replicates.
func three(n int64) []int64 { return []int64{n, n + n/500, n - n/500} }

func names1(s *analysis.Summary) []string {
	var list []string
	for _, e := range s.Recommendation.Environments {
		list = append(list, e.Name)
	}
	return list
}
