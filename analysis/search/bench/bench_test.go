package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// Wilson's interval of 8 of 10 and of 0 of 10, as R's prop.test(correct = FALSE)
// gives them.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		s         share
		low, high float64
	}{{share{8, 10}, 0.4902, 0.9433}, {share{0, 10}, 0, 0.2775}, {share{950, 1000}, 0.9347, 0.9619}} {
		if low, high := c.s.interval(); math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
			t.Errorf("%+v: %.4f to %.4f, want %.4f to %.4f", c.s, low, high, c.low, c.high)
		}
	}
}

// made is a trial that found a capacity of 100 with so many percent of error.
func made(percent, low, high, seconds, quoted float64) trial {
	v := func(x float64) analysis.Value { return analysis.Value{Number: &x} }
	return trial{
		capacity: analysis.Capacity{State: analysis.CapacityFound, Estimate: v(100 + percent), Low: v(low), High: v(high), Tolerance: 0.03, Quoted: v(quoted)},
		seconds:  seconds, relative: percent / 100,
	}
}

// By hand: of four searches three are within 3 %, two of the three that found
// something cover 100, and one is too dear; the one that found nothing counts
// against all but the intervals.
func TestTablesByHand(t *testing.T) {
	s := subject{name: "made", unit: "req/s", truth: queues.Truth{State: analysis.CapacityFound, Load: 100, Error: 0.001}}
	r := row{subject: s, trials: []trial{
		made(1, 99, 103, 60, 60), made(-1, 97, 99.5, 120, 60), made(2, 99, 105, 60, 60),
		{capacity: analysis.Capacity{State: analysis.CapacityDrift, Tolerance: 0.03}, relative: math.NaN(), seconds: 600},
	}}
	for range 2 {
		r.bisections = append(r.bisections, made(4, 103, 105, 6000, math.NaN()))
	}
	got := accuracy([]row{r})
	for _, want := range []string{
		"| made | 100 req/s ± 0.10 % | 4 | 75.0 [30.1, 95.4] of ±3 % | drift (1) | +1.00 | 66.7 [20.8, 93.9] |",
		"| 50.0 [15.0, 85.0] | 2.0 (10.0) | +Inf | 2, 100, 4.0 | 50.0 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table has no %q:\n%s", want, got)
		}
	}
	if got := verdicts([]row{r}); !strings.Contains(got, "0 of 1 systems; median bias at most 1 %: 1") {
		t.Error(got)
	}
	refused := row{subject: subject{name: "drifts", truth: queues.Truth{State: analysis.CapacityDrift, Load: math.NaN()}}, trials: r.trials}
	if got := refusals([]row{refused, r}); !strings.Contains(got, "| drifts | drift | 4 | 25.0 [4.6, 69.9] | found (3) |") || strings.Contains(got, "made") {
		t.Error(got)
	}
}

// A bisection finds a system's capacity to some percent, tells of one that has
// none, and pays for whole probes.
func TestBisection(t *testing.T) {
	for _, c := range []struct{ system, state string }{
		{"mid-nobatch", analysis.CapacityFound}, {"closed", analysis.CapacityFound}, {"two-classes", analysis.CapacityFound},
		{"never", analysis.CapacityNever}, {"always", analysis.CapacityAlways},
	} {
		some, err := chosen(c.system)
		if err != nil {
			t.Fatal(err)
		}
		got := try(some[0], newBisection(some[0], 2*time.Minute), 1)
		if got.capacity.State != c.state || c.state == analysis.CapacityFound && !(math.Abs(got.relative) < 0.08) {
			t.Errorf("%s: %s, off by %g", c.system, got.capacity.State, got.relative)
		}
		if want := float64(got.steps) * 126; got.seconds < want || got.seconds > want+1 { // load outlasts windows a little
			t.Errorf("%s: %d probes took %g s, want %g and a little", c.system, got.steps, got.seconds, want)
		}
	}
}

// A clause of a class counts that class's requests alone, failures break every
// clause, and without a clause on errors none is allowed.
func TestMeets(t *testing.T) {
	second := results.Offset(time.Second)
	sample := func(class string, seconds float64, o results.Outcome) results.Sample {
		return results.Sample{Service: "v", Class: class, Due: second, Done: second + results.Offset(seconds*1e9), Outcome: o}
	}
	half := results.Clause{Metric: "latency", Quantile: 0.5, Class: "a", Op: "<", Limit: 1}
	errors := results.Clause{Metric: "errors", Op: "<=", Limit: 0.5}
	for _, c := range []struct {
		slo     []results.Clause
		samples []results.Sample
		want    bool
	}{
		{[]results.Clause{half}, []results.Sample{sample("a", 0.9, results.OK), sample("a", 2, results.OK), sample("b", 9, results.OK)}, true},
		{[]results.Clause{half}, []results.Sample{sample("a", 1, results.OK)}, false},
		{[]results.Clause{half}, []results.Sample{sample("b", 0.1, results.OK)}, false},
		{[]results.Clause{half}, []results.Sample{sample("a", 0.1, results.OK), sample("b", 0.1, results.Shed)}, false},
		{[]results.Clause{half, errors}, []results.Sample{sample("a", 0.1, results.OK), sample("b", 0.1, results.Shed)}, true},
		{[]results.Clause{half, errors}, []results.Sample{sample("a", 0.1, results.Shed), sample("b", 0.1, results.OK)}, false},
	} {
		r := results.StepResult{Step: results.Step{WindowEnd: 2 * second}, Samples: func(yield func(results.Sample) bool) {
			for _, s := range c.samples {
				if !yield(s) {
					return
				}
			}
		}}
		if got := meets([]results.Service{{Name: "v", SLO: c.slo}}, r); got != c.want {
			t.Errorf("%+v of %+v: %v, want %v", c.slo, c.samples, got, c.want)
		}
	}
}

// Every system can be opened and stepped, the states that are expected are those
// that a search can end in, and names are not given twice.
func TestSubjects(t *testing.T) {
	all, err := subjects()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		switch s.truth.State {
		case analysis.CapacityFound, analysis.CapacityNever, analysis.CapacityAlways, analysis.CapacityCliff, analysis.CapacityNonMonotone, analysis.CapacityDrift:
		default:
			t.Errorf("%s ends as %q, which is no state", s.name, s.truth.State)
		}
		if seen[s.name] || s.found() != !math.IsNaN(s.truth.Load) {
			t.Errorf("%s: %+v", s.name, s.truth)
		}
		seen[s.name] = true
		r := s.start(1).Step(results.StepPlan{Levels: s.levels(s.from), Window: time.Minute}, nil)
		if len(r.Step.Services) != len(s.services) || r.Step.Services[0].Service != s.services[0].Name {
			t.Errorf("%s: %+v", s.name, r.Step.Services)
		}
	}
	if _, err := chosen("mid-nobatch,nothing"); err == nil {
		t.Error("a system that is none was chosen")
	}
}

func TestWriteBetween(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(file, []byte("a\n"+beginMark+"\nold\n"+endMark+"\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeBetween(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "a\n"+beginMark+"\n\nnew\n\n"+endMark+"\nb\n" {
		t.Errorf("%q", got)
	}
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeBetween(file, "new"); err == nil {
		t.Error("a file without marks was written")
	}
}

// First loads are drawn within √2 of the subject's own, another for each seed and the same
// for the same; users are whole, and a subject whose end may depend on them keeps its own.
func TestFirstLoadsAreDrawn(t *testing.T) {
	for _, name := range []string{"mid-nobatch", "closed", "agent-like", "never"} {
		some, err := chosen(name)
		if err != nil {
			t.Fatal(err)
		}
		s, seen := some[0], map[float64]bool{}
		for seed := range uint64(50) {
			from := s.drawn(seed).from
			seen[from] = true
			if from != s.drawn(seed).from || from < s.from/math.Sqrt2-0.5 || from > s.from*math.Sqrt2+0.5 || s.closed && from != math.Round(from) || from <= 0 {
				t.Errorf("%s begins at %g, its own first load is %g", name, from, s.from)
			}
		}
		if most := map[string]int{"mid-nobatch": 50, "closed": 36, "agent-like": 1, "never": 1}[name]; len(seen) > most || len(seen) < most/2 {
			t.Errorf("%s has %d first loads", name, len(seen))
		}
	}
}
