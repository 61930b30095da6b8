package main

import (
	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/supervise"
)

// newSupervisor is the process between evabench and a program that it starts.
func newSupervisor(s streams) *cobra.Command {
	return &cobra.Command{
		Use:    supervise.Command,
		Short:  "Run a program as standard input says, and end it with standard input",
		Hidden: true,
		Args:   usageArgs(cobra.NoArgs),
		RunE:   func(c *cobra.Command, _ []string) error { return supervise.Serve(c.Context(), s.in, s.out) },
	}
}
