package backendtest

import (
	"context"
	"errors"
	"testing"

	"github.com/evabench/evabench/partition"
)

func checkCancelled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s, cancelled, gave %v", what, err)
	}
}

// checkNothingChanged wants an error of Apply to say that it refused before its first
// change.
func checkNothingChanged(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, partition.ErrNothingChanged) {
		t.Errorf("%s gave %v, want ErrNothingChanged", what, err)
	}
}

// testUnknown names a GPU that is not there.
func testUnknown(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		return // a backend that manages no GPU takes any name, and has none
	}
	for _, names := range [][]string{{"4711"}, {"GPU-x"}, {b.gpus[0], b.gpus[0]}} {
		if s, err := b.Inspect(t.Context(), names); err == nil {
			t.Errorf("Inspect(%q) gave %+v, want an error", names, s)
		}
	}
	if _, err := b.Inspect(t.Context(), []string{"4711"}); !errors.Is(err, partition.ErrUnknownGPU) {
		t.Errorf("an unknown GPU gave %v, want ErrUnknownGPU", err)
	}
}

// testLayouts goes through every profile, one layout after the other without
// a restore between, and with MPS by turns.
func testLayouts(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		for _, text := range []string{"1g.24gb", "off(mps)"} {
			l, err := partition.ParseLayout(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := partition.MakePlan(b.before, l); err == nil {
				t.Errorf("a backend without GPUs takes layout %q", text)
			}
		}
		return
	}
	for i, p := range b.before.GPUs[0].Profiles {
		sharing := [...]string{"(ts)", "(mps)", "(mps:50)", "(mps:50:1G)"}[i%4]
		for _, text := range []string{p.Name + sharing, "all-" + p.Name, "off" + sharing} {
			b.apply(text)
			if p := b.plan(b.inspect(), text); len(p.Needs()) > 0 && p.Needs()[0] != partition.AllowMPS {
				t.Errorf("layout %q stands, but a plan for it says %q", text, p.Steps())
			}
		}
	}
	b.restore()
}

// testSplits cuts every profile that can be cut, with a daemon for each part, and
// cuts it otherwise after that.
func testSplits(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		return // a backend that manages no GPU has nothing to cut
	}
	cut := 0
	for _, p := range b.before.GPUs[0].Profiles {
		if p.Slices < 2 || len(p.Compute) < 2 || len(p.Attributes) > 0 {
			continue
		}
		for _, text := range []string{p.Name + "/2x1c(mps)", p.Name, p.Name + "/1c"} {
			b.apply(text)
		}
		// What a crash or an operator may leave: found cut up, it is put back so.
		found := b.inspect()
		b.apply(p.Name + "/2x1c")
		if err := b.Restore(t.Context(), found); err != nil {
			t.Errorf("Restore of %s/1c: %v", p.Name, err)
		}
		if d := found.Differences(b.inspect()); len(d) > 0 {
			t.Errorf("%s/1c was not put back: %q", p.Name, d)
		}
		cut++
	}
	t.Logf("%d profiles were cut", cut)
	b.restore()
}

// testTimeSlices sets time slices, and wants the one that was back.
func testTimeSlices(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 || b.before.GPUs[0].TimeSlice == "" {
		t.Log("this backend does not tell time slices")
		return
	}
	for _, slice := range []string{"short", "long", "default", "medium"} {
		b.apply("off(ts:" + slice + ")")
		if got := b.inspect().GPUs[0].TimeSlice; got != slice {
			t.Errorf("the time slice was to be %s and is %s", slice, got)
		}
	}
	found := b.inspect()
	for _, text := range []string{"off(ts:short)", b.profile(), "off(ts:long)"} {
		b.apply(text)
		if err := b.Restore(t.Context(), found); err != nil {
			t.Errorf("Restore after %q: %v", text, err)
		}
		if got := b.inspect().GPUs[0].TimeSlice; got != "medium" {
			t.Errorf("after %q and a restore the time slice is %s, was medium", text, got)
		}
	}
	b.restore()
}

// testRestoreMPS finds layouts with MPS daemons, applies others, with and
// without daemons, and wants those that it found back, with their limits.
func testRestoreMPS(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		return // a backend that manages no GPU has no daemon to bring back
	}
	profile := b.profile()
	for _, found := range []string{"off(mps:40)", "2x" + profile + "(mps:30:1G)"} {
		for _, other := range []string{"off", "off(mps)", profile, profile + "(mps)"} {
			want := len(b.apply(found))
			b.before = b.inspect()
			if got := len(b.before.MPS); got != want {
				t.Fatalf("layout %q has %d MPS daemons, want %d", found, got, want)
			}
			b.apply(other)
			b.restore()
			if t.Failed() {
				t.Fatalf("from %q to %q and back", found, other)
			}
		}
	}
}

// testImpossible wants a refusal before any change, with something that does fit.
func testImpossible(t *testing.T, b *bench) {
	texts := []string{"99x1g.1gb"}
	if len(b.before.GPUs) > 0 {
		texts = append(texts, "99x"+b.profile(), b.profile()+"/16c", b.profile()+"(ts:short)")
	}
	for _, text := range texts {
		l, err := partition.ParseLayout(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = partition.MakePlan(b.before, l)
		impossible, ok := errors.AsType[*partition.ImpossibleError](err)
		if !ok {
			t.Errorf("layout %q gave %v, want an ImpossibleError", l, err)
			continue
		}
		if len(b.before.GPUs) > 0 {
			b.plan(b.before, impossible.Fits)
		}
	}
	b.checkUntouched(b.before)
}

// testStale applies a plan that was made before another was applied, or, if
// the backend manages no GPU, one of another backend.
func testStale(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		foreign := partition.State{GPUs: []partition.GPU{{UUID: "GPU-x"}}}
		_, err := b.Apply(t.Context(), b.plan(foreign, "off(mps)"))
		checkNothingChanged(t, "Apply of a plan for GPUs that the backend does not manage", err)
		if err := b.Restore(t.Context(), foreign); err == nil {
			t.Error("Restore took a state of GPUs that the backend does not manage")
		}
		return
	}
	text := "all-" + b.profile()
	stale := b.plan(b.before, text)
	b.apply(text)
	b.checkStale(stale)
	// The same layout with other ids: what was planned is gone.
	stale = b.plan(b.inspect(), "off")
	b.apply("off")
	b.apply(text)
	b.checkStale(stale)
	b.restore()
}

func (b *bench) checkStale(p partition.Plan) {
	b.Helper()
	was := b.inspect()
	_, err := b.Apply(b.Context(), p)
	if !errors.Is(err, partition.ErrBusy) {
		b.Errorf("Apply of a plan for GPUs that have changed gave %v, want ErrBusy", err)
	}
	checkNothingChanged(b.T, "Apply of a plan for GPUs that have changed", err)
	b.checkUntouched(was)
}
