//go:build cgo && linux

package nvml

import (
	"math"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

var _ EventReader = (*Library)(nil)

// noInstance is what NVML gives for the instance of an event that has none (nvml.h,
// nvmlEventData_t).
const noInstance = math.MaxUint32

// Xids registers one GPU with an event set of its own.
//
// Note: one set could watch all GPUs, but waiting for it fails as a whole when one of them
// drops off the bus, and then tells nothing of the others.
func (l *Library) Xids(gpu string) (XidWatch, error) {
	dev, ret := l.handle(gpu)
	if ret != Success {
		return nil, wrap(ret, "find %s", gpu)
	}
	set, created := l.lib.EventSetCreate()
	if created != gonvml.SUCCESS {
		return nil, wrap(created, "make an event set for %s", gpu)
	}
	if ret := dev.RegisterEvents(gonvml.EventTypeXidCriticalError, set); ret != gonvml.SUCCESS {
		return nil, joinReturns(wrap(ret, "ask for Xid events of %s", gpu), set.Free(), "free its event set")
	}
	return &librarySet{set, gpu}, nil
}

// A librarySet watches one GPU.
type librarySet struct {
	set gonvml.EventSet
	gpu string
}

// Next waits within the driver, which cannot be told to stop.
func (s *librarySet) Next(atMost time.Duration) (Xid, error) {
	data, ret := s.set.Wait(uint32(max(0, min(atMost.Milliseconds(), math.MaxInt32))))
	if ret != gonvml.SUCCESS {
		return Xid{}, wrap(ret, "wait for events of %s", s.gpu)
	}
	if data.EventType&gonvml.EventTypeXidCriticalError == 0 {
		return Xid{}, wrap(ErrTimeout, "wait for Xid events of %s", s.gpu)
	}
	x := Xid{Number: data.EventData}
	if data.GpuInstanceId != noInstance {
		x.Instance = &XidInstance{GI: int(data.GpuInstanceId), CI: -1}
		if data.ComputeInstanceId != noInstance {
			x.Instance.CI = int(data.ComputeInstanceId)
		}
	}
	return x, nil
}

// Close frees the set.
func (s *librarySet) Close() error { return wrap(s.set.Free(), "free the event set of %s", s.gpu) }
