package queues

import (
	"math"
	"slices"
	"testing"

	"github.com/evabench/evabench/results"
)

// few is enough to tell which side of the capacity a load lies on.
var few = Effort{Runs: 8, Requests: 30_000}

// The table agrees with shorter runs: a load clearly below the capacity is met, and
// one clearly above is not, for the clause that it says.
func TestTruths(t *testing.T) {
	found := 0
	for _, s := range All() {
		if _, ok := truths()[s.Name]; !ok {
			t.Errorf("nothing is known of %s", s.Name)
		}
		if math.IsNaN(s.Truth.Load) {
			continue
		}
		found++
		still := *s
		still.Server.Drift = 0
		apart := 0.05
		if s.Sources[0].Arrivals == Closed {
			apart = max(apart, 0.6/s.Truth.Load) // populations are whole
		}
		low, _ := still.margin(few, s.Truth.Load*(1-apart))
		high, _ := still.margin(few, s.Truth.Load*(1+apart))
		at := still.margins(few, s.Truth.Load)
		binding := slices.IndexFunc(still.clauses(), func(c results.Clause) bool { return c.Text == s.Truth.Binding })
		if low >= 0 || high <= 0 || binding < 0 || at[binding] < slices.Max(at)-0.5 {
			t.Errorf("%s: margins %.2f below and %.2f above %g, where they are %.2f", s.Name, low, high, s.Truth.Load, at)
		}
		if !(s.Truth.Error > 0 && s.Truth.Error < 0.003) {
			t.Errorf("%s: the capacity is known to %g only", s.Name, s.Truth.Error)
		}
	}
	if found < 12 {
		t.Errorf("%d systems have a capacity, want 12", found)
	}
}

// What is refused is made to be so.
func TestRefusedAreAsTheySay(t *testing.T) {
	for _, c := range []struct {
		system string
		load   float64
		met    bool
	}{
		{"never", 5, false}, {"never", 50, false},
		{"always", 50, true}, {"always", 120, true},
		{"non-monotone", 60, true}, {"non-monotone", 120, false}, {"non-monotone", 230, true}, {"non-monotone", 320, false},
		{"delay-window", 20, false}, {"delay-window", 450, true}, {"delay-window", 900, false},
		{"cliff-lock", 1400, true}, {"cliff-lock", 1700, false},
		{"cliff-ban", 900, true}, {"cliff-ban", 1050, false},
	} {
		s, _ := Named(c.system)
		if m, _ := s.margin(few, c.load); (m < 0) != c.met {
			t.Errorf("%s at %g: the margin is %g, want met: %v", c.system, c.load, m, c.met)
		}
	}
}

// Above a cliff nearly all is lost, below it nothing is.
func TestCliffs(t *testing.T) {
	for _, c := range []struct {
		system     string
		below, far float64
	}{{"cliff-ban", 940, 1060}, {"cliff-lock", 1450, 1700}} {
		s, _ := Named(c.system)
		share := func(load float64) float64 {
			lost, n := 0, 0
			for v := range s.Start(1).Step(results.StepPlan{Levels: s.Levels(load), Warmup: 20e9, Window: 60e9}, nil).Samples {
				n++
				if v.Outcome != results.OK || v.Done.Sub(v.Due).Seconds() > 0.15 {
					lost++
				}
			}
			return float64(lost) / float64(n)
		}
		if b, f := share(c.below), share(c.far); b > 0 || f < 0.5 {
			t.Errorf("%s: %g lost at %g, %g at %g", c.system, b, c.below, f, c.far)
		}
	}
}

// Solve finds what theory says of one worker that everybody must find free: requests
// of constant length that are late if they wait at all. They do with the
// probability ρ, so at most 5 % do up to 0.05/0.02 = 2.5 a second.
func TestSolveByHand(t *testing.T) {
	s := System{Name: "m/d/1", From: 1, Most: math.Inf(1), Services: []results.Service{service("v", latency("", 0.95, 0.02+1e-9))}, Sources: open(Poisson), Server: Server{Workers: 1, Fixed: 0.02}}
	got, ok := s.Solve(Effort{Runs: 40, Requests: 40_000})
	if !ok || math.Abs(got.Load/2.5-1) > 4*got.Error || got.Error > 0.01 {
		t.Errorf("%+v, %v; want 2.5", got, ok)
	}
}
