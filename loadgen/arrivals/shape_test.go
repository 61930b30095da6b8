package arrivals

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestShapeCounts states the law: until any moment as many arrivals of a
// constant rate are due as the rate adds up to, here summed in small steps.
func TestShapeCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		warmup := time.Duration(rapid.IntRange(0, 5).Draw(t, "warmup")) * time.Second
		factor := rapid.SampledFrom([]float64{0, 0.3, 1, 2.5, 8})
		points := []Point{{0, factor.Draw(t, "first")}, {3 * time.Second, 1}}
		at := 3 * time.Second
		for range rapid.IntRange(0, 6).Draw(t, "points") {
			at += time.Duration(rapid.SampledFrom([]int{0, 1, 2500}).Draw(t, "gap")) * time.Millisecond
			points = append(points, Point{at, factor.Draw(t, "factor")})
		}
		const rate, until = 200.0, 30 * time.Second
		a := mustNew(t, Config{Kind: "constant", Value: rate, Shape: points, Warmup: warmup, Window: until - warmup})
		times := take(t, a, rapid.Uint64().Draw(t, "seed"), until)
		sum, inWindow, n := 0.0, 0.0, 0
		const step = time.Millisecond / 2
		for now := time.Duration(0); now < until; now += step {
			part := factorAt(points, now+step/2-warmup) * rate * step.Seconds()
			if sum += part; now >= warmup {
				inWindow += part
			}
			for n < len(times) && times[n] < now+step {
				n++
			}
			// One for the phase; the sum of steps is off by a jump within one.
			if math.Abs(float64(n)-sum) > 1.01+8*rate*step.Seconds() {
				t.Fatalf("%d arrivals until %v, the rate adds up to %.2f", n, now, sum)
			}
		}
		want := inWindow / (until - warmup).Seconds()
		if math.Abs(a.Rate()-want) > 0.01*want+0.2 {
			t.Fatalf("rate %.3f over the window, want %.3f", a.Rate(), want)
		}
	})
}

// factorAt reads a factor off the points, as their comment says.
func factorAt(points []Point, at time.Duration) float64 {
	if at < points[0].At {
		return points[0].Factor
	}
	for i := len(points) - 1; i >= 0; i-- {
		if p := points[i]; at >= p.At {
			if i == len(points)-1 {
				return p.Factor
			}
			q := points[i+1]
			return p.Factor + (q.Factor-p.Factor)*float64(at-p.At)/float64(q.At-p.At)
		}
	}
	panic("no point is before")
}

// A spike of 5 times the rate: by hand, 100/s for 10 s, 500/s for 2 s, 100/s for
// 8 s after a warm-up of 5 s.
func TestSpike(t *testing.T) {
	second := time.Second
	c := Config{Kind: "constant", Value: 100, Warmup: 5 * second, Window: 20 * second,
		Shape: []Point{{0, 1}, {10 * second, 1}, {10 * second, 5}, {12 * second, 5}, {12 * second, 1}}}
	a := mustNew(t, c)
	counts := map[string]int{}
	for _, at := range take(t, a, 3, 25*second) {
		switch {
		case at < 5*second:
			counts["warm-up"]++
		case at >= 15*second && at < 17*second:
			counts["spike"]++
		default:
			counts["base"]++
		}
	}
	for part, want := range map[string]int{"warm-up": 500, "spike": 1000, "base": 1800} {
		if n := counts[part]; n < want-1 || n > want+1 {
			t.Errorf("%s: %d arrivals, want %d", part, n, want)
		}
	}
	if got := a.Rate(); math.Abs(got-2800.0/20) > 1e-9 {
		t.Errorf("rate %v, want 140", got)
	}
	c.Window = 0
	// Over 17 s up to the last point: 15 s at 100 and 2 s at 500.
	if got := mustNew(t, c).Rate(); math.Abs(got-2500.0/17) > 1e-9 {
		t.Errorf("rate %v, want %v", got, 2500.0/17)
	}
}

// By hand: the factor rises from 0 to 2 over 20 s, so that a window of 10 s has
// 0.5 on average, and its part after a warm-up is the same.
func TestRateWithinARamp(t *testing.T) {
	for _, warmup := range []time.Duration{0, 5 * time.Second} {
		a := mustNew(t, Config{Kind: "poisson", Value: 100, Warmup: warmup, Window: 10 * time.Second,
			Shape: []Point{{0, 0}, {20 * time.Second, 2}}})
		if got := a.Rate(); math.Abs(got-50) > 1e-9 {
			t.Errorf("warm-up %v: rate %v, want 50", warmup, got)
		}
	}
}

// A rate that ends at 0 has an end, and a shape of 1 changes nothing.
func TestShapeEnds(t *testing.T) {
	c := Config{Kind: "poisson", Value: 50}
	plain := take(t, mustNew(t, c), 5, 20*time.Second)
	c.Shape = []Point{{0, 1}, {time.Second, 1}}
	for i, at := range take(t, mustNew(t, c), 5, 20*time.Second) {
		if d := at - plain[i]; d < -1 || d > 1 {
			t.Fatalf("a shape of 1 moves arrival %d from %v to %v", i, plain[i], at)
		}
	}
	c.Shape = []Point{{0, 1}, {10 * time.Second, 1}, {20 * time.Second, 0}}
	next, n := mustNew(t, c).Times(5), 0
	for at, ok := next(); ok; at, ok = next() {
		if n++; at > 20*time.Second {
			t.Fatalf("an arrival at %v, where the rate is 0", at)
		}
	}
	// 10 s at 50 and 10 s at 25 on average: 750, deviation 27.
	if n < 750-5*27 || n > 750+5*27 {
		t.Errorf("%d arrivals, want about 750", n)
	}
}
