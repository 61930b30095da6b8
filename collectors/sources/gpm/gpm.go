// Package gpm reads what each device was doing since the reading before: how busy its
// SMs, tensor cores and memory were, by NVML's GPM. A reading is about the span
// between two samples of a device, so the first gives none. The package declares the
// little it needs of NVML itself; who wires the program together passes it in, so this
// source is no kind that a scenario can name.
package gpm

import (
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/results"
)

// Name is the source's name in Observations.
const Name = "gpm"

// ErrUnsupported is what a device's Open gives, perhaps wrapped, if it will never
// tell anything: the device is then told of once and not asked again.
var ErrUnsupported = errors.New("not supported")

// A Device is one whole GPU or MIG instance.
type Device struct {
	UUID    string
	GPU     string // the parent's UUID; equal to UUID for a whole GPU
	Profile string // of a MIG instance
	MIG     bool
	Label   string // what faults call it
	// Open begins the reading of the device; it is called by the first read, and
	// again after it failed.
	Open func() (Sampler, error)
}

// A Sampler reads one device. It is used by one goroutine at a time.
type Sampler interface {
	// Sample gives what is told of the time since the sample before. It may give
	// nothing without an error: there may be nothing to compare with yet.
	Sample() ([]Value, error)
	Close() error
}

// A Value is a number under the source's name for it, such as "sm_active_ratio", in a
// base unit; or the code with which it was refused.
type Value struct {
	Name  string
	Value float64
	Unit  string
	// Refused is why there is no value, as NVML's return code; 0 if there is one.
	Refused int
}

// New gives the source of these devices. Its collector closes what it opened.
func New(devices []Device) collectors.Source { return source{devices} }

type source struct{ devices []Device }

// Collector reads all devices; target has no URL, and its Subject is not
// used: each device is the subject of its own readings.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	if target.URL != "" {
		return nil, errors.New("GPM has no URL")
	}
	if len(s.devices) == 0 {
		return nil, errors.New("there are no devices to read")
	}
	c := &collector{}
	for _, d := range s.devices {
		c.devices = append(c.devices, &opened{Device: d})
	}
	return c, nil
}

type collector struct{ devices []*opened }

// An opened is a device and how far its reading has come.
type opened struct {
	Device
	sampler Sampler // nil until it is open
	dead    bool    // it was told that it will never tell anything
	// refused is the code that each refused value was last told with.
	refused map[string]int
}

// Read reads every device once. One that is not supported is an error of the first
// read alone, and hides no other. NVML cannot be told to stop: a call that hangs
// is given up by collectors.Run.
func (c *collector) Read(context.Context) ([]collectors.Reading, error) {
	var readings []collectors.Reading
	var faults []error
	for _, d := range c.devices {
		read, err := d.read()
		if err != nil {
			faults = append(faults, fmt.Errorf("read %s: %w", d.Label, err))
		}
		readings = append(readings, read...)
	}
	return readings, errors.Join(faults...)
}

func (d *opened) read() ([]collectors.Reading, error) {
	if d.dead {
		return nil, nil
	}
	if d.sampler == nil {
		sampler, err := d.Open()
		if err != nil {
			d.dead = errors.Is(err, ErrUnsupported)
			return nil, err
		}
		d.sampler = sampler
	}
	values, err := d.sampler.Sample()
	var readings []collectors.Reading
	for _, v := range values {
		if r, ok := d.reading(v); ok {
			readings = append(readings, r)
		}
	}
	return readings, err
}

// reading gives the series "gpm:" + name of a value. A refused one has
// "gpm:refused:" + name with NVML's return code, when it is refused first and when the code
// changes, so that it is recorded what the device does not tell, and why.
func (d *opened) reading(v Value) (collectors.Reading, bool) {
	if v.Refused == 0 {
		delete(d.refused, v.Name)
		return collectors.Reading{Subject: d.subject(), Series: Name + ":" + v.Name, Value: v.Value, Unit: v.Unit}, true
	}
	if d.refused[v.Name] == v.Refused {
		return collectors.Reading{}, false
	}
	if d.refused == nil {
		d.refused = make(map[string]int)
	}
	d.refused[v.Name] = v.Refused
	return collectors.Reading{Subject: d.subject(), Series: Name + ":refused:" + v.Name, Value: float64(v.Refused), Unit: "1"}, true
}

func (d *opened) subject() results.Subject {
	if !d.MIG {
		return results.Subject{Kind: results.SubjectGPU, ID: d.UUID}
	}
	return results.Subject{Kind: results.SubjectInstance, ID: d.UUID, GPU: d.GPU, Detail: d.Profile}
}

// Close closes what is open.
func (c *collector) Close() error {
	var faults []error
	for _, d := range c.devices {
		if d.sampler != nil {
			faults = append(faults, d.sampler.Close())
			d.sampler = nil
		}
	}
	return errors.Join(faults...)
}
