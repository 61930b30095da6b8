package arrivals

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"pgregory.net/rapid"
)

func take(t rapid.TB, a loadgen.Arrivals, seed uint64, until time.Duration) []time.Duration {
	t.Helper()
	var times []time.Duration
	next := a.Times(seed)
	for at, ok := next(); ok && at < until; at, ok = next() {
		times = append(times, at)
	}
	return times
}

func mustNew(t rapid.TB, c Config) loadgen.Arrivals {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatalf("New(%+v): %v", c, err)
	}
	return a
}

// traceFile writes a trace of bursts: three moments at every whole second.
func traceFile(t testing.TB, seconds int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("id,Timestamp\n")
	for i := range seconds {
		for _, part := range []string{".000", ".125", ".125"} {
			b.WriteString("x," + strconv.Itoa(i) + part + "\n")
		}
	}
	file := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// drawConfig draws arrivals of about 500 in the time that it gives too.
func drawConfig(t *rapid.T, file string) (Config, time.Duration) {
	c := Config{
		Kind: rapid.SampledFrom(Names()).Draw(t, "kind"), Value: float64(rapid.IntRange(1, 300).Draw(t, "value")),
		FPS: rapid.Float64Range(0.1, 30).Draw(t, "fps"), Burstiness: rapid.Float64Range(0.5, 20).Draw(t, "burstiness"), File: file,
	}
	rate := map[string]float64{"cameras": c.Value * c.FPS, "trace": 3 * c.Value}[c.Kind]
	if rate == 0 {
		rate = c.Value
	}
	return c, time.Duration(500 / rate * float64(time.Second))
}

func TestTimesAscendAndRepeat(t *testing.T) {
	file := traceFile(t, 200)
	rapid.Check(t, func(t *rapid.T) {
		c, until := drawConfig(t, file)
		seed := rapid.Uint64().Draw(t, "seed")
		a := mustNew(t, c)
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
		// 500 are expected. Seven standard deviations of a count with a dispersion
		// of 2, which gamma has at most here, are 221; the others are off by less
		// than one round of all cameras.
		if n := len(times); math.Abs(float64(n)-500) > 221+c.Value {
			t.Fatalf("%s: %d arrivals where 500 were due", c.Kind, n)
		}
		if c.Kind != "trace" && math.Abs(a.Rate()*until.Seconds()-500) > 1 {
			t.Fatalf("%s tells a rate of %v", c.Kind, a.Rate())
		}
	})
}

// TestShards states the law of loadgen.Shard: the sessions n with n mod Of =
// Index, of all shards together, are the whole, each due when the whole has it.
func TestShards(t *testing.T) {
	file := traceFile(t, 200)
	rapid.Check(t, func(t *rapid.T) {
		c, until := drawConfig(t, file)
		if rapid.Bool().Draw(t, "shaped") {
			c.Shape = []Point{{0, 1}, {until / 2, 0.2}, {until / 2, 3}}
		}
		seed, of := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 9).Draw(t, "of")
		a := mustNew(t, c)
		whole := take(t, a, seed, until)
		merged := make([]time.Duration, 0, len(whole))
		for index := range of {
			next, n := a.Times(seed), 0
			for at, ok := next(); ok && at < until; at, ok = next() {
				if n%of == index {
					if whole[n] != at {
						t.Fatalf("session %d is due at %v in shard %d, at %v in the whole", n, at, index, whole[n])
					}
					merged = append(merged, at)
				}
				n++
			}
		}
		slices.Sort(merged)
		if !slices.Equal(merged, whole) {
			t.Fatalf("%d shards have %d arrivals, the whole %d", of, len(merged), len(whole))
		}
	})
}

func TestRateIsExact(t *testing.T) {
	// 3/s has no whole interval of nanoseconds; after 1000 s there must still
	// be 3000 arrivals, whatever the phase.
	if n := len(take(t, mustNew(t, Config{Kind: "constant", Value: 3}), 7, 1000*time.Second)); n != 3000 {
		t.Errorf("constant 3/s over 1000 s: %d arrivals, want 3000", n)
	}
}

// dispersion is the variance of the counts in equal parts over their mean.
func dispersion(times []time.Duration, part, until time.Duration) float64 {
	counts := make([]float64, until/part)
	for _, at := range times {
		counts[at/part]++
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
	}
	mean := sum / float64(len(counts))
	for _, c := range counts {
		squares += (c - mean) * (c - mean)
	}
	return squares / float64(len(counts)-1) / mean
}

func TestDispersion(t *testing.T) {
	// Over N parts the dispersion has a standard deviation of about sqrt(2/N): of
	// 1 s 0.0022, of 5 s 0.005, a quarter of the tolerance. Of gamma the counts in
	// parts of 500 gaps come near 1/burstiness; there N is 8000 and the deviation
	// 1.6 %.
	for _, c := range []struct {
		Config
		part         time.Duration
		of           int // shards that are merged
		want, within float64
	}{
		{Config{Kind: "poisson", Value: 2}, time.Second, 1, 1, 0.02},
		{Config{Kind: "poisson", Value: 2}, 5 * time.Second, 1, 1, 0.02},
		{Config{Kind: "poisson", Value: 2}, time.Second, 8, 1, 0.02},
		{Config{Kind: "poisson", Value: 2}, 5 * time.Second, 8, 1, 0.02},
		{Config{Kind: "gamma", Value: 2, Burstiness: 1}, 5 * time.Second, 1, 1, 0.02},
		{Config{Kind: "gamma", Value: 10, Burstiness: 0.25}, 50 * time.Second, 1, 4, 0.25},
		{Config{Kind: "gamma", Value: 10, Burstiness: 4}, 50 * time.Second, 1, 0.25, 0.016},
		{Config{Kind: "constant", Value: 7.3}, 5 * time.Second, 1, 0, 0.01},
	} {
		const until = 400_000 * time.Second
		a := mustNew(t, c.Config)
		var times []time.Duration
		for index := range c.of {
			next := a.Times(11)
			n := 0
			for at, ok := next(); ok && at < until; at, ok = next() {
				if n%c.of == index {
					times = append(times, at)
				}
				n++
			}
		}
		if got := dispersion(times, c.part, until); math.Abs(got-c.want) > c.within {
			t.Errorf("%s %v, burstiness %v, %d shards: dispersion %.4f at %v, want %v ± %v", c.Kind, c.Value, c.Burstiness, c.of, got, c.part, c.want, c.within)
		}
		if mean := float64(len(times)) / until.Seconds(); math.Abs(mean/c.Value-1) > 0.01 {
			t.Errorf("%s %v: %v arrivals a second", c.Kind, c.Value, mean)
		}
	}
}

// Gamma is stationary: the first second holds as many as any other on average.
// Beginning with a whole gap there would be 3 more than 2 in it.
func TestGammaFromTheStart(t *testing.T) {
	const runs = 20_000
	a, n := mustNew(t, Config{Kind: "gamma", Value: 2, Burstiness: 0.1}), 0
	for seed := range uint64(runs) {
		n += len(take(t, a, seed, time.Second))
	}
	// The count's variance is below 10 times the mean: 5 deviations are 0.16.
	if mean := float64(n) / runs; math.Abs(mean-2) > 0.16 {
		t.Errorf("%.3f arrivals in the first second, want 2", mean)
	}
}

func TestCamerasKeepTheirRate(t *testing.T) {
	// Every camera sends exactly fps frames a second: the schedule repeats
	// after 1/fps, and each period holds each camera once.
	const n, fps = 17, 4.0
	times := take(t, mustNew(t, Config{Kind: "cameras", Value: n, FPS: fps}), 3, 10*time.Second)
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

// What is due beyond the range of a time.Duration, 292 years, is never due.
func TestBeyondTheRange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, []byte("0\n1e9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{Kind: "constant", Value: 1e-11}, {Kind: "poisson", Value: 1e-11}, {Kind: "gamma", Value: 1e-11, Burstiness: 1},
		{Kind: "cameras", Value: 2, FPS: 1e-11}, {Kind: "constant", Value: 5e-324}, {Kind: "trace", Value: 0.1, File: file},
		{Kind: "constant", Value: 1, Shape: []Point{{0, 1e-10}}},
	} {
		next, last := mustNew(t, c).Times(3), time.Duration(0)
		n := 0
		for at, ok := next(); ok; at, ok = next() {
			if n++; at < last || n > 100 {
				t.Errorf("%+v: arrival %d is due at %v, after %v", c, n, at, last)
				break
			}
			last = at
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []Config{
		{Kind: "sometimes", Value: 1}, {Kind: "constant"}, {Kind: "poisson", Value: -1}, {Kind: "constant", Value: math.NaN()},
		{Kind: "poisson", Value: math.Inf(1)}, {Kind: "cameras", Value: 2.5, FPS: 1}, {Kind: "cameras", Value: 2},
		{Kind: "gamma", Value: 1}, {Kind: "gamma", Value: 1, Burstiness: 0.009}, {Kind: "gamma", Value: 1, Burstiness: math.NaN()},
		{Kind: "trace", Value: 1}, {Kind: "trace", Value: 1, File: "no such file"},
		{Kind: "poisson", Value: 1, Shape: []Point{{0, 0}}},
		{Kind: "poisson", Value: 1, Shape: []Point{{0, -1}, {1, 1}}},
		{Kind: "poisson", Value: 1, Shape: []Point{{0, 1001}}},
		{Kind: "poisson", Value: 1, Shape: []Point{{2, 1}, {1, 1}}},
		{Kind: "poisson", Value: 1, Shape: []Point{{-1, 1}}},
		{Kind: "poisson", Value: 1e7, Shape: []Point{{0, 1.1}}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("New(%+v) was accepted", c)
		}
	}
	if !slices.IsSorted(Names()) {
		t.Errorf("Names are not sorted: %v", Names())
	}
	file := traceFile(t, 1)
	for _, name := range Names() {
		mustNew(t, Config{Kind: name, Value: 1, FPS: 1, Burstiness: 0.01, File: file})
	}
}
