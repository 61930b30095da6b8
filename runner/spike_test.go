package runner

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// spiking gives a step without a spike, one with, and one without again.
type spiking struct{ spike results.Spike }

func (s spiking) Next(last *results.StepResult) (results.StepPlan, bool) {
	done := after(last)
	p := results.StepPlan{
		Name:   fmt.Sprint(done),
		Levels: []results.Level{{Service: "vision", Arrivals: scenarios.Constant, Value: 10, Unit: "req/s"}},
		Warmup: time.Second, Window: 30 * time.Second,
	}
	if done == 1 {
		p.Spike, p.Purpose = &s.spike, results.PurposeSpike
	}
	return p, done < 3
}

// A spike multiplies the arrivals between its borders and no others, and every one of them
// has its sample: 10 a second for 30 s, and 20 more a second for 6 s.
func TestSpikeArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		b.Cells = b.Cells[:1]
		spike := results.Spike{Service: "vision", Factor: 3, At: 10 * time.Second, For: 6 * time.Second}
		b.NewChooser = func(scenarios.Cell) Chooser { return spiking{spike} }
		var told []string
		b.Tell = func(line string) { told = append(told, line) }
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		steps := run.Cells[0].Steps
		if len(steps) != 3 {
			t.Fatalf("%d steps", len(steps))
		}
		for i, want := range []struct{ before, within, after int64 }{{100, 60, 140}, {100, 180, 140}, {100, 60, 140}} {
			step := steps[i].Step
			var before, within, after int64
			for s, err := range steps[i].Samples() {
				switch {
				case err != nil:
					t.Fatal(err)
				case s.Due < step.WindowStart:
				case s.Due < step.WindowStart.Add(spike.At):
					before++
				case s.Due < step.WindowStart.Add(spike.At+spike.For):
					within++
				default:
					after++
				}
			}
			// Where the factor jumps an arrival may lie on either side.
			for name, d := range map[string]int64{"before": before - want.before, "in": within - want.within, "after": after - want.after} {
				if d < -1 || d > 1 {
					t.Errorf("step %d: %d, %d and %d arrivals, want %v (%s)", i, before, within, after, want, name)
				}
			}
			of := step.Services[0]
			if sum := before + within + after; of.Due != sum || *of.Scheduled != sum {
				t.Errorf("step %d: %d samples, %d due, %d scheduled", i, sum, of.Due, *of.Scheduled)
			}
			if mean := float64(want.before+want.within+want.after) / 30; *of.Offered < mean-1e-9 || *of.Offered > mean+1e-9 {
				t.Errorf("step %d: %g offered a second, want %g", i, *of.Offered, mean)
			}
			if (step.Plan.Spike != nil) != (i == 1) {
				t.Errorf("step %d has the spike %v", i, step.Plan.Spike)
			}
		}
		const line = "cell 000-a-r1: step 1, spike: vision 10 req/s: 1s warm-up, 30s window, vision x3 for 6s after 10s"
		found := false
		for _, l := range told {
			found = found || l == line
		}
		if !found {
			t.Errorf("told %q", told)
		}
	})
}

// What a spike brings has its place in memory, too.
func TestCheckStepOfSpike(t *testing.T) {
	plan := results.StepPlan{
		Levels: []results.Level{{Service: "vision", Arrivals: scenarios.Poisson, Value: 100_000, Unit: "req/s"}}, Window: 90 * time.Second,
	}
	of := map[string]scenarios.Service{"vision": {Load: scenarios.Load{Arrivals: scenarios.Poisson}}}
	if err := CheckStep(plan, of); err != nil {
		t.Errorf("9,000,000 arrivals: %v", err)
	}
	plan.Spike = &results.Spike{Service: "vision", Factor: 3, At: 30 * time.Second, For: 10 * time.Second}
	if CheckStep(plan, of) == nil {
		t.Error("11,000,000 arrivals are accepted")
	}
}
