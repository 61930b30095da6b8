package progress

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
)

// Whatever a step's samples and its stretches are, the figures at its end are those that
// the samples give: counts exactly, rates by what fell due and was answered, quantiles by
// rank to within 0.1 %, with failed arrivals slower than all.
func TestFiguresAreTheSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plan := results.StepPlan{
			Levels: []results.Level{{Service: "v", Arrivals: "poisson", Value: 5, Unit: "req/s"}},
			Warmup: 2 * time.Second, Window: 6 * time.Second,
		}
		service := results.Service{Name: "v", Percentiles: []float64{0.5, 0.9}, SLO: []results.Clause{
			{Metric: "latency", Quantile: 0.9, Op: "<", Limit: 0.2, Unit: "s", Text: "p90 < 200 ms"},
			{Metric: "latency", Quantile: 0.5, Class: "b", Op: "<", Limit: 0.2, Unit: "s", Text: "b: p50 < 200 ms"},
			{Metric: "errors", Op: "<=", Limit: 0.1, Unit: "ratio", Text: "errors <= 10 %"},
		}}
		m := newMeter(runner.StepBegins{Plan: plan}, []results.Service{service}, nil)
		samples := drawSamples(t)
		start := results.Offset(time.Second)
		stretches(m, start, samples, rapid.IntRange(1, 12).Draw(t, "stretches"))
		f := m.figures(8 * time.Second)
		got := f.Services[0]

		var all, ofB []float64 // latencies of the window; infinite if failed
		failed, due := int64(0), int64(0)
		for _, s := range samples {
			if s.Due < start.Add(plan.Warmup) {
				continue
			}
			due++
			latency := s.Done.Sub(s.Due).Seconds()
			if s.Outcome != results.OK {
				failed++
				latency = math.Inf(1)
			}
			all = append(all, latency)
			if s.Class == "b" {
				ofB = append(ofB, latency)
			}
		}
		if got.Done != due || got.Failed != failed || got.Unfinished != 0 {
			t.Fatalf("%d done, %d failed, %d unfinished; want %d, %d, 0", got.Done, got.Failed, got.Unfinished, due, failed)
		}
		for i, q := range []float64{0.5, 0.9} {
			sameQuantile(t, got.Quantiles[i].Seconds, all, q)
		}
		sameQuantile(t, got.Clauses[0].Value, all, 0.9)
		sameQuantile(t, got.Clauses[1].Value, ofB, 0.5)
		// The window is over: no arrival at all is a miss, and too few are unknown.
		if c := got.Clauses[0]; (c.Holds == nil) != (len(all) > 0 && float64(len(all))*0.1 < 1-1e-9) {
			t.Fatalf("of %d arrivals p90 is %v and holds: %v", len(all), c.Value, c.Holds)
		}
		if c := got.Clauses[2]; due == 0 && c.Value != nil || due > 0 && (*c.Value != float64(failed)/float64(due) || *c.Holds != (*c.Value <= 0.1)) {
			t.Fatalf("of %d arrivals, %d failed, the share is %v", due, failed, c)
		}
	})
}

// drawSamples draws arrivals of 8 s, each answered within a second.
func drawSamples(t *rapid.T) []results.Sample {
	n := rapid.IntRange(0, 200).Draw(t, "n")
	var all []results.Sample
	for range n {
		due := results.Offset(time.Second).Add(time.Duration(rapid.IntRange(0, 7_999_000).Draw(t, "due")) * time.Microsecond)
		s := results.Sample{
			Service: "v", Class: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "class"), Due: due,
			Done:    due.Add(time.Duration(rapid.IntRange(1, 1_000_000).Draw(t, "took")) * time.Microsecond),
			Outcome: rapid.SampledFrom([]results.Outcome{results.OK, results.OK, results.OK, results.Timeout}).Draw(t, "outcome"),
			First:   results.NoOffset, ServerQueue: results.Untold, ServerWork: results.Untold,
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b results.Sample) int { return int(a.Done - b.Done) })
	return all
}

// stretches tells a meter of samples in n stretches of 9 s, with what is unfinished at
// the end of each.
func stretches(m *meter, start results.Offset, samples []results.Sample, n int) {
	from := start
	for i := range n {
		to := start.Add(9 * time.Second * time.Duration(i+1) / time.Duration(n))
		unfinished := int64(0)
		for _, s := range samples {
			if s.Due < to && s.Done >= to {
				unfinished++
			}
		}
		m.run(runner.StepRuns{
			Start: start, From: from, To: to, Unfinished: map[string]int64{"v": unfinished},
			Samples: func(yield func(results.Sample) bool) {
				for _, s := range samples {
					if s.Done >= from && s.Done < to && !yield(s) {
						return
					}
				}
			},
		})
		from = to
	}
}

func sameQuantile(t *rapid.T, got *float64, all []float64, q float64) {
	if float64(len(all))*(1-q) < 1-1e-9 {
		if got != nil {
			t.Fatalf("p%g of %d arrivals is %v, want none: too few", q*100, len(all), *got)
		}
		return
	}
	slices.Sort(all)
	want := all[int(math.Ceil(q*float64(len(all))))-1]
	switch {
	case math.IsInf(want, 1):
		if got != nil {
			t.Fatalf("p%g is %v among failed arrivals", q*100, *got)
		}
	case got == nil || math.Abs(*got-want) > 0.001*want+1e-6:
		t.Fatalf("p%g of %d arrivals is %v, want %v", q*100, len(all), got, want)
	}
}

// Rates are of the last ten stretches: what fell due, with what is not done yet, and what
// was answered.
func TestRatesAreOfTheLastSeconds(t *testing.T) {
	g := newGauge(results.Service{Name: "v"}, results.Level{Service: "v"})
	var f Figures
	q := &queueMean{}
	if s := g.figures(&f, 0, q); s.Offered != nil || s.Delivered != nil {
		t.Errorf("before any stretch the rates are %v and %v", s.Offered, s.Delivered)
	}
	// 4 due a second, of which one stays unfinished in each of the first three seconds.
	for i := range 3 {
		g.ends(stretch{1, 3, 3}, int64(i+1))
	}
	if s := g.figures(&f, 3, q); *s.Offered != 4 || *s.Delivered != 3 || s.Unfinished != 3 {
		t.Errorf("offered %v, delivered %v, %d unfinished; want 4, 3 and 3", *s.Offered, *s.Delivered, s.Unfinished)
	}
	for range 10 {
		g.ends(stretch{1, 1, 1}, 3)
	}
	if s := g.figures(&f, 13, q); *s.Offered != 1 || *s.Delivered != 1 {
		t.Errorf("ten seconds later offered %v, delivered %v; want 1 and 1", *s.Offered, *s.Delivered)
	}
}

// What servers and devices tell: queues are the sum of instances, and of models within
// one; the mean is of the window; the best series of activity wins; what nobody told is
// unknown.
func TestReadings(t *testing.T) {
	plan := results.StepPlan{Levels: []results.Level{{Service: "agent"}, {Service: "vision"}}, Warmup: time.Second, Window: 10 * time.Second}
	begins := runner.StepBegins{Plan: plan, Instances: []results.Instance{{Service: "agent", Name: "agent-0"}, {Service: "agent", Name: "agent-1"}, {Service: "vision", Name: "vision-0"}}}
	agent := results.Service{Name: "agent", SLO: []results.Clause{{Metric: "queue", Op: "<=", Limit: 4, Unit: "1", Text: "queue <= 4"}}}
	m := newMeter(begins, []results.Service{agent}, []Device{{"MIG-1", "gpu0/a"}, {"MIG-2", "gpu0/b"}})
	waits := func(at time.Duration, instance string, v float64) results.Observation {
		return results.Observation{At: results.Offset(at), Source: "vllm", Series: "vllm:num_requests_waiting", Value: v,
			Subject: results.Subject{Kind: results.SubjectEndpoint, ID: instance}}
	}
	device := func(series string, v float64) results.Observation {
		return results.Observation{Source: "gpm", Series: series, Value: v, Subject: results.Subject{Kind: results.SubjectInstance, ID: "MIG-1"}}
	}
	run := func(from, to time.Duration, o ...results.Observation) {
		m.run(runner.StepRuns{From: results.Offset(from), To: results.Offset(to), Samples: func(func(results.Sample) bool) {}, Observations: o})
	}
	run(0, time.Second, waits(500*time.Millisecond, "agent-0", 40))
	if c := m.figures(time.Second).Services[0].Clauses[0]; c.Value != nil {
		t.Errorf("before the window its mean queue is %v", *c.Value)
	}
	run(time.Second, 2*time.Second, waits(1500*time.Millisecond, "agent-0", 3), waits(1500*time.Millisecond, "agent-1", 2),
		device("gpm:graphics_active_ratio", 0.9), device("gpm:sm_active_ratio", 0.4), device("gpm:graphics_active_ratio", 0.8), device("nvml:memory_used_bytes", 1e9),
		device("gpm:sm_active_ratio", math.Inf(1)))
	run(2*time.Second, 3*time.Second, waits(2500*time.Millisecond, "agent-1", 6))
	f := m.figures(3 * time.Second)
	a, v := f.Services[0], f.Services[1]
	if *a.Queue != 9 || *a.Clauses[0].Value != 7 || *a.Clauses[0].Holds { // 3+2, then 3+6
		t.Errorf("queue %v, mean %v, holds %v; want 9, 7, false", *a.Queue, *a.Clauses[0].Value, *a.Clauses[0].Holds)
	}
	if v.Queue != nil {
		t.Errorf("a service of whose queue nothing was told has %v", *v.Queue)
	}
	if d := f.Devices[0]; *d.Activity != 0.4 || *d.Memory != 1e9 {
		t.Errorf("device %v, %v; want 0.4 and 1e9", *d.Activity, *d.Memory)
	}
	if d := f.Devices[1]; d.Activity != nil || d.Memory != nil {
		t.Errorf("a device of which nothing was told has %v, %v", d.Activity, d.Memory)
	}
}

// TestSumsThatAreNotFinite: values that are finite add up to what JSON has no word for,
// within a moment and over the window; that is unknown, and is written.
func TestSumsThatAreNotFinite(t *testing.T) {
	agent := results.Service{Name: "agent", SLO: []results.Clause{{Metric: "queue", Op: "<=", Limit: 4}}}
	for _, values := range [][]map[string]float64{
		{{"agent-0": math.MaxFloat64, "agent-1": math.MaxFloat64}},
		{{"agent-0": math.MaxFloat64}, {"agent-0": math.MaxFloat64}},
		{{"agent-0": math.NaN()}},
	} {
		begins := runner.StepBegins{Plan: results.StepPlan{Levels: []results.Level{{Service: "agent"}}, Window: 10 * time.Second},
			Instances: []results.Instance{{Service: "agent", Name: "agent-0"}, {Service: "agent", Name: "agent-1"}}}
		m := newMeter(begins, []results.Service{agent}, nil)
		for _, at := range values {
			var all []results.Observation
			for name, v := range at {
				all = append(all, results.Observation{Source: "vllm", Series: "vllm:num_requests_waiting", Value: v, Subject: results.Subject{Kind: results.SubjectEndpoint, ID: name}})
			}
			m.run(runner.StepRuns{To: 1, Samples: func(func(results.Sample) bool) {}, Observations: all})
		}
		f := m.figures(time.Second)
		if _, err := json.Marshal(f); err != nil || f.Services[0].Clauses[0].Value != nil || f.Services[0].Clauses[0].Holds != nil {
			t.Errorf("%v: %+v, %v", values, f.Services[0], err)
		}
	}
}

// BenchmarkMeter says what a sample costs who follows a run, off the load's loop.
func BenchmarkMeter(b *testing.B) {
	m := newMeter(runner.StepBegins{Plan: results.StepPlan{Levels: []results.Level{{Service: "v"}}}}, nil, nil)
	s := results.Sample{Service: "v", Class: "c", Outcome: results.OK, Done: results.Offset(40 * time.Millisecond), First: results.NoOffset, ServerQueue: results.Untold, ServerWork: results.Untold}
	b.ReportAllocs()
	m.run(runner.StepRuns{To: 1, Samples: func(yield func(results.Sample) bool) {
		for b.Loop() {
			yield(s)
		}
	}})
}

// Nothing due of a class is unknown while the window lasts, and then not met, as in the
// report of the step.
func TestClauseOfNothing(t *testing.T) {
	service := results.Service{Name: "v", SLO: []results.Clause{{Class: "rare", Metric: "latency", Quantile: 0.5, Op: "<", Limit: 1, Unit: "s"}}}
	plan := results.StepPlan{Window: time.Second, Levels: []results.Level{{Service: "v"}}}
	m := newMeter(runner.StepBegins{Plan: plan}, []results.Service{service}, nil)
	holds := func(into time.Duration) *bool { return m.figures(into).Services[0].Clauses[0].Holds }
	if got := holds(time.Second - 1); got != nil {
		t.Errorf("in the window: %v", *got)
	}
	if got := holds(time.Second); got == nil || *got {
		t.Error("after the window it is not told as missed")
	}
	m.gauges[0].ends(stretch{}, 1)
	if got := holds(time.Second); got != nil {
		t.Errorf("with an answer to come: %v", *got)
	}
}

// In a step of heavy requests alone a clause on a class is about its variant, as in
// analysis; in any other it is not.
func TestClauseOfHeavyStep(t *testing.T) {
	service := results.Service{Name: "v", SLO: []results.Clause{{Class: "a", Metric: "errors", Op: "<=", Unit: "ratio"}}}
	for _, heavy := range []bool{false, true} {
		plan := results.StepPlan{Window: time.Second, Heavy: heavy, Levels: []results.Level{{Service: "v"}}}
		m := newMeter(runner.StepBegins{Plan: plan}, []results.Service{service}, nil)
		m.gauges[0].add(results.Sample{Service: "v", Class: "a/heavy", Outcome: results.OK}, 0, results.Offset(time.Second), new(stretch))
		if got := m.figures(time.Second - 1).Services[0].Clauses[0]; (got.Holds != nil) != heavy {
			t.Errorf("heavy %v: %+v", heavy, got)
		}
	}
}

// What falls due after the window, while load goes on, is in the rates and in no figure of it.
func TestAfterWindowDoesNotCount(t *testing.T) {
	plan := results.StepPlan{Window: time.Second, Cooldown: time.Second, Levels: []results.Level{{Service: "v"}}}
	m := newMeter(runner.StepBegins{Plan: plan}, []results.Service{{Name: "v"}}, nil)
	now := stretch{seconds: 2}
	for _, due := range []results.Offset{0, results.Offset(time.Second) - 1, results.Offset(time.Second)} {
		m.gauges[0].add(results.Sample{Service: "v", Due: due, Done: due, Outcome: results.OK}, 0, results.Offset(time.Second), &now)
	}
	m.gauges[0].ends(now, 0)
	if got := m.figures(2 * time.Second).Services[0]; got.Done != 2 || got.Delivered == nil || *got.Delivered != 1.5 {
		t.Errorf("%+v", got)
	}
}
