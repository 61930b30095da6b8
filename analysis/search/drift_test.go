package search

import (
	"math"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Medians near saturation, where a queue begins to grow, make no drift of a server that does
// not change; one whose medians rise at equal loads drifts.
func TestDriftIsOfTheServer(t *testing.T) {
	loads := []float64{100, 104, 99, 104.2, 98, 104.1, 100, 104, 99, 104.3, 98, 104.2, 99, 104, 100, 104.1}
	for name, c := range map[string]struct {
		median func(i int, load float64) float64
		want   bool
	}{
		"steady, but the queue was longer the later it was looked at": {func(i int, load float64) float64 {
			if load > 103 {
				return 2 + float64(i)
			}
			return 1 + 0.001*load
		}, false},
		"slower": {func(i int, load float64) float64 { return (1 + 0.001*load) * (1 + 0.005*float64(i)) }, true},
	} {
		env := asked(results.Search{Kind: Interval, From: 10}, rates(10)...)
		s, err := New(env)
		if err != nil {
			t.Fatal(err)
		}
		s.center = 100
		for i, load := range slices.Concat(loads, loads) {
			s.looks = append(s.looks, look{
				load: load, rate: load, excess: math.Exp(0.6 * (load - 100)), at: 60 * float64(i),
				median: c.median(i, load) * (1 + 0.002*math.Sin(float64(7*i))),
			})
			s.near++
		}
		if got := s.drifts(driftLevel); got != c.want || got != (s.state == analysis.CapacityDrift) {
			t.Errorf("%s: drifts %v: %s", name, got, s.why)
		}
	}
}
