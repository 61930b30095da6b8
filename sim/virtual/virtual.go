// Package virtual runs a scenario's cells on the simulated server's model
// alone: in virtual time, without HTTP, clocks or goroutines. It is what the
// server would do if a request cost nothing on its way, and so what parameters
// are fitted with and what acceleration is compared with.
package virtual

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/loadgen/workloads"
	"github.com/evabench/evabench/loadgen/workloads/agent"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim/parameters"
)

// A Bench is a scenario that is to run on the model. Services' loads may be
// changed between two runs. It is for one goroutine.
type Bench struct {
	Scenario *scenarios.Scenario
	Cells    []scenarios.Cell

	server    parameters.Server
	workloads []loadgen.Workload
	devices   map[string][]device.Device // by layout and sharing
	profiles  map[string][]nvml.Profile  // of a card, by product name
}

// Open reads a scenario whose backend is a simulated server.
func Open(file string, data []byte) (*Bench, error) {
	s, err := scenarios.Read(file, data, scenarios.Checks{})
	if err != nil {
		return nil, err
	}
	b := &Bench{Scenario: s, devices: make(map[string][]device.Device), profiles: make(map[string][]nvml.Profile)}
	var backend struct { // of sim.BackendConfig
		Server string  `yaml:"server"`
		Scale  float64 `yaml:"scale"`
	}
	if s.Server.Backend.Name != "sim" {
		return nil, fmt.Errorf("%s: the backend is %q, want sim", file, s.Server.Backend.Name)
	}
	if err := s.Server.Backend.Decode(&backend); err != nil {
		return nil, err
	}
	if b.server, err = parameters.Default().Server(backend.Server); err != nil {
		return nil, err
	}
	for _, v := range s.Services {
		if err := faultless(v.Launcher); err != nil {
			return nil, fmt.Errorf("%s: service %s: %w", file, v.Name, err)
		}
		w, err := workloadOf(v.Workload)
		if err != nil {
			return nil, fmt.Errorf("%s: service %s: %w", file, v.Name, err)
		}
		b.workloads = append(b.workloads, w)
	}
	cells, impossible := s.Cells(b.place)
	if len(impossible) > 0 {
		return nil, fmt.Errorf("%s: %s: %s", file, impossible[0].Config.Name, impossible[0].Reason)
	}
	b.Cells = cells
	return b, nil
}

// faultless refuses a fault of a simulated service, which virtual time would leave out
// in silence.
func faultless(s kind.Spec) error {
	var launcher struct { // of sim.LauncherConfig
		Server     string  `yaml:"server"`
		Scale      float64 `yaml:"scale"`
		WithoutMPS bool    `yaml:"without_mps"`
		Fault      any     `yaml:"fault"`
	}
	if s.Name != "sim" || s.Decode == nil {
		return nil
	}
	if err := s.Decode(&launcher); err != nil {
		return err
	}
	if launcher.Fault != nil {
		return errors.New("it has a fault, which virtual time does not know")
	}
	return nil
}

// workloadOf builds a workload. Agents' images are drawn once, not for every
// call: only their sizes matter here.
func workloadOf(s kind.Spec) (loadgen.Workload, error) {
	if s.Name != agent.Kind.Name {
		return workloads.Kinds.Build(s)
	}
	c := agent.Default
	if err := s.Decode(&c); err != nil {
		return nil, err
	}
	if !c.Unique || c.SharedPrefix > 0 {
		return nil, errors.New("prompts that repeat are not for virtual time, which has no prefix cache")
	}
	c.Unique = false
	return agent.New(c)
}

// place fills in the devices of a configuration's layout, by the real
// partitioner over simulated cards.
func (b *Bench) place(c results.Config) error {
	if _, known := b.devices[c.Layout+" "+c.Sharing]; known {
		return nil
	}
	devices, err := b.apply(c)
	if err != nil {
		return err
	}
	b.devices[c.Layout+" "+c.Sharing] = devices
	return nil
}

func (b *Bench) apply(c results.Config) (_ []device.Device, err error) {
	dir, err := os.MkdirTemp("", "evabench-virtual-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "cards.json")
	if err := nvml.CreateFake(file, b.server.Cards); err != nil {
		return nil, err
	}
	cards, err := nvml.OpenFake(file)
	if err != nil {
		return nil, err
	}
	if err := b.readProfiles(cards); err != nil {
		return nil, err
	}
	backend := nvidia.New(nvidia.Options{API: cards, MPS: daemons{runs: map[string]bool{}}})
	state, err := backend.Inspect(context.Background(), b.Scenario.Server.GPUs)
	if err != nil {
		return nil, err
	}
	plan, err := runner.PlanOf(state, c, []partition.Permission{partition.AllowLayout, partition.AllowMode, partition.AllowMPS})
	if err != nil {
		return nil, err
	}
	return backend.Apply(context.Background(), plan)
}

func (b *Bench) readProfiles(cards *nvml.Fake) error {
	all, err := cards.Devices()
	if err != nil {
		return err
	}
	for _, d := range all {
		profiles, err := cards.Profiles(d.UUID)
		if err != nil {
			return err
		}
		b.profiles[d.Name] = profiles
	}
	return nil
}

// memoryShare is a device's share of its card's memory bandwidth.
func (b *Bench) memoryShare(d device.Device) float64 {
	if d.Instance == nil {
		return 1
	}
	return nvml.MemoryShare(b.profiles[d.Model], nvml.Placement{Start: d.Instance.Start, Size: d.Instance.Size})
}

// daemons stands for MPS daemons: the model needs to know only on which
// devices they were asked for. The rest of the interface is asked of nobody, as
// no daemon is found and nothing is restored.
type daemons struct {
	nvidia.MPS
	runs map[string]bool
}

func (m daemons) Start(_ context.Context, d device.Device) (map[string]string, error) {
	m.runs[d.UUID] = true
	return nil, nil
}

func (m daemons) Daemons(context.Context) (all []mps.Found, err error) {
	for _, uuid := range slices.Sorted(maps.Keys(m.runs)) {
		all = append(all, mps.Found{Ours: true, Devices: []string{uuid}})
	}
	return all, nil
}

// assign places the services of a cell.
func (b *Bench) assign(c results.Config) ([]services.Assignment, error) {
	placement, err := services.ParsePlacement(c.Placement)
	if err != nil {
		return nil, err
	}
	var wanted []services.Wanted
	for _, v := range b.Scenario.Services {
		wanted = append(wanted, services.Wanted{Name: v.Name, Role: v.Role})
	}
	return placement.Place(wanted, b.devices[c.Layout+" "+c.Sharing])
}

// router makes the router of a routing, for so many instances.
func router(routing string, instances int) (loadgen.Router, error) {
	spec, err := scenarios.ParseRouting(routing)
	if err != nil {
		return nil, err
	}
	r, err := routers.Kinds.Build(spec)
	if err != nil {
		return nil, err
	}
	if sized, ok := r.(loadgen.Sized); ok {
		err = sized.Fits(instances)
	}
	return r, err
}

// A Result is what one cell did in its window.
type Result struct {
	Window   time.Duration
	Services []Service // in the scenario's order
}

// A Service is what one service did.
type Service struct {
	Name, Role string
	Completed  int            // answers that came within the window
	Models     map[string]int // of them, by model
	Refused    int            // requests due in the window that found the queue full
	// Latency is the mean time in seconds from due to answered, of the Answered
	// requests that fell due within the window; NaN if there were none.
	Latency  float64
	Answered int
}
