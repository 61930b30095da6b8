package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// BackendConfig is the arguments of the backend sim.
type BackendConfig struct {
	Server string `yaml:"server" json:"server"` // one that "evabench sim --help" lists
	// Scale is how many seconds of server time pass in one of the clock, 1 to
	// 1000; 1 unless it is told.
	Scale float64 `yaml:"scale" json:"scale"`
}

// LauncherConfig is the arguments of the launcher sim.
type LauncherConfig struct {
	// Server is as in [BackendConfig]; empty means the one that the backend uses.
	Server string `yaml:"server" json:"server,omitempty"`
	// Scale is as in [BackendConfig]; without Server, it is the backend's and
	// not told here.
	Scale float64 `yaml:"scale" json:"scale"`
	// WithoutMPS plays a mistake: instances are started without the pipe folder of
	// their device, as by a start script of before the layout stood. They then run
	// beside the device's MPS daemon, and say nothing.
	WithoutMPS bool `yaml:"without_mps" json:"without_mps,omitempty"`
	// Fault is what is wrong with the instances; nil for nothing.
	Fault *Fault `yaml:"fault" json:"fault,omitempty"`
}

// BackendKind is the partition backend sim: the real backend's logic over the
// server's simulated GPUs. Building it has no side effect; the server starts
// at its first use.
func (h *Host) BackendKind() kind.Kind[partition.Backend] {
	return kind.New("sim", "the GPUs of a simulated server", BackendConfig{Scale: MinScale}, func(c BackendConfig) (partition.Backend, error) {
		return h.Backend(c.Server, c.Scale)
	})
}

// Backend is the backend of a server at a scale, which starts at the first use.
func (h *Host) Backend(server string, scale float64) (partition.Backend, error) {
	if err := checkServer(server, scale); err != nil {
		return nil, err
	}
	return &lazyBackend{host: h, server: server, scale: scale}, nil
}

// A lazyBackend opens its server when it is needed.
type lazyBackend struct {
	host   *Host
	server string
	scale  float64
	trace  func(partition.Event)
}

func (b *lazyBackend) open() (partition.Backend, error) {
	m, err := b.host.Open(b.server, b.scale)
	if err != nil {
		return nil, err
	}
	if b.trace != nil {
		m.backend.(partition.Traced).Trace(b.trace)
	}
	return m.backend, nil
}

// Trace sets who is told of every change that is tried.
func (b *lazyBackend) Trace(f func(partition.Event)) { b.trace = f }

// Count tells who is on a simulated device.
func (b *lazyBackend) Count(ctx context.Context, d device.Device) (partition.Clients, error) {
	real, err := b.open()
	if err != nil {
		return partition.Clients{}, err
	}
	return real.(partition.Counter).Count(ctx, d)
}

// Inspect reads the state of the simulated GPUs.
func (b *lazyBackend) Inspect(ctx context.Context, gpus []string) (partition.State, error) {
	real, err := b.open()
	if err != nil {
		return partition.State{}, err
	}
	return real.Inspect(ctx, gpus)
}

// Apply carries out a plan on the simulated GPUs.
func (b *lazyBackend) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	real, err := b.open()
	if err != nil {
		return nil, err
	}
	return real.Apply(ctx, p)
}

// Restore brings the simulated GPUs back to a state.
func (b *lazyBackend) Restore(ctx context.Context, s partition.State) error {
	real, err := b.open()
	if err != nil {
		return err
	}
	return real.Restore(ctx, s)
}

// LauncherKind is the launcher sim: instances on a simulated server. Building
// it has no side effect.
func (h *Host) LauncherKind() kind.Kind[services.Launcher] {
	return kind.New("sim", "instances on a simulated server", LauncherConfig{Scale: MinScale}, func(c LauncherConfig) (services.Launcher, error) {
		if err := c.Fault.check(); err != nil {
			return nil, err
		}
		switch {
		case c.Server != "":
			if err := checkServer(c.Server, c.Scale); err != nil {
				return nil, err
			}
		case c.Scale != MinScale:
			return nil, errors.New("launcher sim: a scale is told with its server: here, or at the backend for both")
		}
		return &launcher{host: h, server: c.Server, scale: c.Scale, withoutMPS: c.WithoutMPS, fault: c.Fault}, nil
	})
}

type launcher struct {
	host       *Host
	server     string
	scale      float64
	withoutMPS bool
	fault      *Fault
}

// Launch starts an instance; it answers at once when Launch returns.
func (l *launcher) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	open := l.host.only
	if l.server != "" {
		open = func() (*Machine, error) { return l.host.Open(l.server, l.scale) }
	}
	m, err := open()
	if err != nil {
		return nil, err
	}
	env := i.Device.Env
	if l.withoutMPS {
		env = maps.Clone(env)
		delete(env, mps.PipeVariable)
	}
	info, err := m.control.launch(ctx, startRequest{
		Service: i.Service, Role: i.Role, Name: i.Name, Device: i.Device.UUID,
		Env: env, Models: i.Models, Params: i.Params, Fault: l.fault.of(i.Index),
	})
	if err == nil {
		return &service{machine: m, info: info}, nil
	}
	if ctx.Err() != nil {
		// The server may have started it all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		m.control.stop(ctx, i.Name) // fails if it has not
	}
	return nil, fmt.Errorf("launch %s: %w", i.Name, err)
}

type service struct {
	machine *Machine
	info    results.Instance

	mu      sync.Mutex // guards the rest
	stopped bool
	end     error // once stopped: how it had ended
}

// Info tells the instance's addresses.
func (s *service) Info() results.Instance { return s.info }

// Stop ends the instance.
func (s *service) Stop(ctx context.Context) error {
	if s.machine.fault() != nil {
		return nil // it is gone with its server
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	if err := s.machine.control.stop(ctx, s.info.Name); err != nil {
		return err
	}
	s.stopped, s.end = true, s.machine.mortal.of(s.info.Name)
	s.machine.mortal.revived(s.info.Name) // the next of this name has not ended
	return nil
}

// Err tells that the simulated server has ended, or the instance by a crash.
func (s *service) Err() error {
	if err := s.machine.fault(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return s.end
	}
	return s.machine.mortal.of(s.info.Name)
}
