package search

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
)

// The probabilities by chance below which a median that moved with time is believed to
// have moved: while it was probed, and where a confirmation has missed the SLO as well.
const (
	driftLevel = 0.001
	doubtLevel = 0.02
)

// mostForDrift is the excess from which on a look tells nothing of drift. Most that are so far
// over the boundary lie near saturation, where a median rises without end, and depends on how
// long the queue had grown.
const mostForDrift = 8

// drifts ends the search where the server changed while it was probed: where the median
// latency, at equal loads, moved with time by more than the tolerance.
//
// Note: the shares over the limits say so far less surely. With loads that follow the
// boundary down they hardly move at all, and a line of them that bends looks like one
// that moves: 5 to 15 of 100 searches of steady systems were refused.
func (c *Capacity) drifts(level float64) bool {
	var looks []look
	for _, l := range c.looks[len(c.looks)-c.near-len(c.confirmed):] {
		if !l.ended && !l.heavy && l.median > 0 && l.excess < mostForDrift {
			looks = append(looks, l)
		}
	}
	moved, p := drift(looks, c.center)
	if !(p < level) || math.Abs(moved) < c.tolerance() {
		return false
	}
	from, to := looks[0].at, looks[len(looks)-1].at
	c.bounds()
	c.end(analysis.CapacityDrift, fmt.Sprintf("the median latency at equal load moved by %+.2g %% in the %.0f s of probing (p = %.1g, %d probes about %.4g %s)",
		100*moved, to-from, p, len(looks), c.center, c.ray.words()))
	return true
}

// drift fits log median = a + b·load + c·load² + d·time by least squares and gives by which
// share the median moved from the first look to the last, with the probability that it
// seems to move so much by chance (Student's t); NaN with too few looks.
func drift(looks []look, center float64) (moved, p float64) {
	const terms = 4
	n := len(looks)
	if n < terms+4 {
		return math.NaN(), math.NaN()
	}
	from, span := looks[0].at, looks[n-1].at-looks[0].at
	design, y := mat.NewDense(n, terms, nil), mat.NewVecDense(n, nil)
	for i, l := range looks {
		x := (l.load/center - 1) / 0.1
		design.SetRow(i, []float64{1, x, x * x, (l.at - from) / span})
		y.SetVec(i, math.Log(l.median))
	}
	var beta, fitted, residual mat.VecDense
	var normal, inverse mat.Dense
	normal.Mul(design.T(), design)
	if beta.SolveVec(design, y) != nil || inverse.Inverse(&normal) != nil {
		return math.NaN(), math.NaN()
	}
	fitted.MulVec(design, &beta)
	residual.SubVec(y, &fitted)
	df := float64(n - terms)
	se := math.Sqrt(mat.Dot(&residual, &residual) / df * inverse.At(terms-1, terms-1))
	d := beta.AtVec(terms - 1)
	return math.Exp(d) - 1, stats.TTail(math.Abs(d)/se, df) * 2
}
