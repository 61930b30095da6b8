package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/host"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/sim"
)

// sweepOptions are the flags that sweep and run share.
type sweepOptions struct {
	sim      simOptions
	out      string
	stateDir string
	yes      bool
	dryRun   bool
	mode     string // of sweep: grid or race; empty leaves it to the scenario
	// noSelftest leaves the client's roofline unmeasured.
	noSelftest bool
}

func (o *sweepOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "write the run directory to `DIR` (default runs/SCENARIO-TIME)")
	f.StringVar(&o.stateDir, "state-dir", defaultStateDir, "keep a lock and the journal in `DIR`; unused where no real GPU can be changed")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask before the server is changed")
	f.BoolVar(&o.noSelftest, "no-selftest", false, "do not measure what the load generator can do on this machine (3 s, once a day)")
	f.BoolVar(&o.dryRun, "dry-run", false, "print exactly what would be changed on the server, and do nothing")
}

// open says how a bench is opened for a sweep.
func (o *sweepOptions) open() openOptions {
	if o.dryRun {
		return openOptions{sim: o.sim, mode: o.mode}
	}
	return openOptions{sim: o.sim, mode: o.mode, keeping: keeping{dir: o.stateDir, hostLock: hostLockFile}}
}

func newSweep(s streams) *cobra.Command {
	var o sweepOptions
	c := &cobra.Command{
		Use:   "sweep SCENARIO",
		Short: "Run a scenario through all its configurations and report",
		Long: `Sweep applies each configuration of a scenario in turn, drives its load, and puts
the server back. It prints the plan and asks before it changes a real server.`,
		Example: `  evabench sweep pro6000x1 --yes
  evabench sweep mine.yaml --dry-run
  evabench sweep mine.yaml --sim pro6000x1 --sim-scale 60`,
		Args: one("scenario"),
		RunE: func(c *cobra.Command, args []string) (err error) {
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
	c.Flags().StringVar(&o.mode, "mode", "", "of a search for capacity, stands for the scenario's search.mode: `MODE` grid measures every\nconfiguration, race leaves out those that cannot win")
	return c
}

// sweep runs an opened scenario and reports it.
func (b *bench) sweep(ctx context.Context, o sweepOptions, s streams) error {
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
	r, err := b.runner(s)
	if err != nil {
		return err
	}
	if err := endOrphans(ctx, r.Services, s.err); err != nil {
		return err
	}
	if err := probe(ctx, r.Services); err != nil {
		return err
	}
	changes := b.printPlans(s.err, plans)
	memory.print(s.err)
	dir := o.out
	if dir == "" {
		dir = "runs/" + results.Folder(b.scenario.Name, time.Now())
	}
	if changes && !o.yes && (b.simulated.server == "" || len(b.commands) > 0) {
		if err := consent(ctx, s, "Change this server as above, and put it back afterwards?"); err != nil {
			return err
		}
	}
	env := b.environment()
	if !o.noSelftest {
		if env.SelfTest, err = selftestForRun(ctx, s); err != nil {
			return err
		}
	}
	w, err := results.Create(dir, env, b.scenario.Source)
	if err != nil {
		return fmt.Errorf("%w; choose another folder with --out", err)
	}
	r.Writer = runner.To(w)
	if b.simulated.scale > sim.MinScale {
		r = sim.Accelerate(b.simulated.scale).Bench(*r)
	}
	fmt.Fprintf(s.err, "evabench: %s; into %s\n", b.extent(), dir)
	measured := r.Run(ctx)
	if errors.Is(measured, runner.ErrNoCell) {
		return fmt.Errorf("%w (what was recorded is in %s)", measured, dir)
	}
	// A report of what is whole is worth having also after a fault.
	valid, err := writeReports(dir, s.out)
	if err == nil && valid == 0 && measured == nil {
		err = fmt.Errorf("%w: no step of %s can be judged", errNoValid, dir)
	}
	return errors.Join(measured, err)
}

// plans gives the plan of each layout of the matrix from the present state, in
// order of running.
func (b *bench) plans() ([]layoutPlan, error) {
	var all []layoutPlan
	for _, c := range b.cells {
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
	fmt.Fprintf(w, "plan for %s: %s; every layout is put back before the next\n", where, b.extent())
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
			fmt.Fprintln(w, "  "+step)
		}
		fmt.Fprintln(w, "  afterwards: put everything back as it was, and verify it")
	}
	return changes
}

// consent asks whether the server may be changed.
func consent(ctx context.Context, s streams, question string) error {
	if f, ok := s.in.(*os.File); !ok || !isTerminal(f) {
		return &usageError{errors.New("the server would be changed, and there is no terminal to ask at; say --yes, or look with --dry-run")}
	}
	fmt.Fprint(s.err, question+" [y/N] ")
	answered := make(chan string, 1)
	go func() { // it may never be answered: the process ends then
		answer, _ := bufio.NewReader(s.in).ReadString('\n') // an end without a line is no
		answered <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case a := <-answered:
		if a != "y" && a != "yes" {
			return errors.New("not agreed; nothing was changed")
		}
		return nil
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
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
			Target: target(svc), Timeout: svc.Timeout,
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

// probe asks, before anything is changed or written, whether the services that
// should run already are there.
func probe(ctx context.Context, all []runner.Service) error {
	var faults []error
	for _, svc := range all {
		if p, ok := svc.Launcher.(services.Probed); ok {
			for _, err := range each(p.Probe(ctx)) {
				faults = append(faults, fmt.Errorf("service %s: %w", svc.Name, err))
			}
		}
	}
	return errors.Join(faults...)
}

// each gives the faults that one joins.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
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
		Devices:      b.deviceJobs,
		CollectEvery: b.scenario.CollectEvery,
		Tell: func(line string) {
			fmt.Fprintf(s.err, "%s %s\n", time.Now().Format("15:04:05"), line)
		},
	}
	if b.journal != nil {
		r.Journal = b.journal.Journal
	}
	for _, svc := range b.scenario.Services {
		built, err := runner.Build(svc, b.kinds.launchers, b.kinds.endpoints, b.kinds.workloads, b.kinds.sources)
		if err != nil {
			return nil, &usageError{err}
		}
		r.Services = append(r.Services, built)
	}
	return r, nil
}
