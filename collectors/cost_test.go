package collectors

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/results"
)

// count is a Sink that keeps nothing.
type count struct{ observations atomic.Int64 }

func (*count) Sample(results.Sample)             {}
func (c *count) Observation(results.Observation) { c.observations.Add(1) }

// steady is a Collector that gives the same readings again and again, and fails once in
// a while, each time with other words.
func steady(series int, faults bool) collect {
	readings := make([]Reading, series)
	for i := range readings {
		readings[i] = one(fmt.Sprint("series_", i), float64(i))[0]
	}
	reads := 0
	return func(context.Context) ([]Reading, error) {
		if reads++; faults && reads%7 == 0 {
			return nil, fmt.Errorf("fault %d", reads)
		}
		return readings, nil
	}
}

// Ten minutes of 56 sources that are read ten times a second, every seventh read a
// fault, leave nothing behind in Run: neither memory nor goroutines. What a sink keeps is the
// sink's.
func TestMemoryIsFlat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sources, span = 56, 10 * time.Minute
		jobs := make([]Job, sources)
		for i := range jobs {
			jobs[i] = Job{Name: fmt.Sprint("s", i), Collector: steady(20, true), Every: ShortestEvery, Timeout: time.Second}
		}
		ctx, cancel := context.WithTimeout(t.Context(), span+50*time.Millisecond)
		defer cancel()
		sink := &count{}
		over := make(chan struct{})
		go func() {
			defer close(over)
			Run(ctx, results.NewOrigin(time.Now()), jobs, sink)
		}()
		var text strings.Builder
		var first, last float64
		var threads int
		for minute := range 10 {
			time.Sleep(time.Minute - 10*time.Millisecond)
			synctest.Wait() // no read is under way
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			last = float64(m.HeapAlloc)
			if minute == 0 {
				first, threads = last, runtime.NumGoroutine()
			}
			fmt.Fprintf(&text, " %.0f", last/1024)
			if n := runtime.NumGoroutine(); n > threads {
				t.Errorf("minute %d: %d goroutines, %d after the first", minute+1, n, threads)
			}
		}
		<-over
		t.Logf("heap in KiB after each of ten minutes, %d observations:%s", sink.observations.Load(), text.String())
		// A byte kept of each read would be 300 KiB.
		if grown := last - first; grown > 128<<10 {
			t.Errorf("the heap grew by %.0f KiB from the first minute to the last", grown/1024)
		}
		// 6000 beats or one more, by the phase, and the last read; each gives its time and
		// whether it came, and six of seven 20 readings.
		const reads = sources * 6001
		if got, least := sink.observations.Load(), int64(reads*2+reads*6/7*20); got < least {
			t.Errorf("%d observations, want at least %d", got, least)
		}
	})
}

// BenchmarkRead is what Run itself adds to a read of 20 readings.
func BenchmarkRead(b *testing.B) {
	sink := &count{}
	r := &reader{
		job:    Job{Name: "s", Collector: steady(20, false), Every: ShortestEvery, Timeout: time.Second},
		origin: results.NewOrigin(time.Now()), sink: sink,
	}
	b.ReportAllocs()
	for b.Loop() {
		if !r.read(b.Context(), r.job.Timeout) {
			b.Fatal("given up")
		}
	}
	b.ReportMetric(float64(sink.observations.Load())/float64(b.N), "observations/op")
}
