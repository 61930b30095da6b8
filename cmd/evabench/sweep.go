package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/clocks"
	"github.com/evabench/evabench/internal/host"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// sweepOptions are the flags that sweep and run share.
type sweepOptions struct {
	sim      simOptions
	out      string
	stateDir string
	simDir   string // of simulated GPUs that outlive the command; empty for none
	yes      bool
	dryRun   bool
	mode     string // of sweep: grid or race; empty leaves it to the scenario
	// noSelftest leaves the client's roofline unmeasured.
	noSelftest bool
	progress   progressOptions
	// resume is the run directory to go on with; empty for a new run.
	resume string
	// acceptBinary lets another binary go on than measured so far.
	acceptBinary bool
}

func (o *sweepOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "write the run directory to `DIR` (default runs/SCENARIO-TIME)")
	f.StringVar(&o.stateDir, "state-dir", defaultStateDir, "keep a lock and the journal in `DIR`; unused where no real GPU can be changed")
	f.StringVar(&o.simDir, "sim-dir", "", "keep the simulated GPUs with their lock and journal in `DIR`, where gpu finds them (default: they end with the command)")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask before the server is changed")
	f.BoolVar(&o.noSelftest, "no-selftest", false, "do not measure what the load generator can do on this machine (3 s, once a day)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print exactly what would be changed on the server, and do nothing")
	o.progress.flags(c)
}

// open says how a bench is opened for a sweep.
func (o *sweepOptions) open() openOptions {
	if o.dryRun {
		return openOptions{sim: o.sim, mode: o.mode, simDir: o.simDir}
	}
	return openOptions{sim: o.sim, mode: o.mode, simDir: o.simDir, keeping: keeping{dir: o.stateDir, hostLock: hostLockFile}}
}

func newSweep(s streams) *cobra.Command {
	var o sweepOptions
	c := &cobra.Command{
		Use:   "sweep SCENARIO | sweep --resume DIR",
		Short: "Run a scenario through all its configurations and report",
		Long: `Sweep applies each configuration of a scenario in turn, drives its load, and puts
the server back. It prints the plan and asks before it changes a real server.

With --resume it goes on with a run that broke off: cells that were measured are kept
as they are, the one that broke off is set aside and measured again, the others follow.
It refuses if the scenario, the server or the way of measuring is another by now.`,
		Example: `  evabench sweep pro6000x1 --yes
  evabench sweep mine.yaml --dry-run
  evabench sweep mine.yaml --sim pro6000x1 --sim-scale 60
  evabench sweep --resume runs/mine-20261121T020304Z`,
		Args: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("resume") {
				return nil // told with the flags
			}
			return one("scenario")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := o.checkResume(c.Flags(), args); err != nil {
				return &usageError{err}
			}
			if o.resume != "" {
				return o.goOn(c.Context(), c.Flags(), s)
			}
			b, err := open(c.Context(), args[0], o.open(), s)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.close(c.Context())) }()
			return b.sweep(c.Context(), o, s)
		},
	}
	o.flags(c)
	o.sim.flags(c)
	c.Flags().StringVar(&o.resume, "resume", "", "go on with the run in `DIR`, which broke off")
	c.Flags().BoolVar(&o.acceptBinary, "accept-binary", false, "with --resume: go on though the run was begun by another build of evabench")
	c.Flags().StringVar(&o.mode, "mode", "", "of a search for capacity, stands for the scenario's search.mode: `MODE` grid measures every\nconfiguration, race leaves out those that cannot win")
	return c
}

// sweep runs an opened scenario and reports it.
func (b *bench) sweep(ctx context.Context, o sweepOptions, s streams) (err error) {
	if err := b.checkGoing(o); err != nil {
		return err
	}
	plans, err := b.plans()
	if err != nil {
		return err
	}
	memory, err := b.memory()
	if err != nil {
		return err
	}
	if o.dryRun {
		b.printPlans(s.out, plans) // it is what was asked for
		memory.print(s.out)
		return memory.refusal()
	}
	if err := memory.refusal(); err != nil {
		return err
	}
	telling, err := o.progress.prepare(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, telling.close()) }()
	if o.progress.events == "-" {
		s.out = s.err
	}
	r, err := b.runner(s)
	if err != nil {
		return err
	}
	if b.nothingLeft(r) {
		return b.going.reportAgain(s)
	}
	var plan bytes.Buffer
	changes := b.printPlans(&plan, plans)
	memory.print(&plan)
	// What asks servers may be a program that the scenario names: it waits until that was
	// shown and agreed to. Where there is nothing to agree to, a server that is missing is
	// all that there is to tell.
	asks := func() error {
		return errors.Join(endOrphans(ctx, r.Services, true, s.err), probe(ctx, r.Services), refuseSimulators(ctx, r.Services))
	}
	if !changes {
		if err := asks(); err != nil {
			return err
		}
	}
	if _, err := plan.WriteTo(s.err); err != nil {
		return err
	}
	if err := b.room(o, s.err); err != nil {
		return err
	}
	if changes && !o.yes && (b.simulated.server == "" || len(b.commands) > 0) {
		if err := consent(ctx, s, "Change this server as above, and put it back afterwards?"); err != nil {
			return err
		}
	}
	if changes {
		if err := asks(); err != nil {
			return err
		}
	}
	w, unlock, err := b.begin(ctx, o, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r.Writer = runner.To(w)
	fmt.Fprintf(s.err, "evabench: %s; into %s\n", b.extent(), w.Dir())
	telling.begin(r, b.toTell(w.Dir()))
	if b.simulated.scale > sim.MinScale {
		r = sim.Accelerate(b.simulated.scale).Bench(*r)
	}
	measured := r.Run(ctx)
	telling.end(measured, ctx.Err() != nil)
	measured = errors.Join(measured, endSession(ctx, w, measured))
	tellResume(ctx, w.Dir(), measured, s.err)
	if errors.Is(measured, runner.ErrNoCell) && b.going == nil {
		return fmt.Errorf("%w (what was recorded is in %s)", measured, w.Dir())
	}
	// A report of what is whole is worth having also after a fault.
	err = reported(w.Dir(), s)
	measured = errors.Join(measured, b.going.failures())
	if measured != nil && errors.Is(err, errNoValid) {
		err = nil // the fault tells why
	}
	return runner.JoinOnce(measured, err)
}

// reported writes a run directory's reports.
func reported(dir string, s streams) error {
	valid, err := writeReports(dir, s.out)
	if err == nil && valid == 0 {
		err = fmt.Errorf("%w: no step of %s can be judged", errNoValid, dir)
	}
	return err
}

// plans gives the plan of each layout of the matrix from the present state, in
// order of running.
func (b *bench) plans() ([]layoutPlan, error) {
	var all []layoutPlan
	for _, c := range b.left() {
		if slices.ContainsFunc(all, func(p layoutPlan) bool {
			return p.config.Layout == c.Config.Layout && p.config.Sharing == c.Config.Sharing
		}) {
			continue
		}
		plan, err := runner.PlanOf(b.state, c.Config, b.permissions())
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", c.Config.Name, err)}
		}
		all = append(all, layoutPlan{c.Config, plan})
	}
	return all, nil
}

type layoutPlan struct {
	config results.Config
	plan   partition.Plan
}

// printPlans prints what will be changed, and reports whether anything will.
func (b *bench) printPlans(w io.Writer, plans []layoutPlan) (changes bool) {
	where := "this server"
	if b.simulated.server != "" {
		where = fmt.Sprintf("SIMULATED server %s at scale %v", b.simulated.server, b.simulated.scale)
	}
	if b.going != nil {
		b.going.print(w, b)
	}
	fmt.Fprintln(w, fold(fmt.Sprintf("plan for %s: %s; every layout is put back before the next", where, b.extent())))
	if b.simulated.server == "" {
		fmt.Fprintln(w, fold(b.quote().text(false)))
	}
	if b.simulated.faults != "" {
		fmt.Fprintf(w, "FAULTS INJECTED: %s\n", b.simulated.faults)
	}
	b.printImpossible(w)
	b.printUnreached(w)
	changes = b.printCommands(w)
	for _, p := range plans {
		fmt.Fprintf(w, "layout %s, %s:\n", p.config.Layout, p.config.Sharing)
		if p.plan.Empty() {
			fmt.Fprintln(w, "  nothing is changed")
			continue
		}
		changes = true
		for _, step := range p.plan.Steps() {
			fmt.Fprintln(w, fold("  "+step))
		}
		fmt.Fprintln(w, "  afterwards: put everything back as it was, and verify it")
		for _, warning := range p.plan.Warnings() {
			fmt.Fprintln(w, fold("  warning: "+warning))
		}
	}
	return changes
}

// environment describes the run before it begins.
func (b *bench) environment() results.Environment {
	machine, warnings := host.Read()
	env := results.Environment{
		Schema: results.SchemaVersion, Evabench: buildVersion(), Scenario: b.scenario.Name,
		Started: time.Now().UTC(), Simulated: b.simulated.server, SimulatedAbout: b.simulated.about(), SimulatedFaults: b.simulated.faults, SimulatedScale: b.simulated.scale, Command: os.Args[1:],
		Search: b.searchAsked(),
		Host:   machine, Impossible: b.impossible, Warnings: warnings,
	}
	env.Warnings = slices.Concat(env.Warnings, b.assumed(), b.unreached)
	for _, c := range b.cells {
		env.Planned = append(env.Planned, c.Folder)
	}
	env.Services = b.servicesUnderTest()
	env.Zone, env.CostPerHour, env.Currency = b.scenario.Zone, b.scenario.Server.CostPerHour, b.scenario.Server.Currency
	if m, err := b.memory(); err == nil { // else it is told at the cell that it stops
		env.Memory = m.texts()
	}
	return env
}

// servicesUnderTest are the services as a run records them.
func (b *bench) servicesUnderTest() []results.Service {
	var all []results.Service
	for _, svc := range b.scenario.Services {
		all = append(all, results.Service{
			Name: svc.Name, Role: svc.Role, Percentiles: svc.Percentiles, SLO: svc.SLO,
			Target: target(svc), Load: svc.Load.Text(), GapShape: svc.Load.GapShape(), Timeout: svc.Timeout,
		})
	}
	return all
}

// target is a service's first level; nil if it has none.
func target(s scenarios.Service) *results.Level {
	if len(s.Load.Levels) == 0 {
		return nil
	}
	return &results.Level{Service: s.Name, Arrivals: s.Load.Arrivals, Value: s.Load.Levels[0], Unit: s.Load.Unit()}
}

// assumed tells what of the simulated cards was never recorded from hardware.
func (b *bench) assumed() []results.Warning {
	if b.simulated.server == "" || len(b.state.GPUs) == 0 {
		return nil
	}
	machine, err := b.host.Open(b.simulated.server, b.simulated.scale)
	if err != nil {
		return nil // it is told at the first cell
	}
	devices, err := machine.GPUs.Devices()
	if err != nil {
		return nil // likewise
	}
	var all []results.Warning
	for _, d := range devices {
		named := slices.ContainsFunc(b.state.GPUs, func(g partition.GPU) bool { return g.UUID == d.UUID })
		known := slices.ContainsFunc(all, func(w results.Warning) bool { return w.Subject == d.Name })
		if named && d.Assumed != "" && !known {
			all = append(all, results.Warning{Code: "card-assumed", Subject: d.Name, Text: d.Assumed, Count: 1})
		}
	}
	return all
}

// each gives the faults that one joins.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, each(e)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// runner builds what carries the scenario out, but for its Writer.
func (b *bench) runner(s streams) (*runner.Bench, error) {
	newChooser, skip, err := b.choosing()
	if err != nil {
		return nil, &usageError{fmt.Errorf("search: %w", err)}
	}
	r := &runner.Bench{
		Cells: b.cells, Before: b.state, Allow: b.permissions(),
		Backend:    b.backend,
		NewChooser: newChooser, Skip: skip,
		NewRouter:    b.router,
		Clocks:       clocks.Read,
		Devices:      b.deviceJobs,
		CollectEvery: b.scenario.CollectEvery,
		Alike:        b.servers().alike,
	}
	if b.journal != nil {
		r.Journal = b.journal.Journal
	}
	for _, svc := range b.scenario.Services {
		built, err := runner.Build(svc, b.kinds.launchers, b.kinds.endpoints, b.kinds.workloads, b.kinds.sources)
		if err != nil {
			return nil, &usageError{err}
		}
		built.Key = keyOf(b.scenario.File, svc.Name)
		r.Services = append(r.Services, built)
	}
	return r, nil
}
