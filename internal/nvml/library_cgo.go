//go:build cgo && linux

package nvml

import (
	"errors"
	"fmt"
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// A Library is the real NVML as an [API]. Make it with [Open]. It holds no
// handle between calls, as handles die when the layout changes: each call looks
// its GPU up by UUID. It is safe for concurrent use, as NVML is.
type Library struct {
	lib gonvml.Interface
	// The newer forms of the call for a profile. They are fields as go-nvml's
	// are bound to its own devices, so that its mocks cannot answer them.
	infoV2 func(gonvml.Device, int) (gonvml.GpuInstanceProfileInfo_v2, gonvml.Return)
	infoV3 func(gonvml.Device, int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return)
	// temperature is of the GPU in degrees Celsius, and a field for the same reason.
	temperature func(gonvml.Device) (int32, gonvml.Return)
	proc        string // /proc
}

var _ API = (*Library)(nil)

// Open loads NVML and starts it. The error on a machine without a driver is
// [ErrNoDriver], in one line. The caller closes the library.
func Open() (*Library, error) { return open(gonvml.New()) }

func open(lib gonvml.Interface) (*Library, error) {
	switch ret := lib.Init(); ret {
	case gonvml.SUCCESS:
		return newLibrary(lib), nil
	case gonvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, fmt.Errorf("%w: %w; install the NVIDIA driver, or give this container its libraries",
			ErrNoDriver, Return(ret))
	case gonvml.ERROR_DRIVER_NOT_LOADED:
		return nil, fmt.Errorf("%w: libnvidia-ml.so.1 is there, but %w; load it (modprobe nvidia), or give this container the GPUs",
			ErrNoDriver, Return(ret))
	case gonvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return nil, fmt.Errorf("start NVML: %w; the driver was updated and the old one still runs (cat /proc/driver/nvidia/version): reboot, or load the new one when nothing uses the GPUs", Return(ret))
	case gonvml.ERROR_FUNCTION_NOT_FOUND:
		return nil, fmt.Errorf("start NVML: %w; install a driver from 535 on", Return(ret))
	case gonvml.ERROR_NO_PERMISSION:
		return nil, fmt.Errorf("start NVML: %w; run this as a user who may read /dev/nvidiactl, or as root", Return(ret))
	default:
		return nil, fmt.Errorf("start NVML: %w; nvidia-smi asks the same library: mend what it tells", Return(ret))
	}
}

func newLibrary(lib gonvml.Interface) *Library {
	return &Library{
		lib: lib,
		infoV2: func(d gonvml.Device, profile int) (gonvml.GpuInstanceProfileInfo_v2, gonvml.Return) {
			return d.GetGpuInstanceProfileInfoV(profile).V2()
		},
		infoV3: func(d gonvml.Device, profile int) (gonvml.GpuInstanceProfileInfo_v3, gonvml.Return) {
			return d.GetGpuInstanceProfileInfoV(profile).V3()
		},
		temperature: func(d gonvml.Device) (int32, gonvml.Return) {
			t, ret := d.GetTemperatureV().V1()
			return t.Temperature, ret
		},
		proc: "/proc",
	}
}

// Close ends the use of NVML; l is of no use after it.
func (l *Library) Close() error { return wrap(l.lib.Shutdown(), "close NVML") }

// has reports whether the driver's library has a call. To make one that it has
// not ends the process: symbols are bound when they are first used.
func (l *Library) has(symbol string) bool {
	return l.lib.Extensions().LookupSymbol(symbol) == nil
}

// handle looks up a GPU or MIG device. A UUID that is none, or of an instance
// that is gone, is ErrNotFound.
//
// Note: the driver's search may touch other GPUs on its way and fail for one that is
// lost (NVML API reference, nvmlDeviceGetHandleByUUID: "if any GPU has fallen off the
// bus"). So after another failure each GPU that can be read is asked for its UUID.
func (l *Library) handle(uuid string) (gonvml.Device, Return) {
	dev, ret := l.lib.DeviceGetHandleByUUID(uuid)
	switch ret {
	case gonvml.SUCCESS:
		return dev, Success
	case gonvml.ERROR_INVALID_ARGUMENT, gonvml.ERROR_NOT_FOUND:
		return nil, ErrNotFound
	}
	n, counted := l.lib.DeviceGetCount()
	if counted != gonvml.SUCCESS {
		return nil, Return(ret)
	}
	for i := range n {
		if dev, found := l.lib.DeviceGetHandleByIndex(i); found == gonvml.SUCCESS {
			if h, ok := l.among(dev, uuid); ok {
				return h, Success
			}
		}
	}
	return nil, Return(ret)
}

// among finds a device that is a GPU or is on it.
func (l *Library) among(dev gonvml.Device, uuid string) (gonvml.Device, bool) {
	if own, ret := dev.GetUUID(); ret == gonvml.SUCCESS && own == uuid {
		return dev, true
	}
	if !strings.HasPrefix(uuid, "MIG-") {
		return nil, false
	}
	inside, err := l.migDevices(dev)
	if err != nil {
		return nil, false
	}
	for _, m := range inside {
		if m.uuid == uuid {
			return m.handle, true
		}
	}
	return nil, false
}

// wrap makes a return an error that says what was being done, nil for success.
func wrap[R gonvml.Return | Return](ret R, format string, args ...any) error {
	if Return(ret) == Success {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, Return(ret))...)
}

// absent reports a return that says "not on this GPU" or "not in this driver".
func absent(ret gonvml.Return) bool {
	switch ret {
	case gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_INVALID_ARGUMENT, gonvml.ERROR_FUNCTION_NOT_FOUND:
		return true
	}
	return false
}

// joinReturns is errors.Join for a fault and what undoing it met.
func joinReturns(err error, undo gonvml.Return, what string) error {
	return errors.Join(err, wrap(undo, "%s", what))
}

// text gives a C string.
func text(chars []int8) string {
	var b strings.Builder
	for _, c := range chars {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return b.String()
}
