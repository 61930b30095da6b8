package findings

import (
	"math"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// A made is a run in which a rule fires, and one near its border in which it does not.
type made struct {
	rule string
	// top says that it comes first among the findings.
	top           bool
	confidence    string
	fires, border func(*analysis.Summary)
}

func cases() []made {
	network := func(cost float64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			// The wire takes cost more; the server's own time stays at 49.7 ms.
			took := 0.0497 + cost
			v.Overhead.Cost, v.Overhead.Client, v.Total.Served.Mean = val(cost, "s"), val(took, "s"), val(took, "s")
		})
	}
	clock := func(hertz, thermal float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			// The last replicate's card is throttled; the others show what it can do.
			for j := range s.Cells[2].Steps {
				for k := range s.Cells[2].Steps[j].Activity.GPUs {
					g := &s.Cells[2].Steps[j].Activity.GPUs[k]
					g.SMClock, g.Reasons[2].Share = val(hertz, "Hz"), val(thermal, "ratio")
				}
			}
		}
	}
	capped := func(hertz float64) func(*analysis.Summary) { // a power cap for a fifth of the time
		return func(s *analysis.Summary) {
			clock(hertz, 0)(s)
			for _, step := range s.Cells[2].Steps {
				for _, g := range step.Activity.GPUs {
					g.Reasons[1].Share = val(0.2, "ratio")
				}
			}
		}
	}
	slow := func(times, share float64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			for i := range v.Instances {
				part := 2 - share
				if v.Instances[i].Name == "vision-0" {
					part = share
					took := 0.05 * times
					v.Instances[i].Served.Mean = val(took, "s")
					v.Instances[i].Served.Quantiles[0] = between(0.5, took*0.9, took*0.88, took*0.92)
					v.Waiting[1].Inference = figure(0.040*times, "s")
				}
				v.Instances[i].Due = int64(v.Level.Value / 2 * 300 * part)
			}
		})
	}
	crowd := func(share float64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			v.Instances[0].Due, v.Instances[1].Due = int64(v.Level.Value*150*share), int64(v.Level.Value*150*(2-share))
			v.Instances[0].Served.Mean, v.Instances[0].InFlight = val(0.05*share, "s"), val(4, "1")
		})
	}
	launch := func(busy, sm float64) func(*analysis.Summary) {
		return steps(func(step *analysis.Step) {
			for i := range step.Activity.Devices {
				step.Activity.Devices[i].Graphics, step.Activity.Devices[i].SM = val(busy, "ratio"), val(sm, "ratio")
			}
		})
	}
	preparing := func(busy, cores float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			everywhere(s, func(_ *analysis.Cell, step *analysis.Step, v *analysis.Service) {
				// TorchServe's page tells no times of work: waits and its job queue only.
				v.InFlight = val(4, "1")
				for i := range v.Waiting {
					v.Waiting[i].Inference = analysis.Figure{Value: none("s")}
				}
				for i := range step.Activity.Devices {
					step.Activity.Devices[i].Graphics = val(busy, "ratio")
					step.Host.Processes[i].Cores = val(cores*v.Level.Value/2*0.045, "1")
				}
			})
		}
	}
	verdict := func(is string, n int) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			everywhere(s, func(c *analysis.Cell, step *analysis.Step, v *analysis.Service) {
				if n > 0 {
					v.Verdict = analysis.Verdict{Is: is, Why: "our own lag has p99 30 ms, more than 2.5 ms"}
					n--
				}
			})
		}
	}
	leak := func(result string, span float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			for i := range s.Cells {
				m := &s.Cells[i].Memory[0]
				m.Result, m.PerSecond, m.P, m.Span, m.Last, m.Full = result, val(1<<20, "B/s"), val(1e-6, "1"), val(span, "s"), val(11<<30, "B"), val(29*1024, "s")
			}
		}
	}
	failing := func(failed int64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			v.Total.OK -= failed
			v.Total.Outcomes = append(v.Total.Outcomes, analysis.Count{Outcome: results.Timeout, N: failed})
		})
	}
	differ := func(apart float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			for i := range s.Cells {
				at := 100 + apart*float64(i)/2
				s.Cells[i].Capacity = &analysis.Capacity{Unit: "req/s", State: analysis.CapacityFound, Estimate: val(at, "1"), Low: val(at-3, "1"), High: val(at+3, "1")}
			}
		}
	}
	neighbour := func(growth, base float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			mixed(s)
			for i := range s.Cells {
				for j := range s.Cells[i].Steps {
					step := &s.Cells[i].Steps[j]
					step.Services[0].Level.Value = 20
					step.Services[1].Level.Value = base * float64(1+j)
					if j == 2 {
						step.Services[0].Total.Served.Mean = val(0.05*(1+growth), "s")
					}
				}
			}
		}
	}
	effect := func(low, mean, high float64) analysis.Effect {
		return analysis.Effect{Value: val(mean, "ratio"), N: 3, Min: val(low, "ratio"), Max: val(high, "ratio"), Low: val(low, "ratio"), High: val(high, "ratio")}
	}
	measured := func(e analysis.Effect) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			mixed(s)
			s.Interference = []analysis.Interference{{Config: "base", Victim: "vision", Neighbour: "agent", Points: []analysis.InterferencePoint{
				{Load: val(0, "1"), N: 3, Quantile: 0.99}, {Load: val(8, "1"), N: 3, Quantile: 0.99, Inflation: e, Loss: effect(0, 0.01, 0.02), Steps: []int{2}},
			}}}
		}
	}
	grows := func(result string, busy float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			everywhere(s, func(_ *analysis.Cell, step *analysis.Step, v *analysis.Service) {
				if step.Index == 2 {
					v.Growth = analysis.QueueGrowth{Result: result, Size: val(400, "1"), Floor: val(20, "1")}
					v.InFlight = val(8, "1")
					for i := range step.Activity.Devices {
						step.Activity.Devices[i].Graphics = val(busy, "ratio")
					}
				}
			})
		}
	}
	batch := func(mean, wait float64, missed bool) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			v.Waiting[0].Batch, v.Waiting[0].Wait = figure(mean, "1"), figure(wait, "s")
			if missed {
				v.SLO[0].Result = analysis.NotMet
			}
		})
	}
	switching := func(share float64, processes float64) func(*analysis.Summary) {
		return steps(func(step *analysis.Step) {
			for i := range step.Activity.Devices {
				step.Activity.Devices[i].Switching, step.Activity.Devices[i].Processes = val(share, "ratio"), val(processes, "1")
			}
		})
	}
	tail := func(p99 float64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			v.Classes[0].Served.Quantiles[1] = between(0.99, p99, p99*0.98, p99*1.1)
		})
	}
	return []made{
		{"lost-arrivals", true, strong, services(func(v *analysis.Service) { v.Identity.Holds = false }), func(*analysis.Summary) {}},
		{"throttled-generator", true, strong, verdict(analysis.ClientLimited, 9), verdict(analysis.Saturated, 9)},
		{"throttled-generator", true, weak, verdict(analysis.ClientLimited, 2), verdict(analysis.ClientLimited, 1)}, // the first steps are not the heavy ones
		{"memory-leak", true, strong, leak(analysis.Grew, 600), leak(analysis.Steady, 900)},
		{"memory-leak", true, weak, leak(analysis.Grew, 599), leak(analysis.NotJudged, 900)},
		{"out-of-memory", true, strong, steps(func(step *analysis.Step) { step.OutOfMemory = map[string]int64{"vision-1": 2} }), steps(func(step *analysis.Step) { step.OutOfMemory = map[string]int64{"vision-1": 0, "agent-0": 3} })},
		{"memory-near-limit", true, weak, peak(0.91), peak(0.89)},
		{"errors-before-latency", true, strong, failing(200), failing(10)}, // of 3,000 and more
		{"regime-shift", true, strong, services(func(v *analysis.Service) { v.Drift.Result, v.Drift.Change = analysis.Drifts, val(0.3, "ratio") }), func(s *analysis.Summary) {
			s.Cells[0].Steps[0].Services[0].Drift.Result = analysis.Drifts // one of nine
		}},
		{"deployments-differ", true, strong, differ(9.1), differ(8.9)},
		{"clock-drop", true, strong, clock(1.88e9, 0.2), clock(1.92e9, 0)},
		{"clock-drop", true, strong, capped(1.88e9), capped(1.92e9)}, // 0.94 and 0.96 of 2 GHz
		{"clock-drop", true, weak, clock(2e9, 0.06), clock(2e9, 0.04)},
		{"interference", true, strong, neighbour(0.5, 4), neighbour(0.01, 4)},
		{"interference", true, strong, measured(effect(0.06, 0.3, 0.4)), measured(effect(-0.02, 0.03, 0.09))},
		{"interference", true, weak, measured(effect(0.04, 0.3, 0.4)), measured(effect(-0.02, 0.09, 0.2))},
		{"slow-preprocessing", true, strong, preparing(0.2, 0.5), preparing(0.6, 0.5)},
		{"slow-preprocessing", true, strong, services(func(v *analysis.Service) { v.Waiting[0].Inference = figure(0.020, "s") }), services(func(v *analysis.Service) { v.Waiting[0].Inference = figure(0.038, "s") })},
		{"packet-delay", true, strong, network(0.020), network(0.005)},
		// 20 ms of 70 ms, and 20 ms of 400 ms, of which nearly all is said to be waiting.
		{"packet-delay", true, strong, network(0.020), services(func(v *analysis.Service) {
			v.Overhead.Cost, v.Total.Served.Mean, v.Waiting[0].Wait = val(0.020, "s"), val(0.4, "s"), figure(0.36, "s")
			v.Waiting[0].Inference = analysis.Figure{Value: none("s")}
		})},
		{"jitter", true, strong, tail(0.3), tail(0.12)},
		{"slow-worker", true, strong, slow(2, 1), slow(1.2, 1)},
		{"slow-worker", true, strong, slow(2, 0.8), slow(2, 1.2)}, // one that is slow for it is crowded
		{"routing-imbalance", true, strong, crowd(1.4), crowd(1.2)},
		{"capacity-reached", true, strong, grows(analysis.Grew, 0.97), grows(analysis.Steady, 0.97)},
		{"capacity-reached", true, strong, grows(analysis.Grew, 0.6), grows(analysis.Grew, 0.2)}, // a GPU that idles is not what is short
		{"queueing", true, strong, batch(1, 0.03, true), batch(1, 0.03, false)},
		{"launch-bound", true, strong, launch(0.9, 0.3), launch(0.9, 0.5)},
		{"launch-bound", true, strong, launch(0.65, 0.2), launch(0.55, 0.2)},
		{"context-switching", true, strong, switching(0.08, 4), switching(0.04, 4)},
		{"context-switching", true, strong, switching(0.08, 4), switching(0.08, 1)},
		{"batch-cap", true, strong, batch(7.9, 0.02, false), batch(6, 0.02, false)},
		{"batch-delay", true, strong, batch(2, 0.001, true), batch(2, 0.001, false)},
		{"too-many-workers", true, strong, workers(38), workers(40.5)},
		{"mixed-classes", false, strong, twoClasses(0.3, analysis.NotMet), twoClasses(0.1, analysis.NotMet)},
		{"hidden-stage", true, strong, hidden(0.020), hidden(0.038)},
	}
}

// peak lets devices use a share of their memory.
func peak(share float64) func(*analysis.Summary) {
	return steps(func(step *analysis.Step) { step.Activity.Devices[0].MemoryPeak = val(share*(40<<30), "B") })
}

// workers adds a configuration with half the workers, which answers 40 a second where
// the first, with all of them, answers so many.
func workers(more float64) func(*analysis.Summary) {
	return func(s *analysis.Summary) {
		for r := 1; r <= 3; r++ {
			c := healthyCell(r+2, r, "fewer")
			c.Cell.Config.Workers = map[string]int{"m": 2}
			s.Cells = append(s.Cells, c)
			s.Cells[r-1].Cell.Config.Workers = map[string]int{"m": 4}
			s.Cells[r-1].Steps[2].Services[0].Total.Throughput = val(more, "1/s")
		}
	}
}

// twoClasses adds a slower class.
func twoClasses(median float64, result string) func(*analysis.Summary) {
	return services(func(v *analysis.Service) {
		slow := group("b", v.Level.Value)
		slow.Served.Quantiles = []analysis.Quantile{between(0.5, median, median*0.98, median*1.02)}
		v.Classes = append(v.Classes, slow)
		v.SLO[0].Result = result
	})
}

// hidden is a run in which nothing tells where the time outside of queue and work is.
func hidden(work float64) func(*analysis.Summary) {
	return func(s *analysis.Summary) {
		everywhere(s, func(_ *analysis.Cell, step *analysis.Step, v *analysis.Service) {
			v.Waiting[0].Inference, v.Overhead, step.Host = figure(work, "s"), nil, nil
		})
	}
}

func TestRules(t *testing.T) {
	for _, c := range cases() {
		s := healthy()
		c.fires(s)
		Complete(s)
		if !slices.Contains(s.Findings.Fired["base"], c.rule) {
			t.Errorf("%s did not fire; fired: %v; why not judged: %s", c.rule, s.Findings.Fired, s.Findings.Unjudged[c.rule])
			continue
		}
		if first := s.Findings.Top[0]; c.top && first.Rule != c.rule {
			t.Errorf("%s is not the first finding, but %s: %+v", c.rule, first.Rule, first)
		}
		for _, f := range s.Findings.Top {
			if f.Rule == c.rule && f.Confidence != c.confidence {
				t.Errorf("%s is %s, want %s: %q", c.rule, f.Confidence, c.confidence, f.Because)
			}
			if f.Diagnosis == "" || len(f.Because) == 0 || f.Try == "" || f.Refute == "" || f.Class == 0 || f.Config == "" || f.Service == "" {
				t.Errorf("%s lacks words: %+v", f.Rule, f)
			}
		}
		s = healthy()
		c.border(s)
		Complete(s)
		if slices.Contains(s.Findings.Fired["base"], c.rule) {
			t.Errorf("%s fired near its border: %+v", c.rule, s.Findings.Top)
		}
	}
}

// Every rule that can fire has a run in which it does.
func TestEveryRuleHasACase(t *testing.T) {
	for _, r := range rules() {
		if !slices.ContainsFunc(cases(), func(c made) bool { return c.rule == r.name }) && r.name != "pcie-contention" {
			t.Errorf("%s has no case", r.name)
		}
	}
}

// Of a run in which everything is well and told, nothing fires, and only what no such run
// can tell is not judged.
func TestSilent(t *testing.T) {
	s := healthy()
	Complete(s)
	if f := s.Findings; !f.Silent || len(f.Top) > 0 || len(f.Fired) > 0 {
		t.Errorf("a healthy run has findings: %+v", f.Top)
	}
	for name := range s.Findings.Unjudged {
		if !slices.Contains([]string{"pcie-contention", "deployments-differ", "too-many-workers", "mixed-classes"}, name) {
			t.Errorf("%s was not judged: %s", name, s.Findings.Unjudged[name])
		}
	}
	if len(s.Findings.Playbook) != 6 {
		t.Errorf("%d actions, want 6", len(s.Findings.Playbook))
	}
}

// A rule that has one value says so weakly; with three alike it is sure.
func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, ""}, {[]float64{0.3}, weak}, {[]float64{0.3, 0.3}, weak}, {[]float64{0.3, 0.3, 0.3}, strong},
		// Mean 0.3, deviation 0.1: t(2) · 0.1/√3 = 0.248 reaches below 0.2.
		{[]float64{0.2, 0.3, 0.4}, weak}, {[]float64{0.1, 0.2, 0.3}, ""}, {[]float64{0.1, 0.1, 0.1}, ""},
	} {
		if got := over(c.values).above(0.2); got != c.want {
			t.Errorf("%v above 0.2: %q, want %q", c.values, got, c.want)
		}
		negative := make([]float64, len(c.values))
		for i, v := range c.values {
			negative[i] = -v
		}
		if got := over(negative).below(-0.2); got != c.want {
			t.Errorf("%v below -0.2: %q, want %q", negative, got, c.want)
		}
	}
	if s := over([]float64{math.Inf(1)}); s.text("s") == "" {
		t.Error("no text")
	}
}
