// Package stats holds the few statistics that evabench needs, as pure
// functions of slices. It knows nothing of runs or units.
package stats

import "math"

// Quantile gives the q-quantile of sorted values by the inverse of their
// empirical distribution (Hyndman and Fan's type 1): the smallest value x such
// that at least a share q of the values is ≤ x. It is always one of the
// values; nothing is interpolated. q is in [0, 1]; q = 0 gives the smallest.
// An empty slice or another q gives NaN.
func Quantile(sorted []float64, q float64) float64 {
	n := len(sorted)
	if n == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	// The smallest rank k with k/n ≥ q. The product is corrected by division
	// because 0.07·100 is above 7 in floating point.
	rank := int(math.Ceil(q * float64(n)))
	for rank > 1 && float64(rank-1)/float64(n) >= q {
		rank--
	}
	for rank < n && float64(rank)/float64(n) < q {
		rank++
	}
	return sorted[max(rank, 1)-1]
}

// MinSamples gives the fewest independent values from which the q-quantile,
// q in (0, 1), has a two-sided 95 % distribution-free interval with two finite
// ends: the smallest n with max(q, 1-q)ⁿ ≤ 0.025. It is 6 for the median, 36
// for p90, 72 for p95 and 368 for p99. With fewer values the quantile is the
// largest value in disguise and says nothing. See Hahn and Meeker,
// "Statistical Intervals", section 5.2.
func MinSamples(q float64) int {
	if !(q > 0 && q < 1) {
		return 1
	}
	return int(math.Ceil(math.Log(0.025) / math.Log(max(q, 1-q))))
}

// Mean gives the arithmetic mean, NaN of nothing. It adds in compensated
// form (Neumaier), so that the order of a million small latencies does not
// matter to the printed digits.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	var sum, lost float64
	for _, v := range values {
		next := sum + v
		if math.Abs(sum) >= math.Abs(v) {
			lost += (sum - next) + v
		} else {
			lost += (v - next) + sum
		}
		sum = next
	}
	return (sum + lost) / float64(len(values))
}

// A Point is one reading of a gauge: its value at a moment, in seconds.
type Point struct{ At, Value float64 }

// TimeMean gives the time average of a gauge over [from, to] by the trapezoid
// rule between the readings that lie within, and the share of [from, to] that
// lies between the first and the last of them. The average is over that
// covered part only; nothing is extrapolated. Points must ascend in At. With
// fewer than two readings within, or an empty span, it gives NaN and 0.
func TimeMean(points []Point, from, to float64) (mean, covered float64) {
	var area, span float64
	last, seen := Point{}, false
	for _, p := range points {
		if p.At < from || p.At > to {
			continue
		}
		if seen {
			area += (p.At - last.At) * (p.Value + last.Value) / 2
			span += p.At - last.At
		}
		last, seen = p, true
	}
	if span <= 0 || to <= from {
		return math.NaN(), 0
	}
	return area / span, span / (to - from)
}
