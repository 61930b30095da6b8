package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is stamped by the Makefile; "devel" without.
var version = "devel"

// streams are the command's own input and output: stdout is data, stderr is
// talk.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run carries out one command line.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot(streams{stdin, stdout, stderr})
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "evabench",
		Short: "What an NVIDIA server sustains under each sharing of its GPUs",
		Long: `evabench switches an NVIDIA server through the configurations of a scenario
(MIG layout, MPS, placement, workers), drives stepwise load at each, puts the
server back, and leaves one run directory with samples and reports.

A scenario is a file or the name of a preset ("evabench scenario list").

Exit status: 0 done, 1 failed, 2 usage or a faulty scenario, 3 a gate's
requirement is not met, 4 no valid measurement, 130 interrupted (the server was
put back).`,
		SilenceErrors: true,
		// "swep" is near enough to "sweep" to be told so.
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Version:                    buildVersion(),
		Args:                       knownCommand,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
	})
	root.AddCommand(
		newSweep(s),
		newRun(s),
		newScenario(s),
		newGPU(s),
		newSim(s),
		newReport(s),
		newCompare(s),
		newGate(s),
		newInit(s),
		newDoctor(s),
		newExplain(s),
		newSelftest(s),
		newSelftestServer(s),
		newSupervisor(s),
	)
	addCompletions(root)
	return root
}

// buildVersion is the stamped version, or what the build knows of itself.
func buildVersion() string {
	if version != "devel" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return version
}

// one takes exactly one argument, which it names in its fault.
func one(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{fmt.Errorf("%s takes one %s, and got %d arguments; see %q", c.CommandPath(), what, len(args), c.CommandPath()+" --help")}
		}
		return nil
	}
}

// usageArgs makes a cobra argument check's fault a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{fmt.Errorf("%w; see %q", err, c.CommandPath()+" --help")}
		}
		return nil
	}
}

// knownCommand refuses an argument of a command that only holds others.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := fmt.Sprintf("see %q", c.CommandPath()+" --help")
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{fmt.Errorf("unknown command %q for %q; %s", args[0], c.CommandPath(), hint)}
}
