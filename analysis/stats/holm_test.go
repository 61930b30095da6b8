package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// 0.01, 0.04, 0.03 and 0.005 in order are 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06
// and 0.04·1, which may not be less than the one before.
func TestHolm(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct{ p, want []float64 }{
		{[]float64{0.01, 0.04, 0.03, 0.005}, []float64{0.03, 0.06, 0.06, 0.02}},
		{[]float64{0.2}, []float64{0.2}},
		{[]float64{0.6, 0.7}, []float64{1, 1}},
		{[]float64{0.01, nan, 0.02}, []float64{0.02, nan, 0.02}}, // of two
		{nil, nil},
	} {
		before := slices.Clone(c.p)
		got := Holm(c.p)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b) }) {
			t.Errorf("Holm(%v) = %v, want %v", c.p, got, c.want)
		}
		if !slices.EqualFunc(c.p, before, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
			t.Errorf("Holm changed %v to %v", before, c.p)
		}
	}
}

// No value falls, none is above m times itself, their order stays, and where they stand
// does not matter.
func TestHolmProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 12).Draw(t, "p")
		got := Holm(p)
		for i := range p {
			if got[i] < p[i] || got[i] > min(1, float64(len(p))*p[i]) {
				t.Errorf("%v became %v of %d", p[i], got[i], len(p))
			}
			for j := range p {
				if p[i] < p[j] && got[i] > got[j] {
					t.Errorf("%v and %v changed places: %v and %v", p[i], p[j], got[i], got[j])
				}
			}
		}
		slices.Reverse(p)
		again := Holm(p)
		slices.Reverse(again)
		if !slices.Equal(again, got) {
			t.Errorf("turned round, %v became %v", got, again)
		}
	})
}
