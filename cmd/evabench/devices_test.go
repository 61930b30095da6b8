package main

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/evabench/evabench/collectors"
	source "github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/sim"
)

// A libraryBackend stands for the backend of a real server.
type libraryBackend struct {
	partition.Backend
	api nvml.API
}

func (b libraryBackend) NVML() (nvml.API, error) { return b.api, nil }

// On a real server the devices are read through the library that the backend has
// opened; a process that only draws is none of those that share a device, nor is the
// MPS server.
func TestDeviceJobsOfRealServer(t *testing.T) {
	fake, all := oneCard(t)
	used := uint64(1 << 30)
	for _, p := range []nvml.Process{
		{PID: 11, Kind: nvml.ComputeProcess}, {PID: 12, Kind: nvml.MPSProcess}, {PID: 13, Kind: nvml.GraphicsProcess},
		{PID: 14, Kind: nvml.ComputeProcess, Name: "/usr/bin/nvidia-cuda-mps-server"},
	} {
		p.Device, p.UsedBytes = all[0].UUID, &used
		if err := fake.AddForeign(p); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{backend: libraryBackend{api: fake}, kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	jobs, err := b.deviceJobs([]device.Device{{UUID: all[0].UUID, GPU: all[0].UUID, Name: "gpu0"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, j := range jobs {
		if j.Name != source.Name {
			continue
		}
		t.Cleanup(func() { // before fake's folder goes
			if err := j.Collector.(io.Closer).Close(); err != nil {
				t.Error(err)
			}
		})
		readings, err := j.Collector.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			got[r.Series] = r.Value
		}
	}
	want := map[string]float64{source.SeriesProcesses: 2, source.SeriesMemoryUsed: 4 << 30, source.SeriesMemoryTotal: 24 << 30}
	for series, value := range want {
		if got[series] != value {
			t.Errorf("%s = %v, want %v", series, got[series], value)
		}
	}
	if jobs, err := b.deviceJobs(nil); err != nil || contains(jobs, source.Name) {
		t.Errorf("without devices: %v, %v", jobs, err)
	}
}

func contains(jobs []collectors.Job, name string) bool {
	for _, j := range jobs {
		if j.Name == name {
			return true
		}
	}
	return false
}

// oneCard makes a simulated card and gives it with what its library lists.
func oneCard(t *testing.T) (*nvml.Fake, []nvml.Device) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cards.json")
	if err := nvml.CreateFake(path, []string{"NVIDIA A30"}); err != nil {
		t.Fatal(err)
	}
	fake, err := nvml.OpenFake(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := fake.Devices()
	if err != nil {
		t.Fatal(err)
	}
	return fake, all
}
