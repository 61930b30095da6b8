package analysis

import "github.com/evabench/evabench/analysis/stats"

// A PercentilePoint is one point of a distribution's curve towards its tail: exact, of
// the latency of a window's ok arrivals. The first is the least of all, with a share of 0,
// and the last the largest, with 1; those between are at the shares that fewer than all
// samples reach.
type PercentilePoint struct {
	Share   float64 `json:"share"` // of arrivals that are no later, in [0, 1]
	Seconds float64 `json:"seconds"`
}

// curveShares are the shares of a curve: beyond the median they halve, more or less, what
// is left.
var curveShares = []float64{
	0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
	0.99995, 0.99998, 0.99999, 0.999995, 0.999998, 0.999999,
}

// curveOf gives the curve of sorted seconds, as far towards the tail as at least one
// sample lies beyond; nil of nothing.
func curveOf(sorted []float64) []PercentilePoint {
	n := len(sorted)
	if n == 0 {
		return nil
	}
	var curve []PercentilePoint
	for _, share := range curveShares {
		if float64(n-1)/float64(n) < share {
			break // it is the largest
		}
		curve = append(curve, PercentilePoint{share, stats.Quantile(sorted, share)})
	}
	return append(curve, PercentilePoint{1, sorted[n-1]})
}
