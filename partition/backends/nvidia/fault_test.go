package nvidia

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
)

// A faults makes calls fail: the one numbered at, or with forever all from it
// on; with late the call has its effect all the same.
type faults struct {
	at            int
	forever, late bool
	calls         int
}

var errFault = errors.New("injected fault")

// call makes one call through the faults.
func (f *faults) call(do func() error) error {
	n := f.calls
	f.calls++
	fail := n == f.at || (f.forever && n > f.at)
	if fail && !f.late {
		return errFault
	}
	err := do()
	if fail {
		return errFault
	}
	return err
}

// hit reports whether a fault was injected.
func (f *faults) hit() bool { return f.calls > f.at }

// call2 is call for calls with a result.
func call2[T any](f *faults, do func() (T, error)) (out T, err error) {
	err = f.call(func() (err error) { out, err = do(); return err })
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}

// A faultyAPI passes every call through its faults.
type faultyAPI struct {
	api nvml.API
	*faults
}

func (f faultyAPI) Devices() ([]nvml.Device, error) { return call2(f.faults, f.api.Devices) }

func (f faultyAPI) Memory(uuid string) (nvml.Memory, error) {
	return call2(f.faults, func() (nvml.Memory, error) { return f.api.Memory(uuid) })
}

func (f faultyAPI) Processes(uuid string) ([]nvml.Process, error) {
	return call2(f.faults, func() ([]nvml.Process, error) { return f.api.Processes(uuid) })
}

func (f faultyAPI) Profiles(gpu string) ([]nvml.Profile, error) {
	return call2(f.faults, func() ([]nvml.Profile, error) { return f.api.Profiles(gpu) })
}

func (f faultyAPI) Instances(gpu string) ([]nvml.GPUInstance, error) {
	return call2(f.faults, func() ([]nvml.GPUInstance, error) { return f.api.Instances(gpu) })
}

func (f faultyAPI) CreateGPUInstance(gpu string, id int, at nvml.Placement) (nvml.GPUInstance, error) {
	return call2(f.faults, func() (nvml.GPUInstance, error) { return f.api.CreateGPUInstance(gpu, id, at) })
}

func (f faultyAPI) CreateComputeInstance(gpu string, gi int, at nvml.Placement) (nvml.ComputeInstance, error) {
	return call2(f.faults, func() (nvml.ComputeInstance, error) { return f.api.CreateComputeInstance(gpu, gi, at) })
}

func (f faultyAPI) DestroyComputeInstance(gpu string, gi, ci int) error {
	return f.call(func() error { return f.api.DestroyComputeInstance(gpu, gi, ci) })
}

func (f faultyAPI) DestroyGPUInstance(gpu string, gi int) error {
	return f.call(func() error { return f.api.DestroyGPUInstance(gpu, gi) })
}

func (f faultyAPI) SetMIGMode(gpu string, on bool) (activation, ret nvml.Return) {
	err := f.call(func() error {
		activation, ret = f.api.SetMIGMode(gpu, on)
		return nil
	})
	if err != nil {
		return nvml.Success, nvml.ErrUnknown
	}
	return activation, ret
}

// A faultyMPS passes every call through the same faults.
type faultyMPS struct {
	mps MPS
	*faults
}

func (f faultyMPS) Start(ctx context.Context, d device.Device) (map[string]string, error) {
	return call2(f.faults, func() (map[string]string, error) { return f.mps.Start(ctx, d) })
}

func (f faultyMPS) Stop(ctx context.Context, uuid string) error {
	return f.call(func() error { return f.mps.Stop(ctx, uuid) })
}

func (f faultyMPS) Running(ctx context.Context) ([]string, error) {
	return call2(f.faults, func() ([]string, error) { return f.mps.Running(ctx) })
}

// TestFaults lets every call of an apply fail in turn, once or from then on,
// with and without effect. Restore brings back what was; so it does when one
// of its own calls failed before.
func TestFaults(t *testing.T) {
	layouts := []struct{ found, wanted string }{
		{"off", "2g.48gb(mps)+2x1g.24gb"},
		{"2g.48gb+1g.24gb", "off(mps)"},
		{"4x1g.24gb", "2x2g.48gb(mps)"},
	}
	for _, l := range layouts {
		for _, kind := range []faults{{}, {late: true}, {forever: true}} {
			t.Run(fmt.Sprintf("%s to %s late=%t forever=%t", l.found, l.wanted, kind.late, kind.forever), func(t *testing.T) {
				t.Parallel() // the time goes to syncing the cards' file
				tried := 0
				for k := 0; tryFault(t, l.found, l.wanted, kind, k); k++ {
					tried++
				}
				if tried < 10 {
					t.Errorf("only %d calls were made to fail", tried)
				}
			})
		}
	}
}

// tryFault lets call k of an apply fail and reports whether there was one; then
// it restores, once with its call k failing too, and compares.
func tryFault(t *testing.T, found, wanted string, f faults, k int) bool {
	t.Helper()
	r := newRig(t, t.TempDir(), pro6000)
	r.apply(t, found, "0")
	before, file, daemons := r.inspect(t, "0"), r.cards(t), len(r.mps)
	f.at = k
	_, err := New(faultyAPI{r.fake, &f}, faultyMPS{r.mps, &f}).Apply(t.Context(), plan(t, before, wanted))
	if (err != nil) != f.hit() {
		t.Fatalf("call %d: fault injected %t, but Apply gave %v", k, f.hit(), err)
	}
	again := faults{at: k, late: f.late, forever: f.forever}
	// Its result is not judged: what counts is that the next one succeeds.
	_ = New(faultyAPI{r.fake, &again}, faultyMPS{r.mps, &again}).Restore(t.Context(), before)
	if err := r.Restore(t.Context(), before); err != nil {
		t.Fatalf("call %d: Restore: %v", k, err)
	}
	if now := r.cards(t); now != file || len(r.mps) != daemons {
		t.Fatalf("call %d: restored to\n%swith %d daemons, was\n%swith %d", k, now, len(r.mps), file, daemons)
	}
	return f.hit()
}
