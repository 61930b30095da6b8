package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpoints"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/loadgen/workloads"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchers"
	"github.com/evabench/evabench/sim"
)

// kinds are all kinds that this program knows.
type kinds struct {
	backends  kind.Set[partition.Backend]
	launchers kind.Set[services.Launcher]
	endpoints kind.Set[loadgen.Dialer]
	workloads kind.Set[loadgen.Workload]
	sources   kind.Set[collectors.Source]
	routers   kind.Set[loadgen.Router]
}

// knownKinds adds the simulator's kinds to the real ones.
func knownKinds(h *sim.Host) kinds {
	return kinds{
		backends:  slices.Concat(backends.Kinds, kind.Set[partition.Backend]{h.BackendKind()}),
		launchers: slices.Concat(launchers.Kinds, kind.Set[services.Launcher]{h.LauncherKind()}),
		endpoints: endpoints.Kinds,
		workloads: workloads.Kinds,
		sources:   sources.Kinds,
		routers:   routers.Kinds,
	}
}

// checks gives what scenarios cannot know of the program. state is nil at the
// first reading, before the GPUs were looked at.
func (k kinds) checks(o simOptions, state *partition.State) scenarios.Checks {
	c := scenarios.Checks{
		Backend:  builds(k.backends),
		Launcher: builds(k.launchers),
		Endpoint: builds(k.endpoints),
		Workload: builds(k.workloads),
		Source:   builds(k.sources),
		Router:   builds(k.routers),
		Heavy:    k.heavy,
		Asks:     k.asks,
		Tells:    k.tells,
		Queues:   func(s kind.Spec) bool { return analysis.TellsQueue(s.Name) },
		Arrivals: func(l scenarios.Load, level float64) error {
			_, err := runner.Arrivals(l, level, 0, 0)
			return err
		},
		Sharing: func(text string) error {
			_, err := device.ParseSharing(text)
			return err
		},
		Placement: func(text string) error {
			_, err := services.ParsePlacement(text)
			return err
		},
		Layout: func(text string) (string, error) {
			layout, err := partition.ParseLayout(text)
			if err != nil {
				return "", err
			}
			if state != nil {
				if _, err := partition.MakePlan(*state, layout); err != nil {
					return "", err
				}
			}
			return layout.String(), nil
		},
	}
	c.Models, c.Rewrite = simulatedModels, o.rewrite
	return c
}

// heavy says why a workload has no heavy requests.
func (k kinds) heavy(s kind.Spec) error {
	w, err := k.workloads.Build(s)
	if err != nil {
		return err
	}
	if v, ok := w.(loadgen.Weighted); ok {
		if _, ok := v.Heavy(); ok {
			return nil
		}
	}
	return fmt.Errorf("nothing of its workload %s has a heavy variant", s.Name)
}

// builds tries whether a set can build a spec.
func builds[T any](set kind.Set[T]) func(kind.Spec) error {
	return func(s kind.Spec) error {
		_, err := set.Build(s)
		return err
	}
}

// A bench is a scenario with everything that it names, checked and built, and
// nothing changed yet.
type bench struct {
	scenario   *scenarios.Scenario
	kinds      kinds
	host       *sim.Host
	dir        string   // of scratch
	scratch    *scratch // the simulator's folder; nil on a real server
	backend    partition.Backend
	state      partition.State
	noGPUs     bool          // there are none to ask, so that only text was checked
	journal    *heldJournal  // held while the server may be changed, else nil
	simulated  simulation    // the simulated server; none on a real one
	flags      results.Flags // of a new run, once it begins
	cells      []scenarios.Cell
	impossible []results.Impossible
	commands   []string          // what launchers do to servers that are not theirs, a line each
	going      *goingOn          // the run that is gone on with; nil for a new one
	unreached  []results.Warning // servers that may be the same in every cell, or are not put back
}

// openOptions say how a bench is opened.
type openOptions struct {
	sim  simOptions
	mode string // stands for the scenario's search.mode if it is not empty
	// keeping says where the locks and the journal of real GPUs are; with a folder
	// the bench is opened to change the server: the locks are taken and what a
	// crash left is undone. Without, the bench only looks.
	keeping keeping
	// simDir keeps the simulated GPUs, their lock and journal; empty is a folder that
	// ends with the bench.
	simDir string
	// text lets the scenario's text be checked alone where no GPU can be asked.
	text bool
}

// open reads a scenario and checks all that can be checked before a change:
// its text, its kinds, and its layouts on the GPUs as they are.
func open(ctx context.Context, arg string, o openOptions, s streams) (*bench, error) {
	file, data, err := scenarioFile(arg)
	if err != nil {
		return nil, err
	}
	return openData(ctx, file, data, o, s)
}

func openData(ctx context.Context, file string, data []byte, o openOptions, s streams) (_ *bench, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := scratchPath()
	b := &bench{dir: dir, host: sim.NewHost(exe, dir, s.err)}
	if o.simDir != "" {
		b.host.Keep(o.simDir)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(ctx))
		}
	}()
	b.kinds = knownKinds(b.host)
	first, err := scenarios.Read(file, data, b.kinds.checks(o.sim, nil))
	if err != nil {
		return nil, &usageError{err}
	}
	if b.simulated, err = simulationOf(first); err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", file, err)}
	}
	if err := errors.Join(o.sim.check(b.simulated), checkSimDir(o.simDir, first)); err != nil {
		return nil, &usageError{err}
	}
	if b.simulated.server != "" {
		if b.scratch, err = newScratch(b.dir); err != nil {
			return nil, err
		}
	}
	if b.backend, err = b.kinds.backends.Build(first.Server.Backend); err != nil {
		return nil, &usageError{fmt.Errorf("%s: backend: %w", file, err)}
	}
	if o.keeping.dir != "" {
		if err := b.endOrphans(ctx, first, s.err); err != nil {
			return nil, err
		}
	}
	state, possible := &b.state, b.possible
	switch err := b.inspect(ctx, first.Server, o, s); {
	case err != nil && o.text && noDriver(err):
		fmt.Fprintf(s.err, "evabench: layouts were checked as text alone, as there are no GPUs to ask: %v\n", err)
		state, possible = nil, nil
	case err != nil:
		return nil, err
	}
	b.noGPUs = state == nil
	if b.scenario, err = scenarios.Read(file, data, b.kinds.checks(o.sim, state)); err != nil {
		return nil, &usageError{err}
	}
	if err := setMode(b.scenario, o.mode); err != nil {
		return nil, &usageError{err}
	}
	if err := b.checkSteps(); err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", file, err)}
	}
	if err := b.checkReach(); err != nil {
		return nil, err
	}
	b.cells, b.impossible = b.scenario.Cells(possible)
	if len(b.cells) == 0 {
		return nil, &usageError{fmt.Errorf("%s: no point of the matrix is possible; the first: %s", file, b.impossible[0].Reason)}
	}
	if b.races() {
		if _, err := search.NewRace(b.searchEnvironment(), b.entries()); err != nil {
			return nil, &usageError{fmt.Errorf("%s: search.mode race: %w", file, err)}
		}
	}
	return b, nil
}

// inspect reads the GPUs. A bench that is to change them takes the locks first,
// and puts back what an earlier run left behind.
func (b *bench) inspect(ctx context.Context, on scenarios.Server, o openOptions, s streams) (err error) {
	b.state, err = b.backend.Inspect(ctx, on.GPUs)
	switch {
	case errors.Is(err, partition.ErrUnknownGPU):
		return &usageError{fmt.Errorf("server.gpus: %w", err)}
	case err != nil:
		return fmt.Errorf("inspect GPUs: %w", err)
	}
	if o.keeping.dir == "" || len(b.state.GPUs) == 0 {
		return nil
	}
	keep := o.keeping
	if on.Backend.Name == simKind { // and not where only services are simulated
		keep = keeping{dir: b.dir, scratch: true}
		if o.simDir != "" {
			keep = keeping{dir: o.simDir, sim: b.simulated.server}
		}
	}
	if b.journal, err = openJournal(ctx, b.backend, keep, intent{on: b.state}, s); err != nil {
		return err
	}
	// Others may have changed the GPUs until the lock was ours.
	if b.state, err = b.backend.Inspect(ctx, on.GPUs); err != nil {
		return fmt.Errorf("inspect GPUs: %w", err)
	}
	return nil
}

// checkSteps refuses steps that could not be made or kept in memory.
func (b *bench) checkSteps() error {
	of := map[string]scenarios.Service{}
	for _, s := range b.scenario.Services {
		of[s.Name] = s
	}
	for _, plan := range b.knownSteps() {
		if err := runner.CheckStep(plan, of); err != nil {
			return err
		}
	}
	return b.checkFailovers()
}

// permissions are what the scenario allows to be changed.
func (b *bench) permissions() []partition.Permission {
	var all []partition.Permission
	for _, a := range b.scenario.Server.Allow {
		all = append(all, partition.Permission(a))
	}
	return all
}

// possible says why a configuration cannot be on this server.
func (b *bench) possible(c results.Config) error {
	instances, err := b.place(c)
	if err != nil {
		return err
	}
	router, err := b.router(c.Routing)
	if err != nil {
		return err
	}
	var failovers []results.Failover
	for _, f := range b.scenario.Failovers {
		failovers = append(failovers, f.Failover)
	}
	return runner.Suits(instances, router, failovers)
}

// place gives the instances of a configuration on the devices that its layout is
// planned to have.
func (b *bench) place(c results.Config) ([]services.Instance, error) {
	plan, err := runner.PlanOf(b.state, c, b.permissions())
	if err != nil {
		return nil, err
	}
	var all []runner.Service
	for _, s := range b.scenario.Services {
		l, err := b.kinds.launchers.Build(s.Launcher)
		if err != nil {
			return nil, err
		}
		all = append(all, runner.Service{Service: s, Launcher: l})
	}
	return runner.Place(all, c, runner.PlannedDevices(plan))
}

// router builds the router of a routing.
func (b *bench) router(routing string) (loadgen.Router, error) {
	spec, err := scenarios.ParseRouting(routing)
	if err != nil {
		return nil, err
	}
	return b.kinds.routers.Build(spec)
}

// extent tells how much a sweep of the scenario is.
func (b *bench) extent() string {
	if b.scenario.Search != nil {
		return b.searchExtent()
	}
	steps := b.scenario.StepPlans()
	var span time.Duration
	for _, s := range steps {
		span += s.Warmup + s.Window
	}
	total := span * time.Duration(len(b.left()))
	many := fmt.Sprintf("%s of %s", units.Plural(len(b.left()), "cell"), units.Plural(len(steps), "step"))
	if b.simulated.scale <= sim.MinScale {
		return fmt.Sprintf("%s, %s of load in all", many, total)
	}
	a := sim.Accelerate(b.simulated.scale)
	clock := func(d time.Duration) time.Duration { return a.OnClock(d).Round(100 * time.Millisecond) }
	text := fmt.Sprintf("%s, %s of server time a cell, %s on the clock; %s of load in all, %s on the clock",
		many, span, clock(span), total, clock(total))
	if every := a.CollectEvery(b.scenario.CollectEvery); every > b.scenario.CollectEvery {
		text += fmt.Sprintf("; pages are read each %s of server time, not each %s: sooner than 100 ms of the clock they are not", every, b.scenario.CollectEvery)
	}
	return text
}

func (b *bench) printImpossible(w io.Writer) {
	for _, i := range b.impossible {
		fmt.Fprintln(w, fold(fmt.Sprintf("left out: %s: %s", i.Config.Name, i.Reason)))
	}
}

// close ends the simulated server, if one was started, removes its folder, and
// gives the lock back.
func (b *bench) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := b.host.Close(ctx)
	if b.journal != nil {
		err = errors.Join(err, b.journal.Close())
	}
	return errors.Join(err, b.scratch.remove())
}
