package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/client"
	"github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	gpus "github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/results"
)

// deviceJobs gives the collectors of evabench itself and, where NVML can be
// asked, of a layout's devices.
func (b *bench) deviceJobs(devices []device.Device) ([]collectors.Job, error) {
	own, err := b.kinds.sources.Build(kind.Spec{Name: client.Kind.Name})
	if err != nil {
		return nil, err
	}
	wanted := []deviceJob{{client.Kind.Name, own, results.Subject{Kind: results.SubjectClient, ID: "evabench"}}}
	var jobs []collectors.Job
	var library gpus.Reader
	server := b.simulated.server
	if server != "" {
		machine, err := b.host.Open(b.simulated.server, b.simulated.scale)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, machine.Counts())
		library = machine.GPUs
	} else if real, ok := b.backend.(librarian); ok && len(devices) > 0 {
		if library, err = real.NVML(); err != nil {
			return nil, err
		}
		if server, err = os.Hostname(); err != nil {
			server = "localhost"
		}
	}
	if library != nil && len(devices) > 0 {
		wanted = append(wanted, deviceJob{
			nvml.Name, nvml.New(nvmlDevices{library, devices}),
			results.Subject{Kind: results.SubjectHost, ID: server},
		})
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

type deviceJob struct {
	name    string
	source  collectors.Source
	subject results.Subject
}

// nvmlDevices reads a layout's devices through NVML.
type nvmlDevices struct {
	api     gpus.Reader
	devices []device.Device
}

// Read reads each device; one that fails leaves the others readable.
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
	return all, errors.Join(faults...)
}
