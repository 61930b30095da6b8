package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// steady is an endpoint that answers after a time, without a goroutine or
// memory of its own for a request. It changes the answer it gives.
type steady struct {
	after  time.Duration
	change func(*loadgen.Answer, results.Offset)
}

func (steady) Prepare(*loadgen.Request) (loadgen.Prepared, error) { return nil, nil }
func (steady) Close()                                             {}

func (e steady) Open(loop pace.Loop) (loadgen.Line, error) {
	return &steadyLine{steady: e, loop: loop}, nil
}

type steadyLine struct {
	steady
	loop pace.Loop
	free []*steadyCall
}

type steadyCall struct {
	line  *steadyLine
	x     *loadgen.Exchange
	timer pace.Timer
}

func (l *steadyLine) Close() {}

func (l *steadyLine) Send(_ loadgen.Prepared, x *loadgen.Exchange) {
	var c *steadyCall
	if n := len(l.free); n > 0 {
		c, l.free = l.free[n-1], l.free[:n-1]
	} else {
		c = &steadyCall{line: l}
		c.timer.F = func() { c.end(results.OK) }
	}
	x.Begin()
	c.x, x.State = x, c
	l.loop.Set(&c.timer, l.loop.Now().Add(l.after))
}

func (c *steadyCall) end(o results.Outcome) {
	x, now := c.x, c.line.loop.Now()
	if o == results.OK {
		x.Content(now)
	}
	x.Answer.Outcome, x.Answer.Done = o, now
	if c.line.change != nil {
		c.line.change(&x.Answer, now)
	}
	c.line.free = append(c.line.free, c)
	x.Done(x)
}

func (l *steadyLine) Abort(x *loadgen.Exchange, o results.Outcome) {
	c := x.State.(*steadyCall)
	l.loop.Stop(&c.timer)
	c.end(o)
}

// idle counts samples.
type idle struct{ n int }

func (i *idle) Sample(results.Sample)           { i.n++ }
func (i *idle) Observation(results.Observation) {}

// A request takes no memory on its way through Drive.
func TestDriveAllocatesNothingPerRequest(t *testing.T) {
	mallocs := func(closed, out bool, window time.Duration) (allocated uint64, n int) {
		err := bubble(t, func() error {
			x := good(steady{after: time.Millisecond})
			x.Plan.Window, x.Loads[0].Workload = window, fixed{}
			if out {
				away := loadgen.Target{Name: "away", Endpoint: steady{}, Out: &atomic.Bool{}}
				away.Out.Store(true)
				x.Loads[0].Router, x.Loads[0].Targets = firstIn{}, append([]loadgen.Target{away}, x.Loads[0].Targets...)
			}
			if !closed {
				constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 1000})
				if err != nil {
					return err
				}
				x.Plan.Levels[0].Arrivals, x.Loads[0].Arrivals, x.Loads[0].Users = "constant", constant, 0
			}
			var before, after runtime.MemStats
			got := &idle{}
			runtime.ReadMemStats(&before)
			_, err := drive(context.Background(), results.NewOrigin(time.Now()), x, got)
			runtime.ReadMemStats(&after)
			allocated, n = after.Mallocs-before.Mallocs, got.n
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return allocated, n
	}
	for _, v := range []struct{ closed, out bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		short, few := mallocs(v.closed, v.out, time.Second)
		long, many := mallocs(v.closed, v.out, 21*time.Second)
		// What is kept in pieces, and the loop in virtual time itself, take some.
		each := (float64(long) - float64(short)) / float64(many-few)
		t.Logf("%+v: %d requests, %.4f allocations each", v, many, each)
		if many-few < 15_000 || each > 0.05 {
			t.Errorf("%+v: %.3f allocations for each of %d requests", v, each, many-few)
		}
	}
}

// Who waits longest for a slot is sent first, whether sessions are made ahead or
// where they are sent.
func TestSlotsAreGivenInTurn(t *testing.T) {
	for _, w := range []loadgen.Workload{fixed{}, chains{"s", 1}} {
		err := bubble(t, func() error {
			x := good(steady{after: 10 * time.Millisecond})
			x.Plan.Window, x.Plan.Levels[0].Value = 10*time.Second, 4
			x.Loads[0].Users, x.Loads[0].MaxInFlight, x.Loads[0].Workload = 4, 2, w
			var got sink
			if _, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got); err != nil {
				return err
			}
			each := map[int64]int{}
			for _, s := range got.all {
				if s.Outcome != results.OK {
					return fmt.Errorf("%+v", s)
				}
				each[s.User]++
			}
			for u := range int64(4) { // 2 in flight at 10 ms, shared by four
				if each[u] < 450 || each[u] > 550 {
					return fmt.Errorf("calls of each user: %v", each)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%T: %v", w, err)
		}
	}
}

// A pause of the client between an answer and the moment at which it is read is
// in no figure but the lag of what follows, and a stamp never contradicts what we
// know ourselves.
func TestStampsAreTheKernels(t *testing.T) {
	for _, c := range []struct {
		done    time.Duration // of the stamp, before it is read
		timeout time.Duration
		want    results.Outcome
	}{
		{2 * time.Millisecond, 11 * time.Millisecond, results.OK},
		{-time.Millisecond, 11 * time.Millisecond, results.OK},     // a stamp to come is now
		{20 * time.Millisecond, 11 * time.Millisecond, results.OK}, // a stamp before Sent is Sent
		{2 * time.Millisecond, 9 * time.Millisecond, results.Timeout},
	} {
		err := bubble(t, func() error {
			x := good(steady{after: 10 * time.Millisecond, change: func(a *loadgen.Answer, now results.Offset) {
				if a.Outcome == results.OK {
					a.First, a.Final, a.Done = now.Add(-c.done), now.Add(-c.done), now.Add(-c.done)
				}
			}})
			x.Loads[0].Workload, x.Loads[0].Timeout = fixed{}, c.timeout
			var got sink
			if _, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got); err != nil {
				return err
			}
			for i, s := range got.all {
				took := min(max(10*time.Millisecond-max(c.done, 0), 0), c.timeout)
				if c.want == results.Timeout {
					took = c.timeout
				}
				if s.Outcome != c.want || s.Done.Sub(s.Sent) < took || s.Done.Sub(s.Sent) > took+2*behind || s.Done < s.First {
					return fmt.Errorf("sample %d: %+v", i, s)
				}
				if lag := max(min(c.done, 10*time.Millisecond), 0); c.want == results.OK && i > 0 && (s.Lag < lag || s.Lag > lag+2*behind) {
					return fmt.Errorf("sample %d: lag %v, want %v", i, s.Lag, lag)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A stop of the real loop leaves the identity whole, also of what it began
// between the stop and its knowing of it.
func TestScheduledAtAStop(t *testing.T) {
	for range 10 {
		constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 50_000})
		if err != nil {
			t.Fatal(err)
		}
		x := good(steady{after: time.Millisecond})
		x.Plan.Window, x.Plan.Levels[0].Arrivals = 10*time.Second, "constant"
		x.Loads[0].Arrivals, x.Loads[0].Users, x.Loads[0].Workload = constant, 0, fixed{}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		var got sink
		step, err := loadgen.Drive(ctx, results.NewOrigin(time.Now()), x, &got)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if i := step.Services[0]; *i.Scheduled != i.Due || int(i.Due) != len(got.all) {
			t.Errorf("%d scheduled, %d due, %d samples", *i.Scheduled, i.Due, len(got.all))
		}
	}
}

// A slowPost loop is a moment late in taking the first function of the two that are posted
// at a step's begin.
type slowPost struct {
	pace.Loop
	first atomic.Bool
}

func (l *slowPost) Post(f func()) bool {
	if l.first.CompareAndSwap(false, true) {
		time.Sleep(10 * time.Millisecond)
	}
	return l.Loop.Post(f)
}

// A step that is stopped before it began has nothing due before its begin, and ends.
func TestStoppedBeforeItBegan(t *testing.T) {
	for _, users := range []int{0, 3} {
		for range 20 { // of two goroutines either may post first
			err := bubble(t, func() error {
				x := good(steady{after: time.Millisecond})
				l := &x.Loads[0]
				if l.Users, x.Plan.Levels[0].Value = users, float64(users); users == 0 {
					constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 1_000})
					if err != nil {
						return err
					}
					x.Plan.Levels[0].Arrivals, x.Plan.Levels[0].Value = "constant", 1_000
					l.Arrivals, l.Workload = constant, fixed{}
				}
				x.NewLoop = func(o results.Origin) (pace.Loop, error) { return &slowPost{Loop: pace.NewTimed(o)}, nil }
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				var got sink
				// Who takes the origin for the begin has much due until the stop.
				step, err := drive(ctx, results.NewOrigin(time.Now().Add(-time.Second)), x, &got)
				if !errors.Is(err, context.Canceled) {
					return err
				}
				for _, a := range got.all {
					if a.Due < step.Start || step.Start == 0 {
						return fmt.Errorf("due at %v of a step that began at %v", a.Due, step.Start)
					}
				}
				if i := step.Services[0]; int(i.Due) != len(got.all) {
					return fmt.Errorf("%d due, %d samples", i.Due, len(got.all))
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%d users: %v", users, err)
			}
		}
	}
}

// What was in flight and how evenly it was sent is told of the whole window, idle
// parts included.
func TestFlightAndDispersion(t *testing.T) {
	err := bubble(t, func() error {
		constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 2})
		if err != nil {
			return err
		}
		x := good(steady{after: 250 * time.Millisecond})
		x.Plan.Warmup, x.Plan.Window, x.Plan.Levels[0].Arrivals = time.Second, time.Minute, "constant"
		l := &x.Loads[0]
		l.Arrivals, l.Users, l.Workload = halfway{constant}, 0, fixed{}
		step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &idle{})
		if err != nil {
			return err
		}
		i := step.Services[0]
		if len(i.InFlight) != 60 || len(i.Dispersions) != 2 || step.Client != nil {
			return fmt.Errorf("%d parts of flight, dispersions %+v, client %v", len(i.InFlight), i.Dispersions, step.Client)
		}
		for p, o := range i.InFlight {
			want, most := 0.5, int64(1)
			if p >= 30 {
				want, most = 0, 0
			}
			if p != 29 && p != 30 && (math.Abs(o.Mean-want) > 1e-6 || o.Max != most) {
				return fmt.Errorf("part %d: %+v", p, o)
			}
		}
		// 30 parts of 2 and 30 of 0: mean 1, variance 60/59; 6 of 10 and 6 of 0.
		for k, want := range []float64{60.0 / 59, 12.0 / 11 * 25 / 5} {
			d := i.Dispersions[k]
			if d.N != []int64{60, 12}[k] || math.Abs(d.Sent-want) > 0.05*want || math.Abs(d.Scheduled-want) > 0.05*want {
				return fmt.Errorf("%+v, want %v", d, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// halfway ends after 31 s.
type halfway struct{ loadgen.Arrivals }

func (h halfway) Times(seed uint64) func() (time.Duration, bool) {
	next := h.Arrivals.Times(seed)
	return func() (time.Duration, bool) {
		at, ok := next()
		return at, ok && at < 31*time.Second
	}
}

// The production loop tells what it used.
func TestClientIsTold(t *testing.T) {
	constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: 1000})
	if err != nil {
		t.Fatal(err)
	}
	x := good(endpointtest.Fake(func(context.Context, *loadgen.Request, func()) loadgen.Answer {
		return loadgen.Answer{Outcome: results.OK}
	}))
	x.Plan.Window, x.Plan.Levels[0].Arrivals = 200*time.Millisecond, "constant"
	x.Loads[0].Arrivals, x.Loads[0].Users = constant, 0
	step, err := loadgen.Drive(t.Context(), results.NewOrigin(time.Now()), x, &idle{})
	if err != nil {
		t.Fatal(err)
	}
	c := step.Client
	if c == nil || c.Wall < x.Plan.Window*9/10 || c.Loop <= 0 || c.Loop > c.Wall || c.CPU <= 0 {
		t.Errorf("the client used %+v", c)
	}
}
