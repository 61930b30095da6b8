// Package stats holds the few statistics that evabench needs, as pure
// functions of slices. It knows nothing of runs or units.
package stats

import (
	"math"
	"slices"
	"sort"
)

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

// Deviation gives the standard deviation of the values themselves, √(Σ(x - mean)² ÷ n),
// NaN of nothing.
func Deviation(values []float64) float64 {
	mean, squares := Mean(values), 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)))
}

// A Point is one reading of a gauge: its value at a moment, in seconds.
type Point struct{ At, Value float64 }

// TimeMean gives the time average of a gauge over [from, to] by the trapezoid
// rule between the readings that lie within, and the share of [from, to] that
// they cover. A stretch without readings that is longer than three times the
// median one, or than a quarter of [from, to], is a hole: it is not covered. The
// average is over the covered part only; nothing is extrapolated. Points must
// ascend in At. With nothing covered it gives NaN and 0.
func TimeMean(points []Point, from, to float64) (mean, covered float64) {
	points = within(points, from, to)
	var gaps []float64
	for i := 1; i < len(points); i++ {
		gaps = append(gaps, points[i].At-points[i-1].At)
	}
	slices.Sort(gaps)
	longest := min(3*Quantile(gaps, 0.5), (to-from)/4)
	var area, span float64
	for i := 1; i < len(points); i++ {
		if gap := points[i].At - points[i-1].At; gap <= longest {
			area += gap * (points[i].Value + points[i-1].Value) / 2
			span += gap
		}
	}
	if span <= 0 || to <= from {
		return math.NaN(), 0
	}
	return area / span, span / (to - from)
}

// within gives the points with from ≤ At ≤ to of points that ascend in At.
func within(points []Point, from, to float64) []Point {
	first := sort.Search(len(points), func(i int) bool { return points[i].At >= from })
	end := sort.Search(len(points), func(i int) bool { return points[i].At > to })
	return points[first:max(first, end)]
}

// BatchError gives the standard error of the mean of values that follow each
// other in time and depend on those near them, by the method of batch means:
// the values are cut into b stretches of (nearly) one length, whose means are
// taken for independent. b is at least 2. With fewer than 2·b values it gives
// NaN. See Law, "Simulation Modeling and Analysis", section 9.5.3.
func BatchError(values []float64, b int) float64 {
	n := len(values)
	if b < 2 || n < 2*b {
		return math.NaN()
	}
	means := make([]float64, b)
	for i := range means {
		means[i] = Mean(values[i*n/b : (i+1)*n/b])
	}
	center, squares := Mean(means), 0.0
	for _, m := range means {
		squares += (m - center) * (m - center)
	}
	return math.Sqrt(squares / float64(b-1) / float64(b))
}
