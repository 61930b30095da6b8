package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// simKind is the name of the simulator's kinds.
const simKind = "sim"

// simOptions are the flags that put a scenario on a simulated server.
type simOptions struct {
	server string  // --sim; empty leaves the scenario's
	scale  float64 // --sim-scale; 0 leaves the scenario's
}

func (o *simOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.server, "sim", "", "take the simulated `SERVER` instead of the scenario's own")
	f.Func("sim-scale", "let the simulated server run `K` times as fast as the clock, 1 to 1000 (default the scenario's, else 1)",
		func(text string) (err error) {
			if o.scale, err = strconv.ParseFloat(text, 64); err != nil {
				return err
			}
			return sim.CheckScale(o.scale)
		})
}

// check refuses a scale where nothing is simulated.
func (o *simOptions) check(on simulation) error {
	if o.scale != 0 && on.server == "" {
		return errors.New("--sim-scale: the server is not simulated; say which with --sim")
	}
	return nil
}

// checkSimDir refuses a folder for simulated GPUs where there are none.
func checkSimDir(dir string, s *scenarios.Scenario) error {
	if dir != "" && s.Server.Backend.Name != simKind {
		return errors.New("--sim-dir: the GPUs are not simulated; say which server with --sim")
	}
	return nil
}

// rewrite puts a scenario on the simulated server that the flags ask for.
func (o *simOptions) rewrite(s *scenarios.Scenario) {
	if o.server == "" && o.scale == 0 {
		return
	}
	now, err := simulationOf(s)
	if o.server == "" && (err != nil || now.server == "") {
		return // told after reading
	}
	if now.server == "" {
		now.scale = sim.MinScale // nothing was simulated, so nothing told a scale
	}
	if o.server != "" {
		now.server = o.server
	}
	if o.scale != 0 {
		now.scale = o.scale
	}
	if o.server != "" || s.Server.Backend.Name == simKind {
		s.Server.Backend = kind.Spec{Name: simKind, Decode: func(into any) error {
			c := into.(*sim.BackendConfig)
			c.Server, c.Scale = now.server, now.scale
			return nil
		}}
	}
	onBackend := s.Server.Backend.Name == simKind
	for i := range s.Services {
		l := &s.Services[i].Launcher
		if l.Name != simKind && !(onBackend && o.server != "") {
			continue
		}
		was := kind.Spec{Name: simKind}
		if l.Name == simKind {
			was = *l
		}
		*l = kind.Spec{Name: simKind, Decode: func(into any) error {
			c := into.(*sim.LauncherConfig)
			if err := decode(was, c); err != nil {
				return err
			}
			if c.Server, c.Scale = now.server, now.scale; onBackend {
				c.Server, c.Scale = "", sim.MinScale // the backend's
			}
			return nil
		}}
	}
}

// A simulation is the simulated server that a scenario is on; server is empty
// if none is.
type simulation struct {
	server string
	scale  float64
	// faults says what is wrong with its services on purpose, "" for nothing.
	faults string
}

// about says what the simulated server's numbers rest on.
func (s simulation) about() string {
	for _, i := range sim.Servers() {
		if i.Name == s.server {
			return i.About
		}
	}
	return ""
}

// simulationOf gives the simulated server of a scenario: its backend's, else
// that of its launchers, which must agree.
func simulationOf(s *scenarios.Scenario) (simulation, error) {
	var on simulation
	if s.Server.Backend.Name == simKind {
		c := sim.BackendConfig{Scale: sim.MinScale}
		if err := decode(s.Server.Backend, &c); err != nil {
			return simulation{}, err
		}
		on = simulation{server: c.Server, scale: c.Scale}
	}
	var faults []string
	for _, svc := range s.Services {
		if svc.Launcher.Name != simKind {
			continue
		}
		c := sim.LauncherConfig{Scale: sim.MinScale}
		if err := decode(svc.Launcher, &c); err != nil {
			return simulation{}, err
		}
		if c.Fault != nil {
			faults = append(faults, svc.Name+": "+c.Fault.String())
		}
		asked := simulation{server: c.Server, scale: c.Scale}
		switch {
		case c.Server == "" && on.server == "":
			return simulation{}, fmt.Errorf("service %s: launcher sim needs a server: the backend is not simulated", svc.Name)
		case c.Server == "":
		case on.server == "":
			on = asked
		case on != asked:
			return simulation{}, fmt.Errorf("service %s: launcher sim asks for server %s at scale %v, where %s at scale %v is used already; a run has one",
				svc.Name, asked.server, asked.scale, on.server, on.scale)
		}
	}
	on.faults = strings.Join(faults, "; ")
	return on, nil
}

func decode(s kind.Spec, into any) error {
	if s.Decode == nil {
		return nil
	}
	return s.Decode(into)
}
