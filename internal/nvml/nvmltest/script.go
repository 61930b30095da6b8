package nvmltest

import (
	"fmt"
	"sync/atomic"

	"github.com/evabench/evabench/internal/nvml"
)

// A Script answers for telemetry and activity as a test wants. What it has no func for
// is not supported. Its funcs are called as it is; set them before.
type Script struct {
	// OnTelemetry answers Telemetry of a GPU.
	OnTelemetry func(gpu string) ([]nvml.Reading, error)
	// OnActivity answers each Sample of a device, OnOpen the opening of its sampler;
	// without OnOpen that succeeds.
	OnActivity func(uuid string) ([]nvml.Reading, error)
	OnOpen     func(uuid string) error

	open atomic.Int64
}

var (
	_ nvml.TelemetryReader = (*Script)(nil)
	_ nvml.ActivityReader  = (*Script)(nil)
)

// Open is how many samplers are open.
func (s *Script) Open() int { return int(s.open.Load()) }

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
