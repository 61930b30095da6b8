package nvml

import (
	"errors"
	"slices"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

type fake struct {
	devices []Device
	err     error
}

func (f fake) Read() ([]Device, error) { return f.devices, f.err }

// A whole GPU and an instance are subjects of their own; what NVML does not
// tell gives no reading; a fault does not hide what was read.
func TestSource(t *testing.T) {
	used, total, two := uint64(1<<30), uint64(96<<30), 2
	devices := []Device{
		{UUID: "GPU-1", GPU: "GPU-1", MemoryUsedBytes: &used, MemoryTotalBytes: &total, Processes: &two},
		{UUID: "MIG-2", GPU: "GPU-3", Profile: "1g.24gb", MIG: true, MemoryUsedBytes: &used},
		{UUID: "GPU-3", GPU: "GPU-3", Values: []Value{{"power_instant_watts", 300, "W"}, {"temperature_celsius", 55, "°C"}}},
	}
	sourcetest.Local(t, New(fake{devices: devices}))

	gone := errors.New("GPU is lost")
	c, err := New(fake{devices, gone}).Collector(collectors.Target{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Read(t.Context())
	if !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	gpu := results.Subject{Kind: results.SubjectGPU, ID: "GPU-1"}
	instance := results.Subject{Kind: results.SubjectInstance, ID: "MIG-2", GPU: "GPU-3", Detail: "1g.24gb"}
	want := []collectors.Reading{
		{Subject: gpu, Series: SeriesMemoryUsed, Value: 1 << 30, Unit: "B"},
		{Subject: gpu, Series: SeriesMemoryTotal, Value: 96 << 30, Unit: "B"},
		{Subject: gpu, Series: SeriesProcesses, Value: 2, Unit: "1"},
		{Subject: instance, Series: SeriesMemoryUsed, Value: 1 << 30, Unit: "B"},
		{Subject: results.Subject{Kind: results.SubjectGPU, ID: "GPU-3"}, Series: "nvml:power_instant_watts", Value: 300, Unit: "W"},
		{Subject: results.Subject{Kind: results.SubjectGPU, ID: "GPU-3"}, Series: "nvml:temperature_celsius", Value: 55, Unit: "°C"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if _, err := New(nil).Collector(collectors.Target{}); err == nil {
		t.Error("no devices: no error")
	}
}
