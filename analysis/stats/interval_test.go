package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// textbook is the interval from order statistics, normal ranks: what is wrong for
// values that depend on each other.
func textbook(sorted []float64, q float64) (low, high float64) {
	h := 1.96 * math.Sqrt(q*(1-q)/float64(len(sorted)))
	return Quantile(sorted, q-h), Quantile(sorted, min(1, q+h))
}

// coverage counts how an interval fared.
type coverage struct{ n, held, both, bothHeld, text int }

func (c *coverage) add(values []float64, q, seconds, truth float64) {
	sorted := slices.Sorted(slices.Values(values))
	i := QuantileInterval(values, sorted, q, seconds)
	c.n++
	held := !(truth < i.Low) && !(truth > i.High) // an end that is not told cannot be wrong
	if held {
		c.held++
	}
	if !math.IsNaN(i.Low) && !math.IsNaN(i.High) {
		c.both++
		if held {
			c.bothHeld++
		}
	}
	if low, high := textbook(sorted, q); low <= truth && truth <= high {
		c.text++
	}
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(all) }

// Intervals of p50, p95 and p99 in windows of 5 and 10 minutes, at 0.9 and 1 of
// capacity, hold the long run's value about 95 of 100 times, where those that take
// requests for independent hold it far less often.
func TestIntervalsHoldTheTruth(t *testing.T) {
	for _, s := range systems {
		if !*full && s.cap > 100 {
			continue // seconds for each
		}
		t.Run(s.name, func(t *testing.T) {
			for _, share := range []float64{0.9, 1} {
				s.coverages(t, share)
			}
		})
	}
}

func (s system) coverages(t *testing.T, share float64) {
	n, long, least := repeats(40), 1e6, 82.5 // three standard errors of 40 at 95 % are 10 %
	if *full {
		long, least = 1e7, 88
	}
	rate := s.cap * share
	truths := slices.Sorted(slices.Values(s.latencies(1<<40, rate, 60, long/rate)))
	qs := []float64{0.5, 0.95, 0.99}
	for _, seconds := range []float64{300, 600} {
		got := make([]coverage, len(qs))
		for i := range n {
			values := s.latencies(uint64(i), rate, 20, seconds)
			for k, q := range qs {
				got[k].add(values, q, seconds, Quantile(truths, q))
			}
		}
		for k, c := range got {
			t.Logf("%-24s %.2f of capacity, %3.0f s, p%-2.0f: %5.1f %% held; both ends told in %5.1f %%, of which held %5.1f %%; textbook %5.1f %% (n = %d)",
				s.name, share, seconds, 100*qs[k], percent(c.held, c.n), percent(c.both, c.n), percent(c.bothHeld, c.both), percent(c.text, c.n), n)
			if percent(c.held, c.n) < least {
				t.Errorf("%s p%.0f: held %.1f %%", s.name, 100*qs[k], percent(c.held, c.n))
			}
		}
	}
}

// Independent values: the interval is about as the textbook's, wider by Student's t
// and by the largest of three estimates.
func TestIntervalOfIndependentValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c coverage
	var widths []float64
	for range repeats(300) {
		values := make([]float64, 5000)
		for i := range values {
			values[i] = r.ExpFloat64()
		}
		c.add(values, 0.95, 1000, math.Log(20)) // P(X > ln 20) = 1/20
		sorted := slices.Sorted(slices.Values(values))
		low, high := textbook(sorted, 0.95)
		i := QuantileInterval(values, sorted, 0.95, 1000)
		widths = append(widths, (i.High-i.Low)/(high-low))
	}
	slices.Sort(widths)
	t.Logf("held %.1f %%, median width %.2f of the textbook's", percent(c.held, c.n), Quantile(widths, 0.5))
	if p := percent(c.held, c.n); p < 94 || Quantile(widths, 0.5) > 1.8 {
		t.Errorf("held %.1f %%, width %v", p, Quantile(widths, 0.5))
	}
}

func TestIntervalRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	some := func(n int) []float64 {
		values := make([]float64, n)
		for i := range values {
			values[i] = 1 + r.Float64()
		}
		return values
	}
	drifting := some(1000)
	for i := range drifting {
		drifting[i] += float64(i) / 1000
	}
	for _, c := range []struct {
		name      string
		values    []float64
		q         float64
		seconds   float64
		low, high bool
		why       string
	}{
		{"enough", some(1000), 0.5, 1000, true, true, ""},
		{"49", some(49), 0.5, 1000, false, false, "need n ≥ 50"},
		{"50", some(50), 0.5, 1000, true, true, ""},
		{"367 of p99", some(367), 0.99, 1000, false, false, "need n ≥ 368"},
		{"no upper end", some(400), 0.99, 1000, true, false, "for an upper end"},
		{"no lower end", some(400), 0.01, 1000, false, true, "for a lower end"},
		{"short windows", some(1000), 0.5, 50, false, false, "more: 10 windows of 5 times the median"},
		{"alike neighbours", drifting, 0.5, 1000, false, false, "neighbouring tenths"},
		{"no quantile", some(100), 1, 1000, false, false, "no such quantile"},
	} {
		got := QuantileInterval(c.values, slices.Sorted(slices.Values(c.values)), c.q, c.seconds)
		if !math.IsNaN(got.Low) != c.low || !math.IsNaN(got.High) != c.high || !strings.Contains(got.Why, c.why) || (got.Why == "") != (c.why == "") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	equal := slices.Repeat([]float64{2}, 1000)
	if got := QuantileInterval(equal, equal, 0.95, 1000); got.Low != 2 || got.High != 2 {
		t.Errorf("equal values: %+v", got)
	}
}

// What a step of a million requests costs for each quantile of each group.
func BenchmarkQuantileInterval(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	values := make([]float64, 1e6)
	for i := range values {
		values[i] = r.ExpFloat64()
	}
	sorted := slices.Sorted(slices.Values(values))
	for b.Loop() {
		QuantileInterval(values, sorted, 0.99, 1e5)
	}
}
