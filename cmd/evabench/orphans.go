package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// endOrphans ends what an earlier run left, also of those of a scenario's launchers
// that need no consent. It comes before the GPUs are put back: what is left would hold
// them.
func (b *bench) endOrphans(ctx context.Context, scenario *scenarios.Scenario, talk io.Writer) error {
	var all []runner.Service
	for _, s := range scenario.Services {
		l, err := b.kinds.launchers.Build(s.Launcher)
		if err != nil {
			return &usageError{fmt.Errorf("service %s: launcher: %w", s.Name, err)}
		}
		all = append(all, runner.Service{Service: s, Launcher: l})
	}
	if err := endProcesses(ctx, talk); err != nil {
		return err
	}
	return endOrphans(ctx, all, false, talk)
}

// endOrphans ends what an earlier run left that was killed with its supervisors, as
// far as launchers know of it: those that need the scenario to be agreed to, or the
// others. Each is told.
func endOrphans(ctx context.Context, all []runner.Service, agreed bool, talk io.Writer) error {
	var left []string
	var fault error
	for _, s := range all {
		c, ok := s.Launcher.(services.Cleaning)
		if !ok || c.AfterConsent() != agreed {
			continue
		}
		ended, err := c.EndOrphans(ctx)
		left = append(left, ended...)
		if errors.Is(err, services.ErrNotLooked) {
			fmt.Fprintf(talk, "evabench: warning: service %s: %v; something may be left\n", s.Name, err)
		} else if err != nil && fault == nil {
			fault = fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	tellEnded(talk, left)
	return fault
}

// endWithin is how long servers of a run that was killed may take to end by themselves.
const endWithin = time.Minute

// endProcesses ends the processes of a run that was killed, and tells of each. Those
// that a supervisor still lets end are waited for: they would share the GPUs with
// what is measured next, and may want to save something.
func endProcesses(ctx context.Context, talk io.Writer) error {
	err := supervise.Ending(ctx, endWithin, func(names []string) {
		fmt.Fprintf(talk, "evabench: an earlier run was killed, and of it still end: %s; waiting for them, at most %s\n", strings.Join(names, ", "), endWithin)
	})
	if err != nil {
		return err
	}
	tellEnded(talk, supervise.EndOrphans())
	return nil
}

func tellEnded(talk io.Writer, all []string) {
	for _, what := range all {
		fmt.Fprintf(talk, "evabench: an earlier run was killed and left %s; it was ended\n", what)
	}
}
