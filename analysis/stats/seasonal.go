package stats

import (
	"math"
	"slices"
)

// SeasonalKendall tests groups of values, each in its order of time, for a trend within
// the groups: S and its variance are those of [MannKendall], added up over the groups,
// so that what differs from group to group counts for nothing. Groups of fewer than
// two values say nothing. See Hirsch, Slack and Smith, "Techniques of trend analysis for
// monthly water quality data", Water Resources Research 18 (1982).
func SeasonalKendall(groups [][]float64) Trend {
	t := Trend{Up: 1, Down: 1}
	var variance float64
	for _, values := range groups {
		t.S += MannKendall(values).S
		variance += kendallVariance(values)
	}
	if variance <= 0 {
		return t
	}
	sd := math.Sqrt(variance)
	t.Up, t.Down = upper((t.S-1)/sd), upper((-t.S-1)/sd)
	return t
}

// kendallVariance is the variance of S, with ties.
func kendallVariance(values []float64) float64 {
	n := len(values)
	variance := pairTerm(n)
	sorted := slices.Sorted(slices.Values(values))
	for i := 0; i < n; {
		end := i + 1
		for end < n && sorted[end] == sorted[i] {
			end++
		}
		variance -= pairTerm(end - i)
		i = end
	}
	return variance / 18
}
