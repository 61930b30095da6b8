package luck

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// draw gives arrivals of a law from 0 to an end.
func draw(l Law, seed uint64, end float64) []float64 {
	gamma := distuv.Gamma{Alpha: l.Shape, Beta: l.Shape * l.Rate, Src: rand.NewPCG(seed, 7)}
	var due []float64
	for t := gamma.Rand(); t < end; t += gamma.Rand() {
		due = append(due, t)
	}
	return due
}

// Franx's formula is what a simulation of the queue comes to.
func TestWaiting(t *testing.T) {
	const n = 1_000_000
	for _, c := range []struct{ wait, service float64 }{{0.3, 0.6}, {1, 0.5}, {5, 0.8}, {14, 0.8}, {20, 0.9}, {40, 0.96}} {
		random := rand.New(rand.NewPCG(1, 2))
		over, w := 0, 0.0
		for range n {
			if w > c.wait {
				over++
			}
			w = math.Max(0, w+c.service-random.ExpFloat64())
		}
		got, want := waiting(c.wait, c.service), float64(over)/n
		// Waits within a relaxation time go together.
		spread := 5 * math.Sqrt(want/n*2/(1-c.service)/(1-c.service))
		if math.Abs(got-want) > spread {
			t.Errorf("%g of arrivals wait for longer than %g at %g, want %g ± %.1g", got, c.wait, c.service, want, spread)
		}
	}
}

// The more wait, the longer services take; nothing is lost where many fit into the wait.
func TestWaitingRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wait := math.Exp(rapid.Float64Range(-2, 6).Draw(t, "log wait"))
		a := rapid.Float64Range(0.01, 0.998).Draw(t, "a")
		b := rapid.Float64Range(a, 0.999).Draw(t, "b")
		low, high := waiting(wait, a), waiting(wait, b)
		if low < 0 || high > 1 || low > high+1e-9 {
			t.Errorf("%g wait for longer than %g at %g, %g at %g", low, wait, a, high, b)
		}
		if l := solve(0.01, 30, func(load float64) float64 { return waiting(wait, load) }); math.Abs(waiting(wait, l)-0.01) > 1e-5 {
			t.Errorf("at the load %g that was solved for %g wait, want 0.01", l, waiting(wait, l))
		}
	})
}

// Over all that might have come luck is 0: what is put right by it stays without bias.
func TestMeanIsZero(t *testing.T) {
	const runs = 1500
	for _, l := range []Law{{Rate: 250, Shape: 1}, {Rate: 30, Shape: 1}, {Rate: 250, Shape: 0.25}} {
		var sum, squares float64
		for seed := range uint64(runs) {
			more, ok := l.Of(draw(l, seed, 32), 0, 2, 32, 0.08, 0.05)
			if !ok {
				t.Fatalf("%+v: not told", l)
			}
			sum, squares = sum+more, squares+more*more
		}
		mean := sum / runs
		if spread := 4 * math.Sqrt(squares) / runs; math.Abs(mean) > spread+0.02 {
			t.Errorf("%+v: the mean luck is %.3f, want 0 ± %.3f", l, mean, spread)
		}
	}
}

// Seconds are no more than a unit.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, by := rapid.Uint64().Draw(t, "seed"), rapid.Float64Range(0.01, 100).Draw(t, "by")
		l := Law{Rate: 100, Shape: 1}
		due := draw(l, seed, 32)
		slow := make([]float64, len(due))
		for i := range due {
			slow[i] = due[i] * by
		}
		a, okA := l.Of(due, 0, 2, 32, 0.1, 0.01)
		b, okB := Law{Rate: l.Rate / by, Shape: 1}.Of(slow, 0, 2*by, 32*by, 0.1*by, 0.01)
		if okA != okB || math.Abs(a-b) > 0.05 {
			t.Errorf("luck %g %v, and %g %v with times %g as long", a, okA, b, okB, by)
		}
	})
}

// Even arrivals are kind, and those that come at once are not.
func TestKindAndUnkind(t *testing.T) {
	l := Law{Rate: 100, Shape: 1}
	var even, bunched []float64
	for i := range 3200 {
		even = append(even, float64(i)/100)
		bunched = append(bunched, float64(i/20)/5)
	}
	if more, ok := l.Of(even, 0, 2, 32, 0.1, 0.05); !ok || more != -1 {
		t.Errorf("even arrivals: luck %g %v, want -1", more, ok)
	}
	if more, ok := l.Of(bunched, 0, 2, 32, 0.1, 0.05); !ok || more < 2 {
		t.Errorf("twenty at once: luck %g %v, want 2 and more", more, ok)
	}
}

func TestNotTold(t *testing.T) {
	l := Law{Rate: 100, Shape: 1}
	due := draw(l, 1, 32)
	told := func(l Law, start, from, to, limit, allowed float64) bool {
		_, ok := l.Of(due, start, from, to, limit, allowed)
		return ok
	}
	if !told(l, 0, 2, 32, 0.1, 0.05) {
		t.Error("luck is not told of what it is told of")
	}
	for name, is := range map[string]bool{
		"no rate":              told(Law{Shape: 1}, 0, 2, 32, 0.1, 0.05),
		"no shape":             told(Law{Rate: 100}, 0, 2, 32, 0.1, 0.05),
		"no limit":             told(l, 0, 2, 32, 0, 0.05),
		"nothing allowed":      told(l, 0, 2, 32, 0.1, 0),
		"a short window":       told(l, 0, 2, 2.5, 0.1, 0.05),
		"a short warm-up":      told(l, 0, 0.01, 32, 0.1, 0.05),
		"a long limit":         told(l, 0, 2, 32, 1000, 0.05),
		"a window of nothing":  told(l, 0, 40, 90, 0.1, 0.05),
		"a limit not a number": told(l, 0, 2, 32, math.NaN(), 0.05),
	} {
		if is {
			t.Errorf("luck is told with %s", name)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	l := Law{Rate: 1500, Shape: 1}
	due := draw(l, 1, 35)
	for b.Loop() {
		l.Of(due, 0, 5, 35, 0.05, 0.05)
	}
}
