package queues

import (
	"math"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// BenchmarkStep is what a request costs: its simulation, the looks at the step and
// one reading of its sample.
func BenchmarkStep(b *testing.B) {
	for _, s := range All() {
		b.Run(s.Name, func(b *testing.B) {
			load := s.From
			if !math.IsNaN(s.Truth.Load) && s.Truth.Load > 0 {
				load = s.Truth.Load
			}
			t := s.Start(1)
			window := time.Duration(20000 / load * float64(time.Second))
			requests := 0
			b.ReportAllocs()
			for b.Loop() {
				r := t.Step(results.StepPlan{Levels: s.Levels(load), Window: window}, func(results.Progress) string { return "" })
				for range r.Samples {
					requests++
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(requests), "ns/request")
		})
	}
}
