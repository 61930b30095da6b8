package search

import (
	"math"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Users of a closed loop take longer by and by as they become more: at twice what is sustained
// hardly more are over the limit than may be. Probing begins near the boundary all the same.
func TestClimbCrowded(t *testing.T) {
	over := func(load float64) float64 { // 10 % at 10 users, as of EVA's Agent on the simulated server
		excess := 0.5 * (load - 8)
		if load < 8.5 {
			excess = 0.25 * math.Pow(load/8.5, 8)
		}
		odds := 0.1 / 0.9 * excess
		return 1 / (1 + 1/odds)
	}
	for from := 1.0; from <= 30; from++ {
		env := asked(results.Search{Kind: Interval, Raise: "a", From: from}, users(1)...)
		env.Services[0].SLO[0].Quantile, env.Services[0].SLO[0].Limit = 0.9, 60
		_, steps := made{over: over, rate: 0.02}.run(t, env)
		for _, s := range steps {
			if load := s.Services[0].Level.Value; s.Purpose == results.PurposeProbe {
				if load < 8 || load > 13 {
					t.Errorf("from %g: the first probe is at %g, want one near 10", from, load)
				}
				break
			}
		}
	}
}

// Where even one user is too many, that is said after two looks at one, and no load is tried
// above the first again.
func TestCrowdedByOne(t *testing.T) {
	over := func(load float64) float64 { return 0.13 + 0.02*load }
	for from := 1.0; from <= 20; from++ {
		env := asked(results.Search{Kind: Interval, Raise: "a", From: from}, users(1)...)
		env.Services[0].SLO[0].Quantile, env.Services[0].SLO[0].Limit = 0.9, 60
		got, steps := made{over: over, rate: 0.02}.run(t, env)
		if got.State != analysis.CapacityNever || len(steps) > 14 {
			t.Errorf("from %g: %s after %d steps", from, got.Sentence, len(steps))
		}
	}
}

// A first load that was over by chance does not hide what keeps within the SLO above it.
func TestCrowdedByChance(t *testing.T) {
	over := func(load float64) float64 {
		odds := 0.1 / 0.9 * math.Pow(load/12, 4)
		return 1 / (1 + 1/odds)
	}
	env := asked(results.Search{Kind: Interval, Raise: "a", From: 4, Tolerance: 0.05}, users(1)...)
	env.Services[0].SLO[0].Quantile, env.Services[0].SLO[0].Limit = 0.9, 60
	stray := func(s *analysis.Step, index int) {
		if index == 0 {
			s.Services[0].SLO[0].Over = s.Services[0].SLO[0].Judged / 7
		}
	}
	got, steps := made{over: over, rate: 0.02, change: stray}.run(t, env)
	if got.State != analysis.CapacityFound || math.Abs(number(got.Estimate)/12-1) > 0.15 {
		t.Errorf("%s after %d steps", got.Sentence, len(steps))
	}
	first := slices.IndexFunc(steps, func(s analysis.Step) bool { return s.Purpose == results.PurposeProbe })
	if load := steps[first].Services[0].Level.Value; load < 8 {
		t.Errorf("the first probe is at %g, want one near 12", load)
	}
}

// A step of more users warms up for longer than the sessions of fewer take, in proportion.
func TestSettleOfMoreUsers(t *testing.T) {
	c, err := New(asked(results.Search{Kind: Interval, Raise: "a", From: 4}, users(1)...))
	if err != nil {
		t.Fatal(err)
	}
	c.looks = []look{{load: 4, session: 100}, {load: 16, session: 400}, {load: 8, session: 150}}
	for load, want := range map[float64]float64{2: 100, 4: 100, 5: 125, 9: 150 * 9 / 8., 15: 400, 32: 800} {
		c.next = load
		if got := c.settle().Seconds(); math.Abs(got/(settleSessions*want)-1) > 0.01 {
			t.Errorf("at %g users it warms up for %g s, want %g", load, got, settleSessions*want)
		}
	}
}
