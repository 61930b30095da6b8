package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// keeps is a consumer that keeps events, and takes none while held.
type keeps struct {
	events []Event
	held   chan struct{} // closed: not held; nil: never held
	closed bool
	err    error
}

func (k *keeps) Take(e Event) {
	if k.held != nil {
		<-k.held
	}
	k.events = append(k.events, e)
}
func (k *keeps) Close() error { k.closed = true; return k.err }

func (k *keeps) kinds() (all []string) {
	for _, e := range k.events {
		all = append(all, string(e.Kind))
	}
	return all
}

// fixed is a run of two cells and one that is left out, told to a stream: each cell
// takes 60 s, 40 s of it under load.
func fixed(s *Stream) {
	plan := results.StepPlan{Levels: []results.Level{{Service: "v", Value: 20, Unit: "req/s"}}, Warmup: 10 * time.Second, Window: 30 * time.Second}
	s.Follow(runner.PhaseBegins{Layout: "layout 1g, mps", Phase: "apply"})
	time.Sleep(5 * time.Second)
	for i, name := range []string{"a", "b"} {
		s.Follow(runner.CellBegins{Cell: scenarios.Cell{Folder: name, Config: results.Config{Name: "c-" + name}, Replicate: 1}, Devices: []device.Device{{UUID: "MIG-1", Name: "gpu0/1g"}}})
		s.Follow(runner.PhaseBegins{Cell: name, Phase: "launch"})
		time.Sleep(15 * time.Second)
		s.Say("cell " + name + ": up")
		s.Follow(runner.PhaseBegins{Cell: name, Phase: "steps"})
		s.Follow(runner.StepBegins{Cell: name, Plan: plan})
		for second := range 40 {
			time.Sleep(time.Second)
			s.Follow(oneSecond(name, second))
		}
		s.Follow(runner.StepEnds{Cell: name, Step: results.Step{Plan: plan, WindowStart: results.Offset(10 * time.Second), WindowEnd: results.Offset(40 * time.Second), End: results.Offset(40 * time.Second)}})
		s.Follow(runner.PhaseBegins{Cell: name, Phase: "stop"})
		time.Sleep(5 * time.Second)
		end := results.Cell{Folder: name, Status: results.CellDone}
		if i == 1 {
			end.Status, end.Fault = results.CellFailed, "v-0 died\x1b[2J"
		}
		s.Follow(runner.CellEnds{Cell: end})
	}
	s.Follow(runner.CellLeftOut{Cell: scenarios.Cell{Folder: "c"}, Why: "it cannot win"})
}

// oneSecond is a second of a step in which two requests were answered, after 50 ms, and a
// third was not.
func oneSecond(cell string, second int) runner.StepRuns {
	at := func(d time.Duration) results.Offset { return results.Offset(time.Duration(second)*time.Second + d) }
	sample := func(due time.Duration) results.Sample {
		return results.Sample{Service: "v", Due: at(due), Done: at(due + 50*time.Millisecond), First: results.NoOffset, Outcome: results.OK}
	}
	return runner.StepRuns{
		Cell: cell, From: at(0), To: at(time.Second), Unfinished: map[string]int64{"v": 1},
		Samples: slices.Values([]results.Sample{sample(0), sample(500 * time.Millisecond)}),
		Observations: []results.Observation{{Source: "gpm", Series: "gpm:sm_active_ratio", Value: 0.25,
			Subject: results.Subject{Kind: results.SubjectInstance, ID: "MIG-1"}}},
	}
}

func sweepOf(cells ...string) Sweep {
	return Sweep{Scenario: "test", Simulated: "pro6000x1", Cells: cells, Steps: 1, LoadSeconds: 40,
		Services: []results.Service{{Name: "v", Percentiles: []float64{0.5, 0.95}, SLO: []results.Clause{{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.04, Unit: "s", Text: "p95 < 40 ms"}}}}}
}

// Events are the whole of what is told: written as JSON and read again, they come to the
// same state as those of the run itself.
func TestEventsAreData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, file := &keeps{}, &closing{}
		s := Start(sweepOf("a", "b", "c"), kept, NewJSONLines(file))
		fixed(s)
		if err := s.End(errors.New("cell b: v-0 died"), false); err != nil {
			t.Fatal(err)
		}
		if !kept.closed || !file.closed {
			t.Error("a consumer was not closed")
		}
		var live, read State
		for _, e := range kept.events {
			live.Take(e)
		}
		lines := 0
		for line := range bytes.Lines(file.Bytes()) {
			var e Event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			read.Take(e)
			lines++
		}
		if !reflect.DeepEqual(live, read) {
			t.Errorf("of JSON the state is\n%+v, of events\n%+v", read, live)
		}
		// 80 seconds of figures, of which the file has every fifth of each step's 40.
		others := 0
		for _, e := range kept.events {
			if e.Kind != StepRuns {
				others++
			}
		}
		if want := others + 16; lines != want || others != 20 {
			t.Errorf("%d lines, of %d events but figures, want %d", lines, others, want)
		}
		if len(read.Cells) != 2 || read.Cells[0].Seconds != 60 || read.Cells[1].Status != results.CellFailed || len(read.Out) != 1 || read.Status != results.CellFailed {
			t.Errorf("the state is %+v", read)
		}
	})
}

type closing struct {
	bytes.Buffer
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// A consumer that takes nothing costs the run nothing: no call waits for it, what waits
// for it does not grow with time, and when it takes again it has everything but figures
// that newer ones replaced. One that never does is given up.
func TestConsumersAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, dead, quick := &keeps{held: make(chan struct{})}, &keeps{held: make(chan struct{})}, &keeps{}
		s := Start(sweepOf("a", "b", "c"), slow, dead, quick)
		began := time.Now()
		fixed(s)
		if took := time.Since(began); took != 125*time.Second {
			t.Errorf("the run took %v, want its own 125 s", took)
		}
		for _, f := range s.feeds[:2] {
			if n := len(f.wait); n > 25 {
				t.Errorf("%d events wait for a consumer that takes none", n)
			}
		}
		close(slow.held)
		err := s.End(nil, false)
		if err == nil || !strings.Contains(err.Error(), "not taken within 3s") {
			t.Errorf("of a consumer that takes nothing the end tells %v", err)
		}
		if took := time.Since(began); took != 128*time.Second {
			t.Errorf("the end came after %v, want 3 s more than the run", took-125*time.Second)
		}
		without := func(k *keeps) []string {
			return slices.DeleteFunc(k.kinds(), func(kind string) bool { return kind == string(StepRuns) })
		}
		if got, want := without(slow), without(quick); !slices.Equal(got, want) || !slow.closed {
			t.Errorf("the slow one took\n%v, the quick one\n%v", got, want)
		}
		close(dead.held) // so that the bubble can end
	})
}

// However many consumers hang at the end, they cost it one wait in all, and each is told.
func TestConsumersHangTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		s := Start(sweepOf("a"), &keeps{held: held}, &keeps{held: held}, &keeps{held: held})
		go func() { // so that the bubble can end also where the end waits for ever
			time.Sleep(time.Minute)
			close(held)
		}()
		began := time.Now()
		err := s.End(nil, false)
		if took := time.Since(began); took != closeWithin {
			t.Errorf("the end came after %v, want %v", took, closeWithin)
		}
		if n := strings.Count(fmt.Sprint(err), "not taken within 3s"); n != 3 {
			t.Errorf("%d consumers are told of, want 3: %v", n, err)
		}
		time.Sleep(time.Minute)
	})
}

// A file that cannot be written is told once, at the end, and costs nothing else.
func TestJSONLinesThatFail(t *testing.T) {
	j := NewJSONLines(failing{})
	for range 3 {
		j.Take(Event{Kind: Said})
	}
	if err := j.Close(); err == nil || err.Error() != "write events: no space" {
		t.Errorf("it tells %v", err)
	}
}

type failing struct{}

// TestJSONLinesLeaveOut: what cannot be written as JSON is left out and told once; what
// follows is written.
func TestJSONLinesLeaveOut(t *testing.T) {
	var out keeping
	j := NewJSONLines(&out)
	bad := math.Inf(1)
	for range 2 {
		j.Take(Event{Kind: StepEnds, Figures: &Figures{IntoSeconds: bad}})
	}
	j.Take(Event{Kind: Said, Text: "more"})
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "was left out") || !strings.Contains(lines[1], `"more"`) {
		t.Errorf("it wrote %q", lines)
	}
}

type keeping struct{ strings.Builder }

func (*keeping) Close() error { return nil }

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space") }
func (failing) Close() error              { return nil }

// Lines are what people read: what was said, each step's figures now and then and at its
// end, and each cell's end with what is left.
func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := Start(sweepOf("a", "b", "c"), NewLines(&out, 15*time.Second))
		fixed(s)
		if err := s.End(nil, false); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ") // without the time of day
			got = append(got, text)
		}
		figures := "p95 < 40 ms: %s, 1 unfinished, 0 of %d failed; gpu0/1g 25 %%"
		of := func(cell string) []string {
			head := "cell " + cell + ": step 0: "
			return []string{
				"cell " + cell + ": up",
				head + "15s of 40s, window; v offered 2.000/s, delivered 2.000/s, " + fmt.Sprintf(figures, "unknown", 10),
				head + "30s of 40s, window; v offered 2.000/s, delivered 2.000/s, " + fmt.Sprintf(figures, "50.02 ms MISSED", 40),
				"cell " + cell + ": step 0 ended: v 60 of 60 ok, p95 < 40 ms: 50.02 ms MISSED", // to within 0.1 %
			}
		}
		want := append(of("a"), "cell a: done after 1m00s; 1 of 3 cells, about 2m10s left")
		want = append(append(want, of("b")...), "cell b: failed after 1m00s; 2 of 3 cells, 1 failed, about 1m03s left")
		if !slices.Equal(got, want) {
			t.Errorf("lines:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What would steer a terminal is made visible.
func TestClean(t *testing.T) {
	if got, want := Clean("a\x1b[2J\tb\r\u009b1m\nc\x00é"), "a\ufffd[2J\tb\ufffd\ufffd1m\nc\ufffdé"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is left is cells x the mean of those that were done, with what is between them;
// before the first it is the planned load, and unknown without; never below nothing.
func TestLeft(t *testing.T) {
	t0 := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }
	begins := func(s int, cell string) Event { return Event{At: at(s), Kind: CellBegins, Cell: cell} }
	ends := func(s int, cell, status string) Event {
		return Event{At: at(s), Kind: CellEnds, Cell: cell, Status: status}
	}
	sweep := sweepOf("a", "b", "c", "d")
	unknown := sweep
	unknown.LoadSeconds = 0
	for _, c := range []struct {
		name   string
		sweep  Sweep
		events []Event
		now    int
		want   string
	}{
		{"planned", sweep, nil, 0, "2m40s"}, // 4 x 40 s
		{"planned, half a cell in", sweep, []Event{begins(10, "a")}, 30, "2m20s"},
		{"planned, past it", sweep, []Event{begins(10, "a")}, 500, "2m00s"},
		{"nobody knows", unknown, []Event{begins(10, "a")}, 30, ""},
		{"one done", unknown, []Event{begins(10, "a"), ends(110, "a", "done")}, 110, "5m30s"},                                                                 // 3 x (100 + 10)
		{"one done, one failed at once", unknown, []Event{begins(10, "a"), ends(110, "a", "done"), begins(110, "b"), ends(111, "b", "failed")}, 111, "3m30s"}, // 2 x (100 + 5)
		{"one left out", unknown, []Event{begins(10, "a"), ends(110, "a", "done"), {Kind: CellLeftOut, Cell: "b"}}, 110, "3m40s"},
		{"all over", unknown, []Event{begins(0, "a"), ends(1, "a", "done"), begins(1, "b"), ends(2, "b", "done"), begins(2, "c"), ends(3, "c", "done"), begins(3, "d"), ends(4, "d", "done")}, 9, "0s"},
		{"interrupted", sweep, []Event{begins(10, "a"), ends(30, "a", "interrupted")}, 30, ""},
		{"ended", sweep, []Event{{At: at(1), Kind: SweepEnds, Status: "done"}}, 2, ""},
	} {
		var s State
		s.Take(Event{At: t0, Kind: SweepBegins, Sweep: &c.sweep})
		for _, e := range c.events {
			s.Take(e)
		}
		got := ""
		if left, ok := s.Left(at(c.now)); ok {
			got = Span(left)
		}
		if got != c.want {
			t.Errorf("%s: %q left, want %q", c.name, got, c.want)
		}
	}
	if left, ok := new(State).Left(t0); ok {
		t.Errorf("before a sweep began %v are left", left)
	}
}
