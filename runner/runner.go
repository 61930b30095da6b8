// Package runner carries out a scenario: for each configuration it applies the
// layout, places and launches the services, waits for real answers, runs the
// steps, collects, and puts everything back.
//
// It records facts and judges nothing. What to run next is asked of a
// [Chooser], whose answers come from outside.
package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/clocks"
	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// A Chooser says which step a cell runs next, from what the steps before gave.
// One Chooser serves one cell; one goroutine uses it.
type Chooser interface {
	// Next gives the next step; false ends the cell. last is the step that was
	// run since the call before, nil at first: a Chooser keeps what it needs of
	// it. Its Samples can be ranged over until Next is called again, its
	// Observations reach from the reading before its first request to that after
	// its last answer.
	Next(last *results.StepResult) (results.StepPlan, bool)
}

// A Bench is everything that a scenario's cells need, built and checked before
// the first side effect. Its fields do not change while Run runs.
type Bench struct {
	Cells []scenarios.Cell
	// Before is the state that the plans were made from and agreed to. The
	// server is put back to it, and nothing is done if it is another by now.
	Before     partition.State
	Allow      []partition.Permission
	Backend    partition.Backend
	Journal    *partition.Journal // nil if the backend changes nothing
	Services   []Service
	NewChooser func(scenarios.Cell) Chooser
	// Skip says why a cell is not to be run; empty if it is. It is asked of every cell in
	// turn when those before it have ended, more than once maybe, and a layout of which
	// every cell is skipped is not applied. nil skips none.
	Skip func(scenarios.Cell) (why string)
	// Alike says why an instance that is ready is another server than those that were
	// measured before; the run ends then, in order. A doubt whether it is becomes a warning
	// of the cell. nil asks nobody.
	Alike     func(scenarios.Cell, results.Instance) (doubt string, err error)
	NewRouter func(name string) (loadgen.Router, error)
	// Devices gives the collector jobs of a layout's devices; nil for none.
	// Client jobs (evabench itself) belong here too.
	Devices      func([]device.Device) ([]collectors.Job, error)
	CollectEvery time.Duration // 0 means DefaultCollectEvery
	LookEvery    time.Duration // of a Watcher; 0 means DefaultLookEvery
	// NewLoop makes the loop of a step or a question (loadgen.Step); nil means the
	// load generator's own.
	NewLoop func(results.Origin) (pace.Loop, error)
	Writer  Writer
	// Clocks reads the machine's clocks, so that a step in which evabench or the machine
	// stood still is told from others; nil watches nothing, as in virtual time.
	Clocks func() clocks.Reading
	// Describe puts a step's plan in words for a line of progress; nil means
	// its levels, warm-up and window.
	Describe func(results.StepPlan) string
	// Tell is called with one line of progress at a time, from one goroutine;
	// nil tells nobody.
	Tell func(line string)
	// Follow is called with each Fact as it happens, never twice at the same time, and
	// must return soon: the run waits for it, the load does not. nil: nobody follows.
	Follow func(Fact)
}

// A Writer keeps the facts of cells. It is safe for concurrent use.
type Writer interface {
	// Cell begins a new cell. The caller must Close it, also when it failed.
	Cell(folder string) (CellWriter, error)
}

// A Journaler is a [Writer] that also keeps every change of the server that was
// tried, as [results.Writer] does.
type Journaler interface {
	Journal(change any) error
}

// A CellWriter keeps the facts of one cell, as [results.CellWriter] does. It
// is safe for concurrent use.
type CellWriter interface {
	// LogDir is the folder for the logs of the cell's services.
	LogDir() string
	Layout(results.Layout) error
	// Step takes the samples for its own; the caller must not use them after.
	Step(step results.Step, samples []results.Sample) error
	// Observations takes a batch for its own.
	Observations(batch []results.Observation) error
	Close(results.Cell) error
}

// To gives the Writer that writes a run directory.
func To(w *results.Writer) Writer { return directory{w} }

type directory struct{ w *results.Writer }

func (d directory) Cell(folder string) (CellWriter, error) {
	c, err := d.w.Cell(folder)
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	return c, nil
}

// Journal adds a change of the server to the run's journal.
func (d directory) Journal(change any) error { return d.w.Journal(change) }

// A Service is one service of the scenario with its kinds built.
type Service struct {
	scenarios.Service
	Launcher services.Launcher
	Dialer   loadgen.Dialer
	Workload loadgen.Workload
	Sources  []Source
	// Key names one of its keys ("launcher.ready") as a person changes it, for faults; nil
	// means services.NAME.KEY.
	Key func(key string) string
}

// A Source is a kind of page that the service is scraped by.
type Source struct {
	Kind   string
	Source collectors.Source
}

// DefaultCollectEvery is the time between two readings of a collector where
// nobody says another.
const DefaultCollectEvery = time.Second

// Limits of how long the stages may take.
const (
	stopWithin    = time.Minute
	restoreWithin = 10 * time.Minute
	scrapeTimeout = 2 * time.Second
)

// ErrNoCell says that no cell ended as it should.
var ErrNoCell = errors.New("no cell was measured")

// A StopError says that an instance is not as it is when it was stopped: it may still run
// and hold its device, or a server that runs already is down.
type StopError struct {
	Instance string
	Err      error
}

func (e *StopError) Error() string {
	return fmt.Sprintf("stop %s: %v; no other cell is measured beside that: put it right by hand, then go on with the run", e.Instance, e.Err)
}

func (e *StopError) Unwrap() error { return e.Err }

// ErrOther says that the servers are others than those that were measured before.
var ErrOther = errors.New("the servers are others than before")

// Run runs every cell in order and returns when everything is put back. A layout
// of which no cell fits the devices' memory is not applied. A cell that fails,
// one that does not fit too, is recorded with its fault, and the next one goes on; Run then
// returns an error that joins the faults, with [ErrNoCell] if none was left, and
// [ErrNotRestored] if the server is not as it was. A disk that takes nothing more, an
// instance that is not Alike ([ErrOther]), and one that cannot be stopped ([StopError]), end
// the run in order: what is whole stays, everything is put back, and the fault is told once.
// When ctx ends, the cell that runs is recorded as interrupted, its finished
// steps are kept, everything is put back, and ctx's cause is returned.
func (b *Bench) Run(ctx context.Context) (err error) {
	if err := b.check(); err != nil {
		return err
	}
	var faults []error
	done, lost := 0, false // to go on would be in vain
	for _, group := range groups(b.Cells) {
		if ctx.Err() != nil || lost {
			break
		}
		group = b.unskipped(group)
		if len(group) == 0 {
			continue
		}
		if misfits := b.misfits(group); misfits != nil {
			for i, cell := range group {
				if i > 0 && b.skipped(cell) {
					continue
				}
				refused := b.refuse(ctx, cell, misfits[i])
				faults = append(faults, fmt.Errorf("cell %s: %w", cell.Folder, refused))
				lost = lost || inVain(refused)
				b.tell("cell %s: %v", cell.Folder, misfits[i])
			}
			continue
		}
		err := b.withLayout(ctx, b.Before, group[0].Config, func(l applied) error {
			defer func() { faults = append(faults, b.releaseServices(ctx)...) }()
			for i, cell := range group {
				if ctx.Err() != nil || lost {
					return nil
				}
				if i > 0 {
					if b.skipped(cell) {
						continue
					}
					l.kept()
				}
				if err := b.cell(ctx, cell, l); err != nil {
					faults = append(faults, fmt.Errorf("cell %s: %w", cell.Folder, err))
					b.tell("cell %s: %v", cell.Folder, err)
					lost = lost || inVain(err)
					continue
				}
				done++
			}
			return nil
		})
		if err != nil {
			faults = append(faults, err)
			lost = lost || inVain(err)
			if errors.Is(err, ErrNotRestored) {
				break // the server is not as we think: change nothing more
			}
		}
	}
	faults = append(faults, b.restoreServices(ctx)...)
	if cause := context.Cause(ctx); cause != nil {
		return JoinOnce(append([]error{cause}, faults...)...)
	}
	if done == 0 {
		faults = append(faults, ErrNoCell)
	}
	return JoinOnce(faults...)
}

// unskipped drops the cells before the first that is not skipped.
func (b *Bench) unskipped(group []scenarios.Cell) []scenarios.Cell {
	for len(group) > 0 && b.skipped(group[0]) {
		group = group[1:]
	}
	return group
}

// skipped asks whether a cell is skipped, and tells why.
func (b *Bench) skipped(c scenarios.Cell) bool {
	if b.Skip == nil {
		return false
	}
	why := b.Skip(c)
	if why != "" {
		b.tell("cell %s: left out: %s", c.Folder, why)
		b.follow(CellLeftOut{c, why})
	}
	return why != ""
}

// misfits gives for each cell of a group why it does not fit the memory of its
// devices, as they are planned; nil if one or more may fit, or if that cannot be
// told before the layout stands.
func (b *Bench) misfits(group []scenarios.Cell) []error {
	var all []error
	for _, c := range group {
		plan, err := PlanOf(b.Before, c.Config, b.Allow)
		if err != nil {
			return nil // told when it is applied
		}
		instances, err := Place(b.Services, c.Config, PlannedDevices(plan))
		if err != nil {
			return nil // likewise
		}
		err = FitError(services.Fits(instances))
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return all
}

// check finds our own mistakes before anything is changed.
func (b *Bench) check() error {
	switch {
	case len(b.Cells) == 0:
		return errors.New("the matrix has no possible point")
	case b.Backend == nil || b.NewChooser == nil || b.NewRouter == nil || b.Writer == nil:
		return errors.New("runner: backend, chooser, router and writer must be set")
	case len(b.Services) == 0:
		return errors.New("runner: no service")
	}
	return nil
}

// groups cuts cells into runs of the same layout and sharing, so that each
// layout is switched once and put back once.
func groups(cells []scenarios.Cell) [][]scenarios.Cell {
	var all [][]scenarios.Cell
	for i, c := range cells {
		if i > 0 && c.Config.Layout == cells[i-1].Config.Layout && c.Config.Sharing == cells[i-1].Config.Sharing {
			all[len(all)-1] = append(all[len(all)-1], c)
			continue
		}
		all = append(all, []scenarios.Cell{c})
	}
	return all
}

// gpus names the GPUs of the state before by UUID.
func (b *Bench) gpus() []string {
	var uuids []string
	for _, g := range b.Before.GPUs {
		uuids = append(uuids, g.UUID)
	}
	return uuids
}

func (b *Bench) tell(format string, args ...any) {
	if b.Tell != nil {
		b.Tell(fmt.Sprintf(format, args...))
	}
}

// Build makes a runner's Service from a scenario's, with the kinds that a
// program knows. It has no side effect.
func Build(s scenarios.Service, launchers kind.Set[services.Launcher], dialers kind.Set[loadgen.Dialer],
	workloads kind.Set[loadgen.Workload], sources kind.Set[collectors.Source]) (Service, error) {
	built := Service{Service: s}
	var err error
	if built.Launcher, err = launchers.Build(s.Launcher); err != nil {
		return Service{}, fmt.Errorf("service %s: launcher: %w", s.Name, err)
	}
	if built.Dialer, err = dialers.Build(s.Endpoint); err != nil {
		return Service{}, fmt.Errorf("service %s: endpoint: %w", s.Name, err)
	}
	if built.Workload, err = workloads.Build(s.Workload); err != nil {
		return Service{}, fmt.Errorf("service %s: workload: %w", s.Name, err)
	}
	if err := loadgen.CheckPrepared(built.Workload, built.Dialer); err != nil {
		return Service{}, fmt.Errorf("service %s: %w", s.Name, err)
	}
	for _, spec := range s.Scrapes {
		source, err := sources.Build(spec)
		if err != nil {
			return Service{}, fmt.Errorf("service %s: scrape: %w", s.Name, err)
		}
		built.Sources = append(built.Sources, Source{Kind: spec.Name, Source: source})
	}
	return built, nil
}
