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
	"github.com/evabench/evabench/results"
)

// good is a step that Drive accepts.
func good(e loadgen.Endpoint) loadgen.Step {
	return loadgen.Step{
		Plan: results.StepPlan{
			Name: "x", Window: time.Second, Levels: []results.Level{{Service: "s", Arrivals: "closed", Value: 1}},
		},
		Loads: []loadgen.Load{{
			Service: "s", Users: 1, Timeout: time.Second, Workload: chains{"s", 1}, Router: &turns{},
			Targets: []loadgen.Target{{Name: "a", Endpoint: e}},
		}},
	}
}

func TestDriveChecksFirst(t *testing.T) {
	e := plain{}
	for _, c := range []struct {
		spoil func(*loadgen.Step)
		want  string
	}{
		{func(s *loadgen.Step) { s.Plan.Window = 0 }, "the window of 0s is not positive"},
		{func(s *loadgen.Step) { s.Plan.Warmup = -1 }, "the warm-up of -1ns is negative"},
		{func(s *loadgen.Step) { s.Loads = nil; s.Plan.Levels = nil }, "there is no load"},
		{func(s *loadgen.Step) { s.Plan.Levels = nil }, "1 loads stand against 0 levels"},
		{func(s *loadgen.Step) { s.Loads[0].Service = "z" }, `its level is that of service "s"`},
		{func(s *loadgen.Step) { s.Plan.Levels[0].Arrivals = "poisson" }, `its level says arrivals "poisson", its load does not`},
		{func(s *loadgen.Step) { s.Loads[0].Users = 2 }, "2 users stand against a level of 1"},
		{func(s *loadgen.Step) { s.Loads[0].Users = 0 }, "a closed loop needs at least one user, not 0"},
		{func(s *loadgen.Step) { s.Loads[0].Timeout = 0 }, "the timeout of 0s is not positive"},
		{func(s *loadgen.Step) { s.Loads[0].Targets = nil }, "there is no instance to send to"},
		{func(s *loadgen.Step) { s.Loads[0].Targets[0].Endpoint = nil }, "an endpoint"},
		{func(s *loadgen.Step) { s.Loads[0].Workload = nil }, "there is no workload"},
		{func(s *loadgen.Step) { s.Loads[0].Router = nil }, "there is no router"},
		{func(s *loadgen.Step) { s.Loads[0].Think = -1 }, "the think time of -1ns is negative"},
		{func(s *loadgen.Step) { s.Loads[0].FailurePause = -1 }, "the pause of -1ns after a failure is negative"},
		{func(s *loadgen.Step) { s.Loads[0].Ramp = -1 }, "the ramp of -1ns is negative"},
		{func(s *loadgen.Step) { s.Loads[0].MaxInFlight = -1 }, "the limit of -1 in flight is negative"},
		{func(s *loadgen.Step) { s.Shard = loadgen.Shard{Index: 2, Of: 2} }, "shard 2 of 2 is none"},
		{func(s *loadgen.Step) { s.Shard.Of, s.Loads[0].MaxInFlight = 8, 7 }, "the limit of 7 in flight leaves nothing for one of 8 shards"},
		{func(s *loadgen.Step) { s.Loads[0].Retry.Attempts = -1 }, "a retry of -1 attempts after 0s is none"},
		{func(s *loadgen.Step) { s.Loads[0].Retry.On = []results.Outcome{results.NotSent} }, `nothing can be asked again after "not_sent"`},
		{func(s *loadgen.Step) { s.Loads[0].Router = choosy{} }, "not for 1"},
		{func(s *loadgen.Step) { s.Plan.Heavy = true }, "it is heavy, and no service's workload has heavy requests"},
	} {
		s := good(e)
		c.spoil(&s)
		_, err := drive(t.Context(), results.NewOrigin(time.Now()), s, &sink{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `drive step "x": `) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := drive(t.Context(), results.NewOrigin(time.Now()), good(e), nil); err == nil {
		t.Error("a step without a sink was driven")
	}
}

// heavier is a workload with a variant.
type heavier struct{ chains }

func (h heavier) Heavy() (loadgen.Workload, bool) { return once("heavy"), true }

func (o once) Session(uint64, int64) loadgen.Session { return o }

// A step that is heavy asks what the variant asks, one that is not does not.
func TestHeavyStepAsksVariant(t *testing.T) {
	for _, isHeavy := range []bool{false, true} {
		err := bubble(t, func() error {
			s := serve(func(w http.ResponseWriter, r *http.Request) {
				read(r)
				time.Sleep(100 * time.Millisecond)
				_, _ = w.Write([]byte("fine"))
			})
			defer s.stop()
			e := s.endpoint(t)
			defer e.Close()
			x := good(e)
			x.Plan.Heavy, x.Loads[0].Workload = isHeavy, heavier{chains{"s", 1}}
			var got sink
			if _, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got); err != nil {
				return err
			}
			for _, v := range got.all {
				if (v.Class == "heavy") != isHeavy {
					return fmt.Errorf("a step that is heavy (%v) has a request of class %s", isHeavy, v.Class)
				}
			}
			if len(got.all) != 10 {
				return fmt.Errorf("%d requests, want 10", len(got.all))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// choosy is a router that fits no number of instances.
type choosy struct{}

func (choosy) Pick(int64, *loadgen.Request, []int64) int { return 0 }

func (choosy) Fits(n int) error { return fmt.Errorf("not for %d", n) }

// unspeakable is a workload whose third session cannot be put in words.
type unspeakable struct{ chains }

func (u unspeakable) Session(seed uint64, n int64) loadgen.Session {
	if n == 2 {
		return once("unspeakable")
	}
	return u.chains.Session(seed, n)
}

type once string

func (o once) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return []*loadgen.Request{{Class: string(o)}}
}

// A request that cannot be prepared ends the step; what had fallen due still
// has its sample.
func TestPrepareFaultEndsStep(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(100 * time.Millisecond)
			_, _ = w.Write([]byte("fine"))
		})
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		x := good(e)
		x.Loads[0].Workload = unspeakable{chains{"s", 1}}
		var got sink
		step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got)
		const want = `drive step "x": service "s": prepare a request of class "unspeakable": no words for "unspeakable"`
		if err == nil || err.Error() != want {
			return fmt.Errorf("got %v", err)
		}
		if len(got.all) != 3 || got.all[2].Outcome != results.Cancelled || step.Services[0].Due != 3 {
			return fmt.Errorf("%+v, %+v", got.all, step.Services)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A context that ends by its own deadline cancels; it does not time out
// requests.
func TestDeadlineOfStepIsNoTimeout(t *testing.T) {
	err := bubble(t, func() error {
		s := serve(func(_ http.ResponseWriter, r *http.Request) { read(r); <-r.Context().Done() })
		defer s.stop()
		e := s.endpoint(t)
		defer e.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		var got sink
		step, err := drive(ctx, results.NewOrigin(time.Now()), good(e), &got)
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("got %v", err)
		}
		if len(got.all) != 1 || got.all[0].Outcome != results.Cancelled || step.End != results.Offset(300*time.Millisecond) {
			return fmt.Errorf("%+v, end %v", got.all, step.End)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Load goes on until the window's last request is answered, so that it is served beside as
// many others as the first was, and no longer; or until the cool-down is over.
func TestLoadOutlastsWindow(t *testing.T) {
	const users, takes = 4, 100 * time.Millisecond
	for _, test := range []struct{ cooldown, own, want time.Duration }{
		{0, 0, 0}, {time.Second, 0, 75 * time.Millisecond}, {50 * time.Millisecond, 0, 50 * time.Millisecond},
		{time.Second, 30 * time.Millisecond, 30 * time.Millisecond},
	} {
		cooldown, want := test.cooldown, test.want
		err := bubble(t, func() error {
			s := serve(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(takes)
				_, _ = fmt.Fprint(w, "fine")
			})
			defer s.stop()
			e := s.endpoint(t)
			defer e.Close()
			x := good(e)
			x.Plan.Warmup, x.Plan.Cooldown = 1200*time.Millisecond, cooldown
			x.Loads[0].Cooldown = test.own
			x.Plan.Levels[0].Value, x.Loads[0].Users, x.Loads[0].Ramp = users, users, takes
			var got sink
			step, err := drive(context.Background(), results.NewOrigin(time.Now()), x, &got)
			if err != nil {
				return err
			}
			var last results.Offset
			var after int64
			for _, v := range got.all {
				if v.Due < step.WindowEnd {
					last = max(last, v.Done)
				} else {
					after++
				}
			}
			beside := 0
			for _, v := range got.all {
				if v.Sent < last && v.Done >= last {
					beside++
				}
			}
			goesOn := step.LoadEnd.Sub(step.WindowEnd)
			if goesOn.Round(time.Millisecond) != want || after != step.Services[0].CooldownDue || (after > 0) != (want > 0) {
				return fmt.Errorf("cool-down %v: load went on for %v, want %v; %d arrivals after the window, by its count %d", cooldown, goesOn, want, after, step.Services[0].CooldownDue)
			}
			if want > takes/2 && beside != users {
				return fmt.Errorf("the window's last request was served beside %d, want %d", beside, users)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
