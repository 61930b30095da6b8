package stats

import (
	"cmp"
	"math"
	"slices"
)

// Holm adjusts the p-values of several comparisons, so that to call those different
// whose adjusted value is at most α calls any that is not with a probability of at most
// α, however they depend on each other. With p(1) ≤ … ≤ p(m) in order,
//
//	adjusted(i) = max over j ≤ i of min(1, (m − j + 1)·p(j))
//
// See Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
// Journal of Statistics 6 (1979). A NaN stays one and is not counted. The slice given is
// left as it is.
func Holm(p []float64) []float64 {
	adjusted := slices.Clone(p)
	var order []int
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	most := 0.0
	for j, i := range order {
		most = max(most, min(1, float64(len(order)-j)*p[i]))
		adjusted[i] = most
	}
	return adjusted
}
