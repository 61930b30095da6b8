package runner

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// clock is a source that tells the time since start, in seconds.
type clock struct{ start time.Time }

func (c clock) Collector(t collectors.Target) (collectors.Collector, error) {
	return clockOf{c, t.Subject}, nil
}

type clockOf struct {
	clock
	subject results.Subject
}

func (c clockOf) Read(context.Context) ([]collectors.Reading, error) {
	return []collectors.Reading{{Subject: c.subject, Series: "clock", Value: time.Since(c.start).Seconds(), Unit: "s"}}, nil
}

// What is read from the servers' readiness to the last step's end is kept without a
// gap, warming up and what is between steps too, and stands at its moment of the cell.
// It is kept if warming up fails, as well.
func TestCollectorsSeeAllOfACell(t *testing.T) {
	const every = 250 * time.Millisecond
	check := func(name string, dies bool) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			start := time.Now()
			b, dir := w.bench(t)
			b.Cells, b.CollectEvery = b.Cells[:1], every
			b.Services[0].Warm = 5 * time.Second
			b.Services[0].Sources = []Source{{Kind: "clock", Source: clock{start}}}
			w.onAnswer = func(n int64) {
				time.Sleep(100 * time.Millisecond)
				if dies && n > 10 {
					w.mu.Lock()
					defer w.mu.Unlock()
					w.died = errors.New("exit status 9")
				}
			}
			if err := b.Run(t.Context()); (err != nil) != dies {
				t.Fatalf("%s: %v", name, err)
			}
			run, err := results.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			cell := run.Cells[0]
			origin := cell.Cell.Started.Sub(start)
			var at []results.Offset
			for o, err := range cell.Observations() {
				if err != nil {
					t.Fatal(err)
				}
				if o.Series != "clock" {
					continue
				}
				at = append(at, o.At)
				if got := (origin + time.Duration(o.At)).Seconds(); got-o.Value > 1e-6 || o.Value-got > 1e-6 {
					t.Fatalf("%s: what was read at %v s stands at %v s", name, o.Value, got)
				}
				if n := len(at); n > 1 && at[n-1].Sub(at[n-2]) > every {
					t.Errorf("%s: nothing between %v and %v", name, at[n-2], at[n-1])
				}
			}
			if len(at) < 4 || at[0] > results.Offset(-4*every) {
				t.Fatalf("%s: %d readings, from %v; want some before the first step", name, len(at), at)
			}
			for _, p := range cell.Cell.Phases {
				if p.Name == "warm" && at[0] > p.Start {
					t.Errorf("%s: read from %v, warmed up from %v", name, at[0], p.Start)
				}
			}
			whole := slices.DeleteFunc(slices.Clone(cell.Steps), func(s *results.StepData) bool { return s.Step.Broken != "" })
			if dies != (len(whole) == 0) {
				t.Errorf("%s: %d steps", name, len(whole))
			}
			if n := len(cell.Steps); n > 0 && at[len(at)-1] < cell.Steps[n-1].Step.End {
				t.Errorf("%s: read until %v, the last step ended at %v", name, at[len(at)-1], cell.Steps[n-1].Step.End)
			}
		})
	}
	check("good", false)
	check("a server that dies while it is warmed up", true)
}

// A named is a clock that is read under a name of its own.
type named struct {
	clock
	name string
}

func (n named) Collector(t collectors.Target) (collectors.Collector, error) {
	t.Subject.ID = n.name
	return clockOf{n.clock, t.Subject}, nil
}

// Sources are read at different moments of the interval, and each step lies between two
// reads of each of them: what counters grew by is known of all steps.
func TestStepsLieBetweenReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = time.Second
		w := &world{}
		start := time.Now()
		b, dir := w.bench(t)
		b.Cells, b.CollectEvery = b.Cells[:1], every
		b.Services[0].Sources = nil
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			b.Services[0].Sources = append(b.Services[0].Sources, Source{Kind: name, Source: named{clock{start}, name}})
		}
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		cell := run.Cells[0]
		at := map[string][]results.Offset{}
		for o, err := range cell.Observations() {
			if err != nil {
				t.Fatal(err)
			}
			if o.Series == "clock" {
				at[o.Subject.ID] = append(at[o.Subject.ID], o.At)
			}
		}
		phases := map[results.Offset]bool{}
		for name, moments := range at {
			phases[(moments[0]%results.Offset(every)+results.Offset(every))%results.Offset(every)] = true
			for _, s := range cell.Steps {
				before := slices.ContainsFunc(moments, func(m results.Offset) bool { return m <= s.Step.Start && s.Step.Start.Sub(m) <= every })
				after := slices.ContainsFunc(moments, func(m results.Offset) bool { return m >= s.Step.End && m.Sub(s.Step.End) <= every })
				if !before || !after {
					t.Errorf("step %d, %v to %v: %s was read before it %v, after it %v", s.Step.Index, s.Step.Start, s.Step.End, name, before, after)
				}
			}
		}
		if len(at) != 5 || len(phases) != 5 || len(cell.Steps) < 2 {
			t.Errorf("%d sources at %d phases, %d steps", len(at), len(phases), len(cell.Steps))
		}
	})
}
