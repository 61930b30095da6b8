// Package backendtest is what every partition backend must do, as tests.
package backendtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// Run tests a backend. Each call of make gives a new backend with the GPUs to
// name, on which nothing runs; a backend that manages no GPU is tested for
// refusing to.
func Run(t *testing.T, make func(t *testing.T) (partition.Backend, []string)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"Inspect", testInspect},
		{"Off", testOff},
		{"Layouts", testLayouts},
		{"RestoreMPS", testRestoreMPS},
		{"Impossible", testImpossible},
		{"Stale", testStale},
		{"Cancelled", testCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			backend, gpus := make(t)
			b := &bench{T: t, Backend: backend, gpus: gpus}
			b.before = b.inspect()
			c.run(t, b)
		})
	}
}

// A bench is a backend with the state in which the test found it.
type bench struct {
	*testing.T
	partition.Backend
	gpus   []string
	before partition.State
}

func (b *bench) inspect() partition.State {
	b.Helper()
	s, err := b.Inspect(b.Context(), b.gpus)
	if err != nil {
		b.Fatalf("Inspect: %v", err)
	}
	return s
}

func (b *bench) plan(s partition.State, text string) partition.Plan {
	b.Helper()
	l, err := partition.ParseLayout(text)
	if err != nil {
		b.Fatal(err)
	}
	p, err := partition.MakePlan(s, l)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// apply applies a layout and checks what every layout must give.
func (b *bench) apply(text string) []device.Device {
	b.Helper()
	p := b.plan(b.inspect(), text)
	devices, err := b.Apply(b.Context(), p)
	if err != nil {
		b.Fatalf("Apply %q: %v", text, err)
	}
	b.checkDevices(p, devices)
	return devices
}

// checkDevices compares devices with the plan's targets, in order.
func (b *bench) checkDevices(p partition.Plan, devices []device.Device) {
	b.Helper()
	seen := map[string]bool{}
	for _, t := range p.Targets {
		wanted := t.Slots
		if !t.MIG {
			wanted = []partition.Slot{{Sharing: t.Sharing}}
		}
		for _, slot := range wanted {
			if len(devices) == 0 {
				b.Fatalf("layout %q gave too few devices", p.Layout)
			}
			d := devices[0]
			devices = devices[1:]
			name := fmt.Sprintf("gpu%d", t.Index)
			if t.MIG {
				name = fmt.Sprintf("gpu%d/%s@%d", t.Index, slot.Profile.Name, slot.Placement.Start)
			}
			if d.Name != name || d.GPU != t.UUID || d.Sharing != slot.Sharing || (d.Instance != nil) != t.MIG {
				b.Errorf("layout %q: device %+v, want %s of %s shared %v", p.Layout, d, name, t.UUID, slot.Sharing)
			}
			if seen[d.UUID] || d.MemoryBytes == 0 || d.SMs == 0 || d.Env["CUDA_VISIBLE_DEVICES"] != d.UUID {
				b.Errorf("layout %q: device %+v lacks an own UUID, memory, SMs or CUDA_VISIBLE_DEVICES", p.Layout, d)
			}
			seen[d.UUID] = true
		}
	}
	if len(devices) > 0 {
		b.Errorf("layout %q gave devices that it does not have: %v", p.Layout, devices)
	}
}

// restore puts back what the test found, twice, and checks it.
func (b *bench) restore() {
	b.Helper()
	for range 2 {
		if err := b.Restore(b.Context(), b.before); err != nil {
			b.Fatalf("Restore: %v", err)
		}
	}
	b.checkSame()
}

func (b *bench) checkSame() {
	b.Helper()
	if d := b.before.Differences(b.inspect()); len(d) > 0 {
		b.Errorf("the state differs: %q", d)
	}
}

func testInspect(t *testing.T, b *bench) {
	if again := b.inspect(); !reflect.DeepEqual(again, b.before) {
		t.Errorf("Inspect twice: %+v and %+v", b.before, again)
	}
	data, err := json.Marshal(b.before)
	if err != nil {
		t.Fatal(err)
	}
	var decoded partition.State
	if err := json.Unmarshal(data, &decoded); err != nil || !reflect.DeepEqual(decoded, b.before) {
		t.Errorf("%s decodes to %+v, %v", data, decoded, err)
	}
}

func testOff(t *testing.T, b *bench) {
	if got := b.apply("off"); len(got) != len(b.before.GPUs) {
		t.Errorf("off gave %d devices for %d GPUs", len(got), len(b.before.GPUs))
	}
	b.restore()
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
		sharing := [...]string{"(ts)", "(mps)", "(mps:50)"}[i%3]
		for _, text := range []string{p.Name + sharing, "all-" + p.Name, "off" + sharing} {
			b.apply(text)
			if p := b.plan(b.inspect(), text); len(p.Needs()) > 0 && p.Needs()[0] != partition.AllowMPS {
				t.Errorf("layout %q stands, but a plan for it says %q", text, p.Steps())
			}
		}
	}
	b.restore()
}

// testRestoreMPS finds layouts with MPS daemons, applies others, with and
// without daemons, and wants those that it found back.
func testRestoreMPS(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		return // a backend that manages no GPU has no daemon to bring back
	}
	profile := b.before.GPUs[0].Profiles[0].Name
	for _, found := range []string{"off(mps)", "all-" + profile + "(mps)"} {
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

func testImpossible(t *testing.T, b *bench) {
	l, err := partition.ParseLayout("99x1g.1gb")
	if err != nil {
		t.Fatal(err)
	}
	_, err = partition.MakePlan(b.before, l)
	if _, ok := errors.AsType[*partition.ImpossibleError](err); !ok {
		t.Errorf("layout %q gave %v, want an ImpossibleError", l, err)
	}
	b.checkSame()
}

// testStale applies a plan that was made before another was applied, or, if
// the backend manages no GPU, one of another backend.
func testStale(t *testing.T, b *bench) {
	if len(b.before.GPUs) == 0 {
		foreign := partition.State{GPUs: []partition.GPU{{UUID: "GPU-x"}}}
		if _, err := b.Apply(t.Context(), b.plan(foreign, "off(mps)")); err == nil {
			t.Error("Apply took a plan for GPUs that the backend does not manage")
		}
		if err := b.Restore(t.Context(), foreign); err == nil {
			t.Error("Restore took a state of GPUs that the backend does not manage")
		}
		return
	}
	text := "all-" + b.before.GPUs[0].Profiles[0].Name
	stale := b.plan(b.before, text)
	b.apply(text)
	now := b.inspect()
	if _, err := b.Apply(t.Context(), stale); err == nil {
		t.Error("Apply took a plan although the GPUs had changed")
	}
	if again := b.inspect(); !reflect.DeepEqual(again, now) {
		t.Errorf("a refused plan changed the GPUs: %q", now.Differences(again))
	}
	b.restore()
}

func testCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Inspect(ctx, b.gpus); !errors.Is(err, context.Canceled) {
		t.Errorf("Inspect, cancelled, gave %v", err)
	}
	if _, err := b.Apply(ctx, b.plan(b.before, "off")); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply, cancelled, gave %v", err)
	}
	b.checkSame()
}
