package stats

import (
	"fmt"
	"math"
	"sync"
)

// An Interval holds a quantile of the long run with 95 % confidence. An end that
// cannot be told is NaN, and Why says why.
type Interval struct {
	Low, High float64
	Why       string
	// Inflation is how many times the variance of the share of larger values is that
	// of independent ones; NaN if it is not known.
	Inflation float64
}

// Windows is how many stretches of time an interval rests on.
const Windows = 10

// windowsT is how many standard errors of that many stretches hold 95 %.
var windowsT = sync.OnceValue(func() float64 { return TQuantile(0.975, Windows-1) })

// tails are the shares of larger values, in shares of that of the quantile, at which
// the inflation is taken.
var tails = []float64{1, 2, 4, 8, 16}

// QuantileInterval gives a 95 % interval of the q-quantile, q in (0, 1), of values
// that depend on those near them in time: inOrder are the values in their order of
// time, over so many seconds, and sorted the same ones ascending.
//
// The values are cut into 10 windows of one length. With s(x) the share of all values
// above x, and s_w(x) that of a window, the variance of s(x) is
//
//	v(x) = Σ (s_w(x) − s(x))² / (10·9),   φ(x) = v(x)·n / (s(x)(1 − s(x)))
//
// and φ how many times it is that of n independent values: at the quantile whose share
// above it is e = 1 − q, and at those of 2e, 4e, 8e and 16e (at most ½), the largest is
// taken, and at least 1. The interval is from the sample's quantile at q − h to that at
// q + h, with h = t(0.975; 9) √(φ e q / n).
//
// It refuses an upper (for q < ½: lower) end where h reaches the end of the sample, and
// both ends with fewer than MinSamples(q) or 50 values, with windows shorter than 5
// times the median value, which would not be independent, and where neighbouring
// windows still resemble each other (correlation above 0.6).
//
// Note: the interval from order statistics, which takes values for independent, held
// the truth in 1 to 49 of 100 runs at capacity. φ at the quantile alone is too small
// in runs that missed the rare crowds that make the tail: at 30/s such intervals of
// p99 held the truth in 72 to 79 of 100, and of those that had an upper end with φ up
// to 4e in 72 to 88. Shares on a logarithmic or logit scale, 8
// to 40 windows, the windows' own quantiles (batch quantiles), and ends at which the
// windows' shares differ from e by t standard errors there held it less often, above
// all with more windows.
func QuantileInterval(inOrder, sorted []float64, q, seconds float64) Interval {
	n := len(sorted)
	none := func(format string, args ...any) Interval {
		return Interval{math.NaN(), math.NaN(), fmt.Sprintf(format, args...), math.NaN()}
	}
	if !(q > 0 && q < 1) || n != len(inOrder) {
		return none("no such quantile")
	}
	if least := max(MinSamples(q), 5*Windows); n < least {
		return none("need n ≥ %d", least)
	}
	if least := 5 * Windows * Quantile(sorted, 0.5); seconds < least {
		return none("need %s more: %d windows of 5 times the median", span(least-seconds), Windows)
	}
	small := min(q, 1-q)
	phi, last := 1.0, math.NaN()
	for i, f := range tails {
		share := min(small*f, max(small, 0.5))
		if share == last {
			break // so are all that follow
		}
		last = share
		x := Quantile(sorted, 1-share)
		if q < 0.5 {
			x = Quantile(sorted, share)
		}
		shares := sharesAbove(inOrder, x)
		if i == 0 && Autocorrelation(shares) > 0.6 {
			return none("need %s more: neighbouring tenths of the time are alike", span(seconds))
		}
		s := Mean(shares)
		if s > 0 && s < 1 {
			phi = max(phi, variance(shares)/Windows*float64(n)/(s*(1-s)))
		}
	}
	h := windowsT() * math.Sqrt(phi*q*(1-q)/float64(n))
	i := Interval{Quantile(sorted, q-h), Quantile(sorted, q+h), "", phi} // NaN beyond 0 and 1
	if !(h < small) {
		// h falls with the root of the time; a tenth more is for luck.
		i.Why = "need " + span(seconds*(1.1*(h/small)*(h/small)-1)) + " more"
		if math.IsNaN(i.Low) && math.IsNaN(i.High) {
			i.Why += " for either end"
		} else if math.IsNaN(i.High) {
			i.Why += " for an upper end"
		} else {
			i.Why += " for a lower end"
		}
	}
	return i
}

// sharesAbove gives, for each window, the share of its values above x.
func sharesAbove(values []float64, x float64) []float64 {
	shares := make([]float64, Windows)
	for w := range shares {
		window := values[w*len(values)/Windows : (w+1)*len(values)/Windows]
		above := 0
		for _, v := range window {
			if v > x {
				above++
			}
		}
		shares[w] = float64(above) / float64(len(window))
	}
	return shares
}

// variance gives the sample variance of at least two values.
func variance(values []float64) float64 {
	mean, sum := Mean(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return sum / float64(len(values)-1)
}

// span tells seconds in words, rounded up.
func span(seconds float64) string {
	if seconds <= 90 {
		return fmt.Sprintf("%.0f s", math.Ceil(seconds))
	}
	return fmt.Sprintf("%.0f min", math.Ceil(seconds/60))
}

// MSER5 gives how many of the first values to leave out, so that the rest has the
// smallest standard error for its length, of means of 5 values:
//
//	min over d ≤ m/2 of Σ (mean_i − mean of the rest)² / (m − d)²,  i = d … m−1
//
// with m such means. It is a multiple of 5, and at most half of the values. See
// White, "An effective truncation heuristic for bias reduction in simulation output",
// Simulation 69 (1997).
func MSER5(values []float64) int {
	m := len(values) / 5
	means := make([]float64, m)
	for i := range means {
		means[i] = Mean(values[5*i : 5*i+5])
	}
	center := Mean(means) // sums of squares about it keep their digits
	best, cut := math.Inf(1), 0
	var sum, squares float64
	for d := m - 1; d >= 0; d-- {
		sum += means[d] - center
		squares += (means[d] - center) * (means[d] - center)
		left := float64(m - d)
		if d > m/2 {
			continue
		}
		if v := (squares - sum*sum/left) / (left * left); v <= best {
			best, cut = v, d
		}
	}
	return 5 * cut
}
