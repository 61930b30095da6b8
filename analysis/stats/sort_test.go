package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSortIsThatOfSlices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{0, 1, -1, math.Inf(1), math.Inf(-1), math.MaxFloat64, -5e-324}))
		if rapid.Bool().Draw(t, "nan") {
			some = rapid.OneOf(some, rapid.Just(math.NaN()))
		}
		values := rapid.SliceOfN(some, 0, 3*radixLeast).Draw(t, "values")
		if rapid.Bool().Draw(t, "many") { // long enough for the passes
			for len(values) > 0 && len(values) < radixLeast {
				values = append(values, values...)
			}
		}
		want := slices.Sorted(slices.Values(values))
		Sort(values)
		for i := range want {
			if values[i] != want[i] && !(math.IsNaN(values[i]) && math.IsNaN(want[i])) {
				t.Fatalf("value %d of %d is %g, want %g", i, len(want), values[i], want[i])
			}
		}
	})
}

func BenchmarkSort(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]float64, 10_000)
	for i := range random {
		random[i] = math.Round(1e8*r.ExpFloat64()) / 1e9 // latencies in whole ns
	}
	values := make([]float64, len(random))
	for name, sort := range map[string]func([]float64){"radix": Sort, "slices": slices.Sort[[]float64]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				copy(values, random)
				sort(values)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(values)), "ns/value")
		})
	}
}
