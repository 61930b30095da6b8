package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services"
)

// checkReach asks that what the cells differ in reaches the services' servers,
// and keeps what may not.
func (b *bench) checkReach() error {
	var all []runner.Service
	for _, s := range b.scenario.Services {
		l, err := b.kinds.launchers.Build(s.Launcher)
		if err != nil {
			return err
		}
		all = append(all, runner.Service{Service: s, Launcher: l})
		if c, ok := l.(services.Changing); ok {
			for _, line := range c.Changes() {
				b.commands = append(b.commands, fmt.Sprintf("service %s: %s", s.Name, line))
			}
		}
	}
	var faults []error
	for _, f := range each(runner.CheckAlike(b.scenario.Configs())) {
		faults = append(faults, &usageError{fmt.Errorf("%s: %w", b.scenario.File, f)})
	}
	unreached, err := runner.CheckReach(all, b.scenario.Configs())
	for _, f := range each(err) {
		faults = append(faults, &usageError{fmt.Errorf("%s: %w", b.scenario.File, f)})
	}
	b.unreached = unreached
	if !b.noGPUs { // else nobody knows how many instances there are
		if err := runner.CheckRouting(b.scenario.Configs(), b.place); err != nil {
			faults = append(faults, &usageError{fmt.Errorf("%s: %w", b.scenario.File, err)})
		}
	}
	return errors.Join(faults...)
}

// printCommands prints what launchers run, and reports whether they do anything to
// servers that are not theirs.
func (b *bench) printCommands(w io.Writer) bool {
	for _, line := range b.starts() {
		fmt.Fprintln(w, line)
	}
	for _, line := range b.commands {
		fmt.Fprintln(w, line)
	}
	return len(b.commands) > 0
}

func (b *bench) printUnreached(w io.Writer) {
	for _, warning := range b.unreached {
		fmt.Fprintln(w, fold(fmt.Sprintf("WARNING: service %s: %s", warning.Subject, warning.Text)))
	}
}

// starts tells the programs that launchers start, a line each.
func (b *bench) starts() (lines []string) {
	for _, s := range b.scenario.Services {
		l, err := b.kinds.launchers.Build(s.Launcher)
		if err != nil {
			continue // it was built when the scenario was read
		}
		if c, ok := l.(services.Starting); ok {
			for _, line := range c.Starts() {
				lines = append(lines, fmt.Sprintf("service %s: %s", s.Name, line))
			}
		}
	}
	return lines
}
