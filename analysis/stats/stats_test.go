package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{hundred, 0.95, 95}, // 95 of 100 are ≤ 95
		{hundred, 0.951, 96},
		{hundred, 0.07, 7}, // 0.07·100 > 7 in floating point
		{hundred, 0, 1},
		{hundred, 1, 100},
		{[]float64{1, 2, 3, 4}, 0.5, 2},
		{[]float64{1, 2, 3, 4}, 0.51, 3},
		{[]float64{5}, 0.99, 5},
	} {
		if got := Quantile(c.values, c.q); got != c.want {
			t.Errorf("Quantile(%d values, %v) = %v, want %v", len(c.values), c.q, got, c.want)
		}
	}
	for _, q := range []float64{-0.1, 1.1, math.NaN()} {
		if got := Quantile(hundred, q); !math.IsNaN(got) {
			t.Errorf("Quantile(q=%v) = %v, want NaN", q, got)
		}
	}
	if got := Quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("Quantile(nil) = %v, want NaN", got)
	}
}

// The definition itself: at least q of the values are ≤ x, and x is the
// smallest such value.
func TestQuantileIsInverseECDF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 300).Draw(t, "values")
		slices.Sort(values)
		q := rapid.Float64Range(0, 1).Draw(t, "q")
		x := Quantile(values, q)
		n := float64(len(values))
		var below, upTo float64
		for _, v := range values {
			if v < x {
				below++
			}
			if v <= x {
				upTo++
			}
		}
		if x < values[0] || x > values[len(values)-1] {
			t.Fatalf("%v lies outside of [%v, %v]", x, values[0], values[len(values)-1])
		}
		if upTo/n < q {
			t.Fatalf("only %v of the values are ≤ %v, q = %v", upTo/n, x, q)
		}
		if q > 0 && below > 0 && below/n >= q {
			t.Fatalf("%v is not the smallest: %v of the values lie below, q = %v", x, below/n, q)
		}
		higher := rapid.Float64Range(q, 1).Draw(t, "higher q")
		if Quantile(values, higher) < x {
			t.Fatalf("quantile falls from q = %v to %v", q, higher)
		}
	})
}

func TestMinSamples(t *testing.T) {
	for _, c := range []struct {
		q    float64
		want int
	}{{0.5, 6}, {0.9, 36}, {0.95, 72}, {0.99, 368}, {0.05, 72}} {
		if got := MinSamples(c.q); got != c.want {
			t.Errorf("MinSamples(%v) = %d, want %d", c.q, got, c.want)
		}
		// The limit in pairs: n is enough and n-1 is not.
		m := max(c.q, 1-c.q)
		if n := float64(c.want); math.Pow(m, n) > 0.025 || math.Pow(m, n-1) <= 0.025 {
			t.Errorf("MinSamples(%v): %d is not the limit", c.q, c.want)
		}
	}
}

func TestMean(t *testing.T) {
	if got := Mean([]float64{1e16, 1, -1e16, 1}); got != 0.5 {
		t.Errorf("Mean = %v, want 0.5", got)
	}
	if got := Mean(nil); !math.IsNaN(got) {
		t.Errorf("Mean(nil) = %v, want NaN", got)
	}
}

func TestDeviation(t *testing.T) {
	// The squares of the distances from 5 are 9, 1, 1, 1, 0, 0, 4 and 16: 32 of 8 values.
	if got := Deviation([]float64{2, 4, 4, 4, 5, 5, 7, 9}); got != 2 {
		t.Errorf("Deviation = %v, want 2", got)
	}
	if got := Deviation([]float64{3}); got != 0 {
		t.Errorf("Deviation of one = %v, want 0", got)
	}
	if got := Deviation(nil); !math.IsNaN(got) {
		t.Errorf("Deviation(nil) = %v, want NaN", got)
	}
}

func TestTimeMean(t *testing.T) {
	for _, c := range []struct {
		name          string
		points        []Point
		mean, covered float64
	}{
		{"nothing", nil, math.NaN(), 0},
		{"one", []Point{{1, 5}}, math.NaN(), 0},
		{"both ends only", []Point{{0, 5}, {10, 5}}, math.NaN(), 0},
		{"constant", every(1, 0, 10, func(float64) float64 { return 5 }), 5, 1},
		{"ramp", every(1, 0, 10, func(at float64) float64 { return at }), 5, 1},
		{"a reading left out", []Point{{0, 5}, {1, 5}, {2, 5}, {4, 5}, {5, 5}, {6, 5}, {7, 5}, {8, 5}, {9, 5}, {10, 5}}, 5, 1},
		// 5 over 8 of the 10 seconds; what lies in the hole is not told.
		{"hole", append(every(0.5, 0, 5, func(float64) float64 { return 5 }), every(0.5, 7, 10, func(float64) float64 { return 5 })...), 5, 0.8},
		// 2·4 + 1·2.5 + 5·1 over 8 of 10 seconds; the outer readings do not count.
		{"uneven", []Point{{-1, 99}, {1, 4}, {2, 4}, {3, 4}, {4, 1}, {6, 1}, {8, 1}, {9, 1}, {11, 99}}, (2*4 + 2.5 + 5*1) / 8.0, 0.8},
	} {
		mean, covered := TimeMean(c.points, 0, 10)
		if math.Abs(mean-c.mean) > 1e-12 || math.IsNaN(mean) != math.IsNaN(c.mean) || covered != c.covered {
			t.Errorf("%s: TimeMean = %v, %v; want %v, %v", c.name, mean, covered, c.mean, c.covered)
		}
	}
}

// every gives a reading each step seconds from one moment to another.
func every(step, from, to float64, value func(at float64) float64) []Point {
	var points []Point
	for at := from; at <= to; at += step {
		points = append(points, Point{at, value(at)})
	}
	return points
}

func TestBatchError(t *testing.T) {
	var same, blocks []float64
	for i := range 200 {
		same = append(same, 3)
		blocks = append(blocks, float64(i/10)) // stretches of ten alike: 0 to 19
	}
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"same", same, 0},
		// The variance of 0, …, 19 is 35.
		{"blocks", blocks, math.Sqrt(35.0 / 20)},
		{"too few", same[:39], math.NaN()},
	} {
		if got := BatchError(c.values, 20); math.Abs(got-c.want) > 1e-12 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
