// Package nvml reads what NVML tells of devices: memory in use and processes,
// per MIG instance where there are any, and of each physical GPU below them its
// power, clocks, heat and errors, and the critical ones (Xid) as they happen. It declares
// the little it needs of NVML itself; who wires the program together passes it in, so this source is
// no kind that a scenario can name.
package nvml

import (
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// Name is the source's name in Observations.
const Name = "nvml"

// The series that a read gives of each device.
const (
	SeriesMemoryUsed  = "nvml:memory_used_bytes"  // B
	SeriesMemoryTotal = "nvml:memory_total_bytes" // B
	SeriesProcesses   = "nvml:processes"          // compute processes, 1
)

// Devices reads the devices of a server as they are now. It is used by one
// goroutine at a time. Devices and an error may come together.
type Devices interface {
	Read() ([]Device, error)
}

// A Device is what NVML tells of one whole GPU or MIG instance. What it does
// not tell is nil.
type Device struct {
	UUID    string
	GPU     string // the parent's UUID; equal to UUID for a whole GPU
	Profile string // of a MIG instance
	MIG     bool

	MemoryUsedBytes, MemoryTotalBytes *uint64
	Processes                         *int
	// Values are what else is told; only a physical GPU has any, also one whose
	// instances are devices of their own: it then has nothing but them.
	Values []Value
}

// A Value is a number that is told of a device under a name of its own, such as
// "power_instant_watts", in a base unit. Its series is the name behind "nvml:".
type Value struct {
	Name  string
	Value float64
	Unit  string
}

// New gives the source of these devices, which watches the GPUs for critical errors; there
// may be none. Its collector ends the watches when it is closed.
func New(devices Devices, gpus ...GPU) collectors.Source { return source{devices, gpus} }

type source struct {
	devices Devices
	gpus    []GPU
}

// Collector reads all devices; target has no URL, and its Subject is not
// used: each device is the subject of its own readings.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	if target.URL != "" {
		return nil, errors.New("NVML has no URL")
	}
	if s.devices == nil {
		return nil, errors.New("there are no devices to read")
	}
	return &collector{source: s}, nil
}

type collector struct {
	source
	xids *xids // nil before the first read
}

// Read reads every device once. NVML cannot be told to stop: a call that hangs
// is given up by collectors.Run. The GPUs are watched from the first read on, beside
// it: what a read gives of them came since the read before.
func (c *collector) Read(context.Context) ([]collectors.Reading, error) {
	if c.xids == nil {
		c.xids = watch(c.gpus)
	}
	devices, err := c.devices.Read()
	if err != nil {
		err = fmt.Errorf("read devices: %w", err)
	}
	readings, fault := c.xids.read()
	err = errors.Join(err, fault)
	for _, d := range devices {
		add := func(series string, value float64, unit string) {
			readings = append(readings, collectors.Reading{Subject: d.subject(), Series: series, Value: value, Unit: unit})
		}
		if d.MemoryUsedBytes != nil {
			add(SeriesMemoryUsed, float64(*d.MemoryUsedBytes), "B")
		}
		if d.MemoryTotalBytes != nil {
			add(SeriesMemoryTotal, float64(*d.MemoryTotalBytes), "B")
		}
		if d.Processes != nil {
			add(SeriesProcesses, float64(*d.Processes), "1")
		}
		for _, v := range d.Values {
			add(Name+":"+v.Name, v.Value, v.Unit)
		}
	}
	return readings, err
}

// Warnings tells of GPUs that cannot be watched for critical errors.
func (c *collector) Warnings() []results.Warning {
	if c.xids == nil {
		return nil
	}
	return c.xids.told()
}

// Close ends the watches; c is of no use after it.
func (c *collector) Close() error {
	if c.xids == nil {
		return nil
	}
	return c.xids.close()
}

func (d Device) subject() results.Subject {
	if !d.MIG {
		return results.Subject{Kind: results.SubjectGPU, ID: d.UUID}
	}
	return results.Subject{Kind: results.SubjectInstance, ID: d.UUID, GPU: d.GPU, Detail: d.Profile}
}
