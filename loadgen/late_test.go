package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/results"
)

// laboured is a workload whose sessions take 40 ms to make.
type laboured struct{ chains }

func (l laboured) Session(seed uint64, n int64) loadgen.Session {
	time.Sleep(40 * time.Millisecond)
	return l.chains.Session(seed, n)
}

// open drives constant arrivals, one request each, at a server that answers
// after service.
func open(ctx context.Context, t *testing.T, rate float64, window, service time.Duration, change func(*loadgen.Step)) (got *sink, step results.Step, err error) {
	s := serve(func(w http.ResponseWriter, r *http.Request) {
		read(r)
		time.Sleep(service)
		_, _ = w.Write([]byte("fine"))
	})
	defer s.stop()
	e := s.endpoint(t)
	defer e.Close()
	constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: rate})
	if err != nil {
		return nil, step, err
	}
	x := good(e)
	x.Plan.Window, x.Plan.Levels[0].Arrivals = window, "constant"
	x.Loads[0].Arrivals, x.Loads[0].Users = constant, 0
	change(&x)
	got = &sink{}
	step, err = drive(ctx, results.NewOrigin(time.Now()), x, got)
	return got, step, err
}

// A stop ends an open loop at once, even one that has not made the sessions
// which are due by then, and nothing falls due after it.
func TestStopEndsASlowPlanner(t *testing.T) {
	err := bubble(t, func() error {
		const stop = 500 * time.Millisecond
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), stop)
		defer cancel()
		got, step, err := open(ctx, t, 100, 4*time.Second, 0, func(x *loadgen.Step) {
			x.Loads[0].Workload = laboured{chains{"s", 1}}
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("got %v", err)
		}
		if took := time.Since(start); took > stop+40*time.Millisecond {
			return fmt.Errorf("ended %v after the start, stopped after %v", took, stop)
		}
		for _, x := range got.all {
			if x.Due > results.Offset(stop) {
				return fmt.Errorf("due at %v, after the stop", time.Duration(x.Due))
			}
		}
		i := step.Services[0]
		if len(got.all) < 49 || i.Due != int64(len(got.all)) || *i.Scheduled != i.Due {
			return fmt.Errorf("%d samples, %d due, %d scheduled", len(got.all), i.Due, *i.Scheduled)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// tardy comes to everything of a step five seconds late.
func tardy(at results.Offset) results.Offset { return max(at, results.Offset(5*time.Second)) }

// Our own lateness is told of every arrival, whether it then waits for a slot
// or not, and the wait is no part of it.
func TestLatenessIsNotTheServers(t *testing.T) {
	for _, timeout := range []time.Duration{time.Minute, time.Second, 20 * time.Second} {
		err := bubble(t, func() error {
			service := 10 * time.Millisecond
			if timeout == 20*time.Second {
				service = 15100 * time.Millisecond // the second gets no slot in time
			}
			got, step, err := open(context.Background(), t, 1000, 3*time.Millisecond, service, func(x *loadgen.Step) {
				x.Loads[0].MaxInFlight, x.Loads[0].Timeout, x.NewLoop = 1, timeout, late(tardy)
			})
			if err != nil {
				return err
			}
			notSent := 0
			for _, x := range got.all {
				if x.Outcome == results.NotSent {
					notSent++
				}
			}
			i := step.Services[0]
			text, want, wantText := i.FirstErrors["not_sent"], 2, ""
			switch timeout {
			case time.Minute:
				want = 0
			case time.Second:
				wantText = "late, its timeout of 1s was over before it asked for a slot"
			default:
				wantText = "no slot was free within 20s; 1 in flight; the load generator was 4.99"
			}
			if notSent != want || !strings.Contains(text, wantText) || (want == 0) != (text == "") {
				return fmt.Errorf("%d not sent, want %d: %q", notSent, want, text)
			}
			if i.Lag.N != 3 || i.Lag.P50 < 4997*time.Millisecond || i.Lag.Max > 5*time.Second {
				return fmt.Errorf("lag %+v, want three of 5 s", i.Lag)
			}
			return nil
		})
		if err != nil {
			t.Errorf("timeout %v: %v", timeout, err)
		}
	}
}

// forgetful is a schedule that loses its third arrival when it is first asked.
type forgetful struct {
	loadgen.Arrivals
	asked int
}

func (f *forgetful) Times(seed uint64) func() (time.Duration, bool) {
	f.asked++
	lost, n := f.asked == 1, 0
	next := f.Arrivals.Times(seed)
	return func() (time.Duration, bool) {
		if n++; n == 3 && lost {
			next()
		}
		return next()
	}
}

// An arrival that is lost between the schedule and its moment shows.
func TestLostArrivalShows(t *testing.T) {
	err := bubble(t, func() error {
		got, step, err := open(context.Background(), t, 10, time.Second, 0, func(x *loadgen.Step) {
			x.Loads[0].Arrivals = &forgetful{Arrivals: x.Loads[0].Arrivals}
		})
		if err != nil {
			return err
		}
		if i := step.Services[0]; len(got.all) != 9 || i.Due != 9 || *i.Scheduled != 10 {
			return fmt.Errorf("%d samples, %d due, %d scheduled; want 9, 9 and 10", len(got.all), i.Due, *i.Scheduled)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// nonced is a workload that keeps nothing but its nonce.
type nonced struct{ nonce string }

func (n nonced) WithNonce(nonce string) loadgen.Workload { n.nonce = nonce; return n }

func (n nonced) Session(uint64, int64) loadgen.Session { return once("nonce " + n.nonce) }

func TestNonceReachesWorkloads(t *testing.T) {
	err := bubble(t, func() error {
		got, _, err := open(context.Background(), t, 10, time.Second, 0, func(x *loadgen.Step) {
			x.Nonce, x.Loads[0].Workload = "fresh", nonced{}
		})
		if err != nil {
			return err
		}
		if len(got.all) == 0 || got.all[0].Class != "nonce fresh" {
			return fmt.Errorf("got %+v", got.all)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// starved is an endpoint on a machine without descriptors.
var starved = endpointtest.Fake(func(context.Context, *loadgen.Request, func()) loadgen.Answer {
	return loadgen.Answer{Outcome: results.Connect, ClientFault: true, Detail: "no descriptor"}
})

// What fails for want of our own means is counted, in the window only.
func TestClientFaultsAreCounted(t *testing.T) {
	err := bubble(t, func() error {
		got, step, err := open(context.Background(), t, 10, time.Second, 0, func(x *loadgen.Step) {
			x.Plan.Warmup, x.Loads[0].Targets[0].Endpoint = time.Second, starved
		})
		if err != nil {
			return err
		}
		if i := step.Services[0]; len(got.all) != 20 || i.ClientFaults != 10 || *i.Scheduled != 10 || i.FirstErrors["connect"] != "no descriptor" {
			return fmt.Errorf("%d samples, %+v", len(got.all), i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// An answer that comes after its step's window belongs to that step, and none is
// lost or counted twice where one step ends and the next begins.
func TestLateAnswersBelongToTheirStep(t *testing.T) {
	err := bubble(t, func() error {
		seen := map[string]int{}
		var mu sync.Mutex
		s := serve(func(w http.ResponseWriter, r *http.Request) {
			text := read(r)
			mu.Lock()
			seen[text]++
			mu.Unlock()
			time.Sleep(300 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		origin := results.NewOrigin(time.Now())
		end, total := results.Offset(0), 0
		for i := range 3 {
			constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 20})
			if err != nil {
				return err
			}
			x := good(e)
			x.Plan.Levels[0].Arrivals, x.Loads[0].Arrivals, x.Loads[0].Users = "constant", constant, 0
			x.Loads[0].Workload = chains{fmt.Sprintf("step%d", i), 1}
			var got sink
			step, err := drive(context.Background(), origin, x, &got)
			if err != nil {
				return err
			}
			late := 0
			for _, y := range got.all {
				if y.Due < step.Start || y.Due >= step.WindowEnd || y.Done > step.End || y.Outcome != results.OK {
					return fmt.Errorf("step %d from %v to %v, end %v: %+v", i, step.Start, step.WindowEnd, step.End, y)
				}
				if y.Done > step.WindowEnd {
					late++
				}
			}
			if len(got.all) != 20 || late != 6 || step.Start < end {
				return fmt.Errorf("step %d: %d samples, %d of them late; begins at %v, the one before ended at %v", i, len(got.all), late, step.Start, end)
			}
			end, total = step.End, total+len(got.all)
		}
		if len(seen) != total {
			return fmt.Errorf("the server saw %d requests, %d were recorded", len(seen), total)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
