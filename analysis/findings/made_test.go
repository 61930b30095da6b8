package findings

import (
	"fmt"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

func val(x float64, unit string) analysis.Value { return analysis.Value{Number: &x, Unit: unit} }

func none(unit string) analysis.Value { return analysis.Value{Unit: unit, Why: "nobody told"} }

func figure(x float64, unit string) analysis.Figure {
	return analysis.Figure{Value: val(x, unit), Level: analysis.FromRequests}
}

func between(q, x, low, high float64) analysis.Quantile {
	return analysis.Quantile{Q: q, Value: val(x, "s"), Low: &low, High: &high}
}

// The healthy run: one configuration, three replicates, three loads of an open loop on two
// equal GPUs with an instance each. A request takes 50 ms, of which 5 ms are waited,
// 40 ms computed, 4.7 ms in the server beside and 0.3 ms on the way. Everything is told.
var loads = []float64{10, 20, 40}

func healthy() *analysis.Summary {
	s := &analysis.Summary{Environment: results.Environment{Services: []results.Service{{Name: "vision", Role: results.RoleVision}}}}
	for r := 1; r <= 3; r++ {
		s.Cells = append(s.Cells, healthyCell(r-1, r, "base"))
	}
	return s
}

func healthyCell(index, replicate int, config string) analysis.Cell {
	c := analysis.Cell{
		Cell: results.Cell{
			Index: index, Folder: fmt.Sprintf("%03d-%s-r%d", index+1, config, replicate), Replicate: replicate, Status: results.CellDone,
			Config: results.Config{Name: config, Layout: "2 GPUs", Routing: "round-robin", Params: map[string]string{"vision.batch_size": "8"}},
		},
		MIG: analysis.UseNone, MPS: analysis.UseNone,
	}
	for i := range 2 {
		uuid := fmt.Sprintf("GPU-%d", i)
		c.Layout.Devices = append(c.Layout.Devices, device.Device{UUID: uuid, GPU: uuid, Name: fmt.Sprintf("gpu%d", i), Model: "card", MemoryBytes: 40 << 30, SMs: 100})
		c.Cell.Instances = append(c.Cell.Instances, results.Instance{Service: "vision", Name: fmt.Sprintf("vision-%d", i), Device: uuid, Workers: map[string]int{"m": 1}})
		c.Memory = append(c.Memory, analysis.MemoryTrend{
			Of: fmt.Sprintf("gpu%d", i), Result: analysis.Steady, PerSecond: val(0, "B/s"), P: val(0.5, "1"),
			First: val(10<<30, "B"), Last: val(10<<30, "B"), Span: val(900, "s"), Limit: val(40<<30, "B"), Full: none("s"),
		})
	}
	for i, load := range loads {
		c.Steps = append(c.Steps, healthyStep(i, load))
	}
	return c
}

func healthyStep(index int, load float64) analysis.Step {
	step := analysis.Step{Index: index, Name: fmt.Sprintf("%g req/s", load), Window: 300}
	v := analysis.Service{
		Name: "vision", Role: results.RoleVision, Level: results.Level{Service: "vision", Arrivals: "poisson", Value: load, Unit: "req/s"},
		Total: group("vision", load), Classes: []analysis.Group{group("a", load)},
		Identity: analysis.Identity{Holds: true}, InFlight: val(load*0.05, "1"), Median: val(0.045, "s"),
		Overhead: &analysis.Overhead{Client: val(0.05, "s"), Server: val(0.0497, "s"), Cost: val(0.0003, "s"), Share: val(0.006, "ratio")},
		SLO:      []analysis.ClauseValue{{Clause: results.Clause{Metric: "latency", Quantile: 0.99, Text: "p99 < 100 ms"}, Value: val(0.07, "s"), Result: analysis.Met}},
		Growth:   analysis.QueueGrowth{Result: analysis.Steady, Size: val(0, "1"), Floor: val(10, "1")},
		Drift:    analysis.Drift{Result: analysis.Steady, Change: val(0.001, "ratio")},
		Verdict:  analysis.Verdict{Is: analysis.Valid},
		Waiting:  []analysis.Waiting{waits("")},
	}
	step.Activity, step.Host = &analysis.Activity{}, &analysis.HostUse{Busy: val(0.3, "ratio"), Retransmitted: val(0, "1/s")}
	for i := range 2 {
		name, uuid := fmt.Sprintf("vision-%d", i), fmt.Sprintf("GPU-%d", i)
		v.Instances = append(v.Instances, group(name, load/2))
		v.Waiting = append(v.Waiting, waits(name))
		step.Activity.Devices = append(step.Activity.Devices, analysis.DeviceActivity{
			Device: fmt.Sprintf("gpu%d", i), UUID: uuid, Graphics: val(load/40*0.55, "ratio"), SM: val(load/40*0.5, "ratio"), DRAM: val(0.3, "ratio"),
			MemoryPeak: val(10<<30, "B"), Processes: val(1, "1"), Switching: val(0, "ratio"),
		})
		step.Activity.GPUs = append(step.Activity.GPUs, analysis.GPUActivity{
			GPU: fmt.Sprintf("gpu%d", i), UUID: uuid, SMClock: val(2e9, "Hz"), SMClockMax: val(2e9, "Hz"),
			Reasons: []analysis.EventReason{{Name: "idle", Share: val(0, "ratio")}, {Name: "power cap", Share: val(0, "ratio")}, {Name: "thermal, hardware", Share: val(0, "ratio")}},
		})
		step.Host.Processes = append(step.Host.Processes, analysis.ProcessUse{Instance: name, Cores: val(load/2*0.005, "1"), Waiting: val(0.1, "1")})
	}
	v.Imbalances = []analysis.Imbalance{{Of: "completed", Instances: 2, MaxToMean: val(1, "ratio"), Jain: val(1, "1")}}
	step.Services = []analysis.Service{v}
	return step
}

func group(name string, perSecond float64) analysis.Group {
	n := int64(perSecond * 300)
	return analysis.Group{
		Name: name, Due: n, OK: n, Completed: n, Outcomes: []analysis.Count{{Outcome: results.OK, N: n}}, Throughput: val(perSecond, "1/s"), InFlight: val(perSecond*0.05, "1"),
		Served: analysis.Distribution{N: n, Mean: val(0.05, "s"), Quantiles: []analysis.Quantile{between(0.5, 0.045, 0.044, 0.046), between(0.99, 0.07, 0.065, 0.08)}},
	}
}

func waits(instance string) analysis.Waiting {
	return analysis.Waiting{Instance: instance, Depth: figure(0.01, "1"), Wait: figure(0.005, "s"), Inference: figure(0.040, "s"), Batch: figure(1, "1")}
}

// everywhere changes every service in every step of a run.
func everywhere(s *analysis.Summary, f func(c *analysis.Cell, step *analysis.Step, v *analysis.Service)) {
	for i := range s.Cells {
		for j := range s.Cells[i].Steps {
			for k := range s.Cells[i].Steps[j].Services {
				f(&s.Cells[i], &s.Cells[i].Steps[j], &s.Cells[i].Steps[j].Services[k])
			}
		}
	}
}

// services changes every service, whatever step it is in.
func services(f func(v *analysis.Service)) func(*analysis.Summary) {
	return func(s *analysis.Summary) {
		everywhere(s, func(_ *analysis.Cell, _ *analysis.Step, v *analysis.Service) { f(v) })
	}
}

// steps changes every step.
func steps(f func(step *analysis.Step)) func(*analysis.Summary) {
	return func(s *analysis.Summary) {
		everywhere(s, func(_ *analysis.Cell, step *analysis.Step, _ *analysis.Service) { f(step) })
	}
}

// mixed puts an agent beside vision on the first GPU, at one load in all steps, or twice
// that in the last, where vision takes times as long.
func mixed(s *analysis.Summary) {
	for i := range s.Cells {
		c := &s.Cells[i]
		c.Cell.Instances = append(c.Cell.Instances, results.Instance{Service: "agent", Name: "agent-0", Device: "GPU-0"})
		for j := range c.Steps {
			a := c.Steps[j].Services[0]
			a.Name, a.Role = "agent", results.RoleAgent
			a.Level = results.Level{Service: "agent", Arrivals: "closed", Value: 4, Unit: "users"}
			a.Instances, a.Waiting, a.Classes, a.Imbalances = nil, []analysis.Waiting{waits("")}, nil, nil
			c.Steps[j].Services = append(c.Steps[j].Services, a)
			c.Steps[j].Host.Processes = append(c.Steps[j].Host.Processes, analysis.ProcessUse{Instance: "agent-0", Cores: val(0.01, "1"), Waiting: val(0, "1")})
		}
	}
}
