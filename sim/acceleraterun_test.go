package sim

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/model"
)

// direct is a detector of the model without HTTP, as all kinds that a bench
// needs.
type direct struct {
	driver   *driver
	detector *model.Detector
}

func (d *direct) Inspect(context.Context, []string) (partition.State, error) {
	return partition.State{GPUs: []partition.GPU{{UUID: "GPU-0", Name: "card"}}}, nil
}
func (d *direct) Apply(context.Context, partition.Plan) ([]device.Device, error) {
	return []device.Device{{UUID: "GPU-0", Name: "gpu0"}}, nil
}
func (d *direct) Restore(context.Context, partition.State) error { return nil }
func (d *direct) Launch(_ context.Context, i services.Instance) (services.Service, error) {
	return &directService{i}, nil
}
func (d *direct) Dial(string) (loadgen.Endpoint, error)     { return endpointtest.Fake(d.exchange), nil }
func (d *direct) Session(_ uint64, n int64) loadgen.Session { return once(n) }
func (d *direct) Pick(int64, *loadgen.Request, []int64) int { return 0 }

type directService struct{ i services.Instance }

func (s *directService) Info() results.Instance {
	return results.Instance{Service: s.i.Service, Name: s.i.Name}
}
func (s *directService) Stop(context.Context) error { return nil }
func (s *directService) Err() error                 { return nil }

type once int64

func (o once) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return []*loadgen.Request{{Class: "c", Model: "m", MaxTokens: int(o)}}
}

func (d *direct) exchange(ctx context.Context, q *loadgen.Request, first func()) loadgen.Answer {
	done, accepted := make(chan struct{}), false
	if d.driver.do(func(*model.World) {
		accepted = d.detector.Submit(uint64(q.MaxTokens), false, func(model.Detection) { close(done) })
	}) != nil || !accepted {
		return loadgen.Answer{Outcome: results.Shed}
	}
	select {
	case <-done:
		first()
		return loadgen.Answer{Outcome: results.OK}
	case <-ctx.Done():
		return loadgen.Answer{Outcome: results.Timeout}
	}
}

// measured runs one cell at a scale in virtual time, without HTTP: an open loop
// that fills the queue now and then and one request's time limit, then a closed
// loop with think times whose users are refused now and then.
func measured(t *testing.T, k float64) (out *kept) {
	return measuredBy(t, k, func(steps *planned) runner.Chooser { return steps })
}

// measuredBy is measured with a chooser around the steps.
func measuredBy(t *testing.T, k float64, around func(*planned) runner.Chooser) (out *kept) {
	out = &kept{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d := &direct{driver: newScaledDriver(k, newTimerAlarm())}
		go d.driver.run(ctx)
		do(t, d.driver, func(w *model.World) {
			gpu := w.AddDevice(model.DeviceConfig{SMs: 100, Bandwidth: 1e12, Quantum: 2 * time.Millisecond, Switch: 100 * time.Microsecond})
			d.detector = model.NewDetector(w, model.NewHost(w, 4), gpu, model.Client{Share: 1}, model.DetectorConfig{
				Workers: 2, Queue: 5, BatchSize: 1, Before: 5 * time.Millisecond, After: 2 * time.Millisecond,
				Job: model.Job{Work: 10, Parallel: 100}, Spread: 0.3, // 100 ms
			})
		})
		plan := func(l results.Level) results.StepPlan {
			return results.StepPlan{Name: l.Arrivals, Levels: []results.Level{l}, Warmup: 20 * time.Second, Window: 200 * time.Second}
		}
		bench := runner.Bench{
			Cells: []scenarios.Cell{{Folder: "c", Replicate: 1, Seed: 7, Config: results.Config{
				Name: "c", Layout: "off", Sharing: "ts", Placement: "auto", Routing: "any",
			}}},
			Before:  partition.State{GPUs: []partition.GPU{{UUID: "GPU-0", Name: "card"}}},
			Backend: d, Writer: out, Allow: partition.Permissions(), Follow: out.followed.follow,
			NewLoop:   func(o results.Origin) (pace.Loop, error) { return pace.NewTimed(o), nil },
			NewRouter: func(string) (loadgen.Router, error) { return d, nil },
			NewChooser: func(scenarios.Cell) runner.Chooser {
				return around(&planned{plans: []results.StepPlan{
					plan(results.Level{Service: "v", Arrivals: scenarios.Poisson, Value: 8.5, Unit: "req/s"}),
					plan(results.Level{Service: "v", Arrivals: scenarios.Closed, Value: 12, Unit: "users"}),
				}})
			},
			Services: []runner.Service{{
				Service: scenarios.Service{Name: "v", Role: results.RoleVision, Timeout: 700 * time.Millisecond,
					Load: scenarios.Load{Think: 250 * time.Millisecond}},
				Launcher: d, Dialer: d, Workload: d,
			}},
		}
		if err := Accelerate(k).Bench(bench).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		load := time.Duration(0)
		for _, s := range out.steps {
			load += s.WindowEnd.Sub(s.Start)
		}
		if took, want := time.Since(start0), time.Duration(float64(load)/k); math.Abs(float64(took-want)) > float64(3*time.Second) {
			t.Errorf("scale %v: both steps took %v of the clock, want about %v", k, took, want)
		}
	})
	return out
}

// glancing ends each step once it has lasted for so long.
type glancing struct {
	*planned
	after time.Duration
	seen  []results.Progress
}

func (g *glancing) Watch(p results.Progress) string {
	g.seen = append(g.seen, p)
	if last := g.planned.given; g.from(last).Add(g.after) > p.To {
		return ""
	}
	return fmt.Sprintf("seen for %v", g.after)
}

// from is when the step began that is looked at.
func (g *glancing) from(step int) results.Offset {
	if step == 1 {
		return 0
	}
	return g.planned.seen.Step.End
}

// What looks at a step sees server time at any scale, looks as often, and the step
// that it ends is the same.
func TestScaleChangesNoLook(t *testing.T) {
	var seen []*glancing
	var ran []*kept
	for _, k := range []float64{1, 20} {
		var g *glancing
		out := measuredBy(t, k, func(steps *planned) runner.Chooser {
			g = &glancing{planned: steps, after: 100 * time.Second}
			return g
		})
		seen, ran = append(seen, g), append(ran, out)
		if len(out.steps) != 2 {
			t.Fatalf("scale %v: %d steps", k, len(out.steps))
		}
		for _, s := range out.steps {
			if long := s.WindowEnd.Sub(s.Start); s.Stopped != "seen for 1m40s" || (long-100*time.Second).Abs() > 3*time.Second || s.WindowStart.Sub(s.Start) != 20*time.Second {
				t.Errorf("scale %v: stopped by %q after %v, window from %v", k, s.Stopped, long, s.WindowStart.Sub(s.Start))
			}
			if s.Plan.Window != 200*time.Second {
				t.Errorf("scale %v: planned %v", k, s.Plan.Window)
			}
		}
	}
	a, b := seen[0].seen, seen[1].seen
	if len(a) != len(b) || len(a) < 190 || len(ran[0].samples) != len(ran[1].samples) {
		t.Fatalf("%d looks and %d samples at scale 1, %d and %d at 20", len(a), len(ran[0].samples), len(b), len(ran[1].samples))
	}
	for i := range a {
		if len(a[i].Samples) != len(b[i].Samples) || a[i].Unfinished["v"] != b[i].Unfinished["v"] || apart(a[i].From, b[i].From) || apart(a[i].To, b[i].To) {
			t.Fatalf("look %d: %v to %v with %d samples, at scale 20 %v to %v with %d", i, a[i].From, a[i].To, len(a[i].Samples), b[i].From, b[i].To, len(b[i].Samples))
		}
	}
}

// start0 is when every bubble's time begins.
var start0 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A cell at any scale leaves the records that it leaves at the clock's own:
// every arrival, what became of it and when, and all that was counted. The
// clock rounds moments to nanoseconds, which are k of them in server time; over
// the some thousand turns of a user they add up, so 0.1 ms is allowed.
func TestScaleChangesNoRecord(t *testing.T) {
	want := measured(t, 1)
	outcomes, refused := map[results.Outcome]int{}, 0
	for _, s := range want.samples {
		outcomes[s.Outcome]++
		if s.User >= 0 && s.Outcome == results.Shed {
			refused++
		}
	}
	if refused < 20 {
		t.Fatalf("%d users were refused; there should be many", refused)
	}
	if outcomes[results.OK] < 1000 || outcomes[results.Shed] < 20 || outcomes[results.Timeout] < 20 {
		t.Fatalf("the cell has outcomes %v; it should have many of each", outcomes)
	}
	for _, k := range []float64{20, 60, 2.5} {
		got := measured(t, k)
		if len(got.samples) != len(want.samples) || len(got.steps) != 2 {
			t.Fatalf("scale %v: %d samples, %d steps, want %d and 2", k, len(got.samples), len(got.steps), len(want.samples))
		}
		order(got.samples)
		order(want.samples)
		for i, g := range got.samples {
			w := want.samples[i]
			if g.Outcome != w.Outcome || g.Seq != w.Seq || g.User != w.User ||
				apart(g.Due, w.Due) || apart(g.Sent, w.Sent) || apart(g.First, w.First) || apart(g.Done, w.Done) {
				t.Fatalf("scale %v: sample %d\n got %+v\nwant %+v", k, i, g, w)
			}
		}
		for i, g := range got.steps {
			w := want.steps[i]
			if fmt.Sprint(g.Plan) != fmt.Sprint(w.Plan) || apart(g.WindowStart, w.WindowStart) || apart(g.WindowEnd, w.WindowEnd) || apart(g.End, w.End) {
				t.Errorf("scale %v: step %+v, want %+v", k, g, w)
			}
			gi, wi := g.Services[0], w.Services[0]
			if gi.Due != wi.Due || gi.WarmupDue != wi.WarmupDue || gi.PeakInFlight != wi.PeakInFlight || gi.Lag.N != wi.Lag.N ||
				(gi.Offered == nil) != (wi.Offered == nil) || gi.Offered != nil && math.Abs(*gi.Offered-*wi.Offered) > 1e-9 ||
				gi.Think != nil && apart(results.Offset(*gi.Think), results.Offset(*wi.Think)) {
				t.Errorf("scale %v: counted %+v, want %+v", k, gi, wi)
			}
		}
	}
}

func order(samples []results.Sample) {
	slices.SortFunc(samples, func(a, b results.Sample) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Due, b.Due))
	})
}

func apart(a, b results.Offset) bool {
	if a == results.NoOffset || b == results.NoOffset {
		return a != b
	}
	return a.Sub(b).Abs() > 100*time.Microsecond
}
