package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/gpm"
	source "github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/nvml/nvmltest"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim"
)

// A tellingAPI is an API whose cards tell more than simulated ones.
type tellingAPI struct {
	nvml.API
	*nvmltest.Script
}

// A collected keeps what a collector tells.
type collected []results.Observation

func (c *collected) Sample(results.Sample)             {}
func (c *collected) Observation(o results.Observation) { *c = append(*c, o) }

// mixed is a layout of a whole GPU and one with two MIG instances.
var mixed = []device.Device{
	{UUID: "GPU-a", GPU: "GPU-a", Name: "gpu0"},
	{UUID: "MIG-1", GPU: "GPU-b", Name: "gpu1/1g.24gb@0", Instance: &device.Instance{GI: 3, Profile: "1g.24gb"}},
	{UUID: "MIG-2", GPU: "GPU-b", Name: "gpu1/1g.24gb@3", Instance: &device.Instance{GI: 4, Profile: "1g.24gb"}},
}

// memoryReader knows the memory of every device, and no process.
type memoryReader struct{ nvml.API }

func (memoryReader) Memory(string) (nvml.Memory, error) {
	return nvml.Memory{TotalBytes: 24 << 30, UsedBytes: 1 << 30}, nil
}

func (memoryReader) Processes(string) ([]nvml.Process, error) { return nil, nil }

// scripted answers for every device: activity by device, power by GPU.
func scripted() *nvmltest.Script {
	return &nvmltest.Script{
		OnTelemetry: func(gpu string) ([]nvml.Reading, error) {
			list := []nvml.Reading{{Quantity: nvml.PowerInstant, Value: 300}, {Quantity: nvml.GPUBusy, Return: nvml.ErrNotSupported}}
			if gpu == "GPU-a" {
				return list, fmt.Errorf("clock: %w", nvml.ErrUnknown)
			}
			return list, nil
		},
		OnActivity: func(uuid string) ([]nvml.Reading, error) {
			return []nvml.Reading{
				{Quantity: nvml.ActivitySpan, Value: 1},
				{Quantity: nvml.Quantity{Name: "sm_active_ratio", Unit: "ratio"}, Value: 0.5},
				{Quantity: nvml.Quantity{Name: "fp64_active_ratio", Unit: "ratio"}, Return: nvml.ErrNotSupported},
			}, nil
		},
		OnXid: func(_ string, atMost time.Duration) (nvml.Xid, error) { // as a driver waits
			<-time.After(atMost)
			return nvml.Xid{}, nvml.ErrTimeout
		},
		OnOpen: func(uuid string) error {
			if uuid == "GPU-a" {
				return fmt.Errorf("GPM: not on this GPU (needs Hopper or newer): %w", nvml.ErrNotSupported)
			}
			return nil
		},
	}
}

// On a real server power is the physical GPU's, once, and activity the device's; what a
// device does not tell is no zero, a GPU without GPM is one warning, and samplers are
// closed.
func TestDeviceReadings(t *testing.T) {
	script := scripted()
	b := &bench{backend: libraryBackend{api: tellingAPI{memoryReader{}, script}}, kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	jobs, err := b.deviceJobs(mixed)
	if err != nil {
		t.Fatal(err)
	}
	var told collected
	var ours []collectors.Job
	for _, j := range jobs {
		if j.Name == gpm.Name || j.Name == source.Name {
			j.Every, j.Timeout = time.Hour, time.Minute
			ours = append(ours, j)
		}
	}
	var warnings []results.Warning
	for _, j := range ours { // one after the other, as collected is not safe for both; each is read twice
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		first := &firstRead{sink: &told, cancel: cancel}
		go func() {
			defer close(done)
			warnings = append(warnings, collectors.Run(ctx, results.NewOrigin(time.Now()), []collectors.Job{j}, first)...)
		}()
		<-done
	}
	got := map[string]int{}
	for _, o := range told {
		if !strings.HasPrefix(o.Series, "evabench:") {
			got[fmt.Sprintf("%s %s %s %s=%g%s", o.Subject.Kind, o.Subject.ID, o.Subject.GPU, o.Series, o.Value, o.Unit)]++
		}
	}
	for reading, n := range map[string]int{
		"gpu GPU-a  nvml:power_instant_watts=300W": 2, "gpu GPU-b  nvml:power_instant_watts=300W": 2,
		"instance MIG-1 GPU-b gpm:sm_active_ratio=0.5ratio": 2, "instance MIG-2 GPU-b gpm:sm_active_ratio=0.5ratio": 2,
		"instance MIG-1 GPU-b gpm:refused:fp64_active_ratio=31": 1,
	} {
		if got[reading] != n {
			t.Errorf("%q was told %d times, want %d; told: %v", reading, got[reading], n, got)
		}
	}
	for reading := range got {
		if strings.Contains(reading, "utilization") || strings.Contains(reading, "GPU-a  gpm:") {
			t.Errorf("%q was told, and nobody knows it", reading)
		}
	}
	if text := fmt.Sprint(warnings); len(warnings) != 2 || !strings.Contains(text, "read gpu0: GPM: not on this GPU (needs Hopper or newer)") ||
		warnings[0].Count != 2 || warnings[1].Count != 1 || !strings.Contains(text, "clock: unknown error") {
		t.Errorf("warnings %+v", warnings)
	}
	if n, watches := script.Open(), script.Watches(); n != 0 || watches != 0 {
		t.Errorf("%d samplers and %d watches are open", n, watches)
	}
}

// A firstRead ends a run after the first read of its job; the last follows.
type firstRead struct {
	sink   results.Sink
	cancel func()
}

func (f *firstRead) Sample(results.Sample) {}
func (f *firstRead) Observation(o results.Observation) {
	f.sink.Observation(o)
	if o.Series == results.SeriesReadOK {
		f.cancel()
	}
}

// A simulated card tells nothing of what no simulation knows, and its clock from when the
// server that plays it has said what it is.
func TestSimulatedCardTellsItsClockAlone(t *testing.T) {
	fake, all := oneCard(t)
	devices := nvmlDevices{fake, fake, []device.Device{{UUID: all[0].UUID, GPU: all[0].UUID, Name: "gpu0"}}}
	told, err := devices.Read()
	if err != nil || len(told) != 2 || len(told[1].Values) != 0 {
		t.Errorf("a simulated card tells %+v, %v", told, err)
	}
	if err := fake.SetClock(all[0].UUID, 1.5e9, 0x4); err != nil {
		t.Fatal(err)
	}
	told, err = devices.Read()
	want := []source.Value{{Name: "sm_clock_hertz", Value: 1.5e9, Unit: "Hz"}, {Name: "clocks_event_reasons", Value: 4, Unit: "1"}}
	if err != nil || len(told) != 2 || !slices.Equal(told[1].Values, want) {
		t.Errorf("a simulated card at 1.5 GHz tells %+v, %v", told, err)
	}
}

// BenchmarkReadings reads 8 GPUs with 7 instances each, through both collectors, 10 times a
// second: the share of one core is the CPU time of one read of all, times 10. "scripted"
// cards are in memory and answer as many quantities as real ones can; what a driver takes comes
// on top. "fake" are simulated cards, without GPM: each question of memory or
// processes locks and reads their file.
func BenchmarkReadings(b *testing.B) {
	b.Run("scripted", func(b *testing.B) {
		telemetry, activity := make([]nvml.Reading, 0, 20), make([]nvml.Reading, 0, 60)
		for _, q := range nvml.Telemetry() {
			telemetry = append(telemetry, nvml.Reading{Quantity: q, Value: 0.5})
		}
		for _, q := range append([]nvml.Quantity{nvml.ActivitySpan}, nvml.Activities()...) {
			activity = append(activity, nvml.Reading{Quantity: q, Value: 0.5})
		}
		script := &nvmltest.Script{
			OnTelemetry: func(string) ([]nvml.Reading, error) { return telemetry, nil },
			OnActivity:  func(string) ([]nvml.Reading, error) { return activity, nil },
		}
		var devices []device.Device
		for gpu := range 8 {
			for i := range 7 {
				devices = append(devices, instanceOf(fmt.Sprintf("GPU-%d", gpu), gpu, i, fmt.Sprintf("MIG-%d-%d", gpu, i)))
			}
		}
		benchmarkReadings(b, tellingAPI{memoryReader{}, script}, devices, 56*(3+54))
	})
	b.Run("fake", func(b *testing.B) {
		fake, devices := sevenOnEach(b)
		benchmarkReadings(b, fake, devices, 56*3)
	})
}

func instanceOf(uuid string, gpu, i int, mig string) device.Device {
	return device.Device{UUID: mig, GPU: uuid, Name: fmt.Sprintf("gpu%d/1g@%d", gpu, i), Instance: &device.Instance{GI: i, Profile: "1g.5gb"}}
}

// sevenOnEach gives 8 simulated A100s with 7 instances each.
func sevenOnEach(b *testing.B) (*nvml.Fake, []device.Device) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "cards.json")
	if err := nvml.CreateFake(path, slices.Repeat([]string{"NVIDIA A100 40GB"}, 8)); err != nil {
		b.Fatal(err)
	}
	fake, err := nvml.OpenFake(path)
	if err != nil {
		b.Fatal(err)
	}
	cards, err := fake.Devices()
	if err != nil {
		b.Fatal(err)
	}
	var devices []device.Device
	for _, card := range cards {
		if activation, ret := fake.SetMIGMode(card.UUID, true); activation != nvml.Success || ret != nvml.Success {
			b.Fatal(activation, ret)
		}
		for i := range 7 {
			gi, err := fake.CreateGPUInstance(card.UUID, 19, nvml.Placement{Start: i, Size: 1}) // 1g.5gb
			if err != nil {
				b.Fatal(err)
			}
			ci, err := fake.CreateComputeInstance(card.UUID, gi.ID, nvml.Placement{Start: 0, Size: 1})
			if err != nil {
				b.Fatal(err)
			}
			devices = append(devices, instanceOf(card.UUID, card.Index, i, ci.UUID))
		}
	}
	return fake, devices
}

func benchmarkReadings(b *testing.B, api nvml.API, devices []device.Device, least int) {
	bench := &bench{backend: libraryBackend{api: api}, kinds: knownKinds(sim.NewHost("", "", io.Discard))}
	jobs, err := bench.deviceJobs(devices)
	if err != nil {
		b.Fatal(err)
	}
	read := func() (n int, err error) {
		for _, j := range jobs {
			if j.Name == gpm.Name || j.Name == source.Name {
				readings, fault := j.Collector.Read(b.Context())
				n, err = n+len(readings), errors.Join(err, fault)
			}
		}
		return n, err
	}
	_, _ = read() // what is not supported is told once
	readings, began := 0, cpuTime(b)
	for b.Loop() {
		if readings, err = read(); err != nil {
			b.Fatal(err)
		}
	}
	if readings < least {
		b.Fatalf("%d readings, want %d", readings, least)
	}
	b.ReportMetric(float64(readings), "readings/read")
	b.ReportMetric((cpuTime(b)-began).Seconds()/float64(b.N)*10*100, "%core@10Hz")
}

// cpuTime is what this process has used, its collector of garbage included: what others
// take of the machine is not in it.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
