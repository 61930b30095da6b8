package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// The kinds of [Fault].
const (
	SlowPreprocessing = "slow-preprocessing"
	ClockDrop         = "clock-drop"
	SlowWorker        = "slow-worker"
	MemoryLeak        = "memory-leak"
	PacketDelay       = "packet-delay"
	LaunchBound       = "launch-bound"
)

// The reasons for which a [ClockDrop] can be told.
const (
	PowerCap = "power-cap"
	Thermal  = "thermal"
)

// A Fault is something wrong with instances of a simulated service, for as long as they
// run. It acts within the model or on the wire; no figure of it is told that the faulty
// server would not show. The zero Fault is none that can be.
type Fault struct {
	// Kind is slow-preprocessing, slow-worker, launch-bound, clock-drop, memory-leak or
	// packet-delay.
	Kind string `yaml:"kind" json:"kind"`
	// Factor is how many times as long something takes, more than 1 and at most 1000:
	// the host's work in front of the GPU (slow-preprocessing), all that a worker does
	// on the host (slow-worker), the GPU's work on a request (launch-bound).
	Factor float64 `yaml:"factor" json:"factor,omitempty"`
	// Share is that of the full clock at which the SMs of the instance's GPU run
	// (clock-drop), at least 0.05 and less than 1: work that SMs limit then takes 1/share
	// as long, on all MIG instances of the GPU. Reason is what the GPU says of it, power-cap
	// (unless it is told) or thermal.
	Share  float64 `yaml:"share" json:"share,omitempty"`
	Reason string  `yaml:"reason" json:"reason,omitempty"`
	// MiB is the device memory that each request leaves behind (memory-leak), more than 0
	// and at most 65536, until the device is full.
	MiB float64 `yaml:"mebibytes" json:"mebibytes,omitempty"`
	// Delay is how long an answer is held back on its way (packet-delay), in server time,
	// more than 0 and at most 1m; of a streamed one, each part.
	Delay time.Duration `yaml:"delay" json:"delay_ns,omitempty"`
	// Instance is the number, from 0, of the one instance that has the fault. Without, it
	// is the first for slow-worker, and for the others all.
	Instance *int `yaml:"instance" json:"instance,omitempty"`
}

// faultArguments are what a kind of fault is told, beside its instance.
var faultArguments = map[string][]string{
	SlowPreprocessing: {"factor"},
	SlowWorker:        {"factor"},
	LaunchBound:       {"factor"},
	ClockDrop:         {"share", "reason"},
	MemoryLeak:        {"mebibytes"},
	PacketDelay:       {"delay"},
}

// check says all that is wrong with a fault.
func (f *Fault) check() error {
	if f == nil {
		return nil
	}
	arguments, known := faultArguments[f.Kind]
	if !known {
		return fmt.Errorf("fault: unknown kind %q; known: %s", f.Kind, strings.Join(slices.Sorted(maps.Keys(faultArguments)), ", "))
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("fault %s: "+format, append([]any{f.Kind}, args...)...))
	}
	for _, a := range []struct {
		name       string
		told, good bool
		want       string
	}{
		{"factor", f.Factor != 0, f.Factor > 1 && f.Factor <= 1000, "more than 1 and at most 1000"},
		{"share", f.Share != 0, f.Share >= 0.05 && f.Share < 1, "at least 0.05 and less than 1"},
		{"reason", f.Reason != "", f.Reason == "" || f.Reason == PowerCap || f.Reason == Thermal, PowerCap + " or " + Thermal},
		{"mebibytes", f.MiB != 0, f.MiB > 0 && f.MiB <= 65536, "more than 0 and at most 65536"},
		{"delay", f.Delay != 0, f.Delay > 0 && f.Delay <= time.Minute, "more than 0s and at most 1m"},
	} {
		switch takes := slices.Contains(arguments, a.name); {
		case takes && !a.good:
			fault("%s: want %s", a.name, a.want)
		case !takes && a.told:
			fault("it has no %s; it has: %s", a.name, strings.Join(append(slices.Clone(arguments), "instance"), ", "))
		}
	}
	if f.Instance != nil && *f.Instance < 0 {
		fault("instance %d: want 0 or more", *f.Instance)
	}
	return errors.Join(faults...)
}

// of gives the fault of the instance of a number; nil if it has none.
func (f *Fault) of(instance int) *Fault {
	switch {
	case f == nil:
	case f.Instance != nil && *f.Instance != instance:
	case f.Instance == nil && f.Kind == SlowWorker && instance != 0:
	default:
		return f
	}
	return nil
}

// String says what was done, for people.
func (f *Fault) String() string {
	text := f.Kind
	switch f.Kind {
	case ClockDrop:
		text += fmt.Sprintf(" to %v of the clock (%s)", f.Share, f.reason())
	case MemoryLeak:
		text += fmt.Sprintf(" of %v MiB a request", f.MiB)
	case PacketDelay:
		text += fmt.Sprintf(" of %v", f.Delay)
	default:
		text += fmt.Sprintf(" by %v", f.Factor)
	}
	switch {
	case f.Instance != nil:
		text += fmt.Sprintf(", instance %d", *f.Instance)
	case f.Kind == SlowWorker:
		text += ", instance 0"
	}
	return text
}

func (f *Fault) reason() string {
	if f.Reason == "" {
		return PowerCap
	}
	return f.Reason
}

// mask is what the GPU's event reasons say (nvml.h, nvmlClocksEventReason…).
func (f *Fault) mask() uint64 {
	if f.reason() == Thermal {
		return 0x40 // hardware thermal slowdown
	}
	return 0x4 // software power cap
}

// version is what an instance of that version says of itself.
func (f *Fault) version(of string) string {
	if f == nil {
		return of
	}
	return of + ", faulty: " + f.String()
}

// detector gives the configuration of a detector that has the fault.
func (f *Fault) detector(d model.DeviceConfig, cfg model.DetectorConfig) model.DetectorConfig {
	if f == nil {
		return cfg
	}
	switch f.Kind {
	case SlowPreprocessing:
		return cfg.SlowPreprocessing(f.Factor)
	case SlowWorker:
		return cfg.SlowWorker(f.Factor)
	case LaunchBound:
		return cfg.LaunchBound(d, f.Factor)
	}
	return cfg
}

// engine gives the configuration of an engine that has the fault. What a language
// model's step launches, and what it keeps of memory beyond its cache, is not modelled.
func (f *Fault) engine(cfg model.EngineConfig) (model.EngineConfig, error) {
	if f == nil {
		return cfg, nil
	}
	switch f.Kind {
	case SlowPreprocessing:
		return cfg.SlowPreprocessing(f.Factor), nil
	case SlowWorker:
		return cfg.SlowWorker(f.Factor), nil
	case LaunchBound, MemoryLeak:
		return cfg, fmt.Errorf("fault %s: an agent instance cannot have it", f.Kind)
	}
	return cfg, nil
}

// hold is how long answers are held back.
func (f *Fault) hold() time.Duration {
	if f == nil {
		return 0
	}
	return f.Delay
}
