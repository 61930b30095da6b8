package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// TQuantile gives the p-quantile of Student's t distribution with df degrees of
// freedom, which need not be whole: TQuantile(0.975, 9) is 2.262. p is in (0, 1)
// and df above 0; else it gives NaN. An infinite df gives the normal distribution.
func TQuantile(p, df float64) float64 {
	if !(p > 0 && p < 1 && df > 0) {
		return math.NaN()
	}
	if math.IsInf(df, 1) {
		return NormalQuantile(p)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Quantile(p)
}

// TTail gives the probability that Student's t with df degrees of freedom is above t. df
// is above 0; else it gives NaN. An infinite df gives the normal distribution.
func TTail(t, df float64) float64 {
	if !(df > 0) {
		return math.NaN()
	}
	if math.IsInf(df, 1) {
		return distuv.UnitNormal.Survival(t)
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}.Survival(t)
}

// NormalQuantile gives the p-quantile of the standard normal distribution:
// NormalQuantile(0.975) is 1.960. p is in (0, 1); else it gives NaN.
func NormalQuantile(p float64) float64 {
	if !(p > 0 && p < 1) {
		return math.NaN()
	}
	return distuv.UnitNormal.Quantile(p)
}
