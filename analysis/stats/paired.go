package stats

import (
	"math"
	"sort"
)

// Pairs is what the logs of ratios, one of each pair, tell of the ratio of the long
// run. The logs are taken for independent draws of a normal law: a pair is two
// deployments that met the same arrivals, and the next pair has two fresh ones.
//
// The zero Pairs is one of no pair.
type Pairs struct {
	N    int
	Mean float64 // of the natural logs: exp(Mean) is the geometric mean of the ratios
	// SE is the standard error of Mean, NaN if it is not known: see [Paired].
	SE float64
	// DF is the degrees of freedom of SE: N − 1, or +Inf if SE is known from elsewhere.
	DF float64
}

// Paired gives what logs of ratios tell. With s their sample deviation, SE = s/√n and
// DF = n − 1. Fewer than two have no spread: SE is NaN. A log that is NaN or infinite
// makes Mean and SE NaN.
func Paired(logs []float64) Pairs {
	n := len(logs)
	p := Pairs{N: n, Mean: Mean(logs), SE: math.NaN(), DF: float64(n - 1)}
	if n > 1 {
		p.SE = math.Sqrt(variance(logs) / float64(n))
	}
	if math.IsInf(p.Mean, 0) {
		p.Mean, p.SE = math.NaN(), math.NaN()
	}
	return p
}

// Ratio is the geometric mean of the ratios.
func (p Pairs) Ratio() float64 { return math.Exp(p.Mean) }

// Interval gives the two-sided 95 % interval of the ratio,
//
//	exp(Mean ± t(0.975; DF)·SE)
//
// and NaN for both ends without SE.
func (p Pairs) Interval() (low, high float64) {
	h := TQuantile(0.975, p.DF) * p.SE // NaN without SE
	return math.Exp(p.Mean - h), math.Exp(p.Mean + h)
}

// P is the probability, if the ratio of the long run is 1, of a mean that lies at least
// as far from it, to either side; NaN without SE. Without any spread it is 1 where the
// mean is 1 and else 0.
func (p Pairs) P() float64 {
	switch {
	case math.IsNaN(p.SE) || math.IsNaN(p.Mean):
		return math.NaN()
	case p.SE > 0:
		return 2 * TTail(math.Abs(p.Mean)/p.SE, p.DF)
	case p.Mean == 0:
		return 1
	}
	return 0
}

// Above is the probability that the ratio of the long run is above one, which is above
// 0; NaN without SE. It is the posterior of a flat prior on its log and on the log of
// the deviation, Student's t about Mean: see Gelman et al., "Bayesian Data Analysis",
// section 3.2. Without any spread it is 0 or 1, and ½ at the mean itself.
func (p Pairs) Above(ratio float64) float64 {
	if math.IsNaN(p.SE) || math.IsNaN(p.Mean) {
		return math.NaN()
	}
	d := math.Log(ratio) - p.Mean
	switch {
	case p.SE > 0:
		return TTail(d/p.SE, p.DF)
	case d == 0:
		return 0.5
	case d < 0:
		return 1
	}
	return 0
}

// More gives how many more pairs bring the half-width of the interval, on the log scale,
// to at most half, if the deviation stays what it is: the least k ≥ 0 with
//
//	t(0.975; n+k−1)·SE·√n / √(n+k) ≤ half
//
// It is false where that is not known: without SE, with one that is not of the pairs
// themselves, with half ≤ 0, or where it takes more than 10,000.
func (p Pairs) More(half float64) (int, bool) {
	if math.IsNaN(p.SE) || math.IsInf(p.DF, 1) || !(half > 0) {
		return 0, false
	}
	const most = 10_000
	deviation := p.SE * math.Sqrt(float64(p.N))
	k := sort.Search(most+1, func(k int) bool {
		n := float64(p.N + k)
		return TQuantile(0.975, n-1)*deviation/math.Sqrt(n) <= half
	})
	if k > most {
		return 0, false
	}
	return k, true
}
