package runner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/routers/roundrobin"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// mortals is a world whose instances can be made to end, and take time to come
// back.
type mortals struct {
	*world
	ways     []string
	loading  time.Duration // from a revival to answers
	together bool          // a fault ends all
	lingers  time.Duration // what the victim takes to end, after those
	counts   bool          // memory that ran out
	refuses  error         // Crash
	lost     error         // Revive
	warm     time.Duration
	told     []string

	mu    sync.Mutex
	all   map[string]*mortal // by URL
	after func(m *mortal)    // called when one was revived
}

type mortal struct {
	services.Service
	of    *mortals
	mu    sync.Mutex
	err   error
	since time.Time // when it answers
	crash int       // how often
}

func (m *mortals) Patience() time.Duration { return 20 * time.Second }

func (m *mortals) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	s, err := m.world.Launch(ctx, i)
	if err != nil {
		return nil, err
	}
	x := &mortal{Service: s, of: m}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]*mortal{}
	}
	m.all[s.Info().URL] = x
	if m.counts {
		return counting{x}, nil
	}
	return x, nil
}

func (m *mortals) Dial(url string) (loadgen.Endpoint, error) {
	return endpointtest.Fake(func(ctx context.Context, q *loadgen.Request, first func()) loadgen.Answer {
		m.mu.Lock()
		x := m.all[url]
		m.mu.Unlock()
		if x.Err() != nil || time.Now().Before(x.readyAt()) {
			return loadgen.Answer{Outcome: results.Connect, Detail: "connection refused"}
		}
		return m.exchange(ctx, q, first)
	}), nil
}

func (x *mortal) readyAt() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.since
}

func (x *mortal) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

func (x *mortal) die(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.err = err
}

func (x *mortal) Crashes() []string { return x.of.ways }

// Identify finds nothing right where nothing runs.
func (x *mortal) Identify(context.Context) error { return x.Err() }

// A counting mortal tells of memory that ran out, twice with each crash.
type counting struct{ *mortal }

func (x counting) OutOfMemory() int64 { return int64(7 + 2*x.crash) }

func (x *mortal) Crash(_ context.Context, how string) error {
	if x.of.refuses != nil {
		return x.of.refuses
	}
	x.crash++
	defer func() {
		time.Sleep(x.of.lingers) // of the test's own clock
		x.die(&services.ExitError{Status: -1, Signal: 9, LogFile: "x.log", Log: []string{"last words"}})
	}()
	if how == services.CrashFault && x.of.together {
		for _, other := range x.of.all {
			if other != x {
				other.die(&services.ExitError{Status: 1})
			}
		}
	}
	return nil
}

func (x *mortal) Revive(ctx context.Context) error {
	if x.of.lost != nil {
		return x.of.lost
	}
	x.mu.Lock()
	x.err, x.since = nil, time.Now().Add(x.of.loading)
	x.mu.Unlock()
	if x.of.after != nil {
		x.of.after(x)
	}
	return ctx.Err()
}

// plans is a Chooser of given steps.
type plannedSteps []results.StepPlan

func (p plannedSteps) Next(last *results.StepResult) (results.StepPlan, bool) {
	if after(last) == len(p) {
		return results.StepPlan{}, false
	}
	return p[after(last)], true
}

// failoverStep is two users for 20 s, in which an instance ends at 5 s of the
// window.
func failoverStep(f results.Failover) results.StepPlan {
	f.At = 5 * time.Second
	return results.StepPlan{
		Name:   "failover",
		Levels: []results.Level{{Service: "vision", Arrivals: "closed", Value: 2, Unit: "users"}},
		Warmup: time.Second, Window: 20 * time.Second, Failover: &f,
	}
}

// runFailover runs one cell with two instances of vision on one device.
func (m *mortals) runFailover(t *testing.T, steps ...results.StepPlan) (*results.CellData, error) {
	t.Helper()
	b, dir := m.bench(t)
	b.Services[0].Warm, b.Tell = m.warm, func(line string) { m.told = append(m.told, line) }
	b.Cells = b.Cells[:1]
	b.Cells[0].Config.Placement = "vision=0,0"
	b.NewChooser = func(scenarios.Cell) Chooser { return plannedSteps(steps) }
	b.NewRouter = func(string) (loadgen.Router, error) { return roundrobin.New(roundrobin.Config{}) }
	b.Services[0].Launcher, b.Services[0].Dialer = m, m
	err := b.Run(t.Context())
	m.undone(t)
	run, readErr := results.Read(dir)
	if readErr != nil {
		t.Fatal(readErr)
	}
	if len(run.Cells) != 1 {
		t.Fatalf("%d cells", len(run.Cells))
	}
	return run.Cells[0], err
}

// story tells a step's events in whole tenths of a second since the end that is
// planned.
func story(s results.Step) string {
	var b strings.Builder
	for _, e := range s.Events {
		at := e.At.Sub(s.WindowStart.Add(s.Plan.Failover.At)).Round(100 * time.Millisecond)
		fmt.Fprintf(&b, "%s %s %v; ", e.Instance, e.Kind, at)
	}
	return b.String()
}

// outcomes counts a step's samples of an instance that were sent within a span,
// in seconds since the planned end.
func outcomes(t *testing.T, s *results.StepData, instance string, from, to float64) string {
	t.Helper()
	n := map[string]int{}
	zero := s.Step.WindowStart.Add(s.Step.Plan.Failover.At)
	for x, err := range s.Samples() {
		if err != nil {
			t.Fatal(err)
		}
		if at := x.Sent.Sub(zero).Seconds(); x.Endpoint == instance && at >= from && at < to {
			n[x.Outcome.String()]++
		}
	}
	text := ""
	for _, name := range slices.Sorted(maps.Keys(n)) {
		text += fmt.Sprintf("%s ", name)
	}
	return strings.TrimSpace(text)
}

func TestFailover(t *testing.T) {
	kill := []string{services.CrashKill}
	for _, c := range []struct {
		name string
		m    *mortals
		f    results.Failover
		want string // the story
	}{
		{"restart", &mortals{ways: kill, loading: 3 * time.Second}, results.Failover{Instance: 1, Eject: 2 * time.Second, Restart: true},
			// One is asked each 200 ms, and the right answer takes 100 ms.
			"vision-1 ended 0s; vision-1 ejected 2s; vision-1 restarted 2s; vision-1 answered 5.1s; "},
		{"ejected at once", &mortals{ways: kill}, results.Failover{Instance: 0, Restart: true},
			"vision-0 ended 0s; vision-0 ejected 0s; vision-0 restarted 0s; vision-0 answered 100ms; "},
		{"left ended", &mortals{ways: kill}, results.Failover{Instance: 1, Eject: time.Second}, "vision-1 ended 0s; vision-1 ejected 1s; "},
		// The window ends 15 s after the instance, its last requests 100 ms later.
		{"never ejected", &mortals{ways: kill}, results.Failover{Instance: 1, Eject: time.Minute}, "vision-1 ended 0s; "},
		{"back after the step", &mortals{ways: kill, loading: 18 * time.Second}, results.Failover{Instance: 1, Eject: time.Second, Restart: true},
			"vision-1 ended 0s; vision-1 ejected 1s; vision-1 restarted 1s; vision-1 answered 19.1s; "},
		{"fault of one client", &mortals{ways: []string{services.CrashFault}, together: true}, results.Failover{How: services.CrashFault, Eject: time.Second, Restart: true},
			"vision-0 ended 0s; vision-1 ended 0s; vision-0 ejected 1s; vision-0 restarted 1s; vision-1 ejected 1s; vision-1 restarted 1s; vision-0 answered 1.1s; vision-1 answered 1.1s; "},
		{"fault that ends others first", &mortals{ways: []string{services.CrashFault}, together: true, lingers: 3 * time.Second}, results.Failover{How: services.CrashFault, Eject: time.Second, Restart: true},
			"vision-0 ended 3s; vision-1 ended 3s; vision-0 ejected 4s; vision-0 restarted 4s; vision-1 ejected 4s; vision-1 restarted 4s; vision-0 answered 4.1s; vision-1 answered 4.1s; "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if c.f.How == "" {
					c.f.How = services.CrashKill
				}
				c.f.Service, c.m.world = "vision", &world{}
				cell, err := c.m.runFailover(t, failoverStep(c.f))
				if err != nil {
					t.Fatal(err)
				}
				s := cell.Steps[0]
				sorted := func(story string) []string { return slices.Sorted(strings.SplitSeq(story, "; ")) }
				if got := story(s.Step); !slices.Equal(sorted(got), sorted(c.want)) {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if took := s.Step.WindowEnd.Sub(s.Step.WindowStart); took != 20*time.Second {
					t.Errorf("the window took %v", took)
				}
				if !strings.HasPrefix(s.Step.Events[0].Text, "signal 9 (killed)") || strings.Contains(s.Step.Events[0].Text, "last words") {
					t.Errorf("it ended by %q", s.Step.Events[0].Text)
				}
			})
		})
	}
}

// Requests go to the instance until it is ejected, fail there, and go to it
// again once it has answered; the other one answers all along.
func TestFailoverRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortals{world: &world{}, ways: []string{services.CrashKill}, loading: 3 * time.Second}
		cell, err := m.runFailover(t, failoverStep(results.Failover{
			Service: "vision", Instance: 1, How: services.CrashKill, Eject: 2 * time.Second, Restart: true}))
		if err != nil {
			t.Fatal(err)
		}
		s, due := cell.Steps[0].Step, [2]int64{}
		for x, err := range cell.Steps[0].Samples() {
			switch {
			case err != nil:
				t.Fatal(err)
			case x.Due < s.WindowStart:
				due[0]++
			case x.Due < s.WindowEnd:
				due[1]++
			}
		}
		if i := s.Services[0]; due != [2]int64{i.WarmupDue, i.Due} || i.Due == 0 || i.WarmupDue == 0 {
			t.Errorf("samples of warm-up and window %v, due were %d and %d", due, i.WarmupDue, i.Due)
		}
		for _, c := range []struct {
			instance string
			from, to float64
			want     string
		}{
			{"vision-1", -6, -0.1, "ok"}, {"vision-1", 0.01, 2, "connect"}, {"vision-1", 2.01, 5, ""}, {"vision-1", 5.2, 15, "ok"},
			{"vision-0", -6, 15, "ok"},
		} {
			if got := outcomes(t, cell.Steps[0], c.instance, c.from, c.to); got != c.want {
				t.Errorf("%s from %v to %v s: %q, want %q", c.instance, c.from, c.to, got, c.want)
			}
		}
	})
}

// An instance that was left ended is started again for the next step alone.
func TestFailoverBeforeTheNextStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortals{world: &world{}, ways: []string{services.CrashKill}, loading: 3 * time.Second}
		left := failoverStep(results.Failover{Service: "vision", Instance: 1, How: services.CrashKill})
		cell, err := m.runFailover(t, left, left)
		if err != nil {
			t.Fatal(err)
		}
		if m.all["http://vision-1"].Err() == nil {
			t.Error("it was started again after the last step")
		}
		for i, s := range cell.Steps {
			if got := outcomes(t, s, "vision-1", -6, -0.1); got != "ok" {
				t.Errorf("step %d: before its end vision-1 gives %q", i, got)
			}
			if want := "vision-1 ended 0s; vision-1 ejected 0s; "; story(s.Step) != want {
				t.Errorf("step %d: %s", i, story(s.Step))
			}
		}
	})
}

// What was started again is cold: before the next step it is warmed up as it was
// before the first, and the others are not. None is after the last step.
func TestFailoverWarmsAgain(t *testing.T) {
	for _, restart := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := &mortals{world: &world{}, ways: []string{services.CrashKill}, warm: time.Minute}
			f := failoverStep(results.Failover{Service: "vision", Instance: 1, How: services.CrashKill, Restart: restart})
			cell, err := m.runFailover(t, f, f)
			if err != nil {
				t.Fatal(err)
			}
			var warmed []string
			for _, w := range cell.Cell.Warmed {
				if !w.Alone {
					warmed = append(warmed, fmt.Sprint(w.Instance, " ", w.Settled))
				}
			}
			if want := []string{"vision-0 true", "vision-1 true", "vision-1 true"}; !slices.Equal(warmed, want) {
				t.Errorf("restart %v: warmed %q, want %q", restart, warmed, want)
			}
		})
	}
}

// Where a step's end waits for an instance it is told, each ten seconds.
func TestFailoverTellsOfWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mortals{world: &world{}, ways: []string{services.CrashKill}, loading: 19 * time.Second}
		f := results.Failover{Service: "vision", How: services.CrashKill, Eject: 14 * time.Second, Restart: true}
		if _, err := m.runFailover(t, failoverStep(f)); err != nil {
			t.Fatal(err)
		}
		if want := "step 0, vision 2 users: 1s warm-up, 20s window, vision-0 killed after 5s"; !strings.Contains(strings.Join(m.told, "\n"), want) {
			t.Errorf("%q is not told:\n%s", want, strings.Join(m.told, "\n"))
		}
		if want := "waiting for right answers of what was started again since 10 s"; strings.Count(strings.Join(m.told, "\n"), want) != 1 {
			t.Errorf("%q is not told once:\n%s", want, strings.Join(m.told, "\n"))
		}
	})
}

// Who is late learns at once of the begin of the load, of the moment at which an instance
// is to end, and of the load's end: it is made to end all the same. It is not if the moment
// had not come, or the load never began.
func TestFailoverDueLate(t *testing.T) {
	for _, c := range []struct {
		begun bool
		since time.Duration
		want  bool
	}{{true, 6 * time.Second, true}, {true, 6*time.Second - 1, false}, {false, time.Minute, false}} {
		synctest.Test(t, func(t *testing.T) {
			for range 50 { // as select takes any
				plan := failoverStep(results.Failover{})
				f := &failing{
					run: &cellRun{origin: results.NewOrigin(time.Now())}, plan: plan.Failover, step: plan,
					begun: make(chan results.Offset, 1), driven: make(chan struct{}),
				}
				if c.begun {
					f.begun <- 0
				}
				time.Sleep(c.since)
				close(f.driven)
				if got := f.due(t.Context()); got != c.want {
					t.Fatalf("begun %v, %v ago: due %v, want %v", c.begun, c.since, got, c.want)
				}
			}
		})
	}
}
