package stats

import "math"

// anytimeScale is the variance g of the prior on the effect, in variances of the data,
// of [Anytime]. It decides at which n the interval is narrow: its half-width in standard
// errors is, at 95 %,
//
//	  g   n = 3    4     5     6     8    10    21     (t of a fixed n: 4.30 3.18 2.78 2.57 2.36 2.26 2.09)
//	  5       ∞  6.88  5.33  4.75  4.25  4.02  3.66
//	 10   13.22  6.54  5.41  4.90  4.42  4.18  3.80
//	 16   10.74  6.60  5.57  5.06  4.56  4.31  3.90
//	 30   10.05  6.88  5.85  5.32  4.77  4.50  4.03
//	100   10.76  7.75  6.55  5.91  5.23  4.88  4.28
//
// Configurations differ by many deviations of a pair, so that what is decided at all is
// decided at n = 3 to 8: 16 is within 10 % of the best g at each of these. No g gives a
// bound at n = 2 unless it is above 199.
const anytimeScale = 16

// Anytime gives the mean of draws of a normal law whose deviation is not known, in the
// order in which they came, and an interval of the mean of the long run that may be
// looked at after every draw: the probability that it ever leaves the truth out, at any
// n, is at most alpha, whatever made one stop or go on. An end that the draws do not
// bound is infinite; without draws, or with one that is NaN or infinite, the mean is
// NaN. alpha is in (0, 1); else all are NaN.
//
// The interval holds the means m that are not rejected by the Bayes factor of
// δ ~ N(0, g), the mean in deviations, against δ = 0, with the prior 1/σ on the
// deviation. With ν = n − 1, A = 1 + n·g and t = (mean − m)·√n/s it is
//
//	B = A^(−1/2) · [(1 + t²/ν) / (1 + t²/(A·ν))]^((ν+1)/2)
//
// (Gönen et al., "The Bayesian two-sample t test", American Statistician 59 (2005);
// Rouder et al., "Bayesian t tests for accepting and rejecting the null hypothesis",
// Psychonomic Bulletin & Review 16 (2009)). That prior makes B a ratio of likelihoods of
// what does not depend on the unit, so that its mean under m stays 1 however one stops,
// and it reaches 1/alpha with a probability of at most alpha (Hendriksen, de Heide and
// Grünwald, "Optional stopping with Bayes factors", Bayesian Analysis 16 (2021); Wang and
// Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
// variance", Sequential Analysis 44 (2025)). B = 1/alpha at, with R = (√A/alpha)^(2/n),
//
//	t² = ν·(R − 1)/(1 − R/A), and nowhere if R ≥ A
//
// Note: the intersection of the intervals so far would be as safe, and narrower; but
// it can be empty, and then says nothing of where the mean is.
func Anytime(draws []float64, alpha float64) (mean, low, high float64) {
	nan := math.NaN()
	if !(alpha > 0 && alpha < 1) {
		return nan, nan, nan
	}
	mean, low, high = Mean(draws), math.Inf(-1), math.Inf(1)
	n := float64(len(draws))
	if math.IsNaN(mean) || math.IsInf(mean, 0) {
		return nan, low, high
	}
	if n < 2 {
		return mean, low, high
	}
	a := 1 + n*anytimeScale
	log := 2 / n * (math.Log(a)/2 - math.Log(alpha)) // of R
	if log >= math.Log(a) {
		return mean, low, high
	}
	t := math.Sqrt((n - 1) * math.Expm1(log) / (1 - math.Exp(log)/a))
	h := t * math.Sqrt(variance(draws)/n)
	return mean, mean - h, mean + h
}

// AnytimeP gives a p-value of "the mean of the long run is 0" that may be looked at
// after every draw: the probability that it is ever at most α, if that is so, is at most
// α. It is min(1, 1/B) with the B of [Anytime] at m = 0, so that it is at most α where
// that interval leaves 0 out; 1 with fewer than two draws, NaN with one that is NaN or
// infinite. Draws without any spread give 1 where they are 0, and else B's limit.
func AnytimeP(draws []float64) float64 {
	n := float64(len(draws))
	if n < 2 {
		return 1
	}
	mean, v := Mean(draws), variance(draws)
	if math.IsNaN(mean) || math.IsNaN(v) || math.IsInf(v, 0) {
		return math.NaN()
	}
	if mean == 0 {
		return 1
	}
	a := 1 + n*anytimeScale
	u := mean * mean * n / v / (n - 1) // t²/ν, infinite without spread
	ratio := a
	if !math.IsInf(u, 1) {
		ratio = (1 + u) / (1 + u/a)
	}
	return min(1, math.Exp(math.Log(a)/2-n/2*math.Log(ratio)))
}
