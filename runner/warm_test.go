package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// roundsTo is how many of the times it takes to settle; -1 if all are not enough.
func roundsTo(times []float64) int {
	var rounds []time.Duration
	for i, t := range times {
		rounds = append(rounds, time.Duration(t*float64(time.Second)))
		if settled(rounds) {
			return i + 1
		}
	}
	return -1
}

// TestSettled works the rule out by hand, just below and just above its limits.
func TestSettled(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []float64
		want  int
	}{
		{"three can tell nothing", []float64{1, 1, 1}, -1},
		{"constant", []float64{1, 1, 1, 1}, 4},
		{"rising", []float64{1, 2, 3, 4}, 4},
		{"one slow round at first", []float64{9, 1, 1, 1, 1}, 5}, // 1 of the last three beats 9 until it is the best before them
		{"one slow round later", []float64{1, 1, 9, 1}, 4},
		{"beaten by 5 %", []float64{100, 100, 100, 95}, 4},
		{"beaten by more", []float64{100, 100, 100, 94.9}, -1},
		{"beaten once, and then steady", []float64{100, 100, 100, 90, 90, 90, 90}, 7},
		{"halving for long", []float64{64, 32, 16, 8, 4, 2, 2, 2, 2}, 9},
	} {
		if got := roundsTo(c.times); got != c.want {
			t.Errorf("%s: %v settled after %d rounds, want %d", c.name, c.times, got, c.want)
		}
	}
}

// What falls by 2 % a round or more is never settled: 0.98³ is 0.941.
func TestFallingIsNotSettled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at, times := 1e3, []float64(nil)
		for _, keeps := range rapid.SliceOfN(rapid.Float64Range(0.5, 0.98), 4, 30).Draw(t, "keeps") {
			times = append(times, at)
			at *= keeps
		}
		if n := roundsTo(times); n > 0 {
			t.Fatalf("%v settled after %d rounds", times, n)
		}
	})
}

// Noise of 10 % settles after 13 rounds at the latest, on whatever level, and
// after four where it stays within 5 %.
func TestNoiseSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, c := range []struct {
			noise  float64
			within int
		}{{0.1, 13}, {0.025, 4}} {
			level := math.Exp(rapid.Float64Range(-5, 5).Draw(t, "level"))
			times := rapid.SliceOfN(rapid.Float64Range(level*(1-c.noise), level*(1+c.noise)), 13, 13).Draw(t, "times")
			if n := roundsTo(times); n < 0 || n > c.within {
				t.Fatalf("%v settled after %d rounds, want %d or fewer", times, n, c.within)
			}
		}
	})
}

// A cold server takes longer at first: by class, the times of its requests.
type cold struct {
	mu     sync.Mutex
	takes  map[string]func(n int) time.Duration // of the n-th request of a class
	fails  func(class string, n int) bool
	asked  map[string]int
	flying map[string]int
	most   map[string]int // in flight at once
	told   []string
	placed string // where instances are; empty for one
	asks   loadgen.Workload
}

func (c *cold) Dial(string) (loadgen.Endpoint, error) { return endpointtest.Fake(c.exchange), nil }

func (c *cold) exchange(ctx context.Context, q *loadgen.Request, first func()) loadgen.Answer {
	c.mu.Lock()
	n := c.asked[q.Class]
	c.asked[q.Class]++
	c.flying[q.Class]++
	c.most[q.Class] = max(c.most[q.Class], c.flying[q.Class])
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flying[q.Class]--
	}()
	select {
	case <-ctx.Done():
		return loadgen.Answer{Outcome: results.Cancelled}
	case <-time.After(c.takes[q.Class](n)):
	}
	if c.fails != nil && c.fails(q.Class, n) {
		return loadgen.Answer{Outcome: results.HTTP5xx, Detail: "no memory"}
	}
	first()
	return loadgen.Answer{Outcome: results.OK, Text: "found " + q.Class}
}

// two begins its sessions with either class, by turns; class a is followed by
// class c, which quotes the answer.
type two struct{}

func (two) Classes() []string { return []string{"a", "b"} }
func (two) Session(_ uint64, n int64) loadgen.Session {
	if n%2 == 0 {
		return &chain{"a", "c"}
	}
	return &chain{"b", ""}
}

type chain struct{ first, then string }

func (s *chain) Next(call int, answer *loadgen.Answer) []*loadgen.Request {
	switch {
	case call < 0:
		return []*loadgen.Request{{Class: s.first, Model: s.first}}
	case call == 0 && s.then != "" && answer != nil && answer.Text == "found "+s.first:
		return []*loadgen.Request{{Class: s.then, Model: s.then}}
	}
	return nil
}

func steady(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// warmed runs one cell of an instance on a cold server and gives its record.
func (c *cold) warmed(t *testing.T, w *world, warm time.Duration) (results.Cell, error) {
	t.Helper()
	c.asked, c.flying, c.most = map[string]int{}, map[string]int{}, map[string]int{}
	b, dir := w.bench(t)
	b.Cells = b.Cells[:1]
	if c.placed != "" {
		b.Cells[0].Config.Placement = c.placed
	}
	b.NewChooser = func(scenarios.Cell) Chooser { return none{} }
	s := &b.Services[0]
	s.Dialer, s.Workload, s.Warm, s.Timeout = c, two{}, warm, 10*time.Second
	if c.asks != nil {
		s.Workload = c.asks
	}
	s.Models = []scenarios.Model{{Name: "a", Workers: 3}, {Name: "b", Workers: 1}, {Name: "other", Workers: 9}}
	b.Tell = func(line string) { c.told = append(c.told, line) }
	err := b.Run(t.Context())
	w.undone(t)
	run, fault := results.Read(dir)
	if fault != nil || len(run.Cells) != 1 {
		t.Fatalf("%v, %d cells", fault, len(run.Cells))
	}
	return run.Cells[0].Cell, err
}

type none struct{}

func (none) Next(*results.StepResult) (results.StepPlan, bool) { return results.StepPlan{}, false }

// Each class that sessions begin with gets rounds of as many requests as its
// model has workers until its time no longer falls. Later calls of a session are
// asked once, by readiness, until the instance is asked one request at a time.
func TestWarmUntilSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: map[string]func(int) time.Duration{
			// The first request made it ready; then two rounds of three are slow.
			"a": func(n int) time.Duration {
				if n <= 6 {
					return time.Second
				}
				return 100 * time.Millisecond
			},
			"b": steady(50 * time.Millisecond), "c": steady(200 * time.Millisecond),
		}}
		cell, err := c.warmed(t, &world{}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		ms := func(all ...int) (d []time.Duration) {
			for _, n := range all {
				d = append(d, time.Duration(n)*time.Millisecond)
			}
			return d
		}
		want := []results.Warmed{
			{Instance: "vision-0", Class: "a", Parallel: 3, Rounds: ms(1000, 1000, 100, 100, 100, 100), Settled: true},
			{Instance: "vision-0", Class: "b", Parallel: 1, Rounds: ms(50, 50, 50, 50), Settled: true},
			// Then five sessions of each class, one request at a time.
			{Instance: "vision-0", Class: "a", Parallel: 1, Rounds: ms(100, 100, 100, 100, 100), Alone: true},
			{Instance: "vision-0", Class: "c", Parallel: 1, Rounds: ms(200, 200, 200, 200, 200), Alone: true},
			{Instance: "vision-0", Class: "b", Parallel: 1, Rounds: ms(50, 50, 50, 50, 50), Alone: true},
		}
		if !reflect.DeepEqual(cell.Warmed, want) {
			t.Errorf("warmed\n got %+v\nwant %+v", cell.Warmed, want)
		}
		if fmt.Sprint(c.most) != "map[a:3 b:1 c:1]" || fmt.Sprint(c.asked) != "map[a:24 b:10 c:6]" {
			t.Errorf("at once %v of %v, want 3 of a and 1 of the others", c.most, c.asked)
		}
		var phases []string
		for _, p := range cell.Phases {
			phases = append(phases, p.Name)
		}
		if got := strings.Join(phases, " "); got != "plan apply launch ready warm alone count recount stop" {
			t.Errorf("phases %s", got)
		}
		if len(cell.Warnings) != 0 {
			t.Errorf("warnings %+v", cell.Warnings)
		}
	})
}

// When the time is up no new round begins, and it is told what had not settled.
func TestWarmEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: map[string]func(int) time.Duration{
			"a": func(n int) time.Duration { return time.Second * time.Duration(100-n) / 100 }, // always falling
			"b": steady(time.Millisecond), "c": steady(time.Millisecond),
		}}
		start := time.Now()
		cell, err := c.warmed(t, &world{}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		// Alone, five requests of a take under 0.9 s each.
		if took := time.Since(start); took < 12*time.Second || took > 17*time.Second {
			t.Errorf("it took %s, want 10 s, the round that had begun, readiness, and five requests", took)
		}
		if n := len(cell.Warnings); n != 1 {
			t.Fatalf("warnings %+v, want one", cell.Warnings)
		}
		w := cell.Warnings[0]
		if w.Code != "not-settled" || w.Subject != "vision-0" || !strings.HasPrefix(w.Text, "class a: service time still fell when 10s of warm-up were over: from 980.0 ms to ") ||
			!strings.HasSuffix(w.Text, "rounds of 3 requests; give it more time with services.vision.warm") {
			t.Errorf("warning %+v", w)
		}
		if a := cell.Warmed[0]; a.Class != "a" || a.Settled {
			t.Errorf("warmed %+v", a)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: map[string]func(int) time.Duration{"a": steady(4 * time.Second), "b": steady(4 * time.Second), "c": steady(4 * time.Second)}}
		cell, err := c.warmed(t, &world{}, 15*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"warming 1 instance up", "warming 1 instance up since 10 s"} {
			if !slices.ContainsFunc(c.told, func(line string) bool { return strings.HasSuffix(line, want) }) {
				t.Errorf("%q is not told:\n%s", want, strings.Join(c.told, "\n"))
			}
		}
		if len(cell.Warnings) != 2 || cell.Warnings[1].Text != "class b: whether service time still falls is not known: 15s of warm-up were enough for 2 rounds of 1 request, and it takes 4; give it more time with services.vision.warm" {
			t.Errorf("warnings %+v", cell.Warnings)
		}
	})
}

// Requests that fail are counted, and their rounds are none; a server that ended
// fails the cell.
func TestWarmFailures(t *testing.T) {
	takes := map[string]func(int) time.Duration{"a": steady(time.Second), "b": steady(time.Second), "c": steady(time.Second)}
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: takes, fails: func(class string, n int) bool { return class == "b" && n == 2 }}
		cell, err := c.warmed(t, &world{}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		// 5 rounds of b, of which 4 count, and 4 of a with 3 requests.
		want := []results.Warning{{
			Code: "warm-up-failures", Subject: "vision-0", Count: 1,
			Text: "1 of the 17 requests of the warm-up failed, and their rounds do not count; the first: http_5xx: no memory",
		}}
		if !reflect.DeepEqual(cell.Warnings, want) {
			t.Errorf("warnings %+v, want %+v", cell.Warnings, want)
		}
		for _, w := range cell.Warmed {
			if !w.Alone && (len(w.Rounds) != 4 || !w.Settled) {
				t.Errorf("class %s has rounds %v", w.Class, w.Rounds)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		c := &cold{takes: takes}
		c.fails = func(class string, n int) bool {
			if class != "b" || n != 2 {
				return false
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.died = errors.New("exit status 137")
			return true
		}
		cell, err := c.warmed(t, w, time.Minute)
		want := "vision-0 on gpu0 (GPU-0) ended while it was warmed up: exit status 137"
		if err == nil || cell.Status != results.CellFailed || cell.Fault != want {
			t.Errorf("%s: %q, want %q", cell.Status, cell.Fault, want)
		}
		if len(cell.Warmed) != 2 {
			t.Errorf("what was seen is not kept: %+v", cell.Warmed)
		}
	})
}

// A server that refuses at once is not asked without a pause: once each 200 ms of
// the second that there is.
func TestWarmPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cold{
			takes: map[string]func(int) time.Duration{"a": steady(0), "b": steady(0), "c": steady(0)},
			fails: func(class string, n int) bool { return class == "b" && n > 0 },
		}
		cell, err := c.warmed(t, &world{}, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(cell.Warnings) != 3 || cell.Warnings[1].Code != "warm-up-failures" || cell.Warnings[1].Count != 5 {
			t.Errorf("warnings %+v, want 5 failures", cell.Warnings)
		}
	})
}

// A class that no session begins with, and one whose turn never came, have reasons
// of their own.
func TestWarmTellsWhyNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: map[string]func(int) time.Duration{"a": steady(4 * time.Second), "b": steady(1), "c": steady(1)}}
		cell, err := c.warmed(t, &world{}, 3*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(cell.Warnings) != 2 || cell.Warnings[1].Text != "class b: whether service time still falls is not known: 3s of warm-up were over before its turn; give it more time with services.vision.warm" {
			t.Errorf("warnings %+v", cell.Warnings)
		}
	})
	w := newWarming(running{of: &Service{}, service: &instance{&world{}, services.Instance{Name: "x"}}}, two{}, 1)
	w.classes = []results.Warmed{{Instance: "x", Class: "none"}}
	if requests := w.requests(&w.classes[0]); requests != nil {
		t.Fatalf("%d requests of no class", len(requests))
	}
	w.over["none"] = true
	if got := w.warnings(); len(got) != 1 || got[0].Text != "class none: whether service time still falls is not known: none of 256 sessions began with it, so only the steps' own warm-up warms it" {
		t.Errorf("warnings %+v", got)
	}
}

// Without time for it nothing is sent.
func TestNoWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cold{takes: map[string]func(int) time.Duration{"a": steady(1), "b": steady(1), "c": steady(1)}}
		cell, err := c.warmed(t, &world{}, 0)
		if err != nil || cell.Warmed != nil || fmt.Sprint(c.asked) != "map[a:1 b:1 c:1]" {
			t.Errorf("%v; warmed %+v with %v requests, want those of readiness", err, cell.Warmed, c.asked)
		}
	})
}
