package backendtest

import (
	"context"
	"slices"
	"testing"

	"github.com/evabench/evabench/partition"
)

// layout is one with what the backend's GPUs have: a cut instance, daemons, an
// instance beside it.
func (b *bench) layout() string {
	b.Helper()
	text := b.profile() + "(mps)"
	for _, p := range b.before.GPUs[0].Profiles {
		if p.Slices != 2 || len(p.Compute) < 2 || len(p.Attributes) > 0 {
			continue
		}
		for _, better := range []string{p.Name + "/2x1c(mps)", p.Name + "/2x1c(mps)+" + b.profile()} {
			if l, err := partition.ParseLayout(better); err != nil {
				b.Fatal(err)
			} else if _, err := partition.MakePlan(b.before, l); err == nil {
				text = better
			}
		}
	}
	return text
}

// traced gives what the backend tells of from now on, or not ok.
func (b *bench) traced() (events *[]partition.Event, ok bool) {
	t, ok := b.Backend.(partition.Traced)
	if !ok {
		return nil, false
	}
	events = new([]partition.Event)
	t.Trace(func(e partition.Event) { *events = append(*events, e) })
	return events, true
}

// outcomes checks that each change was told as begun before its outcome, and gives
// the outcomes. What is told of and is no change has no beginning.
func (b *bench) outcomes(events []partition.Event) []partition.Event {
	b.Helper()
	var out []partition.Event
	for i, e := range events {
		if !e.Begun {
			out = append(out, e)
			continue
		}
		if i+1 == len(events) || events[i+1].Begun || events[i+1].Step != e.Step || events[i+1].GPU != e.GPU {
			b.Errorf("%q was begun, and its outcome did not follow: %+v", e.Step, events)
		}
		if e.At.IsZero() || e.After != "" || e.Took != 0 || e.Error != "" {
			b.Errorf("the begun event %+v tells of an outcome", e)
		}
	}
	return out
}

// testEvents wants each change of a plan told of as begun and then once, in order, and
// what a restore does too.
func testEvents(t *testing.T, b *bench) {
	events, ok := b.traced()
	if !ok || len(b.before.GPUs) == 0 {
		t.Log("this backend changes nothing, or does not tell")
		return
	}
	for _, text := range []string{b.layout(), "off(mps)"} {
		p := b.plan(b.inspect(), text)
		*events = nil
		if _, err := b.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if 2*len(p.Changes) != len(*events) {
			t.Errorf("layout %q: %d changes have %d events, want each begun and ended", text, len(p.Changes), len(*events))
		}
		var told []string
		for _, e := range b.outcomes(*events) {
			told = append(told, e.Step)
			if e.Doing != "apply" || e.At.IsZero() || e.Tries != 1 || e.Error != "" || e.Before == "" || e.After == "" || e.Before == e.After {
				t.Errorf("layout %q: event %+v, want one that succeeded with what was before and after", text, e)
			}
		}
		if !slices.Equal(told, p.Steps()) {
			t.Errorf("layout %q: the plan is\n%q, told was\n%q", text, p.Steps(), told)
		}
	}
	*events = nil
	b.restore()
	if len(*events) == 0 {
		t.Error("a restore that changed something told of nothing")
	}
	for _, e := range b.outcomes(*events) {
		if e.Doing != "restore" || e.Step == "" || e.Error != "" {
			t.Errorf("Restore told %+v", e)
		}
	}
}

// testRestoreHalf breaks an Apply off after each of its changes in turn, and wants
// what was before back, from a layout and from an empty GPU.
func testRestoreHalf(t *testing.T, b *bench) {
	if _, ok := b.traced(); !ok || len(b.before.GPUs) == 0 {
		t.Log("this backend changes nothing, or does not tell")
		return
	}
	found := b.before
	tried := 0
	for _, pair := range [][2]string{{"off", b.layout()}, {b.layout(), "off(mps)"}} {
		b.apply(pair[0])
		b.before = b.inspect()
		steps := len(b.plan(b.before, pair[1]).Changes)
		for k := range steps {
			b.breakOff(pair[1], k+1)
			b.restore()
			tried++
			if t.Failed() {
				t.Fatalf("from %q to %q, broken off after change %d", pair[0], pair[1], k+1)
			}
		}
	}
	t.Logf("broken off %d times, restored %d times", tried, tried)
	b.before = found
	b.restore()
}

// breakOff applies a layout and cancels it after some changes.
func (b *bench) breakOff(text string, changes int) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	made := 0
	b.Backend.(partition.Traced).Trace(func(e partition.Event) {
		if e.Begun {
			return
		}
		if made++; made == changes {
			cancel()
		}
	})
	if _, err := b.Apply(ctx, b.plan(b.inspect(), text)); err != nil {
		checkCancelled(b.T, "Apply", err)
	}
	b.Backend.(partition.Traced).Trace(func(partition.Event) {})
}

// testCount wants no clients where nothing runs.
func testCount(t *testing.T, b *bench) {
	c, ok := b.Backend.(partition.Counter)
	if !ok || len(b.before.GPUs) == 0 {
		t.Log("this backend does not count")
		return
	}
	for _, text := range []string{"off", "off(mps)", b.layout()} {
		for _, d := range b.apply(text) {
			got, err := c.Count(t.Context(), d)
			if err != nil {
				t.Errorf("Count of %s: %v", d.Name, err)
			}
			if len(got.Processes) > 0 || len(got.MPS) > 0 {
				t.Errorf("Count of %s gave %+v, want nobody", d.Name, got)
			}
		}
	}
	b.restore()
}
