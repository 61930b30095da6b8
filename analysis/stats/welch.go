package stats

import (
	"math"
	"sort"
)

// Unpaired gives what the logs of a figure in two independent groups of replicates tell
// of the ratio of its long runs, b ÷ a, by Welch's method: with s² the sample variances,
//
//	SE² = s_a²/n_a + s_b²/n_b,   DF = SE⁴ / [(s_a²/n_a)²/(n_a−1) + (s_b²/n_b)²/(n_b−1)]
//
// (Welch, "The generalization of Student's problem when several different population
// variances are involved", Biometrika 34 (1947)). N is the smaller of n_a and n_b. With
// fewer than two in a group SE is NaN; without any spread DF is n_a + n_b − 2.
func Unpaired(a, b []float64) Pairs {
	p := Pairs{N: min(len(a), len(b)), Mean: Mean(b) - Mean(a), SE: math.NaN(), DF: math.NaN()}
	if p.N < 2 {
		return p
	}
	va, vb := variance(a)/float64(len(a)), variance(b)/float64(len(b))
	p.SE = math.Sqrt(va + vb)
	p.DF = (va + vb) * (va + vb) / (va*va/float64(len(a)-1) + vb*vb/float64(len(b)-1))
	if va+vb == 0 {
		p.DF = float64(len(a) + len(b) - 2)
	}
	if math.IsInf(p.Mean, 0) || math.IsNaN(p.Mean) {
		p.Mean, p.SE = math.NaN(), math.NaN()
	}
	return p
}

// MoreUnpaired gives how many more replicates of each group bring the half-width of the
// interval of [Unpaired], on the log scale, to at most half, if the deviations stay what
// they are: the least k ≥ 0 with
//
//	t(0.975; n_a + n_b + 2k − 2)·√(s_a²/(n_a+k) + s_b²/(n_b+k)) ≤ half
//
// whose degrees of freedom are those of equal variances, the most that there can be. It
// is false with fewer than two in a group, with half ≤ 0, or where it takes more than
// 10,000.
func MoreUnpaired(a, b []float64, half float64) (int, bool) {
	if min(len(a), len(b)) < 2 || !(half > 0) {
		return 0, false
	}
	const most = 10_000
	va, vb := variance(a), variance(b)
	k := sort.Search(most+1, func(k int) bool {
		na, nb := float64(len(a)+k), float64(len(b)+k)
		return TQuantile(0.975, na+nb-2)*math.Sqrt(va/na+vb/nb) <= half
	})
	if k > most {
		return 0, false
	}
	return k, true
}
