package stats

import (
	"math"
	"testing"
)

func TestDistributions(t *testing.T) {
	for _, c := range []struct{ got, want float64 }{
		{TQuantile(0.975, 9), 2.2622}, {TQuantile(0.95, 1), 6.3138}, {TQuantile(0.025, 30), -2.0423}, // tables of Student's t
		{NormalQuantile(0.975), 1.95996}, {NormalQuantile(0.5), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-4 {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	for _, got := range []float64{TQuantile(0, 9), TQuantile(1, 9), TQuantile(0.5, 0), NormalQuantile(1), NormalQuantile(math.NaN())} {
		if !math.IsNaN(got) {
			t.Errorf("got %v, want NaN", got)
		}
	}
}

func TestMannKendall(t *testing.T) {
	// Of 1..10 all 45 pairs rise: Var = 10·9·25/18 = 125, z = 44/11.18 = 3.935.
	up := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if got := MannKendall(up); got.S != 45 || math.Abs(got.Up-4.15e-5) > 1e-6 || got.Down < 0.9999 {
		t.Errorf("rising: %+v", got)
	}
	// Ties: 1 1 2 2 has S = 4, Var = (4·3·13 − 2·(2·1·9))/18 = 6.667, z = 3/2.582.
	if got := MannKendall([]float64{1, 1, 2, 2}); got.S != 4 || math.Abs(got.Up-0.12264) > 1e-4 {
		t.Errorf("ties: %+v", got)
	}
	for _, values := range [][]float64{nil, {1, 2, 3}, {5, 5, 5, 5, 5}} {
		if got := MannKendall(values); got.Up != 1 || got.Down != 1 {
			t.Errorf("%v: %+v", values, got)
		}
	}
}

func TestTheilSen(t *testing.T) {
	// One wild reading of a line of slope 2 does not bend it.
	points := []Point{{0, 1}, {1, 3}, {2, 500}, {3, 7}, {4, 9}, {5, 11}, {6, 13}}
	if got := TheilSen(points); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
	if got := TheilSen(points[:1]); !math.IsNaN(got) {
		t.Errorf("one point: %v", got)
	}
}

func TestAutocorrelation(t *testing.T) {
	// 1 2 3 4: deviations -1.5 -.5 .5 1.5; (0.75 − 0.25 + 0.75)/5 = 0.25.
	if got := Autocorrelation([]float64{1, 2, 3, 4}); math.Abs(got-0.25) > 1e-12 {
		t.Errorf("got %v, want 0.25", got)
	}
	for _, values := range [][]float64{{1, 2}, {3, 3, 3}} {
		if got := Autocorrelation(values); !math.IsNaN(got) {
			t.Errorf("%v: %v, want NaN", values, got)
		}
	}
}
