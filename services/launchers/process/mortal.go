package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
)

// Crashes lists the ways in which instances can be made to end: by a fault of
// their own only where the configuration says how to ask for one.
func (l *launcher) Crashes() []string { return l.server.Crashes() }

// A life is what an instance needs to be started once more.
type life struct {
	launcher *launcher
	order    supervise.Order
	fault    string // the page that makes a fault; empty if there is none
}

// Crashes lists the ways in which the instance can be made to end.
func (s *service) Crashes() []string { return s.life.launcher.Crashes() }

// Crash kills the program and all that it started, or asks it for a fault of its
// own, and returns when nothing of it runs.
func (s *service) Crash(ctx context.Context, how string) error {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	if _, ended := p.Exit(); ended {
		return errors.New("it has ended already")
	}
	switch {
	case how == services.CrashKill:
		return p.Kill(ctx)
	case how == services.CrashFault && s.life.fault != "":
		if err := s.life.launcher.server.AskFault(ctx, s.info, s.life.fault); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%q is no way to end it; known: %v", how, s.Crashes())
	}
	select {
	case <-p.Gone():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it was asked for a fault at %s and goes on: %w", s.life.fault, context.Cause(ctx))
	}
}

// Revive starts the program once more, with the same ports, environment and log,
// whose earlier files are kept.
func (s *service) Revive(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	_, ended := s.process.Exit()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return errors.New("it was stopped: its ports are given back")
	case !ended:
		return errors.New("it has not ended")
	}
	p, err := supervise.Start(ctx, s.life.order)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.earlier += s.process.OutOfMemory()
	e, _ := s.process.Exit()
	s.logFault = cmp.Or(s.logFault, e.LogFault)
	s.process = p
	return nil
}
