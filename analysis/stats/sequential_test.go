package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// evidence is the log of the Bayes factor of [Anytime] for the mean m.
func evidence(draws []float64, m float64) float64 {
	n := float64(len(draws))
	nu, a := n-1, 1+n*anytimeScale
	t := (Mean(draws) - m) * math.Sqrt(n/variance(draws))
	return -math.Log(a)/2 + (nu+1)/2*math.Log((1+t*t/nu)/(1+t*t/(a*nu)))
}

// The half-widths of the table at anytimeScale, in standard errors.
func TestAnytimeHalfWidths(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n, want := range map[int]float64{3: 10.74, 4: 6.60, 5: 5.57, 6: 5.06, 8: 4.56, 10: 4.31, 21: 3.90} {
		draws := make([]float64, n)
		for i := range draws {
			draws[i] = r.NormFloat64()
		}
		mean, low, high := Anytime(draws, 0.05)
		se := math.Sqrt(variance(draws) / float64(n))
		if got := (high - low) / 2 / se; math.Abs(got-want) > 0.005 || math.Abs(high+low-2*mean) > 1e-9 {
			t.Errorf("n = %d: half-width %.3f, want %.2f; %v to %v about %v", n, got, want, low, high, mean)
		}
	}
}

// The ends are the means at which the evidence against is 1/alpha; the interval is wider
// than that of a fixed n, and exchanging the sides turns it round.
func TestAnytimeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draws := rapid.SliceOfN(rapid.Float64Range(-1, 1), 3, 40).Draw(t, "draws")
		alpha := rapid.Float64Range(0.001, 0.05).Draw(t, "alpha")
		mean, low, high := Anytime(draws, alpha)
		spread := math.Sqrt(variance(draws))
		if math.IsInf(low, -1) != math.IsInf(high, 1) {
			t.Fatalf("%v to %v is open at one end", low, high)
		}
		if !math.IsInf(low, -1) && spread > 1e-6 {
			for _, end := range []float64{low, high} {
				if got := evidence(draws, end); math.Abs(got+math.Log(alpha)) > 1e-5 {
					t.Errorf("at %v the log of the evidence is %v, want %v", end, got, -math.Log(alpha))
				}
			}
		}
		h := TQuantile(1-alpha/2, float64(len(draws)-1)) * spread / math.Sqrt(float64(len(draws)))
		if low > mean-h || high < mean+h {
			t.Errorf("%v to %v does not hold the interval of a fixed n, %v ± %v", low, high, mean, h)
		}
		turned := make([]float64, len(draws))
		for i, v := range draws {
			turned[i] = -v
		}
		if _, l, u := Anytime(turned, alpha); math.Abs(l+high) > 1e-9 && l != -high || math.Abs(u+low) > 1e-9 && u != -low {
			t.Errorf("turned round it is %v to %v, and was %v to %v", l, u, low, high)
		}
		// The p-value says the same as the interval about 0.
		if p := AnytimeP(draws); spread > 1e-6 && math.Abs(math.Log(p/alpha)) > 1e-6 && (p < alpha) != (low > 0 || high < 0) {
			t.Errorf("p is %v at %v, and the interval %v to %v", p, alpha, low, high)
		}
		if _, l, u := Anytime(draws, alpha/2); l > low || u < high {
			t.Errorf("half of alpha narrows %v to %v to %v to %v", low, high, l, u)
		}
	})
}

// Few draws bound nothing, and what is no number gives none.
func TestAnytimeOfTooFew(t *testing.T) {
	for name, draws := range map[string][]float64{"none": nil, "one": {2}, "two": {1, 3}, "broken": {1, math.NaN(), 2, 2, 2}, "infinite": {1, math.Inf(1), 2, 2, 2}} {
		mean, low, high := Anytime(draws, 0.05)
		if !math.IsInf(low, -1) || !math.IsInf(high, 1) {
			t.Errorf("%s: %v to %v, want no bounds", name, low, high)
		}
		if known := name == "one" || name == "two"; known && mean != 2 || !known && !math.IsNaN(mean) {
			t.Errorf("%s: mean %v", name, mean)
		}
	}
	for _, c := range []struct {
		draws []float64
		want  float64
	}{
		{nil, 1}, {[]float64{2}, 1}, {[]float64{1, math.NaN(), 2}, math.NaN()}, {[]float64{0, 0, 0}, 1},
		{[]float64{-1, 1, 0}, 1},                            // no evidence at all
		{[]float64{1, 1, 1, 1}, 1.0 / (65 * math.Sqrt(65))}, // A = 65: √A·A^(−2) = A^(−3/2)
	} {
		if got := AnytimeP(c.draws); math.Abs(got-c.want) > 1e-9 && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("p of %v is %v, want %v", c.draws, got, c.want)
		}
	}
	for _, alpha := range []float64{0, 1, -1, math.NaN()} {
		if mean, low, high := Anytime([]float64{1, 2, 3, 4}, alpha); !math.IsNaN(mean) || !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("alpha %v: %v, %v to %v", alpha, mean, low, high)
		}
	}
}

// Whoever looks after every draw and stops at the first interval that leaves the truth
// out is wrong in at most 5 of 100 draws; with the interval of a fixed n he is wrong in
// far more, which is what Anytime is for. Of 4,000 sequences, 2.6 standard errors of 5 %
// are 0.9 points; the draws are fixed.
func TestAnytimeMayBeLookedAtAlways(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const sequences, most = 4_000, 60
	left, leftFixed := 0, 0
	var fixed [most + 1]float64 // half-widths of a fixed n, in standard errors
	for n := range fixed {
		fixed[n] = TQuantile(0.975, float64(n-1))
	}
	for range sequences {
		var draws []float64
		out, outFixed := false, false
		for len(draws) < most {
			draws = append(draws, 0.3+0.01*r.NormFloat64())
			_, low, high := Anytime(draws, 0.05)
			out = out || low > 0.3 || high < 0.3
			p := Paired(draws)
			outFixed = outFixed || math.Abs(p.Mean-0.3) > fixed[p.N]*p.SE
		}
		if out {
			left++
		}
		if outFixed {
			leftFixed++
		}
	}
	if share := float64(left) / sequences; share > 0.05 {
		t.Errorf("%.4f of the sequences left the truth out at some look", share)
	}
	if share := float64(leftFixed) / sequences; share < 0.15 {
		t.Errorf("the interval of a fixed n left it out in %.4f only: the draws show nothing", share)
	}
}
