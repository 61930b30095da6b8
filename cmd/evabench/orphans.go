package main

import (
	"context"
	"fmt"
	"io"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services"
)

// endOrphans ends what an earlier run left that was killed with its supervisors:
// processes, and what the scenario's launchers know of. Each is told.
func endOrphans(ctx context.Context, all []runner.Service, talk io.Writer) error {
	left := supervise.EndOrphans()
	var fault error
	for _, s := range all {
		c, ok := s.Launcher.(services.Cleaning)
		if !ok {
			continue
		}
		ended, err := c.EndOrphans(ctx)
		left = append(left, ended...)
		if err != nil && fault == nil {
			fault = fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	for _, what := range left {
		fmt.Fprintf(talk, "evabench: an earlier run was killed and left %s; it was ended\n", what)
	}
	return fault
}
