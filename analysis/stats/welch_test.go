package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// The numbers are by hand: means 2 and 4, variances 1 and 4 of three each, so SE² =
// 1/3 + 4/3 and DF = (5/3)² / ((1/9 + 16/9)/2) = 50/17.
func TestUnpaired(t *testing.T) {
	p := Unpaired([]float64{1, 2, 3}, []float64{2, 4, 6})
	if got, want := p.Mean, 2.0; math.Abs(got-want) > 1e-15 {
		t.Errorf("mean %v, want %v", got, want)
	}
	if got, want := p.SE, math.Sqrt(5./3); math.Abs(got-want) > 1e-15 {
		t.Errorf("SE %v, want %v", got, want)
	}
	if got, want := p.DF, 50./17; math.Abs(got-want) > 1e-12 {
		t.Errorf("DF %v, want %v", got, want)
	}
	if p := Unpaired([]float64{1}, []float64{1, 2}); !math.IsNaN(p.SE) || p.Mean != 0.5 {
		t.Errorf("one replicate has %+v, and it can have no spread", p)
	}
	if p := Unpaired([]float64{1, 1}, []float64{1, 1, 1}); p.SE != 0 || p.DF != 3 || p.P() != 1 {
		t.Errorf("groups that are all alike give %+v", p)
	}
}

// Turned round, the logs change their sign and nothing else.
func TestUnpairedTurnsRound(t *testing.T) {
	group := rapid.SliceOfN(rapid.Float64Range(-5, 5), 2, 8)
	rapid.Check(t, func(t *rapid.T) {
		a, b := group.Draw(t, "a"), group.Draw(t, "b")
		p, q := Unpaired(a, b), Unpaired(b, a)
		if p.Mean != -q.Mean || p.SE != q.SE || math.Abs(p.DF-q.DF) > 1e-9*p.DF {
			t.Errorf("%+v and %+v", p, q)
		}
	})
}

// Of 4,000 comparisons of groups of unlike spread and size with equal means, about 5 in
// 100 are called different: 200, give or take three deviations of 13.8.
func TestUnpairedIsRightAsOftenAsItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	draws := func(n int, deviation float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = r.NormFloat64() * deviation
		}
		return out
	}
	wrong := 0
	for range 4000 {
		if Unpaired(draws(5, 1), draws(9, 3)).P() < 0.05 {
			wrong++
		}
	}
	if math.Abs(float64(wrong)-200) > 45 {
		t.Errorf("%d of 4000 were called different, want about 200", wrong)
	}
}

func TestMoreUnpaired(t *testing.T) {
	a, b := []float64{0, 0.1, 0.2}, []float64{0.1, 0.2, 0.3}
	p := Unpaired(a, b)
	low, high := p.Interval()
	now := math.Log(high/low) / 2
	if k, ok := MoreUnpaired(a, b, now*1.001); !ok || k != 0 {
		t.Errorf("what is as narrow as it is needs %d more, %v", k, ok)
	}
	k, ok := MoreUnpaired(a, b, now/4)
	width := func(k int) float64 {
		n := float64(3 + k)
		return TQuantile(0.975, 2*n-2) * math.Sqrt(2*0.01/n)
	}
	if !ok || width(k) > now/4 || width(k-1) <= now/4 {
		t.Errorf("%d more give a half-width of %v, one less %v, asked %v", k, width(k), width(k-1), now/4)
	}
	for _, half := range []float64{0, -1, 1e-9} {
		if k, ok := MoreUnpaired(a, b, half); ok {
			t.Errorf("a half-width of %v takes %d more", half, k)
		}
	}
}
