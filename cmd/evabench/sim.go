package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/sim"
)

// simServer is what the command sim is told.
type simServer struct {
	sim.Options
	child bool
}

func newSim(s streams) *cobra.Command {
	var o simServer
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
itself takes is K times as long to the server.

Servers:
` + serverList(),
		Example: "  evabench sim pro6000x1 --scale 10 --instances",
		Args:    one("server"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(args[0]); err != nil {
				return &usageError{err}
			}
			return o.serve(c.Context(), s, args[0])
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "state", "", "keep the simulated cards in `DIR` (default: a temporary one)")
	f.BoolVar(&o.Instances, "instances", false, "start one Vision and one Agent instance at once, for any client")
	f.StringVar(&o.Control, "control", "", "`ADDRESS` of the control interface on loopback (default any port)")
	f.StringVar(&o.DCGM, "dcgm", "", "`ADDRESS` of the dcgm-exporter page on loopback (default any port)")
	f.DurationVar(&o.DCGMInterval, "dcgm-interval", sim.DCGMInterval, "let the dcgm-exporter page collect every `DURATION` of server time")
	f.Float64Var(&o.Scale, "scale", sim.MinScale, "let `K` seconds of server time pass in one of the clock, 1 to 1000")
	f.BoolVar(&o.child, "child", false, "end when standard input ends")
	f.BoolVar(&o.KeepDaemons, "keep-daemons", false, "leave the MPS daemons of --state as they are at the end, as they would outlive a real server's programs")
	return c
}

// check tells all that is wrong with what the user wrote.
func (o simServer) check(server string) error {
	var faults []error
	if !slices.Contains(serverNames(), server) {
		faults = append(faults, fmt.Errorf("unknown simulated server %q; %s", server, kind.Known(server, serverNames())))
	}
	for _, f := range []struct {
		flag string
		err  error
	}{
		{"--scale", sim.CheckScale(o.Scale)},
		{"--dcgm-interval", sim.CheckDCGMInterval(o.DCGMInterval)},
		{"--control", sim.CheckAddress(o.Control)},
		{"--dcgm", sim.CheckAddress(o.DCGM)},
	} {
		if f.err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.flag, f.err))
		}
	}
	return errors.Join(faults...)
}

// serve is the simulated server until ctx or the parent ends.
func (o simServer) serve(ctx context.Context, s streams, server string) error {
	// Bodies of 100 KB are most of what is allocated, and little of it lives:
	// without this, an accelerated server collects each few ms.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	o.Token, o.Stdout = os.Getenv(sim.TokenEnv), s.out
	if o.child {
		o.Parent = s.in
	}
	if o.Dir == "" {
		folder, err := newScratch(scratchPath())
		if err != nil {
			return err
		}
		defer folder.remove()
		o.Dir = folder.dir
	}
	err := sim.Serve(ctx, server, o.Options)
	if at, ok := takenAt(err); ok {
		flag := "--control"
		if strings.HasSuffix(o.DCGM, ":"+strconv.Itoa(int(at.Port()))) {
			flag = "--dcgm"
		}
		return taken(at, fmt.Sprintf("give %s another one (without it any free port is taken)", flag))
	}
	return err
}

// serverList is a line for each simulated server.
func serverList() string {
	var list strings.Builder
	for _, i := range sim.Servers() {
		fmt.Fprintf(&list, "  %-12s %s\n", i.Name, i.About)
	}
	return list.String()
}

func serverNames() []string {
	var names []string
	for _, i := range sim.Servers() {
		names = append(names, i.Name)
	}
	return names
}
