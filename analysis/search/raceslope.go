package search

import (
	"math"

	"github.com/evabench/evabench/analysis/boundary"
)

// An edge is what the blocks of all that are left say together of how steep their lines are,
// if those are far steeper than is usual: capacities of servers that batch are. Six probes
// tell little of a slope, so that each block alone stays near what is usual, and a capacity
// by a line that is too flat scatters twice as much. Where there is an edge
//
//   - blocks are fitted with the slope that is expected of them being what all came to
//     (empirical Bayes), and
//   - from their second block on configurations are probed at the same shares of their
//     capacities: probes of one number meet the same arrivals, and fare alike.
//
// Note: elsewhere the usual slope serves as well. With the two rules for all, 4 of 24 races
// with three configurations 5 % behind were called equivalent where there was no edge.
type edge struct {
	slope float64 // of a line; 0 if there is no edge
	steep float64 // how many times as steep as is usual it is; 0 if there is no edge
}

const (
	// leastEdge is how many times as steep as is usual lines are at an edge.
	leastEdge = 1.5
	// fitRounds is how often blocks are fitted again: a slope of a few probes moves but a
	// part of the way from what is expected of it to what they say.
	fitRounds = 4
)

// fitAgain sees whether there is an edge, which stays one, and fits the blocks of those that
// are left again if so.
func (r *Race) fitAgain() {
	if r.edge.steep == 0 {
		found := r.steepness()
		if found.steep < leastEdge {
			return
		}
		r.edge = found
	}
	clauses, grain := clausesOf(r.env.Services), 0.0
	if ray, err := newRay(r.env); err == nil { // NewRace has made one
		grain = ray.grain()
	}
	for range fitRounds {
		for _, x := range r.still() {
			for i := range x.blocks {
				x.blocks[i].fit(sharesOf(clauses, r.edge.steep, true), grain)
			}
		}
		if found := r.steepness(); found.steep > 0 {
			r.edge = found
		}
	}
}

// steepness is the geometric mean of the blocks' slopes; 0 of no blocks.
func (r *Race) steepness() edge {
	usual := sharesOf(clausesOf(r.env.Services), 0, true)
	sum, times, n := 0.0, 0.0, 0.0
	for _, x := range r.still() {
		for _, b := range x.blocks {
			if len(b.probes) == 0 {
				continue
			}
			own := b.estimate.Slope
			sum, times, n = sum+math.Log(own), times+math.Log(own/usual[b.estimate.Binding].Expected()), n+1
		}
	}
	if n == 0 {
		return edge{}
	}
	return edge{math.Exp(sum / n), math.Exp(times / n)}
}

// fit fits a block's probes again. If that tells no capacity the one before stands.
func (b *block) fit(clauses []boundary.Clause, grain float64) {
	if len(b.probes) == 0 {
		return
	}
	e, ok := boundary.Fit(clauses, b.probes, b.capacity, grain)
	if ok && !math.IsInf(e.High, 1) {
		b.estimate, b.capacity, b.spread = e, e.Load, spread(e)
	}
}
