package stats

import "testing"

// One group is Mann and Kendall's test; what differs from group to group is no trend.
func TestSeasonalKendall(t *testing.T) {
	rising := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	if one, plain := SeasonalKendall([][]float64{rising}), MannKendall(rising); one != plain {
		t.Errorf("one group: %+v, plain %+v", one, plain)
	}
	flat := [][]float64{{1, 1, 1, 1}, {5, 5, 5, 5}, {9, 9, 9, 9}}
	if got := SeasonalKendall(flat); got.S != 0 || got.Up != 1 || got.Down != 1 {
		t.Errorf("groups that are flat: %+v", got)
	}
	// Ten pairs that all rise: S = 10, Var S = 10 · 2·1·9/18 = 10, z = 9/√10 = 2.846, of which
	// the normal distribution has 0.00221 above.
	var pairs [][]float64
	for i := range 10 {
		pairs = append(pairs, []float64{float64(-i), float64(-i) + 0.5})
	}
	if got := SeasonalKendall(pairs); got.S != 10 || got.Up < 0.0022 || got.Up > 0.00223 {
		t.Errorf("pairs that rise: %+v, want S 10 and p 0.00221", got)
	}
	if got := SeasonalKendall([][]float64{{1}, {2}, nil}); got.S != 0 || got.Up != 1 {
		t.Errorf("groups of one value: %+v", got)
	}
}
