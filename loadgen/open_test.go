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
	constant, err := arrivals.New("constant", 50, 0)
	if err != nil {
		return nil, step, err
	}
	step, err = loadgen.Drive(context.Background(), results.NewOrigin(start), loadgen.Step{
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
	for _, c := range []struct {
		timeout time.Duration
		notSent int // at 50/s and with 4 slots taken for the pause
	}{
		{time.Minute, 0},
		// The four that were sent time out after 1 s and let four more go,
		// which time out at the pause's end. Of the 100 due in the pause, those
		// due in its first second wait for slots that are not there.
		{time.Second, -1},
	} {
		err := bubble(t, func() error {
			got, step, err := paused(t, 4, c.timeout)
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
					if x.Done.Sub(x.Due) != c.timeout || x.Endpoint != "" {
						faults = append(faults, fmt.Errorf("not sent after %v to %q", x.Done.Sub(x.Due), x.Endpoint))
					}
				}
			}
			i := step.Services[0]
			if late < 94 || (c.notSent >= 0) != (notSent == 0) || i.PeakInFlight != 4 || i.Lag.Max != 0 || len(got.all) != 500 {
				faults = append(faults, fmt.Errorf("timeout %v: %d late, %d not sent, %+v", c.timeout, late, notSent, i))
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
