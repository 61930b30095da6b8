// Package backendtest is what every partition backend must do, as tests.
package backendtest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// Run tests a backend. Each call of make gives a new backend with the GPUs to
// name, on which nothing runs; a backend that manages no GPU is tested for
// refusing to. What a backend's GPUs do not have (compute instances, time slices)
// and what it is not (a [partition.Traced], a [partition.Counter]) is left out. Only
// names the tests to run, such as "Splits"; none is all of them.
func Run(t *testing.T, make func(t *testing.T) (partition.Backend, []string), only ...string) {
	ran := 0
	defer func() {
		if len(only) > 0 && ran != len(only) {
			t.Errorf("%d of the tests %q were run", ran, only)
		}
	}()
	for _, c := range []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"Inspect", testInspect},
		{"Unknown", testUnknown},
		{"Off", testOff},
		{"Layouts", testLayouts},
		{"Splits", testSplits},
		{"TimeSlices", testTimeSlices},
		{"RestoreMPS", testRestoreMPS},
		{"RestoreHalf", testRestoreHalf},
		{"Events", testEvents},
		{"Count", testCount},
		{"Impossible", testImpossible},
		{"Stale", testStale},
		{"Cancelled", testCancelled},
	} {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		ran++
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
		b.Fatalf("Apply %q, %q: %v", text, p.Steps(), err)
	}
	b.checkDevices(p, devices)
	return devices
}

// A wanted is what a plan says of one device.
type wanted struct {
	name, gpu string
	sharing   device.Sharing
	instance  *device.Instance // without ids
	sms       int              // 0 if the profile does not tell
}

// wants lists the devices of a plan, in order.
func wants(p partition.Plan) []wanted {
	var out []wanted
	for _, t := range p.Targets {
		if !t.MIG {
			out = append(out, wanted{name: fmt.Sprintf("gpu%d", t.Index), gpu: t.UUID, sharing: t.Sharing})
		}
		for _, s := range t.Slots {
			for _, at := range s.Compute {
				w := wanted{
					name: fmt.Sprintf("gpu%d/%s@%d", t.Index, s.Profile.Name, s.Placement.Start), gpu: t.UUID, sharing: s.Sharing,
					instance: &device.Instance{
						Profile: s.Profile.Name, Start: s.Placement.Start, Size: s.Placement.Size,
						ComputeStart: at.Start, ComputeSize: at.Size,
					},
				}
				if at.Size != s.Profile.Slices {
					w.name += fmt.Sprintf("/%dc@%d", at.Size, at.Start)
				}
				for _, c := range s.Profile.Compute {
					if c.Slices == at.Size {
						w.sms = c.SMs
					}
				}
				out = append(out, w)
			}
		}
	}
	return out
}

// checkDevices compares devices with the plan's targets, in order.
func (b *bench) checkDevices(p partition.Plan, devices []device.Device) {
	b.Helper()
	want := wants(p)
	if len(devices) != len(want) {
		b.Fatalf("layout %q gave %d devices, want %d: %v", p.Layout, len(devices), len(want), devices)
	}
	seen := map[string]bool{}
	for i, d := range devices {
		w := want[i]
		if d.Instance != nil && w.instance != nil {
			w.instance.GI, w.instance.CI = d.Instance.GI, d.Instance.CI
		}
		if d.Name != w.name || d.GPU != w.gpu || d.Sharing != w.sharing || !reflect.DeepEqual(d.Instance, w.instance) {
			b.Errorf("layout %q: device %+v (%+v), want %+v", p.Layout, d, d.Instance, w)
		}
		if seen[d.UUID] || d.Model == "" || d.MemoryBytes == 0 || d.SMs == 0 || d.Env["CUDA_VISIBLE_DEVICES"] != d.UUID {
			b.Errorf("layout %q: device %+v lacks an own UUID, model, memory, SMs or CUDA_VISIBLE_DEVICES", p.Layout, d)
		}
		if w.sms != 0 && d.SMs != w.sms {
			b.Errorf("layout %q: device %s has %d SMs, its profile says %d", p.Layout, d.Name, d.SMs, w.sms)
		}
		b.checkMPS(d)
		seen[d.UUID] = true
	}
}

// checkMPS compares a device's environment with its sharing.
func (b *bench) checkMPS(d device.Device) {
	b.Helper()
	_, pipe := d.Env["CUDA_MPS_PIPE_DIRECTORY"]
	percent := d.Env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"]
	_, memory := d.Env["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"]
	want := ""
	if d.Sharing.ThreadPercent > 0 {
		want = fmt.Sprint(d.Sharing.ThreadPercent)
	}
	if pipe != d.Sharing.IsMPS() || percent != want || memory != (d.Sharing.MemoryLimitBytes > 0) {
		b.Errorf("device %s is shared %q, but its environment is %v", d.Name, d.Sharing, d.Env)
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
	now := b.inspect()
	if d := slices.Concat(b.before.Differences(now), now.Differences(b.before)); len(d) > 0 {
		b.Errorf("the state differs: %q", d)
	}
}

// checkUntouched checks that nothing was changed, ids and pids included.
func (b *bench) checkUntouched(was partition.State) {
	b.Helper()
	if now := b.inspect(); !reflect.DeepEqual(now, was) {
		b.Errorf("something that was refused changed the GPUs: %+v, was %+v", now, was)
	}
}

// profile gives a profile of the first GPU that the empty card holds often.
func (b *bench) profile() string { return b.before.GPUs[0].Profiles[0].Name }

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

func testCancelled(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Inspect(ctx, b.gpus)
	checkCancelled(t, "Inspect", err)
	_, err = b.Apply(ctx, b.plan(b.before, "off"))
	checkCancelled(t, "Apply", err)
	checkNothingChanged(t, "Apply, cancelled,", err)
	b.checkUntouched(b.before)
}
