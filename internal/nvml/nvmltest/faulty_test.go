package nvmltest

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
)

const card = "NVIDIA A100 40GB"

func newFake(t *testing.T) (*nvml.Fake, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cards.json")
	if err := nvml.CreateFake(path, []string{card}); err != nil {
		t.Fatal(err)
	}
	f, err := nvml.OpenFake(path)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	return f, devices[0].UUID
}

// session calls every method once, in this order, and gives the return of each:
// Success for those without error. The later ones need what the earlier made.
func session(api nvml.API, gpu string) (methods []string, returns []nvml.Return) {
	add := func(method string, err error) {
		var r nvml.Return
		if err != nil && !errors.As(err, &r) {
			r = nvml.ErrUnknown
		}
		methods, returns = append(methods, method), append(returns, r)
	}
	_, err := api.System()
	add("System", err)
	_, err = api.Devices()
	add("Devices", err)
	_, err = api.Mode(gpu)
	add("Mode", err)
	_, err = api.Memory(gpu)
	add("Memory", err)
	_, err = api.Processes(gpu)
	add("Processes", err)
	_, err = api.Profiles(gpu)
	add("Profiles", err)
	activation, ret := api.SetMIGMode(gpu, true)
	add("SetMIGMode", errors.Join(activation.Err(), ret.Err()))
	_, err = api.CreateGPUInstance(gpu, 14, nvml.Placement{Start: 2, Size: 2})
	add("CreateGPUInstance", err)
	_, err = api.CreateComputeInstance(gpu, 0, nvml.Placement{Start: 1, Size: 1})
	add("CreateComputeInstance", err)
	_, err = api.Instances(gpu)
	add("Instances", err)
	add("DestroyComputeInstance", api.DestroyComputeInstance(gpu, 0, 0))
	add("DestroyGPUInstance", api.DestroyGPUInstance(gpu, 0))
	return methods, returns
}

// TestEveryMethod: each method of the API is counted, and meets the fault at its
// number and nowhere else.
func TestEveryMethod(t *testing.T) {
	fake, gpu := newFake(t)
	counter := New(fake, Fault{})
	methods, returns := session(counter, gpu)
	if want := reflect.TypeFor[nvml.API]().NumMethod(); len(methods) != want {
		t.Fatalf("%d methods are called here, the API has %d", len(methods), want)
	}
	if !reflect.DeepEqual(counter.Calls(), methods) || counter.Hits() != 0 {
		t.Errorf("counted %q with %d faults, want %q and none", counter.Calls(), counter.Hits(), methods)
	}
	for n, r := range returns {
		if r != nvml.Success {
			t.Errorf("%s without a fault gave %v", methods[n], r)
		}
	}
	for k := 1; k <= len(methods); k++ {
		fake, gpu := newFake(t)
		did := 0
		f := New(fake, Fault{Call: k, Times: 1, Return: nvml.ErrTimeout, After: true, Do: func() { did++ }})
		_, returns := session(f, gpu)
		for n, r := range returns {
			want := nvml.Success // after the effect, so that the later ones go on
			if n == k-1 {
				want = nvml.ErrTimeout
			}
			if r != want {
				t.Errorf("fault at call %d: %s gave %v, want %v", k, methods[n], r, want)
			}
		}
		if did != 1 || f.Hits() != 1 {
			t.Errorf("fault at call %d: done %d times, met by %d calls; want 1", k, did, f.Hits())
		}
	}
}

// TestBeforeEffect: a fault before the effect leaves the card as it was, one after
// it does not, and Do sees which.
func TestBeforeEffect(t *testing.T) {
	for _, after := range []bool{false, true} {
		fake, gpu := newFake(t)
		on := func() bool {
			devices, err := fake.Devices()
			if err != nil {
				t.Fatal(err)
			}
			return devices[0].MIG.Current
		}
		seen := !after
		f := New(fake, Fault{Call: 1, Only: []string{"SetMIGMode"}, Return: nvml.ErrInUse, After: after, Do: func() { seen = on() }})
		if _, err := f.Devices(); err != nil { // not counted
			t.Fatal(err)
		}
		if activation, ret := f.SetMIGMode(gpu, true); activation != nvml.Success || ret != nvml.ErrInUse {
			t.Errorf("SetMIGMode = %v, %v", activation, ret)
		}
		if on() != after || seen != after {
			t.Errorf("after %t: MIG is on: %t, was on for Do: %t", after, on(), seen)
		}
	}
}

// TestTimes: a fault lasts for its number of calls, or for ever.
func TestTimes(t *testing.T) {
	for _, tt := range []struct {
		times int
		want  []bool // which of five calls fail
	}{
		{1, []bool{false, true, false, false, false}},
		{3, []bool{false, true, true, true, false}},
		{0, []bool{false, true, true, true, true}},
	} {
		fake, _ := newFake(t)
		f := New(fake, Fault{Call: 2, Times: tt.times, Return: nvml.ErrUnknown})
		var got []bool
		for range 5 {
			_, err := f.Devices()
			got = append(got, errors.Is(err, nvml.ErrUnknown))
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("times %d: failed %v, want %v", tt.times, got, tt.want)
		}
	}
}

// TestPending: the mode stays pending, is seen so by others, and can be taken
// back or set again after the fault.
func TestPending(t *testing.T) {
	fake, gpu := newFake(t)
	f := New(fake, Fault{Call: 1, Times: 1, Pending: true})
	if activation, ret := f.SetMIGMode(gpu, true); activation != nvml.ErrInUse || ret != nvml.Success {
		t.Fatalf("SetMIGMode = %v, %v; want an activation of %v", activation, ret, nvml.ErrInUse)
	}
	devices, err := fake.Devices()
	if err != nil || devices[0].MIG.Current || !devices[0].MIG.Pending {
		t.Errorf("mode %+v, %v; want it pending", devices[0].MIG, err)
	}
	if activation, ret := f.SetMIGMode(gpu, true); activation != nvml.Success || ret != nvml.Success {
		t.Errorf("SetMIGMode after the fault = %v, %v", activation, ret)
	}
	defer func() {
		if recover() == nil {
			t.Error("a pending mode over something that is no Fake was accepted")
		}
	}()
	New(f, Fault{Pending: true})
}
