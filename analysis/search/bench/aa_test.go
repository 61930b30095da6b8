package main

import (
	"math"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/queues"
	"github.com/evabench/evabench/results"
)

// Clopper and Pearson's bounds of 0 of 10, 1 − 0.05^(1/10), of 50 of 1,000 and of 10 of
// 10; R's binom.test(50, 1000, alternative = "less") gives 0.06295.
func TestUpperBound(t *testing.T) {
	for _, c := range []struct {
		s    share
		want float64
	}{{share{0, 10}, 1 - math.Pow(0.05, 0.1)}, {share{50, 1000}, 0.06295}, {share{10, 10}, 1}} {
		if got := c.s.upperBound(); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%+v: %.5f, want %.5f", c.s, got, c.want)
		}
	}
}

// A reduced form of the A/A bench: of drawn pairs the bound that is asked for, of queues
// what is clearly broken. At 5 %, 10 or more of 60 are in 0.1 % of all draws; the draws
// are fixed.
func TestReducedAA(t *testing.T) {
	for _, deviation := range aaDeviations {
		drawn := make([]aaTrial, 2000)
		each(len(drawn), func(i int) { drawn[i] = drawAA(uint64(i+1), deviation) })
		for _, n := range aaPairs {
			if s, _ := tallyAA(aaKey{"capacity", n}, drawn); s.upperBound() > aaLimit {
				t.Errorf("%d pairs drawn of %v: %d of %d called different", n, deviation, s.hits, s.n)
			}
		}
		left, fixed := share{n: len(drawn)}, share{n: len(drawn)}
		for _, d := range drawn {
			if d.left["capacity"] {
				left.hits++
			}
			if d.fixed["capacity"] {
				fixed.hits++
			}
		}
		if left.upperBound() > aaLimit || fixed.upperBound() < 2*aaLimit {
			t.Errorf("%d looks at draws of %v: %d of %d were left out, and %d by the interval for one look", looks, deviation, left.hits, left.n, fixed.hits)
		}
	}
	alike, slow := make([]aaTrial, 60), make([]aaTrial, 20)
	faults := make([]error, 80)
	a := aaSystems[0]
	each(80, func(i int) {
		if i < 60 {
			alike[i], faults[i] = a.try(uint64(i+1), 1, 5)
		} else {
			slow[i-60], faults[i] = a.try(uint64(i+1), 1.1, 5)
		}
	})
	for _, err := range faults {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, figure := range []string{"Vision", "detector p95"} {
		for _, n := range aaPairs {
			if s, tally := tallyAA(aaKey{figure, n}, alike); s.hits >= 10 || tally[analysis.ContrastUnknown]+tally[""] > 6 {
				t.Errorf("%s, %d pairs: %d of %d called different; %v", figure, n, s.hits, s.n, tally)
			}
		}
	}
	// What is a tenth slower is told from it: a bench that calls nothing different is not
	// right, but blind.
	if _, tally := tallyAA(aaKey{"detector p95", 5}, slow); tally[analysis.ContrastWorse] < 15 {
		t.Errorf("of %d comparisons with one that is a tenth slower: %v", len(slow), tally)
	}
}

// The table has a row for each figure and number of pairs, and two for the looks.
func TestAATable(t *testing.T) {
	text, err := aaTable("drawn,mid-nobatch", aaRuns{steps: 2, draws: 20, searches: 1}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| drawn, deviation 1.2 % | capacity | 3 pairs | 20 |", "| mid-nobatch | Vision | 5 pairs | 2 |", "| mid-nobatch | detector p95 | 20 looks, anytime-valid | 2 |", "| mid-nobatch | capacity | 3 pairs | 1 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Two of the head; four of each figure that is looked at, of p99, which is not, the two
	// of verdicts, and one of searches, which are of three pairs.
	if got, want := strings.Count(text, "\n"), 2+4*4+2+1; got != want {
		t.Errorf("%d lines, want %d:\n%s", got, want, text)
	}
}

// The figures that the looks take from the answers are those that a summary tells.
func TestFiguresAreTheSummarys(t *testing.T) {
	for _, a := range aaSystems {
		system, _ := queues.Named(a.name)
		target := system.Deploy(7, 8)
		result := target.Step(results.StepPlan{Levels: system.Levels(a.load), Warmup: a.window / 4, Window: a.window}, nil)
		got := figures(result)
		step, err := analysis.Judge(results.Environment{Services: system.Services}, results.Cell{}, result)
		if err != nil {
			t.Fatal(err)
		}
		total := step.Services[0].Total
		want := map[string]float64{"Vision": number(total.Throughput)}
		for _, q := range total.Latency.Quantiles {
			if q.Q == 0.95 {
				want["detector p95"] = number(q.Value)
			}
		}
		if len(want) != len(got) {
			t.Fatalf("%s: %v, want %v", a.name, got, want)
		}
		for figure, v := range want {
			if math.Abs(got[figure]-v) > 1e-9*v {
				t.Errorf("%s: %s is %v, and the summary says %v", a.name, figure, got[figure], v)
			}
		}
	}
}
