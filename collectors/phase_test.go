package collectors

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// Jobs of one Every are read first at its even parts, in their order, and the same each time;
// two Everys do not disturb each other.
func TestPhases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		everies := []time.Duration{ShortestEvery, 500 * time.Millisecond, time.Second}
		jobs := make([]Job, rapid.IntRange(0, 80).Draw(t, "jobs"))
		for i := range jobs {
			jobs[i].Every = rapid.SampledFrom(everies).Draw(t, "every")
		}
		got := phases(jobs)
		for _, every := range everies {
			var of []time.Duration
			for i, j := range jobs {
				if j.Every == every {
					of = append(of, got[i])
				}
			}
			for k, phase := range of {
				if even := time.Duration(k) * every / time.Duration(len(of)); phase < even-time.Microsecond || phase > even+time.Microsecond {
					t.Errorf("the %d. of %d jobs at each %v is first read at %v, want %v", k, len(of), every, phase, even)
				}
			}
		}
		if again := phases(jobs); !slices.Equal(got, again) {
			t.Errorf("%v, then %v", got, again)
		}
	})
}

// 56 pages at 1 Hz are never read two at a time while each takes 15 ms, until the end; between
// two reads of each lies a second.
func TestRunSpreadsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pages = 56
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second-time.Millisecond)
		defer cancel()
		reading, most := make(chan struct{}, pages), 0
		jobs := make([]Job, pages)
		for i := range jobs {
			jobs[i] = Job{Name: fmt.Sprint(i), Every: time.Second, Timeout: time.Second, Collector: collect(func(context.Context) ([]Reading, error) {
				reading <- struct{}{}
				if ctx.Err() == nil {
					most = max(most, len(reading))
				}
				time.Sleep(15 * time.Millisecond)
				<-reading
				return one("n", 1), nil
			})}
		}
		sink := &record{}
		Run(ctx, results.NewOrigin(time.Now()), jobs, sink)
		if most != 1 {
			t.Errorf("%d pages were read at a time", most)
		}
		for i := range jobs {
			at := sink.at(fmt.Sprint(i), "n")
			if len(at) != 11 { // ten, and the last
				t.Errorf("page %d was read at %v", i, at)
				continue
			}
			for k := range 9 {
				if at[k+1]-at[k] != 1000 {
					t.Errorf("page %d was read at %v", i, at)
				}
			}
		}
	})
}

// A run that ends before a job's phase reads it once, as the last.
func TestRunShorterThanPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := collect(func(context.Context) ([]Reading, error) { return one("n", 1), nil })
		sink, warnings := runFor(t, 100*time.Millisecond, Job{Name: "a", Collector: good}, Job{Name: "b", Collector: good})
		if a, b := sink.at("a", "n"), sink.at("b", "n"); !slices.Equal(a, []int64{0, 100}) || !slices.Equal(b, []int64{100}) || len(warnings) > 0 {
			t.Errorf("read at %v and %v, warnings %+v", a, b, warnings)
		}
	})
}
