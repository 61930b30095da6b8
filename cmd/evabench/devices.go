package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/client"
	"github.com/evabench/evabench/collectors/sources/dcgm"
	"github.com/evabench/evabench/collectors/sources/gpm"
	"github.com/evabench/evabench/collectors/sources/host"
	"github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	gpus "github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/results"
)

// deviceJobs gives the collectors of evabench itself, of the machine that it runs on
// with the services that it started there and, where NVML can be asked or dcgm-exporter
// is named, of a layout's devices.
func (b *bench) deviceJobs(devices []device.Device) ([]collectors.Job, error) {
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	here := results.Subject{Kind: results.SubjectHost, ID: name}
	wanted := ownJobs(here)
	jobs, err := b.dcgmJob(devices, here)
	if err != nil {
		return nil, fmt.Errorf("collector %s: %w", dcgm.Name, err)
	}
	var library gpus.Reader
	var telemetry gpus.TelemetryReader // nil where nothing tells any
	var activity gpus.ActivityReader
	server := b.simulated.server
	if server != "" {
		machine, err := b.host.Open(b.simulated.server, b.simulated.scale)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, machine.Counts(), machine.HostUse())
		library, activity = machine.GPUs, machine
		telemetry, _ = library.(gpus.TelemetryReader)
	} else if real, ok := b.backend.(librarian); ok && len(devices) > 0 {
		if library, err = real.NVML(); err != nil {
			return nil, err
		}
		telemetry, _ = library.(gpus.TelemetryReader)
		activity, _ = library.(gpus.ActivityReader)
		server = name
	}
	if library != nil && len(devices) > 0 {
		of := results.Subject{Kind: results.SubjectHost, ID: server}
		events, _ := library.(gpus.EventReader)
		source := nvml.New(nvmlDevices{library, telemetry, devices}, watchedGPUs(events, devices)...)
		wanted = append(wanted, deviceJob{nvml.Name, source, of})
		if activity != nil {
			wanted = append(wanted, deviceJob{gpm.Name, gpm.New(gpmDevices(activity, devices)), of})
		}
	}
	for _, w := range wanted {
		c, err := w.source.Collector(collectors.Target{Subject: w.subject})
		if err != nil {
			return nil, fmt.Errorf("collector %s: %w", w.name, err)
		}
		jobs = append(jobs, collectors.Job{Name: w.name, Collector: c, Subject: w.subject})
	}
	return jobs, nil
}

// ownJobs gives the sources of evabench itself and of the machine that it runs on.
func ownJobs(here results.Subject) []deviceJob {
	services := &ownServices{proc: procfs.DefaultMountPoint, us: os.Getpid()}
	return []deviceJob{
		{client.Name, client.New(), results.Subject{Kind: results.SubjectClient, ID: "evabench"}},
		{host.Name, host.New(services.processes), here},
	}
}

type deviceJob struct {
	name    string
	source  collectors.Source
	subject results.Subject
}

// nvmlDevices reads a layout's devices through NVML, and the GPUs that they are of.
type nvmlDevices struct {
	api       gpus.Reader
	telemetry gpus.TelemetryReader // nil if there is none
	devices   []device.Device
}

// Read reads each device and each GPU; one that fails leaves the others readable.
func (n nvmlDevices) Read() ([]nvml.Device, error) {
	var all []nvml.Device
	var faults []error
	for _, d := range n.devices {
		read := nvml.Device{UUID: d.UUID, GPU: d.GPU}
		if d.Instance != nil {
			read.MIG, read.Profile = true, d.Instance.Profile
		}
		if m, err := n.api.Memory(d.UUID); err != nil {
			faults = append(faults, fmt.Errorf("memory of %s: %w", d.Name, err))
		} else {
			read.MemoryUsedBytes, read.MemoryTotalBytes = &m.UsedBytes, &m.TotalBytes
		}
		if p, err := n.api.Processes(d.UUID); err != nil {
			faults = append(faults, fmt.Errorf("processes of %s: %w", d.Name, err))
		} else {
			count := 0
			for _, one := range p {
				if nvidia.IsWork(one) {
					count++
				}
			}
			read.Processes = &count
		}
		all = append(all, read)
	}
	told, err := n.gpus()
	return append(all, told...), errors.Join(errors.Join(faults...), err)
}

// gpus reads the power, clocks and heat of each GPU that has a device, once.
func (n nvmlDevices) gpus() (all []nvml.Device, err error) {
	if n.telemetry == nil {
		return nil, nil
	}
	seen := make(map[string]bool)
	for _, d := range n.devices {
		if seen[d.GPU] {
			continue
		}
		seen[d.GPU] = true
		readings, fault := n.telemetry.Telemetry(d.GPU)
		err = errors.Join(err, fault)
		gpu := nvml.Device{UUID: d.GPU, GPU: d.GPU}
		for _, r := range readings {
			if r.Known() {
				gpu.Values = append(gpu.Values, nvml.Value{Name: r.Name, Value: r.Value, Unit: r.Unit})
			}
		}
		all = append(all, gpu)
	}
	return all, err
}

// gpmDevices gives a layout's devices as the source of GPM knows them.
func gpmDevices(activity gpus.ActivityReader, devices []device.Device) []gpm.Device {
	var all []gpm.Device
	for _, d := range devices {
		of := gpm.Device{UUID: d.UUID, GPU: d.GPU, Label: d.Name, Open: func() (gpm.Sampler, error) {
			s, err := activity.Activity(d.UUID)
			switch {
			case errors.Is(err, gpus.ErrNotSupported):
				return nil, notSupported{err}
			case err != nil:
				return nil, err
			}
			return gpmSampler{s}, nil
		}}
		if d.Instance != nil {
			of.MIG, of.Profile = true, d.Instance.Profile
		}
		all = append(all, of)
	}
	return all
}

// A notSupported is NVML's error, which is the source's too.
type notSupported struct{ error }

func (notSupported) Is(target error) bool { return target == gpm.ErrUnsupported }

// A gpmSampler gives a sampler's readings as the source's values.
type gpmSampler struct{ gpus.ActivitySampler }

func (s gpmSampler) Sample() ([]gpm.Value, error) {
	readings, err := s.ActivitySampler.Sample()
	values := make([]gpm.Value, len(readings))
	for i, r := range readings {
		values[i] = gpm.Value{Name: r.Name, Value: r.Value, Unit: r.Unit, Refused: int(r.Return)}
	}
	return values, err
}
