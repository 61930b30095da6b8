package loadgen_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// instant is an endpoint that answers at once.
type instant struct{ plain }

func (i instant) Prepare(*loadgen.Request) (loadgen.Prepared, error) { return i, nil }

func (instant) Do(context.Context, func()) loadgen.Answer {
	return loadgen.Answer{Outcome: results.OK}
}

// thinking drives users with a think time against an endpoint that answers at
// once, and gives the samples of each user in their order.
func thinking(users int, think, window time.Duration, change func(*loadgen.Load, *loadgen.Step)) ([]results.Sample, results.Step, error) {
	x := good(instant{})
	x.Plan.Window, x.Plan.Levels[0].Value = window, float64(users)
	x.Loads[0].Users, x.Loads[0].Think = users, think
	change(&x.Loads[0], &x)
	var got sink
	step, err := loadgen.Drive(context.Background(), results.NewOrigin(time.Now()), x, &got)
	slices.SortFunc(got.all, func(a, b results.Sample) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Due, b.Due))
	})
	return got.all, step, err
}

// rested calls f with each two samples of a user that follow one another.
func rested(samples []results.Sample, f func(before, after results.Sample)) {
	for i := 1; i < len(samples); i++ {
		if samples[i-1].User == samples[i].User {
			f(samples[i-1], samples[i])
		}
	}
}

// Users wake to the nanosecond in virtual time, whoever waits for them: those
// that wait in turn and those that come while a later one is waited for.
func TestUsersWakeInTime(t *testing.T) {
	for _, think := range []time.Duration{500 * time.Microsecond, 3333 * time.Microsecond, 200 * time.Millisecond} {
		for _, exponential := range []bool{false, true} {
			err := bubble(t, func() error {
				samples, step, err := thinking(24, think, 50*think, func(l *loadgen.Load, _ *loadgen.Step) { l.ThinkExponential = exponential })
				if err != nil {
					return err
				}
				// 24 users think about 50 times.
				if len(samples) < 24*40 || len(samples) > 24*60 {
					return fmt.Errorf("%d sessions, want about 1200", len(samples))
				}
				var faults []error
				rested(samples, func(before, after results.Sample) {
					if after.Sent != after.Due || !exponential && after.Due.Sub(before.Done) != think {
						faults = append(faults, fmt.Errorf("done %v, then due %v and sent %v", before.Done, after.Due, after.Sent))
					}
				})
				if i := step.Services[0]; i.Lag.Max != 0 || !exponential && *i.Think != think {
					faults = append(faults, fmt.Errorf("lag %+v, think time %v", i.Lag, *i.Think))
				}
				return errors.Join(faults...)
			})
			if err != nil {
				t.Errorf("think %v, exponential %v: %v", think, exponential, err)
			}
		}
	}
}

// drowsy is a waiter that is a millisecond late.
type drowsy struct{}

func (drowsy) Until(ctx context.Context, origin results.Origin, at results.Offset) bool {
	select {
	case <-time.After(at.Add(time.Millisecond).Sub(origin.Now())):
		return true
	case <-ctx.Done():
		return false
	}
}

// A user who was woken late is told to have thought for longer, and is ready
// then: session times and think times make up all of a user's time.
func TestLateWakeUpIsThinkTime(t *testing.T) {
	err := bubble(t, func() error {
		samples, step, err := thinking(1, 10*time.Millisecond, time.Second, func(_ *loadgen.Load, s *loadgen.Step) { s.Waiter = drowsy{} })
		if err != nil {
			return err
		}
		var faults []error
		rested(samples, func(before, after results.Sample) {
			if after.Due.Sub(before.Done) != 11*time.Millisecond || after.Sent != after.Due {
				faults = append(faults, fmt.Errorf("done %v, then due %v and sent %v", before.Done, after.Due, after.Sent))
			}
		})
		if i := step.Services[0]; *i.Think != 11*time.Millisecond || i.Lag.P50 != 0 || i.Lag.Max != time.Millisecond {
			// The first session alone has a moment of its own to be late for.
			faults = append(faults, fmt.Errorf("think time %v, lag %+v", *i.Think, i.Lag))
		}
		// The user starts within its first think time, and then takes 11 ms.
		if len(samples) < 90 || len(samples) > 91 {
			faults = append(faults, fmt.Errorf("%d sessions in 1 s of 11 ms each", len(samples)))
		}
		return errors.Join(faults...)
	})
	if err != nil {
		t.Error(err)
	}
}

// A user who was refused waits for the load's own pause, and users without
// think time start over its own ramp.
func TestPausesAreTheLoads(t *testing.T) {
	for _, c := range []struct {
		pause, ramp         time.Duration
		wantPause, wantRamp time.Duration
	}{
		{0, 0, 100 * time.Millisecond, time.Second},
		{7 * time.Millisecond, 40 * time.Millisecond, 7 * time.Millisecond, 40 * time.Millisecond},
	} {
		err := bubble(t, func() error {
			s := serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "full", http.StatusTooManyRequests) })
			defer s.stop()
			e := s.endpoint(t)
			defer e.Close()
			samples, step, err := thinking(4, 0, time.Second, func(l *loadgen.Load, s *loadgen.Step) {
				s.Plan.Warmup, l.Targets[0].Endpoint, l.FailurePause, l.Ramp = 10*time.Second, e, c.pause, c.ramp
			})
			if err != nil {
				return err
			}
			var faults []error
			rested(samples, func(before, after results.Sample) {
				if got := after.Due.Sub(before.Done); got != c.wantPause {
					faults = append(faults, fmt.Errorf("user %d paused for %v", after.User, got))
				}
			})
			for u := range 4 { // the first of each starts u quarters into the ramp
				i := slices.IndexFunc(samples, func(s results.Sample) bool { return s.User == int64(u) })
				if got, want := time.Duration(samples[i].Due), c.wantRamp*time.Duration(u)/4; got != want {
					faults = append(faults, fmt.Errorf("user %d started at %v, want %v", u, got, want))
				}
			}
			if got := *step.Services[0].Think; got != c.wantPause {
				faults = append(faults, fmt.Errorf("the think time told is %v", got))
			}
			return errors.Join(faults...)
		})
		if err != nil {
			t.Errorf("pause %v, ramp %v: %v", c.pause, c.ramp, err)
		}
	}
}

// How late 24 users with a think time of 3.33 ms, which is 0.2 s at scale 60,
// are woken: with the production Waiter and with package time.
func BenchmarkWakeUps(b *testing.B) {
	for name, waiter := range map[string]loadgen.Waiter{"pace": pace.Waiter{}, "timer": nil} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				samples, _, err := thinking(24, 3333*time.Microsecond, time.Second, func(_ *loadgen.Load, s *loadgen.Step) { s.Waiter = waiter })
				if err != nil {
					b.Fatal(err)
				}
				var late []time.Duration
				rested(samples, func(before, after results.Sample) {
					late = append(late, after.Sent.Sub(before.Done)-3333*time.Microsecond)
				})
				slices.Sort(late)
				var sum time.Duration
				for _, l := range late {
					sum += l
				}
				n := len(late)
				b.ReportMetric(float64(sum.Microseconds())/float64(n), "mean-µs")
				b.ReportMetric(float64(late[n/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(late[n*99/100].Microseconds()), "p99-µs")
			}
		})
	}
}
