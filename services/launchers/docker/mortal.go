package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/services"
)

// Crashes lists the ways in which instances can be made to end: by a fault of
// their own only where the configuration says how to ask for one.
func (l *launcher) Crashes() []string { return l.server.Crashes() }

// Crashes lists the ways in which the instance can be made to end.
func (s *service) Crashes() []string { return s.launcher.Crashes() }

// Crash kills the container's processes, or asks the server for a fault of its
// own, and returns when the container has ended and is removed.
func (s *service) Crash(ctx context.Context, how string) error {
	name, p := s.current()
	if _, ended := p.Exit(); ended {
		return errors.New("it has ended already")
	}
	switch {
	case how == services.CrashKill:
		if _, err := s.command.run(ctx, "kill", "--signal", "KILL", name); err != nil {
			return err
		}
	case how == services.CrashFault && s.faultPage != "":
		if err := s.launcher.server.AskFault(ctx, s.info, s.faultPage); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%q is no way to end it; known: %v", how, s.Crashes())
	}
	select {
	case <-p.Gone():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("container %s was to end (%s) and goes on: %w", name, how, context.Cause(ctx))
	}
}

// Revive makes and starts a new container in place of the one that has ended,
// from the same image, with the same ports, device and log, whose earlier files
// are kept.
func (s *service) Revive(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	name, p, closed := s.name, s.process, s.closed
	s.mu.Unlock()
	e, ended := p.Exit()
	switch {
	case closed:
		return errors.New("it was stopped: its ports are given back")
	case !ended:
		return errors.New("it has not ended")
	}
	if !removed(e) {
		if err := s.command.remove(ctx, name); err != nil {
			return fmt.Errorf("container %s is left: %w", name, err)
		}
	}
	return s.start(ctx)
}
