package findings

import (
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

func TestApart(t *testing.T) {
	effect := func(x float64, low float64) analysis.Effect {
		return analysis.Effect{Value: val(x, "ratio"), N: 3, Min: val(low, "ratio"), Max: val(x, "ratio"), Low: val(low, "ratio"), High: val(x, "ratio")}
	}
	raised := func(tail, loss analysis.Effect) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			s.Interference = []analysis.Interference{{Config: "base", Victim: "vision", Neighbour: "agent", Points: []analysis.InterferencePoint{
				{Load: val(0, "1")}, {Load: val(8, "users"), N: 3, Quantile: 0.99, Inflation: tail, Loss: loss},
			}}}
		}
	}
	spiky := func(n int64, sent float64) func(*analysis.Summary) {
		return services(func(v *analysis.Service) {
			v.Integrity.Dispersions = []results.Dispersion{{Part: time.Second, N: n, Sent: sent}}
		})
	}
	spike := func(within float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			spell := func(tail float64) analysis.Spell { return analysis.Spell{Quantile: 0.95, Tail: val(tail, "s")} }
			s.Spikes = []analysis.SpikeResult{{Config: "base", Replicate: 1, Service: "agent", Factor: 3, Services: []analysis.SpikeService{
				{Service: "agent", Before: spell(1), Within: spell(9)}, {Service: "vision", Before: spell(0.1), Within: spell(within)},
			}}}
		}
	}
	costly := func(loss float64) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			s.Environment.CostPerHour, s.Environment.Currency = 12, "EUR"
			raised(effect(0, 0), effect(loss, loss))(s)
		}
	}
	for _, c := range []struct {
		name         string
		sign         string
		shows, quiet func(*analysis.Summary)
	}{
		{"tail", "depends on its neighbour", raised(effect(0.10, 0.02), effect(0, 0)), raised(effect(0.09, 0.02), effect(0, 0))},
		{"tail that chance could make", "depends on its neighbour", raised(effect(0.3, 0.01), effect(0, 0)), raised(effect(0.3, -0.01), effect(0, 0))},
		{"spike", "had 3 times its load", spike(0.16), spike(0.14)},
		{"bursts", "comes in bursts", spiky(10, 2.1), spiky(10, 2)},
		{"few parts", "comes in bursts", spiky(10, 9), spiky(9, 9)},
		// Of two GPUs one costs half of the server.
		{"cost", "loses", costly(0.51), costly(0.49)},
	} {
		s := healthy()
		c.shows(s)
		Complete(s)
		if !strings.Contains(strings.Join(s.Findings.Apart, "\n"), c.sign) {
			t.Errorf("%s: signs %q, want one that %q", c.name, s.Findings.Apart, c.sign)
		}
		s = healthy()
		c.quiet(s)
		Complete(s)
		if len(s.Findings.Apart) > 0 {
			t.Errorf("%s: signs %q near the border", c.name, s.Findings.Apart)
		}
	}
}
