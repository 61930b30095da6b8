//go:build cgo && linux

package nvml

import (
	"errors"
	"reflect"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"
)

// TestLibraryOtherGPU: a GPU that is lost, or that may not be talked to, stands in the
// list with its fault, and the others are found although the driver's search by UUID
// fails over it.
func TestLibraryOtherGPU(t *testing.T) {
	for _, ret := range []gonvml.Return{gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_NO_PERMISSION, gonvml.ERROR_UNKNOWN} {
		r := newRig(t, a100(t), gpus.A30_PCIE_24GB)
		other := r.server.Devices[1].(*server.Device)
		byIndex := r.server.DeviceGetHandleByIndexFunc
		r.server.DeviceGetHandleByIndexFunc = func(i int) (gonvml.Device, gonvml.Return) {
			if i == 0 {
				return nil, ret
			}
			return byIndex(i)
		}
		r.server.DeviceGetHandleByUUIDFunc = func(string) (gonvml.Device, gonvml.Return) { return nil, ret }
		devices, err := r.Devices()
		if err != nil || len(devices) != 2 {
			t.Fatalf("Devices() = %+v, %v; want both", devices, err)
		}
		if lost := devices[0]; !errors.Is(lost.Fault, Return(ret)) || lost.Index != 0 || lost.UUID != "" || lost.Minor != -1 {
			t.Errorf("the GPU that gives %v is %+v", Return(ret), lost)
		}
		if d := devices[1]; d.Fault != nil || d.UUID != other.UUID || d.Index != 1 {
			t.Errorf("the other GPU is %+v", d)
		}
		if mode, err := r.Mode(other.UUID); err != nil || !mode.Supported || mode.Current {
			t.Errorf("Mode of the other = %+v, %v", mode, err)
		}
		if _, err := r.Mode(r.gpu); !errors.Is(err, Return(ret)) {
			t.Errorf("Mode of the one that gives %v = %v", Return(ret), err)
		}
		other.MigMode = 1
		one := migMock("MIG-one", 1, 0)
		one.GetMemoryInfoFunc = func() (gonvml.Memory, gonvml.Return) { return gonvml.Memory{Total: 5}, gonvml.SUCCESS }
		other.GetMaxMigDeviceCountFunc = func() (int, gonvml.Return) { return 1, gonvml.SUCCESS }
		other.GetMigDeviceHandleByIndexFunc = func(int) (gonvml.Device, gonvml.Return) { return one, gonvml.SUCCESS }
		if m, err := r.Memory("MIG-one"); err != nil || m.TotalBytes != 5 {
			t.Errorf("Memory of a MIG device of the other = %+v, %v", m, err)
		}
	}
}

// TestLibraryVGPUHost: a GPU that is shared out to virtual machines has no lists of
// single instances; its own names the instances. On another GPU that is a fault.
func TestLibraryVGPUHost(t *testing.T) {
	r := newRig(t, a100(t))
	r.SetMIGMode(r.gpu, true)
	refused := func() ([]gonvml.ProcessInfo, gonvml.Return) { return nil, gonvml.ERROR_NOT_SUPPORTED }
	one := migMock("MIG-one", 3, 0)
	one.GetComputeRunningProcessesFunc, one.GetMPSComputeRunningProcessesFunc = refused, refused
	one.GetDeviceHandleFromMigDeviceHandleFunc = func() (gonvml.Device, gonvml.Return) { return r.first, gonvml.SUCCESS }
	r.first.GetMaxMigDeviceCountFunc = func() (int, gonvml.Return) { return 1, gonvml.SUCCESS }
	r.first.GetMigDeviceHandleByIndexFunc = func(int) (gonvml.Device, gonvml.Return) { return one, gonvml.SUCCESS }
	r.first.GetComputeRunningProcessesFunc = processes(
		gonvml.ProcessInfo{Pid: 10, UsedGpuMemory: 5, GpuInstanceId: 3, ComputeInstanceId: 0},
		gonvml.ProcessInfo{Pid: 11, UsedGpuMemory: 6, GpuInstanceId: 9, ComputeInstanceId: 0})
	find := r.server.DeviceGetHandleByUUIDFunc
	r.server.DeviceGetHandleByUUIDFunc = func(uuid string) (gonvml.Device, gonvml.Return) {
		if uuid == "MIG-one" {
			return one, gonvml.SUCCESS
		}
		return find(uuid)
	}
	for _, uuid := range []string{r.gpu, "MIG-one"} {
		if got, err := r.Processes(uuid); !errors.Is(err, ErrNotSupported) {
			t.Errorf("Processes(%s) without the instance's list = %+v, %v; want %v", uuid, got, err, ErrNotSupported)
		}
	}
	for _, host := range []gonvml.GpuVirtualizationMode{gonvml.GPU_VIRTUALIZATION_MODE_HOST_VGPU, gonvml.GPU_VIRTUALIZATION_MODE_HOST_VSGA} {
		r.first.GetVirtualizationModeFunc = func() (gonvml.GpuVirtualizationMode, gonvml.Return) { return host, gonvml.SUCCESS }
		five, six := uint64(5), uint64(6)
		first := Process{10, "", "MIG-one", ComputeProcess, &five}
		want := []Process{first, {11, "", r.gpu, ComputeProcess, &six}}
		if got, err := r.Processes(r.gpu); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Processes of a host = %+v, %v; want %+v", got, err, want)
		}
		if got, err := r.Processes("MIG-one"); err != nil || !reflect.DeepEqual(got, want[:1]) {
			t.Errorf("Processes of a host's MIG device = %+v, %v; want %+v", got, err, want[:1])
		}
	}
}

// TestLibrarySpecial: a compute instance of a second profile of as many slices is told
// as special where the first could be made, and only there.
func TestLibrarySpecial(t *testing.T) {
	r := newRig(t, a100(t))
	r.SetMIGMode(r.gpu, true)
	gi, err := r.CreateGPUInstance(r.gpu, 15, Placement{2, 2}) // 1g.10gb: numbers 0 and 7 have 1 slice
	if err != nil {
		t.Fatal(err)
	}
	made, _ := r.first.GetGpuInstanceByIdFunc(gi.ID)
	inside := made.(*server.GpuInstance)
	info, ret := inside.GetComputeInstanceProfileInfo(gonvml.COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1, 0)
	if ret != gonvml.SUCCESS {
		t.Fatal(ret)
	}
	if _, ret := inside.CreateComputeInstance(&info); ret != gonvml.SUCCESS {
		t.Fatal(ret)
	}
	for _, c := range []struct {
		places  []gonvml.ComputeInstancePlacement
		missing bool
		special bool
	}{
		{[]gonvml.ComputeInstancePlacement{{Start: 0, Size: 1}}, false, true},
		{[]gonvml.ComputeInstancePlacement{{Start: 0, Size: 1}}, true, false},
		{nil, false, false},
	} {
		inside.GetComputeInstancePossiblePlacementsFunc = func(p *gonvml.ComputeInstanceProfileInfo) ([]gonvml.ComputeInstancePlacement, gonvml.Return) {
			if p.Id != 0 {
				t.Errorf("asked for the places of profile %d", p.Id)
			}
			return c.places, gonvml.SUCCESS
		}
		r.missing["nvmlGpuInstanceGetComputeInstancePossiblePlacements"] = c.missing
		list, err := r.Instances(r.gpu)
		if err != nil || len(list) != 1 || len(list[0].Compute) != 1 {
			t.Fatalf("Instances() = %+v, %v", list, err)
		}
		if got := list[0].Compute[0]; got.ProfileID != int(info.Id) || (got.Special != "") != c.special {
			t.Errorf("with %+v the compute instance is %+v", c, got)
		}
	}
}
