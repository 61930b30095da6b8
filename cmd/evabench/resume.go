package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/pflag"

	"github.com/evabench/evabench/internal/disk"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

// saidByRun are the flags of sweep of which the run directory says what they were: beside
// --resume they would make another measurement of the same run.
var saidByRun = []string{"sim", "sim-scale", "mode", "out", "no-selftest"}

// checkResume refuses what does not go with --resume, and what goes with nothing else.
func (o *sweepOptions) checkResume(flags *pflag.FlagSet, args []string) error {
	switch {
	case flags.Changed("resume") && o.resume == "":
		return errors.New("--resume needs the run directory to go on with")
	case o.resume == "" && o.acceptBinary:
		return errors.New("--accept-binary says nothing without --resume DIR")
	case o.resume == "":
		return nil
	case len(args) > 0:
		return fmt.Errorf("--resume %s goes on with %s: leave %q away", quoted(o.resume), filepath.Join(o.resume, "scenario.yaml"), args[0])
	}
	for _, name := range saidByRun {
		if flags.Changed(name) {
			return fmt.Errorf("--%s does not go with --resume: a run goes on as it was begun, which %s says; leave --%s away, or begin a new run", name, o.resume, name)
		}
	}
	return nil
}

// A goingOn is a run that is gone on with.
type goingOn struct {
	run *results.Run
	// measured are the cells that are finished, failed ones too, by folder.
	measured map[string]bool
	replays  *replays // of a race, once that was checked
	doubts   []string // how what a race decides now differs from what it decided
}

// goOn goes on with a run.
func (o sweepOptions) goOn(ctx context.Context, flags *pflag.FlagSet, s streams) (err error) {
	if !o.dryRun {
		unlock, err := lockRun(o.resume, s.err)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	g, err := openRun(o.resume, o.acceptBinary)
	if err != nil {
		return err
	}
	opened := g.open(&o, flags)
	b, err := openData(ctx, filepath.Join(o.resume, "scenario.yaml"), g.run.Scenario, opened, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	b.going = g
	return b.sweep(ctx, o, s)
}

// checkGoing refuses to go on with a run on a server, or by a program, that makes another
// of it.
func (b *bench) checkGoing(o sweepOptions) error {
	if b.going == nil {
		return nil
	}
	why, err := b.going.differs(b.environment())
	if err != nil {
		return err
	}
	if b.races() && len(why) == 0 {
		course, err := b.going.raceDiffers(b.searchEnvironment(), b.entries())
		if err != nil {
			return err
		}
		b.going.doubts = course
	}
	if o.dryRun && b.waits(o) {
		return b.going.refused(why) // it is put back before the run goes on
	}
	other, err := b.going.stateDiffers(b.state)
	if err != nil {
		return err
	}
	return b.going.refused(append(why, other...))
}

// waits reports whether a change of the bench's GPUs waits to be put back. Simulated ones
// without a folder of theirs are new in every command.
func (b *bench) waits(o sweepOptions) bool {
	dir := o.stateDir
	if b.scenario.Server.Backend.Name == simKind {
		dir = o.simDir
	}
	if dir == "" || len(b.state.GPUs) == 0 {
		return false
	}
	_, pending, err := partition.Peek(dir)
	return err == nil && pending
}

// nothingLeft reports whether a run that is gone on with has every cell that it is to have.
func (b *bench) nothingLeft(r *runner.Bench) bool {
	return b.going != nil && !slices.ContainsFunc(b.cells, func(c scenarios.Cell) bool { return r.Skip(c) == "" })
}

// openRun reads the run directory that is to be gone on with, and refuses what can be
// seen before the server is looked at.
func openRun(dir string, acceptBinary bool) (*goingOn, error) {
	run, err := results.Read(dir)
	if err != nil {
		return nil, fmt.Errorf("%s is not resumed: %w", dir, err)
	}
	g := &goingOn{run: run, measured: map[string]bool{}}
	for _, folder := range run.Environment.Planned {
		g.measured[folder] = run.Finished(folder)
	}
	why := g.changed(acceptBinary)
	if len(why) == 0 { // the scenario is as it was
		why = g.elsewhere()
	}
	return g, g.refused(why)
}

// refused makes one fault of the reasons why a run is not gone on with; nil without any.
func (g *goingOn) refused(reasons []string) error {
	var faults []error
	for _, r := range reasons {
		faults = append(faults, fmt.Errorf("%s is not resumed: %s", g.run.Dir, r))
	}
	if len(faults) > 0 {
		faults = append(faults, fmt.Errorf("nothing was changed; a new run begins with \"evabench sweep %s\"", quoted(filepath.Join(g.run.Dir, "scenario.yaml"))))
	}
	return errors.Join(faults...)
}

// open says how the bench is opened: as the run was begun.
func (g *goingOn) open(o *sweepOptions, flags *pflag.FlagSet) openOptions {
	as := *o
	said := g.run.Environment.Flags
	as.sim, as.mode = simOptions{server: said.Sim, scale: said.SimScale}, said.Mode
	if said.StateDir != "" && !flags.Changed("state-dir") {
		as.stateDir = said.StateDir
	}
	if !flags.Changed("sim-dir") {
		as.simDir = said.SimDir
	}
	o.stateDir, o.simDir = as.stateDir, as.simDir
	return as.open()
}

// flagsSaid are the flags that a run keeps.
func (o *sweepOptions) flagsSaid() (results.Flags, error) {
	said := results.Flags{Sim: o.sim.server, SimScale: o.sim.scale, Mode: o.mode}
	var faults []error
	absolute := func(dir string) string {
		if dir == "" {
			return ""
		}
		path, err := filepath.Abs(dir)
		faults = append(faults, err)
		return path
	}
	said.StateDir, said.SimDir = absolute(o.stateDir), absolute(o.simDir)
	return said, errors.Join(faults...)
}

// sessionNow is the session that begins.
func sessionNow() results.Session {
	s := results.Session{Started: time.Now().UTC(), Evabench: buildVersion(), BinarySHA256: binaryHash(), Command: os.Args[1:]}
	s.Folder, _ = os.Getwd() // where none can be told, none is
	return s
}

// left gives the cells that are not measured.
func (b *bench) left() []scenarios.Cell {
	if b.going == nil {
		return b.cells
	}
	return slices.DeleteFunc(slices.Clone(b.cells), func(c scenarios.Cell) bool { return b.going.measured[c.Folder] })
}

// print tells what is there of the run, and what is not.
func (g *goingOn) print(w io.Writer, b *bench) {
	broken := g.broken(b.left())
	text := fmt.Sprintf("going on with %s: %s", g.run.Dir, g.kept(len(b.cells)-len(b.left()), units.Plural(len(b.cells), "cell")))
	if len(broken) > 0 {
		text += fmt.Sprintf("; %s that broke off: set aside and measured again", units.Plural(len(broken), "cell"))
	}
	fmt.Fprintln(w, text)
	here, err := os.Getwd()
	if first := g.begunIn(); err == nil && first != "" && !sameFolder(first, here) {
		fmt.Fprintf(w, "the run was begun in %s: relative paths that its programs know begin in %s now\n", first, here)
	}
}

// broken gives those of some cells of which anything is there.
func (g *goingOn) broken(cells []scenarios.Cell) []string {
	var all []string
	for _, c := range cells {
		if _, err := os.Lstat(filepath.Join(g.run.Dir, "cells", c.Folder)); err == nil {
			all = append(all, c.Folder)
		}
	}
	return all
}

// begin opens the run directory for the new session, and clears the way for the cells that
// are measured now.
func (g *goingOn) begin(b *bench, now results.Environment, talk io.Writer) (*results.Writer, error) {
	env := g.run.Environment
	env.Sessions = append(slices.Clone(env.Sessions), sessionNow())
	if was, is := env.Host.Name, now.Host.Name; was != is {
		now.Warnings = append(now.Warnings, results.Warning{
			Code: "host-renamed", Subject: is, Text: fmt.Sprintf("the run was begun on a host of the name %q and resumed on one of the name %q, which is alike", was, is), Count: 1,
		})
	}
	for _, text := range g.doubts {
		fmt.Fprintf(talk, "evabench: WARNING: %s\n", text)
		now.Warnings = append(now.Warnings, results.Warning{Code: "race-differs", Text: text, Count: 1})
	}
	for _, w := range now.Warnings {
		if !slices.Contains(env.Warnings, w) {
			env.Warnings = append(env.Warnings, w)
		}
	}
	w, err := results.Reopen(g.run.Dir, env)
	if err != nil {
		return nil, err
	}
	for _, folder := range g.broken(b.left()) {
		to, err := w.Aside(folder)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(talk, "evabench: cell %s broke off; what there is of it is in %s\n", folder, filepath.Join(g.run.Dir, to))
	}
	var was partition.State
	if _, err := results.ReadBefore(g.run.Dir, &was); !errors.Is(err, fs.ErrNotExist) {
		return w, err
	}
	return w, b.keepBefore(w) // it broke off before that was kept
}

// lockRun keeps a second evabench from writing into a run directory. The lock is on
// scenario.yaml, which nobody writes, and ends with the process.
func lockRun(dir string, talk io.Writer) (unlock func() error, err error) {
	l := flock.New(filepath.Join(dir, "scenario.yaml"), flock.SetFlag(os.O_RDWR))
	switch ours, err := l.TryLock(); {
	case errors.Is(err, fs.ErrNotExist): // reading tells
	case err != nil: // a file system without locks
		fmt.Fprintf(talk, "evabench: %s cannot be locked (%v): see to it that no other evabench writes there\n", dir, err)
	case !ours:
		return nil, fmt.Errorf("another evabench writes into %s; wait until it has ended, or end it", dir)
	}
	return l.Close, nil
}

// endSession tells the run directory how its session ended. What the disk refuses is told
// once, and was told with the measuring.
func endSession(ctx context.Context, w *results.Writer, measured error) error {
	outcome, fault := results.SessionDone, ""
	switch {
	case ctx.Err() != nil:
		outcome, fault = results.SessionInterrupted, context.Cause(ctx).Error()
	case measured != nil:
		outcome, fault = results.SessionFailed, told(measured)
	}
	err := w.End(time.Now(), outcome, fault)
	if refused(measured) && refused(err) {
		return nil
	}
	return err
}

// refused reports whether a fault is the disk's.
func refused(err error) bool {
	_, ok := errors.AsType[*disk.Error](err)
	return ok
}

// goesOn reports whether a fault ended a run that can be gone on with when it is put right.
func goesOn(err error) bool {
	_, left := errors.AsType[*runner.StopError](err)
	return left || refused(err) || errors.Is(err, runner.ErrNotRestored) || errors.Is(err, runner.ErrOther)
}

// tellResume tells how to go on with a run that broke off.
func tellResume(ctx context.Context, dir string, measured error, talk io.Writer) {
	if ctx.Err() != nil || goesOn(measured) {
		fmt.Fprintf(talk, "evabench: cells that were measured are kept; go on with \"evabench sweep --resume %s\"\n", quoted(dir))
	}
}

// notEmpty is the fault of a run directory that cannot be made, with what to do.
func notEmpty(dir string, err error) error {
	if _, there := os.Lstat(filepath.Join(dir, "environment.json")); there == nil {
		return fmt.Errorf("%w; it is a run: go on with it with \"evabench sweep --resume %s\", or choose another folder with --out", err, quoted(dir))
	}
	return fmt.Errorf("%w; choose another folder with --out", err)
}
