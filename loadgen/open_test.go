package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/results"
)

// paused drives 50 requests a second for 10 s at a server that answers in 1 ms
// but for a pause from 4 s to 6 s.
func paused(t *testing.T, limit int, timeout time.Duration) (got *sink, step results.Step, err error) {
	got = &sink{}
	start := time.Now()
	s := serve(func(w http.ResponseWriter, _ *http.Request) {
		if at := time.Since(start); at >= 4*time.Second && at < 6*time.Second {
			time.Sleep(6*time.Second - at)
		}
		time.Sleep(time.Millisecond)
		_, _ = w.Write([]byte("fine"))
	})
	defer s.stop()
	e := s.endpoint(t)
	defer e.Close()
	constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 50})
	if err != nil {
		return nil, step, err
	}
	step, err = drive(context.Background(), results.NewOrigin(start), loadgen.Step{
		Plan: results.StepPlan{
			Levels: []results.Level{{Service: "s", Arrivals: "constant", Value: 50}}, Window: 10 * time.Second,
		},
		Loads: []loadgen.Load{{
			Service: "s", Arrivals: constant, MaxInFlight: limit, Timeout: timeout, Workload: chains{"s", 1},
			Router: &turns{}, Targets: []loadgen.Target{{Name: "a", Endpoint: e}},
		}},
	}, got)
	return got, step, err
}

// Latency counts from Due while the server pauses, and every arrival is sent.
func TestLatencyCountsFromDue(t *testing.T) {
	err := bubble(t, func() error {
		got, step, err := paused(t, 0, time.Minute)
		if err != nil {
			return err
		}
		var faults []error
		for _, x := range got.all {
			want := time.Millisecond
			if x.Due >= results.Offset(4*time.Second) && x.Due < results.Offset(6*time.Second) {
				want += results.Offset(6 * time.Second).Sub(x.Due)
			}
			if latency := x.Done.Sub(x.Due); latency != want || x.Sent != x.Due || x.First != x.Done {
				faults = append(faults, fmt.Errorf("due at %v: latency %v, want %v", x.Due, latency, want))
			}
		}
		i := step.Services[0]
		// 2 s at 50/s wait for the pause's end.
		if len(got.all) != 500 || i.PeakInFlight != 100 || *i.Offered != 50 || i.Lag.N != 500 {
			faults = append(faults, fmt.Errorf("%d samples, %+v", len(got.all), i))
		}
		return errors.Join(faults...)
	})
	if err != nil {
		t.Error(err)
	}
}

// A limit on what is in flight makes arrivals wait, not late: it is not our
// lag, and it is in their latency. When they cannot be sent in time, they say
// so.
func TestLimitShowsInLatency(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, time.Second} {
		err := bubble(t, func() error {
			got, step, err := paused(t, 4, timeout)
			if err != nil {
				return err
			}
			late, notSent := 0, 0
			var faults []error
			for _, x := range got.all {
				if x.Done.Sub(x.Due) > 100*time.Millisecond {
					late++
				}
				if x.Outcome == results.NotSent {
					notSent++
					if !over(x.Done.Sub(x.Due), timeout) || x.Endpoint != "" {
						faults = append(faults, fmt.Errorf("not sent after %v to %q", x.Done.Sub(x.Due), x.Endpoint))
					}
				}
			}
			i := step.Services[0]
			// Of the 100 due in the pause all but those of its last 100 ms are
			// late. With a timeout of a second, the four that were sent give
			// way to four more; most others of the first second wait in vain.
			if late < 94 || (timeout == time.Second) != (notSent > 40) || i.PeakInFlight != 4 || i.Lag.Max != 0 || len(got.all) != 500 {
				faults = append(faults, fmt.Errorf("timeout %v: %d late, %d not sent, %+v", timeout, late, notSent, i))
			}
			if notSent > 0 && !strings.Contains(i.FirstErrors["not_sent"], "no slot was free within 1s; 4 in flight") {
				faults = append(faults, fmt.Errorf("first errors %v", i.FirstErrors))
			}
			return errors.Join(faults...)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// sluggish wakes at whole tenths of a second only.
func sluggish(at results.Offset) results.Offset {
	const tick = results.Offset(100 * time.Millisecond)
	return (at + tick - 1) / tick * tick
}

// A generator that is late says how late, moves no arrival, and when it is
// stopped it still accounts for what had fallen due.
func TestLateGeneratorLosesNothing(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fine")) })
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 100})
		if err != nil {
			return err
		}
		x := good(e)
		x.NewLoop = late(sluggish)
		x.Plan.Levels[0].Arrivals = "constant"
		x.Loads[0].Arrivals, x.Loads[0].Users = constant, 0
		ctx, cancel := context.WithTimeout(context.Background(), 950*time.Millisecond)
		defer cancel()
		var got sink
		step, err := drive(ctx, results.NewOrigin(time.Now()), x, &got)
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("got %v", err)
		}
		sent, cancelled := 0, 0
		for _, x := range got.all {
			switch x.Outcome {
			case results.OK:
				sent++
			case results.Cancelled:
				cancelled++
			}
		}
		// One each 10 ms: 90 due until 0.9 s were sent, 5 after it were due
		// when the stop came. Each hundredth waits for the tick after it, ten
		// ranks from 0 to 100 ms apart.
		i := step.Services[0]
		if sent != 90 || cancelled != 5 || len(got.all) != 95 || i.Due != 95 || i.Lag.N != 90 ||
			i.Lag.Max < 90*time.Millisecond || i.Lag.Max > 100*time.Millisecond || i.Lag.P50 < 40*time.Millisecond || i.Lag.P50 > 60*time.Millisecond {
			return fmt.Errorf("%d sent, %d cancelled of %d, %+v", sent, cancelled, len(got.all), i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
