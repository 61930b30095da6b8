package search

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis/boundary"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// Blocks of six short probes at an edge, each about a load that is 1 % wrong: fitted again
// with what all say of the slope they lie off by less than a quarter of what each alone
// does. Where the slope is the usual one they stand.
func TestBlocksAreFittedAgain(t *testing.T) {
	for _, c := range []struct {
		slope, scatter, most float64
		edge                 bool
	}{
		{100, 0.8, 0.25, true},
		{20, 0.5, 1, false},
	} {
		random := rand.New(rand.NewPCG(11, 12))
		r, err := NewRace(meeting(1, 1).env, meeting(1, 1).entries(8))
		if err != nil {
			t.Fatal(err)
		}
		alone := sharesOf(clausesOf(r.env.Services), 0, true)
		for i := range 40 {
			center := 100 * math.Exp(0.01*random.NormFloat64())
			var probes []boundary.Probe
			for _, d := range about[:6] {
				load := center * (1 + d/25)
				odds := 0.01 / 0.99 * math.Exp(c.slope*(load/100-1)+c.scatter*random.NormFloat64()-c.scatter*c.scatter/2)
				n := 1e6
				probes = append(probes, boundary.Probe{Load: load, Seconds: 10, Counts: []boundary.Count{{N: n, Over: n * odds / (1 + odds)}, {N: n}}})
			}
			e, ok := boundary.Fit(alone, probes, center, 0)
			if !ok {
				t.Fatal("a block has no line")
			}
			x := r.racers[i%2]
			x.blocks = append(x.blocks, block{replicate: i, capacity: e.Load, spread: spread(e), estimate: e, probes: probes})
		}
		before := deviation(r)
		r.fitAgain()
		after := deviation(r)
		if !(after <= c.most*before) {
			t.Errorf("slope %g: capacities lie %.4f off, each alone %.4f", c.slope, after, before)
		}
		if got := r.edge.slope; c.edge != (got > 0) || c.edge && math.Abs(math.Log(got/c.slope)) > 0.25 {
			t.Errorf("an edge of slope %.3g, want one of %g: %v", got, c.slope, c.edge)
		}
	}
}

// deviation is the median of how far the blocks' capacities lie from 100, as a share.
func deviation(r *Race) float64 {
	var off []float64
	for _, x := range r.racers {
		for _, b := range x.blocks {
			off = append(off, math.Abs(math.Log(b.capacity/100)))
		}
	}
	slices.Sort(off)
	return stats.Quantile(off, 0.5)
}

// At an edge a configuration is probed, from its second block on, about a load that stands still while
// the estimate stays near, so that probes of one number lie at the same share of each one's
// capacity and meet the same arrivals.
func TestBlockHoldsItsLoads(t *testing.T) {
	m := meeting(100, 99)
	for i, name := range m.order {
		m.servers[name] = made{over: smooth(100-float64(i), 60), errors: never}
	}
	m.run(t, 4, 5)
	loads := map[int]map[string][]float64{}
	for _, c := range m.cells {
		for _, s := range c.Steps {
			if s.Purpose != results.PurposeProbe || c.Cell.Replicate < 3 {
				continue
			}
			if loads[c.Cell.Replicate] == nil {
				loads[c.Cell.Replicate] = map[string][]float64{}
			}
			load := s.Services[0].Level.Value
			loads[c.Cell.Replicate][c.Cell.Config.Name] = append(loads[c.Cell.Replicate][c.Cell.Config.Name], load)
		}
	}
	if len(loads) == 0 {
		t.Fatal("no block was probed twice")
	}
	for replicate, of := range loads {
		a, b := of["a"], of["b"]
		if len(a) < blockProbes || len(b) < blockProbes {
			t.Fatalf("replicate %d: %d and %d probes", replicate, len(a), len(b))
		}
		for i := range blockProbes {
			if x, y := a[i]/a[0], b[i]/b[0]; math.Abs(x-y) > 1e-3 {
				t.Errorf("replicate %d, probe %d: at %.4f and %.4f of the first", replicate, i, x, y)
			}
		}
	}
}
