//go:build cgo && linux

package nvml

import (
	"encoding/binary"
	"fmt"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// System asks the driver, the library and CUDA for their versions.
func (l *Library) System() (s System, err error) {
	var ret gonvml.Return
	if s.Driver, ret = l.lib.SystemGetDriverVersion(); ret != gonvml.SUCCESS {
		return System{}, wrap(ret, "read the driver's version")
	}
	if s.NVML, ret = l.lib.SystemGetNVMLVersion(); ret != gonvml.SUCCESS {
		return System{}, wrap(ret, "read NVML's version")
	}
	if cuda, ret := l.lib.SystemGetCudaDriverVersion(); ret == gonvml.SUCCESS {
		s.CUDA = fmt.Sprintf("%d.%d", cuda/1000, cuda%1000/10) // 13000 is 13.0
	}
	return s, nil
}

// Devices asks each GPU in the order of indices. The driver counts those too that
// are lost, or that the caller may not talk to.
func (l *Library) Devices() ([]Device, error) {
	n, ret := l.lib.DeviceGetCount()
	if ret != gonvml.SUCCESS {
		return nil, wrap(ret, "count GPUs")
	}
	devices := make([]Device, 0, n)
	for i := range n {
		dev, ret := l.lib.DeviceGetHandleByIndex(i)
		if ret != gonvml.SUCCESS {
			devices = append(devices, Device{Index: i, Minor: -1, Fault: wrap(ret, "find GPU %d of %d", i, n)})
			continue
		}
		d, err := l.device(dev, i)
		if err != nil {
			d = Device{Index: i, UUID: d.UUID, Minor: -1, Fault: fmt.Errorf("read GPU %d: %w", i, err)}
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// device tells of a GPU. Its UUID, name and MIG mode must be known, what else it
// does not tell is empty.
func (l *Library) device(dev gonvml.Device, index int) (d Device, err error) {
	d = Device{Index: index, Minor: -1}
	var ret gonvml.Return
	if d.UUID, ret = dev.GetUUID(); ret != gonvml.SUCCESS {
		return Device{}, wrap(ret, "UUID")
	}
	if d.Name, ret = dev.GetName(); ret != gonvml.SUCCESS {
		return d, wrap(ret, "name")
	}
	if m, ret := dev.GetMemoryInfo(); ret == gonvml.SUCCESS {
		d.Memory = Memory{TotalBytes: m.Total, UsedBytes: m.Used}
	}
	if d.MIG, err = l.mode(dev); err != nil {
		return d, err
	}
	if pci, ret := dev.GetPciInfo(); ret == gonvml.SUCCESS {
		d.PCI, d.PCIDevice = text(pci.BusId[:]), pci.PciDeviceId
	}
	if minor, ret := dev.GetMinorNumber(); ret == gonvml.SUCCESS {
		d.Minor = minor
	}
	if v, ret := dev.GetVbiosVersion(); ret == gonvml.SUCCESS {
		d.VBIOS = v
	}
	if major, minor, ret := dev.GetCudaComputeCapability(); ret == gonvml.SUCCESS {
		d.ComputeCapability = fmt.Sprintf("%d.%d", major, minor)
		d.SMs = l.sms(dev, major, minor)
	}
	l.settings(dev, &d)
	return d, nil
}

// settings reads what is set on a GPU and may forbid a change.
func (l *Library) settings(dev gonvml.Device, d *Device) {
	switch m, ret := dev.GetComputeMode(); {
	case ret != gonvml.SUCCESS:
	case m == gonvml.COMPUTEMODE_DEFAULT:
		d.ComputeMode = ComputeDefault
	case m == gonvml.COMPUTEMODE_EXCLUSIVE_PROCESS:
		d.ComputeMode = ComputeExclusiveProcess
	case m == gonvml.COMPUTEMODE_PROHIBITED:
		d.ComputeMode = ComputeProhibited
	}
	d.Persistence = enabled(dev.GetPersistenceMode())
	d.DisplayActive = enabled(dev.GetDisplayActive())
	if now, next, ret := dev.GetEccMode(); ret == gonvml.SUCCESS {
		d.ECC, d.ECCPending = enabled(now, ret), enabled(next, ret)
	}
	d.PowerLimitWatts = watts(dev.GetPowerManagementLimit())
	d.PowerDefaultWatts = watts(dev.GetPowerManagementDefaultLimit())
	if v, ret := dev.GetVirtualizationMode(); ret == gonvml.SUCCESS {
		d.Virtualization = map[gonvml.GpuVirtualizationMode]Virtualization{
			gonvml.GPU_VIRTUALIZATION_MODE_NONE:        VirtualizationNone,
			gonvml.GPU_VIRTUALIZATION_MODE_PASSTHROUGH: VirtualizationPassthrough,
			gonvml.GPU_VIRTUALIZATION_MODE_VGPU:        VirtualizationGuest,
			gonvml.GPU_VIRTUALIZATION_MODE_HOST_VGPU:   VirtualizationHost,
			gonvml.GPU_VIRTUALIZATION_MODE_HOST_VSGA:   VirtualizationHostVSGA,
		}[v]
	}
}

func enabled(s gonvml.EnableState, ret gonvml.Return) *bool {
	if ret != gonvml.SUCCESS {
		return nil
	}
	on := s == gonvml.FEATURE_ENABLED
	return &on
}

// watts turns mW into W, nil if they are not told.
func watts(mw uint32, ret gonvml.Return) *float64 {
	if ret != gonvml.SUCCESS {
		return nil
	}
	w := float64(mw) / 1000
	return &w
}

// sms counts SMs from the cores: NVML tells those alone. Cores of an SM by
// compute capability: CUDA C++ Programming Guide, Compute Capabilities.
func (l *Library) sms(dev gonvml.Device, major, minor int) int {
	if !l.has("nvmlDeviceGetNumGpuCores") {
		return 0
	}
	cores, ret := dev.GetNumGpuCores()
	switch {
	case ret != gonvml.SUCCESS:
		return 0
	case major == 7, major == 8 && minor == 0:
		return cores / 64
	case major >= 8 && major <= 12:
		return cores / 128
	}
	return 0
}

// Mode asks one GPU.
func (l *Library) Mode(gpu string) (MIGMode, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return MIGMode{}, wrap(ret, "find %s", gpu)
	}
	mode, err := l.mode(dev)
	return mode, wrapErr(err, "read %s", gpu)
}

// mode reads the MIG mode. A GPU or driver that does not know the question has
// no MIG.
func (l *Library) mode(dev gonvml.Device) (MIGMode, error) {
	now, next, ret := dev.GetMigMode()
	switch {
	case absent(ret):
		return MIGMode{}, nil
	case ret != gonvml.SUCCESS:
		return MIGMode{}, wrap(ret, "MIG mode")
	}
	return MIGMode{
		Supported: true,
		Current:   now == gonvml.DEVICE_MIG_ENABLE, Pending: next == gonvml.DEVICE_MIG_ENABLE,
		Resets: l.resets(dev),
	}, nil
}

// resets reports whether a change of the MIG mode resets the GPU: its field
// value says so, and where the driver is too old for it, the architecture.
func (l *Library) resets(dev gonvml.Device) bool {
	field := []gonvml.FieldValue{{FieldId: gonvml.FI_DEV_IS_RESETLESS_MIG_SUPPORTED}}
	if dev.GetFieldValues(field) == gonvml.SUCCESS && gonvml.Return(field[0].NvmlReturn) == gonvml.SUCCESS {
		// An unsigned int or wider; the rest of the union is 0.
		return binary.NativeEndian.Uint32(field[0].Value[:]) == 0
	}
	arch, ret := dev.GetArchitecture()
	return ret != gonvml.SUCCESS || arch <= gonvml.DEVICE_ARCH_AMPERE // when in doubt, it resets
}

// Memory asks a GPU or MIG device. What the driver keeps for itself counts as
// used.
func (l *Library) Memory(uuid string) (Memory, error) {
	dev, ret := l.handle(uuid)
	if ret != Success {
		return Memory{}, wrap(ret, "find %s", uuid)
	}
	m, mret := dev.GetMemoryInfo()
	return Memory{TotalBytes: m.Total, UsedBytes: m.Used}, wrap(mret, "read the memory of %s", uuid)
}

// SetMIGMode asks the driver. It may detach and reset the GPU.
func (l *Library) SetMIGMode(gpu string, on bool) (activation, ret Return) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return Success, ret
	}
	mode := gonvml.DEVICE_MIG_DISABLE
	if on {
		mode = gonvml.DEVICE_MIG_ENABLE
	}
	// The activation status comes first.
	a, r := dev.SetMigMode(mode)
	return Return(a), Return(r)
}
