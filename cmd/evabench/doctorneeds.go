package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/internal/doctor"
	"github.com/evabench/evabench/partition/backends/nvidia"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services/launchers/docker"
	"github.com/evabench/evabench/services/launchers/external"
	"github.com/evabench/evabench/services/launchers/process"
	"github.com/evabench/evabench/services/spawn"
	"github.com/evabench/evabench/sim"
)

// needs reads from the scenario, if there is one, what the machine must have. Its
// text is checked; no GPU is asked.
func (o *doctorOptions) needs(m *doctor.Machine) error {
	if o.scenario == "" {
		return nil
	}
	file, data, err := scenarioFile(o.scenario)
	if err != nil {
		return err
	}
	on := simOptions{server: o.sim}
	sc, err := scenarios.Read(file, data, knownKinds(sim.NewHost("", "", nil)).checks(on, nil))
	if err != nil {
		return &usageError{err}
	}
	simulated, err := simulationOf(sc)
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", file, err)}
	}
	if o.sim = simulated.server; sc.Server.Backend.Name == nvidia.Kind.Name {
		o.sim = "" // only services are simulated
	}
	n := &m.Needs
	n.Known = true
	n.GPUs = sc.Server.Backend.Name == nvidia.Kind.Name
	for _, s := range sc.Services {
		n.Connections += connections(s)
		if err := needsOf(n, s); err != nil {
			return &usageError{fmt.Errorf("%s: service %s: launcher: %w", file, s.Name, err)}
		}
	}
	return nil
}

// connections is the most requests of a service that are known to be in flight at
// once, one connection each; 0 where an open loop bounds nothing.
func connections(s scenarios.Service) int {
	if s.MaxInFlight > 0 {
		return s.MaxInFlight
	}
	if s.Load.Arrivals == scenarios.Closed && len(s.Load.Levels) > 0 {
		return int(math.Ceil(slices.Max(s.Load.Levels)))
	}
	return 0
}

// needsOf adds what one service's launcher needs.
func needsOf(n *doctor.Needs, s scenarios.Service) error {
	ports := func(c spawn.Config, templates ...string) {
		for _, number := range portsOf(c, templates) {
			n.Ports = append(n.Ports, doctor.Port{Number: number, Service: s.Name})
		}
	}
	switch s.Launcher.Name {
	case docker.Kind.Name:
		var c docker.Config
		c.Command, c.GPU, c.Config = "docker", docker.GPUByFlag, spawn.Defaults // as the kind has them, unless the scenario says another
		if err := decode(s.Launcher, &c); err != nil {
			return err
		}
		if !slices.Contains(n.Docker, c.Command) {
			n.Docker = append(n.Docker, c.Command)
		}
		n.NVIDIA = n.NVIDIA || c.GPU == docker.GPUByFlag
		ports(c.Config, slices.Concat(c.Argv, c.Options, c.Volumes, c.Publish, []string{c.User})...)
	case process.Kind.Name:
		c := process.Config{Config: spawn.Defaults}
		if err := decode(s.Launcher, &c); err != nil {
			return err
		}
		ports(c.Config, append(slices.Clone(c.Argv), c.Folder)...)
	case external.Kind.Name:
		var c external.Config
		if err := decode(s.Launcher, &c); err != nil {
			return err
		}
		for _, i := range c.Instances {
			n.Servers = append(n.Servers, doctor.Running{Service: s.Name, URL: i.URL})
		}
	}
	return nil
}

// portsOf lists the ports that a launcher which fixes its first takes: of each
// instance as many in a row as the templates name, those of the launcher's own keys
// among them.
func portsOf(c spawn.Config, templates []string) (all []int) {
	if c.Port <= 0 {
		return nil
	}
	server := spawn.Read(c)
	for _, text := range templates {
		server.Template("", text)
	}
	const last = 65535
	for p := c.Port; p < c.Port+max(c.Instances, 1)*server.Width() && p <= last; p++ {
		all = append(all, p)
	}
	return all
}
