package main

import (
	"errors"
	"strings"
	"time"

	source "github.com/evabench/evabench/collectors/sources/nvml"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/results"
)

// watchedGPUs gives the physical GPUs of a layout's devices as the source of NVML watches
// them for critical errors; none without an EventReader.
func watchedGPUs(events nvml.EventReader, devices []device.Device) []source.GPU {
	if events == nil {
		return nil
	}
	var all []source.GPU
	seen := make(map[string]bool)
	for _, d := range devices {
		if seen[d.GPU] {
			continue
		}
		seen[d.GPU] = true
		label, _, _ := strings.Cut(d.Name, "/")
		all = append(all, source.GPU{UUID: d.GPU, Label: label, Open: func() (source.Watch, error) {
			w, err := events.Xids(d.GPU)
			switch {
			case errors.Is(err, nvml.ErrNotSupported):
				return nil, notWatched{err}
			case err != nil:
				return nil, err
			}
			return xidWatch{w, d.GPU, devices}, nil
		}})
	}
	return all
}

// A notWatched is NVML's error, which is the source's too.
type notWatched struct{ error }

func (notWatched) Is(target error) bool { return target == source.ErrUnsupported }

// An xidWatch gives a GPU's errors with the device of the layout that they are of.
type xidWatch struct {
	nvml.XidWatch
	gpu     string
	devices []device.Device
}

func (w xidWatch) Next(atMost time.Duration) (source.Xid, bool, error) {
	x, err := w.XidWatch.Next(atMost)
	switch {
	case errors.Is(err, nvml.ErrTimeout):
		return source.Xid{}, false, nil
	case err != nil:
		return source.Xid{}, false, err
	}
	return source.Xid{Number: x.Number, Of: w.subject(x.Instance)}, true, nil
}

// subject is the device that is the only one in the instance which the error is told of,
// else the GPU.
func (w xidWatch) subject(at *nvml.XidInstance) results.Subject {
	var found []results.Subject
	for _, d := range w.devices {
		if at != nil && d.GPU == w.gpu && d.Instance != nil && d.Instance.GI == at.GI && (at.CI < 0 || d.Instance.CI == at.CI) {
			found = append(found, results.Subject{Kind: results.SubjectInstance, ID: d.UUID, GPU: d.GPU, Detail: d.Instance.Profile})
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return results.Subject{Kind: results.SubjectGPU, ID: w.gpu}
}
