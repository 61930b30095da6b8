//go:build cgo && linux

package nvml

import (
	"errors"
	"reflect"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// The library gives the Xid and, where it is told, the instance; what is no Xid is none, and
// the wait is what was asked for.
func TestLibraryXids(t *testing.T) {
	r := newRig(t, a100(t))
	var waits []uint32
	freed := 0
	answers := []struct {
		data gonvml.EventData
		ret  gonvml.Return
		want Xid
		err  Return
	}{
		{gonvml.EventData{}, gonvml.ERROR_TIMEOUT, Xid{}, ErrTimeout},
		{gonvml.EventData{EventType: gonvml.EventTypeXidCriticalError, EventData: 79, GpuInstanceId: noInstance, ComputeInstanceId: noInstance}, gonvml.SUCCESS, Xid{Number: 79}, Success},
		{gonvml.EventData{EventType: gonvml.EventTypeXidCriticalError, EventData: 31, GpuInstanceId: 7, ComputeInstanceId: 0}, gonvml.SUCCESS, Xid{31, &XidInstance{7, 0}}, Success},
		{gonvml.EventData{EventType: gonvml.EventTypeXidCriticalError, EventData: 13, GpuInstanceId: 2, ComputeInstanceId: noInstance}, gonvml.SUCCESS, Xid{13, &XidInstance{2, -1}}, Success},
		{gonvml.EventData{EventType: gonvml.EventTypePState, EventData: 2}, gonvml.SUCCESS, Xid{}, ErrTimeout},
		{gonvml.EventData{}, gonvml.ERROR_GPU_IS_LOST, Xid{}, ErrGPUIsLost},
	}
	set := &mock.EventSet{
		WaitFunc: func(ms uint32) (gonvml.EventData, gonvml.Return) {
			a := answers[len(waits)]
			waits = append(waits, ms)
			return a.data, a.ret
		},
		FreeFunc: func() gonvml.Return { freed++; return gonvml.SUCCESS },
	}
	r.server.EventSetCreateFunc = func() (gonvml.EventSet, gonvml.Return) { return set, gonvml.SUCCESS }
	var asked uint64
	register := gonvml.Return(gonvml.SUCCESS)
	r.first.RegisterEventsFunc = func(types uint64, s gonvml.EventSet) gonvml.Return {
		asked = types
		return register
	}
	watch, err := r.Xids(r.gpu)
	if err != nil || asked != 8 { // nvml.h, nvmlEventTypeXidCriticalError
		t.Fatalf("Xids() gave %v, asked for %#x", err, asked)
	}
	for i, a := range answers {
		got, err := watch.Next(250 * time.Millisecond)
		if !errors.Is(err, a.err.Err()) || !reflect.DeepEqual(got, a.want) {
			t.Errorf("answer %d: got %+v, %v; want %+v, %v", i, got, err, a.want, a.err)
		}
	}
	if err := watch.Close(); err != nil || freed != 1 || waits[0] != 250 {
		t.Errorf("Close() gave %v, %d sets freed, first wait %d ms", err, freed, waits[0])
	}

	register = gonvml.ERROR_NOT_SUPPORTED
	if _, err := r.Xids(r.gpu); !errors.Is(err, ErrNotSupported) || freed != 2 {
		t.Errorf("a GPU without events: %v, %d sets freed, want 2", err, freed)
	}
	r.server.EventSetCreateFunc = func() (gonvml.EventSet, gonvml.Return) { return nil, gonvml.ERROR_UNKNOWN }
	if _, err := r.Xids(r.gpu); !errors.Is(err, ErrUnknown) {
		t.Errorf("no set: %v", err)
	}
	if _, err := r.Xids("GPU-none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown GPU: %v", err)
	}
}
