package nvmltest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/internal/nvml"
)

// A Script answers for telemetry, activity and events as a test wants. What it has no func for
// is not supported. Its funcs are called as it is; set them before.
type Script struct {
	// OnTelemetry answers Telemetry of a GPU.
	OnTelemetry func(gpu string) ([]nvml.Reading, error)
	// OnActivity answers each Sample of a device, OnOpen the opening of its sampler;
	// without OnOpen that succeeds.
	OnActivity func(uuid string) ([]nvml.Reading, error)
	OnOpen     func(uuid string) error
	// OnXid answers each Next of a GPU's watch, OnWatch its beginning; without OnWatch
	// that succeeds.
	OnXid   func(gpu string, atMost time.Duration) (nvml.Xid, error)
	OnWatch func(gpu string) error

	open, watches atomic.Int64
}

var (
	_ nvml.TelemetryReader = (*Script)(nil)
	_ nvml.ActivityReader  = (*Script)(nil)
	_ nvml.EventReader     = (*Script)(nil)
)

// Open is how many samplers are open.
func (s *Script) Open() int { return int(s.open.Load()) }

// Watches is how many watches are open.
func (s *Script) Watches() int { return int(s.watches.Load()) }

// Telemetry is OnTelemetry's.
func (s *Script) Telemetry(gpu string) ([]nvml.Reading, error) {
	if s.OnTelemetry == nil {
		return nil, fmt.Errorf("telemetry: %w", nvml.ErrNotSupported)
	}
	return s.OnTelemetry(gpu)
}

// Activity opens a sampler that gives OnActivity's answers.
func (s *Script) Activity(uuid string) (nvml.ActivitySampler, error) {
	if s.OnActivity == nil {
		return nil, fmt.Errorf("GPM: not on this GPU (needs Hopper or newer): %w", nvml.ErrNotSupported)
	}
	if s.OnOpen != nil {
		if err := s.OnOpen(uuid); err != nil {
			return nil, err
		}
	}
	s.open.Add(1)
	return &scriptSampler{s, uuid}, nil
}

type scriptSampler struct {
	script *Script
	uuid   string
}

func (s *scriptSampler) Sample() ([]nvml.Reading, error) { return s.script.OnActivity(s.uuid) }

func (s *scriptSampler) Close() error {
	s.script.open.Add(-1)
	return nil
}

// Xids begins a watch that gives OnXid's answers.
func (s *Script) Xids(gpu string) (nvml.XidWatch, error) {
	if s.OnXid == nil {
		return nil, fmt.Errorf("events: %w", nvml.ErrNotSupported)
	}
	if s.OnWatch != nil {
		if err := s.OnWatch(gpu); err != nil {
			return nil, err
		}
	}
	s.watches.Add(1)
	return &scriptWatch{s, gpu}, nil
}

type scriptWatch struct {
	script *Script
	gpu    string
}

func (w *scriptWatch) Next(atMost time.Duration) (nvml.Xid, error) {
	return w.script.OnXid(w.gpu, atMost)
}

func (w *scriptWatch) Close() error {
	w.script.watches.Add(-1)
	return nil
}
