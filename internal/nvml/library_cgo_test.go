//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
)

// TestOpen: what is missing is told in one line, and what to do.
func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		ret      gonvml.Return
		want     string
		noDriver bool
		also     Return
	}{
		{gonvml.ERROR_LIBRARY_NOT_FOUND, "libnvidia-ml.so.1 was not found; install", true, ErrLibraryNotFound},
		{gonvml.ERROR_DRIVER_NOT_LOADED, "the NVIDIA driver is not loaded; load it", true, ErrDriverNotLoaded},
		{gonvml.ERROR_LIB_RM_VERSION_MISMATCH, "are of different versions; the driver was updated and the old one still runs", false, ErrVersionMismatch},
		{gonvml.ERROR_FUNCTION_NOT_FOUND, "the driver is too old for this call; install a driver from 535 on", false, ErrFunctionNotFound},
		{gonvml.ERROR_NO_PERMISSION, "no permission; run this as", false, ErrNoPermission},
		{gonvml.ERROR_UNKNOWN, "unknown error; nvidia-smi asks the same library", false, ErrUnknown},
	} {
		_, err := open(&mock.Interface{InitFunc: func() gonvml.Return { return tt.ret }})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("open with %v gave %q, want %q in one line", tt.ret, err, tt.want)
		}
		if errors.Is(err, ErrNoDriver) != tt.noDriver || !errors.Is(err, tt.also) {
			t.Errorf("open with %v gave %v; it is no driver: want %t", tt.ret, err, tt.noDriver)
		}
	}
	closed := 0
	l, err := open(&mock.Interface{
		InitFunc:     func() gonvml.Return { return gonvml.SUCCESS },
		ShutdownFunc: func() gonvml.Return { closed++; return gonvml.SUCCESS },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil || closed != 1 {
		t.Errorf("Close() = %v after %d calls", err, closed)
	}
}

func TestLibraryDevices(t *testing.T) {
	r := newRig(t, a100(t), gpus.A30_PCIE_24GB)
	if s, err := r.System(); err != nil || s != (System{Driver: "550.54.15", NVML: "12.550.54.15", CUDA: "12.4"}) {
		t.Errorf("System() = %+v, %v", s, err)
	}
	r.first.GetPciInfoFunc = func() (gonvml.PciInfo, gonvml.Return) {
		p := gonvml.PciInfo{PciDeviceId: 0x20B010DE}
		for i, c := range "00000000:07:00.0" {
			p.BusId[i] = int8(c)
		}
		return p, gonvml.SUCCESS
	}
	devices, err := r.Devices()
	if err != nil || len(devices) != 2 {
		t.Fatalf("Devices() = %v, %v; want 2", devices, err)
	}
	yes, no := true, false
	limit, usual := 250.5, 400.0
	want := Device{
		UUID: r.gpu, Name: "Mock NVIDIA A100-SXM4-40GB", SMs: 108, Memory: Memory{TotalBytes: 40960 << 20},
		MIG: MIGMode{Supported: true, Resets: true}, PCI: "00000000:07:00.0", PCIDevice: 0x20B010DE, VBIOS: "92.00.19.00.01",
		ComputeCapability: "8.0", ComputeMode: ComputeDefault, Persistence: &yes, ECC: &yes, ECCPending: &no, DisplayActive: &no,
		Virtualization: VirtualizationNone, PowerLimitWatts: &limit, PowerDefaultWatts: &usual,
	}
	if !reflect.DeepEqual(devices[0], want) {
		t.Errorf("device 0 is\n%+v, want\n%+v", devices[0], want)
	}
	if devices[1].Index != 1 || devices[1].Minor != 1 {
		t.Errorf("device 1 is %+v", devices[1])
	}

	// What it does not tell is unknown, not off.
	r.first.GetDisplayActiveFunc = func() (gonvml.EnableState, gonvml.Return) {
		return gonvml.FEATURE_DISABLED, gonvml.ERROR_NOT_SUPPORTED
	}
	r.first.GetMinorNumberFunc = func() (int, gonvml.Return) { return 0, gonvml.ERROR_NO_PERMISSION }
	r.first.GetMigModeFunc = func() (int, int, gonvml.Return) { return 0, 0, gonvml.ERROR_NOT_SUPPORTED }
	r.first.GetPowerManagementLimitFunc = func() (uint32, gonvml.Return) { return 7, gonvml.ERROR_NOT_SUPPORTED }
	r.missing["nvmlDeviceGetNumGpuCores"] = true
	devices, err = r.Devices()
	if devices[0].PowerLimitWatts != nil {
		t.Errorf("a power limit that is not told is %g W, want it unknown", *devices[0].PowerLimitWatts)
	}
	if err != nil || devices[0].DisplayActive != nil || devices[0].Minor != -1 || devices[0].MIG != (MIGMode{}) || devices[0].SMs != 0 {
		t.Errorf("Devices() = %+v, %v; want display, minor and SMs unknown, no MIG", devices, err)
	}
	if _, err := r.Profiles(r.gpu); !errors.Is(err, ErrNotSupported) {
		t.Errorf("Profiles() without MIG = %v, want %v", err, ErrNotSupported)
	}
	r.first.GetMigModeFunc = func() (int, int, gonvml.Return) { return 0, 0, gonvml.ERROR_GPU_IS_LOST }
	devices, err = r.Devices()
	if fault := devices[0].Fault; err != nil || len(devices) != 2 || !errors.Is(fault, ErrGPUIsLost) || !strings.Contains(fault.Error(), "GPU 0") || devices[0].UUID != r.gpu || devices[0].Name != "" {
		t.Errorf("Devices() with a GPU that was lost meanwhile = %+v, %v; want its UUID and the fault", devices[0], err)
	}
	if _, err := r.Memory("GPU-none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Memory of an unknown UUID = %v, want %v", err, ErrNotFound)
	}
	if m, err := r.Memory(r.gpu); err != nil || m.TotalBytes != 40960<<20 {
		t.Errorf("Memory() = %+v, %v", m, err)
	}
}

// TestLibraryResets: field 184 says whether a change resets, else the
// architecture.
func TestLibraryResets(t *testing.T) {
	for _, tt := range []struct {
		name       string
		ret, inner gonvml.Return
		value      byte // resetless
		arch       gonvml.DeviceArchitecture
		want       bool
	}{
		{"field: resetless", gonvml.SUCCESS, gonvml.SUCCESS, 1, gonvml.DEVICE_ARCH_AMPERE, false},
		{"field: resets", gonvml.SUCCESS, gonvml.SUCCESS, 0, gonvml.DEVICE_ARCH_HOPPER, true},
		{"call fails", gonvml.ERROR_UNKNOWN, gonvml.SUCCESS, 0, gonvml.DEVICE_ARCH_HOPPER, false},
		{"entry fails", gonvml.SUCCESS, gonvml.ERROR_NOT_SUPPORTED, 1, gonvml.DEVICE_ARCH_AMPERE, true},
		{"newer", gonvml.SUCCESS, gonvml.ERROR_NOT_SUPPORTED, 0, gonvml.DEVICE_ARCH_BLACKWELL, false},
	} {
		r := newRig(t, a100(t))
		r.first.GetFieldValuesFunc = func(v []gonvml.FieldValue) gonvml.Return {
			if len(v) != 1 || v[0].FieldId != 184 {
				t.Errorf("asked for fields %+v", v)
			}
			v[0].NvmlReturn, v[0].Value[0] = uint32(tt.inner), tt.value
			return tt.ret
		}
		r.first.GetArchitectureFunc = func() (gonvml.DeviceArchitecture, gonvml.Return) { return tt.arch, gonvml.SUCCESS }
		devices, err := r.Devices()
		if err != nil || devices[0].MIG.Resets != tt.want {
			t.Errorf("%s: resets %t, %v; want %t", tt.name, devices[0].MIG.Resets, err, tt.want)
		}
	}
}

// TestLibrarySetMIGMode: the activation comes first, the return second.
func TestLibrarySetMIGMode(t *testing.T) {
	r := newRig(t, a100(t))
	if activation, ret := r.SetMIGMode(r.gpu, true); activation != Success || ret != Success || r.first.MigMode != 1 {
		t.Errorf("SetMIGMode = %v, %v; mode %d", activation, ret, r.first.MigMode)
	}
	for _, tt := range [][2]gonvml.Return{
		{gonvml.ERROR_IN_USE, gonvml.SUCCESS},
		{gonvml.SUCCESS, gonvml.ERROR_NO_PERMISSION},
		{gonvml.ERROR_RESET_REQUIRED, gonvml.SUCCESS},
	} {
		r.first.SetMigModeFunc = func(mode int) (gonvml.Return, gonvml.Return) {
			if mode != gonvml.DEVICE_MIG_DISABLE {
				t.Errorf("asked for mode %d", mode)
			}
			return tt[0], tt[1]
		}
		if a, ret := r.SetMIGMode(r.gpu, false); a != Return(tt[0]) || ret != Return(tt[1]) {
			t.Errorf("SetMIGMode = %v, %v; want activation %v, return %v", a, ret, tt[0], tt[1])
		}
	}
	if a, ret := r.SetMIGMode("GPU-none", true); a != Success || ret != ErrNotFound {
		t.Errorf("SetMIGMode of an unknown GPU = %v, %v", a, ret)
	}
	r.first.GetMigModeFunc = func() (int, int, gonvml.Return) { return 0, 1, gonvml.SUCCESS }
	devices, err := r.Devices()
	if want := (MIGMode{Supported: true, Pending: true, Resets: true}); err != nil || devices[0].MIG != want {
		t.Errorf("mode %+v, %v; want %+v", devices[0].MIG, err, want)
	}
}

// processes gives a list function.
func processes(infos ...gonvml.ProcessInfo) func() ([]gonvml.ProcessInfo, gonvml.Return) {
	return func() ([]gonvml.ProcessInfo, gonvml.Return) { return infos, gonvml.SUCCESS }
}

// migMock is a MIG device, seen by its own handle.
func migMock(uuid string, gi, ci int) *mock.Device {
	return &mock.Device{
		GetUUIDFunc:                       func() (string, gonvml.Return) { return uuid, gonvml.SUCCESS },
		GetGpuInstanceIdFunc:              func() (int, gonvml.Return) { return gi, gonvml.SUCCESS },
		GetComputeInstanceIdFunc:          func() (int, gonvml.Return) { return ci, gonvml.SUCCESS },
		GetGraphicsRunningProcessesFunc:   func() ([]gonvml.ProcessInfo, gonvml.Return) { return nil, gonvml.ERROR_NOT_SUPPORTED },
		GetComputeRunningProcessesFunc:    processes(),
		GetMPSComputeRunningProcessesFunc: processes(),
	}
}

// TestLibraryProcesses: kinds, memory that is not told, holes among the MIG
// devices, and the device of each process.
func TestLibraryProcesses(t *testing.T) {
	const na, unknown = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
	r := newRig(t, a100(t))
	r.comm(t, 10, "vllm")
	r.comm(t, 11, "Xorg")
	r.first.GetGraphicsRunningProcessesFunc = processes(
		gonvml.ProcessInfo{Pid: 10, UsedGpuMemory: 1, GpuInstanceId: na, ComputeInstanceId: na},
		gonvml.ProcessInfo{Pid: 11, UsedGpuMemory: unknown, GpuInstanceId: na, ComputeInstanceId: na})
	r.first.GetComputeRunningProcessesFunc = processes(gonvml.ProcessInfo{Pid: 10, UsedGpuMemory: 5, GpuInstanceId: na, ComputeInstanceId: na})
	r.first.GetMPSComputeRunningProcessesFunc = processes(gonvml.ProcessInfo{Pid: 12, UsedGpuMemory: 7, GpuInstanceId: na, ComputeInstanceId: na})
	check := func(uuid string, want ...Process) {
		t.Helper()
		got, err := r.Processes(uuid)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Processes(%s) =\n%+v, %v; want\n%+v", uuid, got, err, want)
		}
	}
	five, six, seven := uint64(5), uint64(6), uint64(7)
	check(r.gpu, Process{10, "vllm", r.gpu, ComputeProcess, &five}, Process{11, "Xorg", r.gpu, GraphicsProcess, nil},
		Process{12, "", r.gpu, MPSProcess, &seven})

	// With MIG on: one that the GPU's list shows with its instance, one that
	// only the MIG device shows; and index 1 is a hole.
	r.first.MigMode = 1
	one, two := migMock("MIG-one", 3, 0), migMock("MIG-two", 3, 1)
	one.GetComputeRunningProcessesFunc = processes(gonvml.ProcessInfo{Pid: 10, UsedGpuMemory: 5, GpuInstanceId: 3, ComputeInstanceId: 0})
	two.GetMPSComputeRunningProcessesFunc = processes(gonvml.ProcessInfo{Pid: 13, UsedGpuMemory: 6, GpuInstanceId: 3, ComputeInstanceId: 1})
	r.first.GetGraphicsRunningProcessesFunc, r.first.GetMPSComputeRunningProcessesFunc = processes(), processes()
	r.first.GetComputeRunningProcessesFunc = one.GetComputeRunningProcessesFunc
	r.first.GetMaxMigDeviceCountFunc = func() (int, gonvml.Return) { return 7, gonvml.SUCCESS }
	r.first.GetMigDeviceHandleByIndexFunc = func(i int) (gonvml.Device, gonvml.Return) {
		switch i {
		case 0:
			return one, gonvml.SUCCESS
		case 2:
			return two, gonvml.SUCCESS
		}
		return nil, gonvml.ERROR_NOT_FOUND
	}
	check(r.gpu, Process{10, "vllm", "MIG-one", ComputeProcess, &five}, Process{13, "", "MIG-two", MPSProcess, &six})
	find := r.server.DeviceGetHandleByUUIDFunc
	r.server.DeviceGetHandleByUUIDFunc = func(uuid string) (gonvml.Device, gonvml.Return) {
		if uuid == "MIG-two" {
			return two, gonvml.SUCCESS
		}
		return find(uuid)
	}
	check("MIG-two", Process{13, "", "MIG-two", MPSProcess, &six})
	if _, err := r.Processes("MIG-stale"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Processes of a stale MIG UUID = %v, want %v", err, ErrNotFound)
	}
	// A list that cannot be had is no empty list.
	r.first.GetComputeRunningProcessesFunc = func() ([]gonvml.ProcessInfo, gonvml.Return) { return nil, gonvml.ERROR_NOT_SUPPORTED }
	if got, err := r.Processes(r.gpu); !errors.Is(err, ErrNotSupported) {
		t.Errorf("Processes without the list = %v, %v; want %v", got, err, ErrNotSupported)
	}
}

// A name that is longer than comm holds comes from the executable, and where that
// cannot be read from the command line.
func TestProcessNames(t *testing.T) {
	r := newRig(t, gpus.A100_SXM4_40GB)
	r.comm(t, 10, "nvidia-cuda-mps") // what the kernel keeps of the server's and of the control's
	r.comm(t, 11, "nvidia-cuda-mps")
	r.comm(t, 12, "python3")
	of := func(pid int, file string) string { return filepath.Join(r.proc, fmt.Sprint(pid), file) }
	if err := errors.Join(
		os.Symlink("/usr/bin/nvidia-cuda-mps-server (deleted)", of(10, "exe")),
		os.WriteFile(of(11, "cmdline"), []byte("/usr/bin/nvidia-cuda-mps-control\x00-d\x00"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[uint32]string{10: "nvidia-cuda-mps-server", 11: "nvidia-cuda-mps-control", 12: "python3", 13: ""} {
		if got := r.processName(pid); got != want {
			t.Errorf("process %d is %q, want %q", pid, got, want)
		}
	}
}
