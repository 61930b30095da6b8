//go:build cgo && linux

package nvml

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// A libraryRig is the adapter over go-nvml's own mock, with answers to what the
// mock leaves open. Tests change its functions.
type libraryRig struct {
	*Library
	server  *server.Server
	missing map[string]bool // symbols that the driver has not
	first   *server.Device
	gpu     string // UUID of the first
	uuids   int
	// moved has compute instances made at another place than asked for.
	moved uint32
}

func newRig(t *testing.T, configs ...gpus.Config) *libraryRig {
	t.Helper()
	s := server.NewServerWithGPUs("550.54.15", "12.550.54.15", 12040, configs...)
	r := &libraryRig{server: s, missing: map[string]bool{}}
	s.LookupSymbolFunc = func(name string) error {
		if r.missing[name] {
			return fmt.Errorf("no symbol %s", name)
		}
		return nil
	}
	for _, d := range s.Devices {
		r.complete(d.(*server.Device))
	}
	r.first = s.Devices[0].(*server.Device)
	r.gpu = r.first.UUID
	lib, err := open(s)
	if err != nil {
		t.Fatal(err)
	}
	lib.infoV3 = func(gonvml.Device, int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return) {
		return gonvml.GpuInstanceProfileInfo_v3{}, gonvml.ERROR_ARGUMENT_VERSION_MISMATCH
	}
	lib.infoV2 = func(gonvml.Device, int) (gonvml.GpuInstanceProfileInfo_v2, gonvml.Return) {
		return gonvml.GpuInstanceProfileInfo_v2{}, gonvml.ERROR_INVALID_ARGUMENT
	}
	lib.proc = t.TempDir()
	r.Library = lib
	return r
}

// comm names a process.
func (r *libraryRig) comm(t *testing.T, pid int, name string) {
	t.Helper()
	dir := filepath.Join(r.proc, fmt.Sprint(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(name+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// complete answers what the mock's device does not.
func (r *libraryRig) complete(d *server.Device) {
	d.GetVbiosVersionFunc = func() (string, gonvml.Return) { return "92.00.19.00.01", gonvml.SUCCESS }
	d.GetComputeModeFunc = func() (gonvml.ComputeMode, gonvml.Return) { return gonvml.COMPUTEMODE_DEFAULT, gonvml.SUCCESS }
	d.GetPersistenceModeFunc = func() (gonvml.EnableState, gonvml.Return) { return gonvml.FEATURE_ENABLED, gonvml.SUCCESS }
	d.GetDisplayActiveFunc = func() (gonvml.EnableState, gonvml.Return) { return gonvml.FEATURE_DISABLED, gonvml.SUCCESS }
	d.GetEccModeFunc = func() (gonvml.EnableState, gonvml.EnableState, gonvml.Return) {
		return gonvml.FEATURE_ENABLED, gonvml.FEATURE_DISABLED, gonvml.SUCCESS
	}
	d.GetPowerManagementLimitFunc = func() (uint32, gonvml.Return) { return 250500, gonvml.SUCCESS }
	d.GetPowerManagementDefaultLimitFunc = func() (uint32, gonvml.Return) { return 400000, gonvml.SUCCESS }
	d.GetVirtualizationModeFunc = func() (gonvml.GpuVirtualizationMode, gonvml.Return) {
		return gonvml.GPU_VIRTUALIZATION_MODE_NONE, gonvml.SUCCESS
	}
	d.GetNumGpuCoresFunc = func() (int, gonvml.Return) { return 6912, gonvml.SUCCESS } // A100
	d.GetFieldValuesFunc = func([]gonvml.FieldValue) gonvml.Return { return gonvml.ERROR_NOT_SUPPORTED }
	none := func() ([]gonvml.ProcessInfo, gonvml.Return) { return nil, gonvml.SUCCESS }
	d.GetComputeRunningProcessesFunc, d.GetGraphicsRunningProcessesFunc, d.GetMPSComputeRunningProcessesFunc = none, none, none
	d.GetMaxMigDeviceCountFunc = func() (int, gonvml.Return) { return 0, gonvml.SUCCESS }
	create := d.CreateGpuInstanceWithPlacementFunc
	d.CreateGpuInstanceWithPlacementFunc = func(p *gonvml.GpuInstanceProfileInfo, at *gonvml.GpuInstancePlacement) (gonvml.GpuInstance, gonvml.Return) {
		gi, ret := create(p, at)
		r.completeInstance(gi.(*server.GpuInstance))
		return gi, ret
	}
	d.GetGpuInstanceByIdFunc = func(id int) (gonvml.GpuInstance, gonvml.Return) {
		for gi := range d.GpuInstances {
			if int(gi.Info.Id) == id {
				return gi, gonvml.SUCCESS
			}
		}
		return nil, gonvml.ERROR_NOT_FOUND
	}
}

// completeInstance has compute instances with places and UUIDs of their own.
func (r *libraryRig) completeInstance(gi *server.GpuInstance) {
	make := func(p *gonvml.ComputeInstanceProfileInfo, at gonvml.ComputeInstancePlacement) (gonvml.ComputeInstance, gonvml.Return) {
		c, ret := gi.CreateComputeInstanceFunc(p)
		ci := c.(*server.ComputeInstance)
		r.uuids++
		uuid := fmt.Sprintf("MIG-%d", r.uuids)
		at.Start += r.moved
		ci.Info.Placement = at
		ci.Info.Device = &mock.Device{GetUUIDFunc: func() (string, gonvml.Return) { return uuid, gonvml.SUCCESS }}
		return ci, ret
	}
	gi.CreateComputeInstanceWithPlacementFunc = func(p *gonvml.ComputeInstanceProfileInfo, at *gonvml.ComputeInstancePlacement) (gonvml.ComputeInstance, gonvml.Return) {
		return make(p, *at)
	}
	gi.GetComputeInstanceByIdFunc = func(id int) (gonvml.ComputeInstance, gonvml.Return) {
		for ci := range gi.ComputeInstances {
			if int(ci.Info.Id) == id {
				return ci, gonvml.SUCCESS
			}
		}
		return nil, gonvml.ERROR_NOT_FOUND
	}
	plain := gi.CreateComputeInstanceFunc
	gi.CreateComputeInstanceFunc = func(p *gonvml.ComputeInstanceProfileInfo) (gonvml.ComputeInstance, gonvml.Return) {
		c, ret := plain(p)
		ci := c.(*server.ComputeInstance)
		ci.Info.Placement = gonvml.ComputeInstancePlacement{Start: r.moved, Size: p.SliceCount}
		ci.Info.Device = &mock.Device{GetUUIDFunc: func() (string, gonvml.Return) { return "MIG-plain", gonvml.SUCCESS }}
		return ci, ret
	}
}

// withIDs gives a config with the ids of a card of the table, as in the mock an
// id is the profile's number, and hardware has both.
func withIDs(t *testing.T, config gpus.Config, card string, numbers map[string]int) gpus.Config {
	t.Helper()
	_, profiles, err := TableCard(card)
	if err != nil {
		t.Fatal(err)
	}
	from := config.MIGProfiles
	to := gpus.MIGProfileConfig{
		GpuInstanceProfiles:     maps.Clone(from.GpuInstanceProfiles),
		ComputeInstanceProfiles: map[int]map[int]gonvml.ComputeInstanceProfileInfo{},
		GpuInstancePlacements:   map[int][]gonvml.GpuInstancePlacement{},
	}
	for _, p := range profiles {
		enum, ok := numbers[p.Name]
		if !ok {
			t.Fatalf("no number for %s", p.Name)
		}
		info := from.GpuInstanceProfiles[enum]
		info.Id = uint32(p.ID)
		to.GpuInstanceProfiles[enum] = info
		to.ComputeInstanceProfiles[p.ID] = from.ComputeInstanceProfiles[enum]
		to.GpuInstancePlacements[p.ID] = from.GpuInstancePlacements[enum]
	}
	config.MIGProfiles = to
	return config
}

// a100Numbers are the numbers of the profiles in nvml.h (NVML_GPU_INSTANCE_PROFILE_*).
var a100Numbers = map[string]int{"1g.5gb": 0, "2g.10gb": 1, "3g.20gb": 2, "4g.20gb": 3, "7g.40gb": 4, "1g.5gb+me": 7, "1g.10gb": 9}

func a100(t *testing.T) gpus.Config {
	return withIDs(t, gpus.A100_SXM4_40GB, "NVIDIA A100 40GB", a100Numbers)
}
