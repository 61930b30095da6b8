package loadgen_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/results"
)

// aDay looks at a day of load once an hour, and at every arrival of the open loop.
type aDay struct {
	first   results.Offset // where the schedule begins
	n       int64          // arrivals of the open loop
	worst   time.Duration  // how far one was from its place in the schedule
	samples int64
	hour    int
	heap    []uint64 // bytes that live, at the end of each hour
	running []int    // goroutines
}

func (d *aDay) Observation(results.Observation) {}

func (d *aDay) Sample(s results.Sample) {
	d.samples++
	if s.Service == "open" && s.Attempt == 0 {
		// In whole numbers: a sum of gaps would carry its rounding along all day.
		since := time.Duration(s.Session * int64(time.Second) / dayRate)
		if d.n == 0 {
			d.first = s.Due.Add(-since)
		}
		place := d.first.Add(since)
		d.worst = max(d.worst, s.Due.Sub(place).Abs())
		d.n++
	}
	if hour := int(s.Due.Seconds() / 3600); hour > d.hour {
		d.hour = hour
		runtime.GC()
		runtime.GC() // what the first made free
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		d.heap, d.running = append(d.heap, m.HeapAlloc), append(d.running, runtime.NumGoroutine())
	}
}

// dayRate is the open loop's, in requests a second: one that does not divide a second
// evenly, so that a schedule which adds gaps up would drift.
const dayRate = 7

// dayStep is a step of an open loop with faults and retries, and a closed one beside it.
func dayStep(window time.Duration) (loadgen.Step, error) {
	constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: dayRate})
	x := good(dice{7})
	x.Plan.Window = window
	x.Plan.Levels = []results.Level{{Service: "open", Arrivals: "constant", Value: dayRate}, {Service: "closed", Arrivals: "closed", Value: 3}}
	open, closed := x.Loads[0], x.Loads[0]
	open.Service, open.Arrivals, open.Users, open.Timeout, open.MaxInFlight, open.Workload = "open", constant, 0, 200*time.Millisecond, 17, fixed{}
	open.Retry = loadgen.Retry{Attempts: 1, On: []results.Outcome{results.Reset, results.Timeout}, Pause: 5 * time.Millisecond}
	closed.Service, closed.Users, closed.Think, closed.Workload, closed.Router = "closed", 3, 5*time.Second, fixed{}, &turns{}
	x.Loads = []loadgen.Load{open, closed}
	return x, err
}

// A step of a day of virtual time: the schedule stands where it stood at first, to the
// nanosecond, goroutines do not grow, and of a request the loop keeps its lag and nothing else.
func TestADay(t *testing.T) {
	err := bubble(t, func() error {
		x, err := dayStep(24 * time.Hour)
		if err != nil {
			return err
		}
		got := &aDay{}
		step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, got)
		if err != nil {
			return err
		}
		return got.check(step)
	})
	if err != nil {
		t.Error(err)
	}
}

// A day in steps of five minutes, one after the other: what a step kept is free when it is over.
func TestADayOfSteps(t *testing.T) {
	err := bubble(t, func() error {
		got := &aDay{}
		origin := results.NewOrigin(time.Now())
		for i := range 24 * 12 {
			x, err := dayStep(5 * time.Minute)
			if err != nil {
				return err
			}
			x.Seed = uint64(i)
			step, err := drive(context.Background(), origin, x, got)
			if err != nil {
				return err
			}
			if step.End < step.WindowEnd || step.WindowEnd.Sub(step.Start) != 5*time.Minute {
				return fmt.Errorf("step %d: from %v to %v, ended at %v", i, step.Start, step.WindowEnd, step.End)
			}
		}
		if len(got.heap) < 23 {
			return fmt.Errorf("looked at %d hours only", len(got.heap))
		}
		return got.flat(0)
	})
	if err != nil {
		t.Error(err)
	}
}

func (d *aDay) check(step results.Step) error {
	const all = 24 * 3600 * dayRate
	open, closed := step.Services[0], step.Services[1]
	switch {
	case d.n < all-1 || d.n > all+1 || *open.Scheduled != d.n:
		return fmt.Errorf("%d arrivals, %d scheduled, want %d", d.n, *open.Scheduled, all)
	case d.samples != open.Due+closed.Due:
		return fmt.Errorf("%d samples, %d and %d fell due", d.samples, open.Due, closed.Due)
	case d.worst > time.Nanosecond:
		return fmt.Errorf("an arrival was %v from its place: the schedule drifts", d.worst)
	case open.Lag.Max > behind || closed.Lag.Max > behind:
		return fmt.Errorf("late by %v and %v in virtual time", open.Lag.Max, closed.Lag.Max)
	case len(d.heap) < 22:
		return fmt.Errorf("looked at %d hours only", len(d.heap))
	}
	return d.flat(float64(d.samples) * 9) // 8, and what pieces of them that are not full take
}

// flat says what grew from the second hour to the last, but for so many bytes that may.
func (d *aDay) flat(kept float64) error {
	last := len(d.heap) - 1 // the first hour fills what is used again
	if grown := float64(d.heap[last]) - float64(d.heap[1]); grown > kept+dayHeap {
		return fmt.Errorf("the heap grew by %.0f bytes, more than %.0f: %v", grown, kept+dayHeap, d.heap)
	}
	if a, b := d.running[1], d.running[last]; b > a {
		return fmt.Errorf("goroutines grew from %d to %d: %v", a, b, d.running)
	}
	return nil
}

// dayHeap is how much the heap may differ by itself: less than a byte for each request.
const dayHeap = 512 << 10
