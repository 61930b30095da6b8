package runner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// world is a server whose every change is counted, so that tests can ask
// whether all of it was undone.
type world struct {
	mu       sync.Mutex
	log      []string
	applied  bool
	changed  bool             // somebody else took the GPU away
	as       *partition.State // what Inspect finds, if not cards
	up       int
	died     error  // why instances ended by themselves
	failAt   string // the action that fails: "apply", "launch agent-0", …
	answer   func(n int64) loadgen.Answer
	onAnswer func(n int64)
	asked    int64
}

func (w *world) do(action string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, action)
	if action == w.failAt {
		return fmt.Errorf("%s: injected", action)
	}
	return nil
}

func (w *world) Inspect(context.Context, []string) (partition.State, error) {
	if w.changed {
		return partition.State{}, nil
	}
	if w.as != nil {
		return *w.as, nil
	}
	return cards, nil
}

// cards is the world's one GPU, as it is before and after every layout.
var cards = partition.State{GPUs: []partition.GPU{{Index: 0, UUID: "GPU-0", Name: "card"}}}

func (w *world) Apply(context.Context, partition.Plan) ([]device.Device, error) {
	w.applied = true
	return []device.Device{{UUID: "GPU-0", Name: "gpu0"}}, w.do("apply")
}

func (w *world) Restore(ctx context.Context, _ partition.State) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.applied = false
	return w.do("restore")
}

func (w *world) Launch(_ context.Context, i services.Instance) (services.Service, error) {
	if err := w.do("launch " + i.Name); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up++
	return &instance{w, i}, nil
}

type instance struct {
	w *world
	i services.Instance
}

func (s *instance) Info() results.Instance {
	return results.Instance{Service: s.i.Service, Name: s.i.Name, URL: "http://" + s.i.Name}
}
func (s *instance) Err() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.died
}
func (s *instance) Stop(ctx context.Context) error {
	s.w.mu.Lock()
	s.w.up--
	s.w.mu.Unlock()
	return errors.Join(ctx.Err(), s.w.do("stop "+s.i.Name))
}

func (w *world) Dial(string) (loadgen.Endpoint, error) { return endpointtest.Fake(w.exchange), nil }

// exchange answers after 100 ms.
func (w *world) exchange(ctx context.Context, _ *loadgen.Request, first func()) loadgen.Answer {
	w.mu.Lock()
	n := w.asked
	w.asked++
	w.mu.Unlock()
	if w.onAnswer != nil {
		w.onAnswer(n)
	}
	select {
	case <-ctx.Done():
		return loadgen.Answer{Outcome: results.Cancelled}
	case <-time.After(100 * time.Millisecond):
	}
	if w.answer != nil {
		if a := w.answer(n); a.Outcome != results.OK {
			return a
		}
	}
	first()
	return loadgen.Answer{Outcome: results.OK}
}

func (w *world) Session(uint64, int64) loadgen.Session     { return one{} }
func (w *world) Pick(int64, *loadgen.Request, []int64) int { return 0 }

type one struct{}

func (one) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return []*loadgen.Request{{Class: "c", Model: "m"}}
}

func timed(origin results.Origin) (pace.Loop, error) { return pace.NewTimed(origin), nil }

type twoSteps struct{}

func (twoSteps) Next(last *results.StepResult) (results.StepPlan, bool) {
	done := after(last)
	return results.StepPlan{
		Name:   fmt.Sprint(done),
		Levels: []results.Level{{Service: "vision", Arrivals: "closed", Value: 2, Unit: "users"}},
		Warmup: time.Second, Window: 5 * time.Second,
	}, done < 2
}

// after is the number of the step that follows.
func after(last *results.StepResult) int {
	if last == nil {
		return 0
	}
	return last.Step.Index + 1
}

// bench makes a bench of two cells on the world, and its run directory.
func (w *world) bench(t *testing.T) (*Bench, string) {
	t.Helper()
	dir := t.TempDir() + "/run"
	cells := []scenarios.Cell{
		{Index: 0, Folder: "000-a-r1", Config: config("a"), Replicate: 1},
		{Index: 1, Folder: "001-b-r1", Config: config("b"), Replicate: 1},
	}
	writer, err := results.Create(dir, results.Environment{
		Schema: results.SchemaVersion, Scenario: "test", Planned: []string{"000-a-r1", "001-b-r1"},
	}, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &Bench{
		Cells: cells, Before: cards, Backend: w, Writer: To(writer), Allow: partition.Permissions(),
		NewChooser: func(scenarios.Cell) Chooser { return twoSteps{} },
		NewLoop:    timed,
		NewRouter:  func(string) (loadgen.Router, error) { return w, nil },
		Services: []Service{{
			Service:  scenarios.Service{Name: "vision", Role: results.RoleVision, Timeout: time.Second},
			Launcher: w, Dialer: w, Workload: w,
		}},
	}, dir
}

func config(name string) results.Config {
	return results.Config{Name: name, Layout: "off", Sharing: map[string]string{"a": "ts", "b": "mps"}[name], Placement: "auto", Routing: "any"}
}

// undone checks that nothing of a run is left.
func (w *world) undone(t *testing.T) {
	t.Helper()
	if w.applied {
		t.Error("the layout was not put back")
	}
	if w.up != 0 {
		t.Errorf("%d services were left running", w.up)
	}
}

func TestRunRecordsEveryCell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.undone(t)
		want := "apply, launch vision-0, stop vision-0, restore, apply, launch vision-0, stop vision-0, restore"
		if got := strings.Join(w.log, ", "); got != want {
			t.Errorf("order of work:\n got %s\nwant %s", got, want)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(run.Cells) != 2 || len(run.Missing) != 0 {
			t.Fatalf("%d cells, missing %v; want 2 and none", len(run.Cells), run.Missing)
		}
		for _, c := range run.Cells {
			if c.Cell.Status != results.CellDone || len(c.Steps) != 2 {
				t.Errorf("cell %s: %s with %d steps, want done with 2", c.Cell.Folder, c.Cell.Status, len(c.Steps))
			}
			for _, p := range c.Cell.Phases {
				if p.Name != "recount" && p.Name != "stop" && p.End > 0 {
					t.Errorf("cell %s: phase %s ends after the origin, at %v", c.Cell.Folder, p.Name, p.End)
				}
			}
			for _, s := range c.Steps {
				if n := count(t, s.Samples()); n != s.Step.Services[0].Due+s.Step.Services[0].WarmupDue || n == 0 {
					t.Errorf("cell %s step %d: %d samples for %d + %d arrivals", c.Cell.Folder, s.Step.Index, n,
						s.Step.Services[0].WarmupDue, s.Step.Services[0].Due)
				}
			}
		}
	})
}

func count(t *testing.T, samples iter.Seq2[results.Sample, error]) (n int64) {
	t.Helper()
	for _, err := range samples {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestRunUndoesAfterFaults(t *testing.T) {
	for _, c := range []struct {
		failAt string
		want   []error
		text   string
		cells  int // recorded
	}{
		{"apply", []error{ErrNoCell}, "apply: injected", 0},
		{"launch vision-0", []error{ErrNoCell}, "launch vision-0 on gpu0 (GPU-0): launch vision-0: injected", 2},
		{"stop vision-0", []error{ErrNoCell}, "stop vision-0: injected", 1},
		{"restore", []error{ErrNotRestored}, "not put back", 1},
	} {
		t.Run(c.failAt, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{failAt: c.failAt}
				b, dir := w.bench(t)
				err := b.Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Fatalf("Run() = %v, want an error with %q", err, c.text)
				}
				for _, want := range c.want {
					if !errors.Is(err, want) {
						t.Errorf("Run() = %v, which is not %v", err, want)
					}
				}
				w.undone(t)
				run, err := results.Read(dir)
				if err != nil {
					t.Fatal(err)
				}
				if len(run.Cells) != c.cells {
					t.Errorf("%d cells recorded, want %d", len(run.Cells), c.cells)
				}
			})
		})
	}
}

func TestRunUndoesWhenInterrupted(t *testing.T) {
	stop := errors.New("signal")
	for _, at := range []int64{0, 1, 30, 90} { // in readiness, warm-up, window, second step
		t.Run(fmt.Sprint("request ", at), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				w := &world{onAnswer: func(n int64) {
					if n == at {
						cancel(stop)
					}
				}}
				b, dir := w.bench(t)
				if err := b.Run(ctx); !errors.Is(err, stop) {
					t.Errorf("Run() = %v, want the cause of the context", err)
				}
				w.undone(t)
				run, err := results.Read(dir)
				if err != nil {
					t.Fatal(err)
				}
				if len(run.Cells) == 0 || run.Cells[0].Cell.Status != results.CellInterrupted {
					t.Errorf("the cell is not recorded as interrupted: %+v", run.Cells)
				}
			})
		})
	}
}

// A server that answers with faults is not ready, and the fault is told with
// its own words.
func TestRunTellsWhyNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{answer: func(int64) loadgen.Answer {
			return loadgen.Answer{Outcome: results.HTTP4xx, Detail: "no such model"}
		}}
		b, _ := w.bench(t)
		err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "vision-0") || !strings.Contains(err.Error(), "no such model") {
			t.Errorf("Run() = %v, want the instance and the server's words", err)
		}
		w.undone(t)
	})
}

// A step ends soon after its service has, not with its window.
func TestRunEndsStepOfDeadService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.onAnswer = func(n int64) {
			if n == 40 { // two seconds into the first step of six
				w.mu.Lock()
				w.died = errors.New("out of memory")
				w.mu.Unlock()
			}
		}
		b, dir := w.bench(t)
		start := time.Now()
		err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "vision-0 ended by itself: out of memory") {
			t.Errorf("Run() = %v, want the instance and why it ended", err)
		}
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("both cells took %s; the first step alone would take 6 s", took)
		}
		w.undone(t)
		if run, err := results.Read(dir); err != nil || run.Cells[0].Cell.Status != results.CellFailed {
			t.Errorf("the cell is not recorded as failed: %v", err)
		}
	})
}

// A server that is not as it was when the plan was made is left alone.
func TestRunRefusesChangedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{changed: true}
		b, _ := w.bench(t)
		err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "plan again") {
			t.Errorf("Run() = %v, want a refusal", err)
		}
		if len(w.log) != 0 {
			t.Errorf("it did %v", w.log)
		}
	})
}
