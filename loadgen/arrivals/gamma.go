package arrivals

import (
	"math"
	"math/rand/v2"
)

// gamma has independent gaps of mean 1/rate that follow a gamma distribution.
// It is stationary: its mean rate is the same in every part of time.
type gamma struct{ mean, shape float64 }

func (g gamma) rate() float64 { return g.mean }

func (g gamma) seconds(seed uint64) func() (float64, bool) {
	r, scale := random(seed, 0), 1/(g.mean*g.shape)
	// Time begins anywhere within a gap, and so more often in a long one: the gap
	// around the start is drawn by length, which makes gamma(k+1) of gamma(k), and
	// the rest of it is even over the gap. Beginning with a whole gap would bunch
	// (1/k - 1)/2 arrivals more at the start.
	t, begun := r.Float64()*drawGamma(r, g.shape+1)*scale, false
	return func() (float64, bool) {
		if begun {
			t += drawGamma(r, g.shape) * scale
		}
		begun = true
		return t, true
	}
}

// drawGamma draws from the gamma distribution of scale 1 (Marsaglia and Tsang,
// A Simple Method for Generating Gamma Variables, ACM TOMS 26, 2000; a shape
// below 1 as in their section 6).
func drawGamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return drawGamma(r, shape+1) * math.Pow(1-r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < x*x/2+d*(1-v+math.Log(v)) {
			return d * v
		}
	}
}
