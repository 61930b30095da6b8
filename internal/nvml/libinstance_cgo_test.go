//go:build cgo && linux

package nvml

import (
	"errors"
	"reflect"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// TestLibraryInstances makes, reads and removes a layout: 4g.20gb at 0:4,
// 2g.10gb at 4:2 cut in two, 1g.5gb at 6:1.
func TestLibraryInstances(t *testing.T) {
	r := newRig(t, a100(t))
	if i, err := r.Instances(r.gpu); err != nil || len(i) != 0 {
		t.Fatalf("Instances() with MIG off = %v, %v; want none", i, err)
	}
	r.SetMIGMode(r.gpu, true)
	var want []GPUInstance
	for _, slot := range []struct {
		id      int
		at      Placement
		compute []Placement
		sms     int
	}{
		{5, Placement{0, 4}, []Placement{{0, 4}}, 56},
		{14, Placement{4, 2}, []Placement{{0, 1}, {1, 1}}, 14},
		{19, Placement{6, 1}, []Placement{{0, 1}}, 14},
	} {
		gi, err := r.CreateGPUInstance(r.gpu, slot.id, slot.at)
		if err != nil {
			t.Fatal(err)
		}
		if gi.ProfileID != slot.id || gi.Placement != slot.at {
			t.Errorf("made %+v, want profile %d at %v", gi, slot.id, slot.at)
		}
		for _, at := range slot.compute {
			ci, err := r.CreateComputeInstance(r.gpu, gi.ID, at)
			if err != nil {
				t.Fatal(err)
			}
			if ci.Placement != at || ci.SMs != slot.sms {
				t.Errorf("made %+v, want %d SMs at %v", ci, slot.sms, at)
			}
			gi.Compute = append(gi.Compute, ci)
		}
		want = append(want, gi)
	}
	got, err := r.Instances(r.gpu)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Instances() =\n%+v, %v; want\n%+v", got, err, want)
	}
	seen := map[string]bool{}
	for _, gi := range got {
		for _, ci := range gi.Compute {
			seen[ci.UUID] = true
			if err := r.DestroyComputeInstance(r.gpu, gi.ID, ci.ID); err != nil {
				t.Error(err)
			}
			if err := r.DestroyComputeInstance(r.gpu, gi.ID, ci.ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("removing it twice gave %v", err)
			}
		}
		if err := r.DestroyGPUInstance(r.gpu, gi.ID); err != nil {
			t.Error(err)
		}
		if err := r.DestroyGPUInstance(r.gpu, gi.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("removing it twice gave %v", err)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d devices, want 4", len(seen))
	}
	if got, err := r.Instances(r.gpu); err != nil || len(got) != 0 {
		t.Errorf("Instances() after all = %v, %v", got, err)
	}
}

// TestLibraryCreateRefused: what the driver says comes through, and what it made
// elsewhere is removed again.
func TestLibraryCreateRefused(t *testing.T) {
	r := newRig(t, a100(t))
	r.SetMIGMode(r.gpu, true)
	for _, id := range []int{1, 99} { // 1 is a number in nvml.h, and no id of the card
		if _, err := r.CreateGPUInstance(r.gpu, id, Placement{0, 1}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("profile id %d gave %v, want %v", id, err, ErrInvalidArgument)
		}
	}
	create := r.first.CreateGpuInstanceWithPlacementFunc
	r.first.CreateGpuInstanceWithPlacementFunc = func(*gonvml.GpuInstanceProfileInfo, *gonvml.GpuInstancePlacement) (gonvml.GpuInstance, gonvml.Return) {
		return nil, gonvml.ERROR_INSUFFICIENT_RESOURCES
	}
	if _, err := r.CreateGPUInstance(r.gpu, 19, Placement{0, 1}); !errors.Is(err, ErrInsufficientResources) {
		t.Errorf("a full card gave %v", err)
	}
	r.first.CreateGpuInstanceWithPlacementFunc = func(p *gonvml.GpuInstanceProfileInfo, at *gonvml.GpuInstancePlacement) (gonvml.GpuInstance, gonvml.Return) {
		return create(p, &gonvml.GpuInstancePlacement{Start: at.Start + 1, Size: at.Size})
	}
	if _, err := r.CreateGPUInstance(r.gpu, 19, Placement{0, 1}); !errors.Is(err, ErrUnknown) || len(r.first.GpuInstances) != 0 {
		t.Errorf("another place gave %v and left %d instances, want %v and none", err, len(r.first.GpuInstances), ErrUnknown)
	}
	r.first.CreateGpuInstanceWithPlacementFunc = create

	gi, err := r.CreateGPUInstance(r.gpu, 14, Placement{0, 2})
	if err != nil {
		t.Fatal(err)
	}
	made, _ := r.first.GetGpuInstanceByIdFunc(gi.ID)
	inside := made.(*server.GpuInstance)
	left := func(want int, what string) {
		t.Helper()
		if got := len(inside.ComputeInstances); got != want {
			t.Errorf("%s: %d compute instances are left, want %d", what, got, want)
		}
	}
	if _, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 3}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("3 slices of 2 gave %v", err)
	}
	if _, err := r.CreateComputeInstance(r.gpu, 99, Placement{0, 1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown instance gave %v", err)
	}
	r.moved = 1
	if _, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 1}); !errors.Is(err, ErrInsufficientResources) {
		t.Errorf("another place gave %v", err)
	}
	left(0, "another place")
	// A driver without places makes one anywhere; then the place decides.
	r.missing["nvmlGpuInstanceCreateComputeInstanceWithPlacement"] = true
	inside.CreateComputeInstanceWithPlacementFunc = nil // to call it would panic
	if _, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 1}); !errors.Is(err, ErrInsufficientResources) {
		t.Errorf("another place of an old driver gave %v", err)
	}
	left(0, "old driver, another place")
	if ci, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{1, 1}); err != nil || ci.Placement != (Placement{1, 1}) {
		t.Errorf("the right place of an old driver gave %+v, %v", ci, err)
	}
	left(1, "old driver")
	inside.DestroyFunc = func() gonvml.Return { return gonvml.ERROR_IN_USE }
	if err := r.DestroyGPUInstance(r.gpu, gi.ID); !errors.Is(err, ErrInUse) {
		t.Errorf("an instance in use gave %v", err)
	}
}

// TestLibraryComputeSecondNumber: where the first profile of so many slices is
// not of this instance, the next is tried.
func TestLibraryComputeSecondNumber(t *testing.T) {
	r := newRig(t, a100(t))
	r.SetMIGMode(r.gpu, true)
	gi, err := r.CreateGPUInstance(r.gpu, 15, Placement{2, 2}) // 1g.10gb: numbers 0 and 7 have 1 slice
	if err != nil {
		t.Fatal(err)
	}
	made, _ := r.first.GetGpuInstanceByIdFunc(gi.ID)
	inside := made.(*server.GpuInstance)
	create := inside.CreateComputeInstanceWithPlacementFunc
	var asked []uint32
	inside.CreateComputeInstanceWithPlacementFunc = func(p *gonvml.ComputeInstanceProfileInfo, at *gonvml.ComputeInstancePlacement) (gonvml.ComputeInstance, gonvml.Return) {
		asked = append(asked, p.Id)
		if p.Id == 0 {
			return nil, gonvml.ERROR_NOT_SUPPORTED
		}
		return create(p, at)
	}
	if ci, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 1}); err != nil || !reflect.DeepEqual(asked, []uint32{0, 7}) {
		t.Errorf("made %+v, %v after asking for %v; want profiles 0 and 7", ci, err, asked)
	}
	// A driver whose sizes are no compute slices is asked in its own.
	for ci := range inside.ComputeInstances {
		ci.Destroy()
	}
	inside.GetComputeInstancePossiblePlacementsFunc = func(*gonvml.ComputeInstanceProfileInfo) ([]gonvml.ComputeInstancePlacement, gonvml.Return) {
		return []gonvml.ComputeInstancePlacement{{Start: 0, Size: 2}}, gonvml.SUCCESS
	}
	inside.CreateComputeInstanceWithPlacementFunc = func(p *gonvml.ComputeInstanceProfileInfo, at *gonvml.ComputeInstancePlacement) (gonvml.ComputeInstance, gonvml.Return) {
		if at.Size != 2 {
			return nil, gonvml.ERROR_INVALID_ARGUMENT
		}
		return create(p, at)
	}
	if ci, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 1}); err != nil || ci.Placement != (Placement{0, 1}) {
		t.Errorf("made %+v, %v; want it at 0:1", ci, err)
	}
	// What is no matter of the profile ends the search.
	asked = nil
	inside.CreateComputeInstanceWithPlacementFunc = func(p *gonvml.ComputeInstanceProfileInfo, _ *gonvml.ComputeInstancePlacement) (gonvml.ComputeInstance, gonvml.Return) {
		asked = append(asked, p.Id)
		return nil, gonvml.ERROR_INSUFFICIENT_RESOURCES
	}
	if _, err := r.CreateComputeInstance(r.gpu, gi.ID, Placement{0, 1}); !errors.Is(err, ErrInsufficientResources) || len(asked) != 1 {
		t.Errorf("a full instance gave %v after asking for %v", err, asked)
	}
}

// TestLibraryListsRoom: no list is asked for with room for none, which go-nvml
// refuses or overruns.
func TestLibraryListsRoom(t *testing.T) {
	config := a100(t)
	for enum, info := range config.MIGProfiles.GpuInstanceProfiles {
		info.InstanceCount = 0
		config.MIGProfiles.GpuInstanceProfiles[enum] = info
	}
	r := newRig(t, config)
	r.SetMIGMode(r.gpu, true)
	list, asked := r.first.GetGpuInstancesFunc, 0
	r.first.GetGpuInstancesFunc = func(p *gonvml.GpuInstanceProfileInfo) ([]gonvml.GpuInstance, gonvml.Return) {
		asked++
		if p.InstanceCount < 7 {
			t.Errorf("profile id %d was asked for with room for %d", p.Id, p.InstanceCount)
		}
		return list(p)
	}
	if _, err := r.Instances(r.gpu); err != nil || asked != 7 {
		t.Errorf("Instances() = %v after %d lists, want 7", err, asked)
	}
	r.first.GetGpuInstancesFunc = func(*gonvml.GpuInstanceProfileInfo) ([]gonvml.GpuInstance, gonvml.Return) {
		return nil, gonvml.ERROR_NO_PERMISSION
	}
	if i, err := r.Instances(r.gpu); !errors.Is(err, ErrNoPermission) {
		t.Errorf("Instances() without the right = %v, %v", i, err)
	}
}
