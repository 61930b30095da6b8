package arrivals

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"pgregory.net/rapid"
)

func take(t rapid.TB, a loadgen.Arrivals, seed uint64, until time.Duration) []time.Duration {
	t.Helper()
	var times []time.Duration
	for at := range a.Times(seed) {
		if at >= until {
			break
		}
		times = append(times, at)
	}
	return times
}

func mustNew(t rapid.TB, name string, value, fps float64) loadgen.Arrivals {
	t.Helper()
	a, err := New(name, value, fps)
	if err != nil {
		t.Fatalf("New(%q, %v, %v): %v", name, value, fps, err)
	}
	return a
}

func TestTimesAscendAndRepeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(Names()).Draw(t, "name")
		value := float64(rapid.IntRange(1, 300).Draw(t, "value"))
		fps := rapid.Float64Range(0.1, 30).Draw(t, "fps")
		seed := rapid.Uint64().Draw(t, "seed")
		a := mustNew(t, name, value, fps)
		until := time.Duration(500 / a.Rate() * float64(time.Second))
		times := take(t, a, seed, until)
		if !slices.IsSorted(times) {
			t.Fatalf("times go back: %v", times)
		}
		if len(times) > 0 && times[0] < 0 {
			t.Fatalf("first time %v is before the start", times[0])
		}
		if again := take(t, a, seed, until); !slices.Equal(times, again) {
			t.Fatalf("seed %d gave two schedules", seed)
		}
		// 500 are expected. Six standard deviations of a Poisson count are 134;
		// the others are off by less than one round of all cameras.
		if n := len(times); math.Abs(float64(n)-500) > 134+value {
			t.Fatalf("%s: %d arrivals where 500 were due", name, n)
		}
	})
}

func TestRateIsExact(t *testing.T) {
	// 3/s has no whole interval of nanoseconds; after 1000 s there must still
	// be 3000 arrivals, whatever the phase.
	if n := len(take(t, mustNew(t, "constant", 3, 0), 7, 1000*time.Second)); n != 3000 {
		t.Errorf("constant 3/s over 1000 s: %d arrivals, want 3000", n)
	}
}

func TestPoissonDispersion(t *testing.T) {
	// Counts in 4000 bins of mean 10: variance/mean is 1 with a standard
	// deviation of about sqrt(2/4000) = 0.022. An even stream has 0, bursts
	// have more than 1.
	const bins, mean = 4000, 10.0
	times := take(t, mustNew(t, "poisson", mean, 0), 11, bins*time.Second)
	var counts [bins]float64
	for _, at := range times {
		counts[at/time.Second]++
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += c * c
	}
	m := sum / bins
	dispersion := (squares/bins - m*m) / m
	if math.Abs(dispersion-1) > 0.1 {
		t.Errorf("variance/mean of counts is %.3f, want 1", dispersion)
	}
	if math.Abs(m-mean) > 0.3 { // six standard deviations of the mean: 6·sqrt(10/4000)
		t.Errorf("mean count is %.3f, want %v", m, mean)
	}
}

func TestCamerasKeepTheirRate(t *testing.T) {
	// Every camera sends exactly fps frames a second: the schedule repeats
	// after 1/fps, and each period holds each camera once.
	const n, fps = 17, 4.0
	times := take(t, mustNew(t, "cameras", n, fps), 3, 10*time.Second)
	if len(times) != n*fps*10 {
		t.Fatalf("%d frames in 10 s, want %d", len(times), int(n*fps*10))
	}
	for i := n; i < len(times); i++ {
		gap := times[i] - times[i-n]
		if d := gap - 250*time.Millisecond; d < -1 || d > 1 { // rounding to 1 ns
			t.Fatalf("frame %d of camera %d comes %v after the one before, want 250ms", i/n, i%n, gap)
		}
	}
	even := 0
	for i := 1; i < n; i++ {
		if times[i] == times[i-1] {
			even++
		}
	}
	if even > 0 {
		t.Errorf("%d cameras share a phase", even)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name       string
		value, fps float64
	}{
		{"gamma", 1, 1}, {"constant", 0, 0}, {"poisson", -1, 0}, {"constant", math.NaN(), 0},
		{"poisson", math.Inf(1), 0}, {"cameras", 2.5, 1}, {"cameras", 2, 0},
	} {
		if _, err := New(c.name, c.value, c.fps); err == nil {
			t.Errorf("New(%q, %v, %v) was accepted", c.name, c.value, c.fps)
		}
	}
	if !slices.IsSorted(Names()) {
		t.Errorf("Names are not sorted: %v", Names())
	}
	for _, name := range Names() {
		mustNew(t, name, 1, 1)
	}
}
