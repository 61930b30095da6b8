//go:build cgo && linux

package nvml

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// notApplicable stands for an instance id of a process that is in none.
const notApplicable = math.MaxUint32

// A migDevice is a MIG device with its handle.
type migDevice struct {
	handle gonvml.Device
	gi, ci int
	uuid   string
}

// Processes asks for the lists of graphics and compute processes and of clients
// of MPS, of the GPU and of each of its MIG devices: a list of the GPU leaves
// out what the caller may not see, and does not say which device a process is
// on in words that outlive the layout.
func (l *Library) Processes(uuid string) ([]Process, error) {
	dev, ret := l.handle(uuid)
	if ret != Success {
		return nil, wrap(ret, "find %s", uuid)
	}
	if strings.HasPrefix(uuid, "MIG-") {
		return l.migProcesses(dev, uuid)
	}
	inside, err := l.migDevices(dev)
	if err != nil {
		return nil, wrapErr(err, "find the MIG devices of %s", uuid)
	}
	found := make(map[processKey]Process)
	if err := l.lists(dev, uuid, inside, found); err != nil {
		return nil, wrapErr(err, "list the processes of %s", uuid)
	}
	for _, m := range inside {
		err := l.lists(m.handle, m.uuid, nil, found)
		if err != nil && !(errors.Is(err, ErrNotSupported) && isHost(dev)) {
			return nil, wrapErr(err, "list the processes of %s", m.uuid)
		}
	}
	return sorted(found), nil
}

// isHost reports whether a GPU is shared out to virtual machines. With MIG on it then
// has no lists of single instances, only its own, which names the instance of each
// process (nvml.h, nvmlDeviceGetComputeRunningProcesses).
func isHost(dev gonvml.Device) bool {
	mode, ret := dev.GetVirtualizationMode()
	return ret == gonvml.SUCCESS && (mode == gonvml.GPU_VIRTUALIZATION_MODE_HOST_VGPU || mode == gonvml.GPU_VIRTUALIZATION_MODE_HOST_VSGA)
}

// migProcesses lists the processes of a MIG device, from the GPU's list where it has
// none.
func (l *Library) migProcesses(dev gonvml.Device, uuid string) ([]Process, error) {
	found := make(map[processKey]Process)
	err := l.lists(dev, uuid, nil, found)
	if errors.Is(err, ErrNotSupported) {
		gpu, ret := dev.GetDeviceHandleFromMigDeviceHandle()
		if ret != gonvml.SUCCESS {
			return nil, wrap(ret, "find the GPU of %s", uuid)
		}
		if isHost(gpu) {
			whole, ret := gpu.GetUUID()
			if ret != gonvml.SUCCESS {
				return nil, wrap(ret, "find the GPU of %s", uuid)
			}
			all, err := l.Processes(whole)
			return slices.DeleteFunc(all, func(p Process) bool { return p.Device != uuid }), err
		}
	}
	return sorted(found), wrapErr(err, "list the processes of %s", uuid)
}

// sorted lists processes by pid.
func sorted(found map[processKey]Process) []Process {
	processes := make([]Process, 0, len(found))
	for _, p := range found {
		processes = append(processes, p)
	}
	slices.SortFunc(processes, func(a, b Process) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Device, b.Device))
	})
	return processes
}

type processKey struct {
	pid    uint32
	device string
}

// lists enters the processes of a device's lists, the later kinds over the
// earlier ones.
func (l *Library) lists(dev gonvml.Device, uuid string, inside []migDevice, found map[processKey]Process) error {
	for _, list := range []struct {
		kind ProcessKind
		read func() ([]gonvml.ProcessInfo, gonvml.Return)
	}{
		{GraphicsProcess, dev.GetGraphicsRunningProcesses},
		{ComputeProcess, dev.GetComputeRunningProcesses},
		{MPSProcess, dev.GetMPSComputeRunningProcesses},
	} {
		infos, ret := list.read()
		if absent(ret) && list.kind != ComputeProcess { // no graphics on it, or a driver older than the list
			continue
		}
		if ret != gonvml.SUCCESS {
			return wrap(ret, "%s", list.kind)
		}
		for _, info := range infos {
			p := Process{PID: int(info.Pid), Name: l.processName(info.Pid), Device: uuid, Kind: list.kind}
			if info.UsedGpuMemory != math.MaxUint64 { // NVML_VALUE_NOT_AVAILABLE
				p.UsedBytes = &info.UsedGpuMemory
			}
			for _, m := range inside {
				if info.GpuInstanceId != notApplicable && m.gi == int(info.GpuInstanceId) && m.ci == int(info.ComputeInstanceId) {
					p.Device = m.uuid
				}
			}
			key := processKey{info.Pid, p.Device}
			if earlier, ok := found[key]; ok && later(earlier.Kind, p.Kind) {
				p.Kind = earlier.Kind
			}
			found[key] = p
		}
	}
	return nil
}

// later reports whether kind a stands after b in the list of [ProcessKind].
func later(a, b ProcessKind) bool {
	order := []ProcessKind{GraphicsProcess, ComputeProcess, MPSProcess}
	return slices.Index(order, a) > slices.Index(order, b)
}

// processName is the name of a process's program; it is empty for one that has
// ended or is of another process namespace.
//
// Note: comm is cut at 15 bytes, and nvidia-cuda-mps-server, which has to be told
// from its clients, is longer.
func (l *Library) processName(pid uint32) string {
	of := fmt.Sprintf("%s/%d/", l.proc, pid)
	if exe, err := os.Readlink(of + "exe"); err == nil {
		return path.Base(strings.TrimSuffix(exe, " (deleted)"))
	}
	line, _ := os.ReadFile(of + "cmdline")
	if first, _, _ := strings.Cut(string(line), "\x00"); first != "" {
		return path.Base(first)
	}
	comm, _ := os.ReadFile(of + "comm")
	return strings.TrimSuffix(string(comm), "\n")
}

// migDevices lists the MIG devices of a GPU. Their indices have holes.
func (l *Library) migDevices(dev gonvml.Device) ([]migDevice, error) {
	mode, err := l.mode(dev)
	if err != nil || !mode.Current {
		return nil, err
	}
	n, ret := dev.GetMaxMigDeviceCount()
	if ret != gonvml.SUCCESS {
		return nil, wrap(ret, "count")
	}
	var devices []migDevice
	for i := range n {
		h, ret := dev.GetMigDeviceHandleByIndex(i)
		if ret == gonvml.ERROR_NOT_FOUND {
			continue
		}
		m := migDevice{handle: h}
		if ret == gonvml.SUCCESS {
			m.gi, ret = h.GetGpuInstanceId()
		}
		if ret == gonvml.SUCCESS {
			m.ci, ret = h.GetComputeInstanceId()
		}
		if ret == gonvml.SUCCESS {
			m.uuid, ret = h.GetUUID()
		}
		if ret != gonvml.SUCCESS {
			return nil, wrap(ret, "MIG device %d", i)
		}
		devices = append(devices, m)
	}
	return devices, nil
}
