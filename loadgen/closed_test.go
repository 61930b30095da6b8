package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// A gauge adds up how many requests a server holds over time, within a span.
type gauge struct {
	mu       sync.Mutex
	from, to time.Time
	last     time.Time
	now      int
	area     float64 // request·seconds
}

func (g *gauge) add(d int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	g.now += d
}

// settle adds what passed since the last change.
func (g *gauge) settle() {
	t := time.Now()
	start, end := g.last, t
	if start.Before(g.from) {
		start = g.from
	}
	if end.After(g.to) {
		end = g.to
	}
	if end.After(start) {
		g.area += float64(g.now) * end.Sub(start).Seconds()
	}
	g.last = t
}

func (g *gauge) mean() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle()
	return g.area / g.to.Sub(g.from).Seconds()
}

// spread gives a service time in [0.5, 1.5]·mean that depends on the text.
func spread(text string, mean time.Duration) time.Duration {
	var h uint32
	for _, b := range []byte(text) {
		h = h*16777619 ^ uint32(b)
	}
	return mean/2 + time.Duration(float64(h%1000)/1000*float64(mean))
}

func within(what string, got, want, share float64) error {
	if math.Abs(got-want) > share*want {
		return fmt.Errorf("%s: got %.4g, want %.4g within %.0f %%", what, got, want, share*100)
	}
	return nil
}

// Little's law twice: the users are either in a session or thinking, and the
// calls in flight at the client are those that the server holds. The window is
// 150 s, over fifty times a session.
func TestLittle(t *testing.T) {
	for _, c := range []struct {
		users       int
		think       time.Duration
		exponential bool
		workers     int
	}{
		{8, 300 * time.Millisecond, true, 2},
		{8, 300 * time.Millisecond, false, 4},
		{5, 0, false, 1},
		{20, 2 * time.Second, true, 100},
	} {
		if err := bubble(t, func() error { return little(t, c.users, c.think, c.exponential, c.workers) }); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func little(t *testing.T, users int, think time.Duration, exponential bool, workers int) error {
	const warmup, window = 20 * time.Second, 150 * time.Second
	queue := make(chan struct{}, workers)
	g := &gauge{from: time.Now().Add(warmup), to: time.Now().Add(warmup + window), last: time.Now()}
	s := serve(func(w http.ResponseWriter, r *http.Request) {
		g.add(1)
		defer g.add(-1)
		text := read(r)
		queue <- struct{}{}
		time.Sleep(spread(text, 100*time.Millisecond))
		<-queue
		_, _ = w.Write([]byte("fine"))
	})
	defer s.stop()
	e := s.endpoint(t)
	defer e.Close()
	var got sink
	step, err := drive(context.Background(), results.NewOrigin(time.Now()), loadgen.Step{
		Plan: results.StepPlan{
			Levels: []results.Level{{Service: "s", Arrivals: "closed", Value: float64(users)}},
			Warmup: warmup, Window: window,
		},
		Loads: []loadgen.Load{{
			Service: "s", Users: users, Think: think, ThinkExponential: exponential, Timeout: time.Minute,
			Workload: chains{"s", 3}, Router: &turns{}, Targets: []loadgen.Target{{Name: "a", Endpoint: e}},
		}},
	}, &got)
	if err != nil {
		return err
	}
	var calls, sessions int
	var latency, sessionTime float64
	begun := map[int64]results.Offset{}
	for _, x := range got.all {
		if x.Call == 0 {
			begun[x.Session] = x.Due
		}
	}
	for _, x := range got.all {
		if x.Done < step.WindowStart || x.Done >= step.WindowEnd {
			continue
		}
		calls++
		latency += x.Done.Sub(x.Due).Seconds()
		if x.Last {
			sessions++
			sessionTime += x.Done.Sub(begun[x.Session]).Seconds()
		}
	}
	seconds := window.Seconds()
	thought := *step.Services[0].Think
	population := float64(sessions) / seconds * (sessionTime/float64(sessions) + thought.Seconds())
	return errors.Join(
		within("sessions/s x (session time + think)", population, float64(users), 0.03),
		within("calls/s x latency", float64(calls)/seconds*latency/float64(calls), g.mean(), 0.03),
		within("mean think time + 1s", thought.Seconds()+1, think.Seconds()+1, 0.05),
	)
}

// Users are spread over the ramp, a session is one user's alone, and what a
// user asks follows from its number.
func TestUsers(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(100 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		var got sink
		_, err := drive(context.Background(), results.NewOrigin(time.Now()), loadgen.Step{
			Plan: results.StepPlan{
				Levels: []results.Level{{Service: "s", Arrivals: "closed", Value: 4}},
				Warmup: 400 * time.Millisecond, Window: time.Second,
			},
			Loads: []loadgen.Load{{
				Service: "s", Users: 4, Timeout: time.Minute, Workload: chains{"s", 1}, Router: &turns{},
				Targets: []loadgen.Target{{Name: "a", Endpoint: e}},
			}},
		}, &got)
		if err != nil {
			return err
		}
		var faults []error
		for _, x := range got.all {
			if x.Session%4 != x.User {
				faults = append(faults, fmt.Errorf("session %d is user %d's", x.Session, x.User))
			}
			// User u of 4 starts u quarters into the ramp of 200 ms.
			if want := time.Duration(x.User) * 50 * time.Millisecond; x.Session < 4 && time.Duration(x.Due) != want {
				faults = append(faults, fmt.Errorf("user %d starts at %v, want %v", x.User, time.Duration(x.Due), want))
			}
		}
		// Each user makes one call of 100 ms after another until 1.4 s: 14, 14
		// (the last due at 1.35), 13 and 13 (the last due at 1.35).
		if len(got.all) != 14+14+13+13 {
			faults = append(faults, fmt.Errorf("%d calls, want 54", len(got.all)))
		}
		return errors.Join(faults...)
	})
	if err != nil {
		t.Error(err)
	}
}
