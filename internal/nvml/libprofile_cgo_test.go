//go:build cgo && linux

package nvml

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
)

// TestLibraryProfiles: what the adapter makes of go-nvml's own data of the A100
// and A30 is our table of these cards, ids included, whatever the driver's
// number of instances says.
func TestLibraryProfiles(t *testing.T) {
	a30Numbers := map[string]int{"1g.6gb": 0, "2g.12gb": 1, "4g.24gb": 3, "1g.6gb+me": 7, "2g.12gb+me": 8}
	a80 := map[string]int{"1g.10gb": 0, "2g.20gb": 1, "3g.40gb": 2, "4g.40gb": 3, "7g.80gb": 4, "1g.10gb+me": 7, "1g.20gb": 9}
	for _, tt := range []struct {
		card    string
		config  gpus.Config
		numbers map[string]int
	}{
		{"NVIDIA A30", gpus.A30_PCIE_24GB, a30Numbers},
		{"NVIDIA A100 40GB", gpus.A100_SXM4_40GB, a100Numbers},
		{"NVIDIA A100 80GB", gpus.A100_SXM4_80GB, a80},
	} {
		config := withIDs(t, tt.config, tt.card, tt.numbers)
		for enum, info := range config.MIGProfiles.GpuInstanceProfiles {
			info.InstanceCount = 0 // wrong, as an A30 is
			config.MIGProfiles.GpuInstanceProfiles[enum] = info
		}
		r := newRig(t, config)
		got, err := r.Profiles(r.gpu)
		if err != nil {
			t.Fatal(err)
		}
		_, want, err := TableCard(tt.card)
		if err != nil || len(want) != len(tt.numbers) {
			t.Fatalf("%s: %d profiles in the table, %v; want %d", tt.card, len(want), err, len(tt.numbers))
		}
		byName := func(p []Profile) map[string]Profile {
			m := map[string]Profile{}
			for _, p := range p {
				p.Attributes = append([]string{}, p.Attributes...)
				m[p.Name] = p
			}
			return m
		}
		g, w := byName(got), byName(want)
		for _, name := range slices.Sorted(maps.Keys(w)) {
			p := g[name] // recordings and the mock differ in memory, within 3 %
			if math.Abs(float64(p.MemoryBytes)/float64(w[name].MemoryBytes)-1) < 0.03 {
				p.MemoryBytes = w[name].MemoryBytes
				g[name] = p
			}
			if !reflect.DeepEqual(g[name], w[name]) {
				t.Errorf("%s: %s is\n%+v, in the table\n%+v", tt.card, name, g[name], w[name])
			}
		}
		if len(got) != len(want) || len(g) != len(w) {
			t.Errorf("%s: %d profiles with %d names, want %d", tt.card, len(got), len(g), len(want))
		}
	}
}

// TestComputeProfiles: our rule against go-nvml's own data of what GPU instances
// can be cut into. It has the places for the A30 alone.
func TestComputeProfiles(t *testing.T) {
	checked, placed := 0, 0
	for _, config := range []gpus.Config{gpus.A30_PCIE_24GB, gpus.A100_SXM4_40GB} {
		for enum, gi := range config.MIGProfiles.GpuInstanceProfiles {
			sms := map[int]int{} // by slices
			for number, p := range config.MIGProfiles.ComputeInstanceProfiles[enum] {
				sms[int(p.SliceCount)] = int(p.MultiprocessorCount)
				places := config.MIGProfiles.ComputeInstancePlacements[enum][number]
				for _, c := range computeProfiles(int(gi.SliceCount), int(gi.MultiprocessorCount), 14) {
					if c.Slices != int(p.SliceCount) {
						continue
					}
					checked++
					if n := disjoint(c.Placements); n != int(p.InstanceCount) || c.SMs != int(p.MultiprocessorCount) {
						t.Errorf("%s number %d: %d of %+v, want %+v", config.Name, enum, n, c, p)
					}
					for i, at := range places {
						placed++
						if len(places) != len(c.Placements) || c.Placements[i] != (Placement{int(at.Start), int(at.Size)}) {
							t.Errorf("%s number %d: %v, want %v", config.Name, enum, c.Placements, places)
						}
					}
				}
			}
			for _, c := range computeProfiles(int(gi.SliceCount), int(gi.MultiprocessorCount), 14) {
				if _, ok := sms[c.Slices]; !ok {
					t.Errorf("%s number %d: %dc is not in go-nvml's data %v", config.Name, enum, c.Slices, sms)
				}
				delete(sms, c.Slices)
			}
			if len(sms) > 0 {
				t.Errorf("%s number %d: %v are missing", config.Name, enum, sms)
			}
		}
	}
	if checked == 0 || placed == 0 {
		t.Errorf("%d profiles and %d places were compared", checked, placed)
	}
}

// TestLibraryProfileForms: the newest form that the driver answers is used, and
// none is asked that it has not.
func TestLibraryProfileForms(t *testing.T) {
	name := func(s string) (b [96]int8) {
		for i, c := range s {
			b[i] = int8(c)
		}
		return b
	}
	r := newRig(t, a100(t))
	names := func(want string) {
		t.Helper()
		profiles, err := r.Profiles(r.gpu)
		if err != nil || len(profiles) == 0 || profiles[0].Name != want || profiles[0].ID != 19 {
			t.Errorf("Profiles() = %+v, %v; want %s with id 19 first", profiles, err, want)
		}
	}
	names("1g.5gb")
	r.infoV2 = func(_ gonvml.Device, n int) (gonvml.GpuInstanceProfileInfo_v2, gonvml.Return) {
		if n != 0 {
			return gonvml.GpuInstanceProfileInfo_v2{}, gonvml.ERROR_NOT_SUPPORTED
		}
		return gonvml.GpuInstanceProfileInfo_v2{Id: 19, SliceCount: 1, MemorySizeMB: 4864, Name: name("MIG 1g.2gb")}, gonvml.SUCCESS
	}
	names("1g.2gb")
	v3 := func(_ gonvml.Device, n int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return) {
		if n != 0 {
			return gonvml.GpuInstanceProfileInfo_v3{}, gonvml.ERROR_NOT_SUPPORTED
		}
		return gonvml.GpuInstanceProfileInfo_v3{Id: 19, SliceCount: 1, MemorySizeMB: 4864, Name: name("1g.3gb+gfx")}, gonvml.SUCCESS
	}
	r.infoV3 = v3
	names("1g.3gb+gfx")
	r.infoV3 = func(d gonvml.Device, n int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return) {
		p, ret := v3(d, n)
		p.Name = name("A100") // no profile's name
		return p, ret
	}
	names("1g.5gb")
	r.missing["nvmlDeviceGetGpuInstanceProfileInfoV"] = true
	r.infoV3 = func(gonvml.Device, int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return) {
		t.Error("a call was made that the driver has not")
		return gonvml.GpuInstanceProfileInfo_v3{}, gonvml.ERROR_UNKNOWN
	}
	names("1g.5gb")
}

// TestLibraryProfilesRefused: faults of the driver are no empty lists.
func TestLibraryProfilesRefused(t *testing.T) {
	places := func(ret gonvml.Return) func(*gonvml.GpuInstanceProfileInfo) ([]gonvml.GpuInstancePlacement, gonvml.Return) {
		return func(*gonvml.GpuInstanceProfileInfo) ([]gonvml.GpuInstancePlacement, gonvml.Return) { return nil, ret }
	}
	r := newRig(t, a100(t))
	r.first.GetGpuInstancePossiblePlacementsFunc = places(gonvml.ERROR_NO_PERMISSION)
	if p, err := r.Profiles(r.gpu); !errors.Is(err, ErrNoPermission) {
		t.Errorf("Profiles() without the right = %v, %v", p, err)
	}
	r.first.GetGpuInstancePossiblePlacementsFunc = places(gonvml.ERROR_NOT_SUPPORTED)
	if p, err := r.Profiles(r.gpu); !errors.Is(err, ErrFunctionNotFound) || errors.Is(err, ErrNotSupported) {
		t.Errorf("Profiles() of a driver that tells no places with MIG off = %v, %v", p, err)
	}
	r.first.GetGpuInstanceProfileInfoFunc = func(int) (gonvml.GpuInstanceProfileInfo, gonvml.Return) {
		return gonvml.GpuInstanceProfileInfo{}, gonvml.ERROR_NOT_SUPPORTED
	}
	if p, err := r.Profiles(r.gpu); err != nil || len(p) != 0 { // a board in display mode
		t.Errorf("Profiles() of a card that has none = %v, %v", p, err)
	}
	r.first.GetGpuInstanceProfileInfoFunc = func(int) (gonvml.GpuInstanceProfileInfo, gonvml.Return) {
		return gonvml.GpuInstanceProfileInfo{}, gonvml.ERROR_GPU_IS_LOST
	}
	if p, err := r.Profiles(r.gpu); !errors.Is(err, ErrGPUIsLost) {
		t.Errorf("Profiles() of a lost GPU = %v, %v", p, err)
	}
}
