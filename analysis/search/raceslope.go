package search

import (
	"math"

	"github.com/evabench/evabench/analysis/boundary"
)

// slopes are what the blocks of all that are left say together of how steep lines are.
type slopes struct {
	slope float64 // 0 before there are blocks
	steep float64 // how many times as steep as is usual; 0 before there are blocks
}

// slope is about which slope a block's probes are laid out: the same for all, so that they
// lie at the same shares of a capacity. It is the blocks', or that of the screenings.
func (r *Race) slope() float64 {
	if r.slopes.slope > 0 {
		return r.slopes.slope
	}
	sum, n := 0.0, 0.0
	for _, x := range r.still() {
		if s := x.screened; s != nil && s.slope > 0 {
			sum, n = sum+math.Log(s.slope), n+1
		}
	}
	return math.Exp(sum / n)
}

// fitRounds is how often blocks are fitted again: a slope of a few probes moves but a part
// of the way from what is expected of it to what they say.
const fitRounds = 4

// fitAgain fits the blocks of those that are left again, with the slope that is expected of
// each being what all of them came to (empirical Bayes). Six probes tell little of a slope,
// so that each alone stays near what is usual: where the capacity is an edge, as of a server
// that batches, the line is several times as steep, and a capacity by one that is too flat
// scatters twice as much.
func (r *Race) fitAgain() {
	clauses, grain := clausesOf(r.env.Services), 0.0
	if ray, err := newRay(r.env); err == nil { // NewRace has made one
		grain = ray.grain()
	}
	usual := sharesOf(clauses, 0)
	for range fitRounds {
		slope, steep, n := 0.0, 0.0, 0.0
		for _, x := range r.still() {
			for _, b := range x.blocks {
				if len(b.probes) > 0 {
					own := b.estimate.Slope
					slope, steep, n = slope+math.Log(own), steep+math.Log(own/usual[b.estimate.Binding].Expected()), n+1
				}
			}
		}
		if n == 0 {
			return
		}
		r.slopes = slopes{math.Exp(slope / n), math.Exp(steep / n)}
		for _, x := range r.still() {
			for i := range x.blocks {
				x.blocks[i].fit(sharesOf(clauses, r.slopes.steep), grain)
			}
		}
	}
}

// fit fits a block's probes again. If that tells no capacity the one before stands.
func (b *block) fit(clauses []boundary.Clause, grain float64) {
	e, ok := boundary.Fit(clauses, b.probes, b.capacity, grain)
	if ok && !math.IsInf(e.High, 1) {
		b.estimate, b.capacity, b.spread = e, e.Load, spread(e)
	}
}
