package stats

import (
	"cmp"
	"math"
	"slices"
)

// A Trend is the answer of Mann and Kendall's test for a trend that goes one way.
type Trend struct {
	// S is the number of pairs in which the later value is larger, less those in
	// which it is smaller.
	S float64
	// Up and Down are the one-sided p-values: how likely an S as large, or as small,
	// is where there is no trend. Both are 1 with fewer than 4 values.
	Up, Down float64
}

// MannKendall tests values in their order of time for a trend:
//
//	S = Σ sign(x_j − x_i) over i < j,  Var S = (n(n−1)(2n+5) − Σ t(t−1)(2t+5)) / 18
//
// with t the sizes of groups of equal values, and z = (S ∓ 1)/√Var S taken for
// normal. The values are taken for independent: those that follow closely in time
// are to be averaged over blocks first. See Kendall, "Rank Correlation Methods".
func MannKendall(values []float64) Trend {
	n := len(values)
	t := Trend{Up: 1, Down: 1}
	for i := range values {
		for _, later := range values[i+1:] {
			t.S += float64(cmp.Compare(later, values[i]))
		}
	}
	if n < 4 {
		return t
	}
	variance := kendallVariance(values)
	if variance <= 0 {
		return t
	}
	sd := math.Sqrt(variance)
	t.Up, t.Down = upper((t.S-1)/sd), upper((-t.S-1)/sd)
	return t
}

func pairTerm(n int) float64 { return float64(n) * float64(n-1) * float64(2*n+5) }

// upper gives the share of the standard normal distribution above z.
func upper(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// TheilSen gives the median of the slopes between all pairs of points, in the unit
// of Value per second: a slope that single readings cannot bend. Pairs of one moment
// are left out; without a pair it gives NaN. It takes time and memory in the square
// of the points. See Sen, "Estimates of the regression coefficient based on
// Kendall's tau", JASA 63 (1968).
func TheilSen(points []Point) float64 {
	var slopes []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.At != a.At {
				slopes = append(slopes, (b.Value-a.Value)/(b.At-a.At))
			}
		}
	}
	if len(slopes) == 0 {
		return math.NaN()
	}
	slices.Sort(slopes)
	middle := len(slopes) / 2
	if len(slopes)%2 == 1 {
		return slopes[middle]
	}
	return (slopes[middle-1] + slopes[middle]) / 2
}

// Autocorrelation gives the correlation of values with those that follow them,
// within [-1, 1]; NaN of fewer than three values, or of equal ones.
func Autocorrelation(values []float64) float64 {
	if len(values) < 3 {
		return math.NaN()
	}
	mean := Mean(values)
	var with, all float64
	for i, v := range values {
		all += (v - mean) * (v - mean)
		if i > 0 {
			with += (v - mean) * (values[i-1] - mean)
		}
	}
	if all == 0 {
		return math.NaN()
	}
	return with / all
}
