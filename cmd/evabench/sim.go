package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/sim"
)

func newSim(s streams) *cobra.Command {
	o := sim.Options{Stdout: s.out}
	var parent bool
	c := &cobra.Command{
		Use:   "sim SERVER",
		Short: "Run a simulated server on loopback: TorchServe, vLLM, NVML and MPS",
		Long: `Sim runs a simulated server as a process of its own. Its answers take as long as
a model of the GPU says, on the devices of a simulated NVML; nothing of it is
measured on a real card. Sweep starts one by itself for a scenario whose backend
is sim, or with --sim.

With --scale K, K seconds of the server pass in one of the clock: its answers
come K times as fast, and its pages tell its own, longer times. A client then
multiplies its rates by K and divides its pauses and limits of time; what HTTP
itself takes is K times as long to the server.`,
		Args: one("server"),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(serverNames(), args[0]) {
				return &usageError{fmt.Errorf("unknown simulated server %q; known: %s", args[0], strings.Join(serverNames(), ", "))}
			}
			o.Token = os.Getenv(sim.TokenEnv)
			if err := sim.CheckScale(o.Scale); err != nil {
				return &usageError{fmt.Errorf("--scale: %w", err)}
			}
			if err := sim.CheckDCGMInterval(o.DCGMInterval); err != nil {
				return &usageError{fmt.Errorf("--dcgm-interval: %w", err)}
			}
			// Bodies of 100 KB are most of what is allocated, and little of it
			// lives: without this, an accelerated server collects each few ms.
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(400)
			}
			if parent {
				o.Parent = s.in
			}
			if o.Dir == "" {
				s, err := newScratch(scratchPath())
				if err != nil {
					return err
				}
				defer s.remove()
				o.Dir = s.dir
			}
			err := sim.Serve(c.Context(), args[0], o)
			if errors.Is(err, context.Canceled) && !parent {
				return nil // stopped by hand
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "state", "", "keep the simulated cards in `DIR` (default: a temporary one)")
	f.BoolVar(&o.Instances, "instances", false, "start one Vision and one Agent instance at once, for any client")
	f.StringVar(&o.Control, "control", "", "`ADDRESS` of the control interface on loopback (default any port)")
	f.StringVar(&o.DCGM, "dcgm", "", "`ADDRESS` of the dcgm-exporter page on loopback (default any port)")
	f.DurationVar(&o.DCGMInterval, "dcgm-interval", sim.DCGMInterval, "let the dcgm-exporter page collect every `DURATION` of server time")
	f.Float64Var(&o.Scale, "scale", sim.MinScale, "let `K` seconds of server time pass in one of the clock, 1 to 1000")
	f.BoolVar(&parent, "child", false, "end when standard input ends")
	list := ""
	for _, i := range sim.Servers() {
		list += fmt.Sprintf("  %-12s %s\n", i.Name, i.About)
	}
	c.Long += "\n\nServers:\n" + list
	return c
}

func serverNames() []string {
	var names []string
	for _, i := range sim.Servers() {
		names = append(names, i.Name)
	}
	return names
}
