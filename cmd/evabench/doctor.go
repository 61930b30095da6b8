package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/doctor"
	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/internal/units"
)

// doctorOptions say what is looked at.
type doctorOptions struct {
	gpuOptions
	scenario   string // a file or preset; empty looks at everything
	root       string
	out        string
	only       []string
	json       bool
	noSelftest bool
}

func newDoctor(s streams) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor [SCENARIO]",
		Short: "Tell whether this machine is fit for a sweep, and what to do where it is not",
		Long: `Doctor looks at this machine and changes nothing. Each line is ok, a warning
(figures are worth less, or something is not there that may not be needed), a fault
(a sweep fails or is refused) or unknown (it could not be looked at). Below a warning
or a fault stands what to do, as a command.

With a scenario it asks for what that needs alone: GPUs, containers, ports,
connections, and whether the servers answer that it says run already.

Checks:
` + checkList() + `
Exit status: 0 no fault, 1 a fault, 2 usage.`,
		Example: `  evabench doctor
  evabench doctor pro6000x1 --no-selftest
  evabench doctor --sim pro6000x1 --only mig,change --json`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.scenario = args[0]
			}
			if c.Flags().Changed("only") && len(o.only) == 0 {
				return &usageError{fmt.Errorf("--only names no check; known: %s", strings.Join(doctor.Names(), ", "))}
			}
			return o.run(c.Context(), s)
		},
	}
	o.simFlags(c)
	o.stateFlag(c, looksState)
	f := c.Flags()
	f.StringSliceVar(&o.only, "only", nil, "look at these `CHECKS` only, separated by commas")
	f.BoolVar(&o.json, "json", false, "print the lines as JSON")
	f.BoolVar(&o.noSelftest, "no-selftest", false, "do not measure what the load generator can do (3 s)")
	f.StringVar(&o.out, "out", "runs", "look at the file system of `DIR`, where run directories are to go")
	f.StringVar(&o.root, "root", "", "read /proc, /sys and /etc below `DIR`, such as where a container has its host's")
	return c
}

// checkList is a line for each check.
func checkList() string {
	var list strings.Builder
	for _, c := range doctor.Checks() {
		fmt.Fprintf(&list, "  %-12s %s\n", c.Name, c.About)
	}
	return list.String()
}

// run looks and tells.
func (o *doctorOptions) run(ctx context.Context, s streams) error {
	if err := o.check(); err != nil {
		return &usageError{err}
	}
	if err := doctor.Known(o.only); err != nil {
		return &usageError{fmt.Errorf("--only: %w", err)}
	}
	m := doctor.Here()
	m.Root = o.root
	if err := o.needs(&m); err != nil {
		return err
	}
	if err := o.askGPUs(ctx, &m); err != nil {
		return err
	}
	o.folders(&m)
	if o.wants("client") && !o.noSelftest {
		fmt.Fprintln(s.err, "evabench: measuring what the load generator can do here: 3 s")
		t, err := roofline.ForRun(ctx, "") // keeps nothing
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if m.SelfTestFault = err; err == nil {
			m.SelfTest = &t
		}
	}
	all, err := doctor.Examine(ctx, m, o.only)
	if err != nil {
		return err
	}
	if o.json {
		err = writeIndented(s.out, all)
	} else {
		err = printFindings(s.out, markOf(m.Simulated), all)
	}
	if n := doctor.Count(all, doctor.Fault); err == nil && n > 0 {
		err = fmt.Errorf("%s; what to do stands below each", units.Plural(n, "fault"))
	}
	return err
}

// wants reports whether a check is asked for.
func (o *doctorOptions) wants(check string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, check)
}

// askGPUs reads the GPUs of this machine, or of the simulated server.
func (o *doctorOptions) askGPUs(ctx context.Context, m *doctor.Machine) (err error) {
	if o.sim == "" && m.Needs.Known && !m.Needs.GPUs {
		return nil
	}
	m.Simulated = o.sim
	g, err := o.open()
	if err == nil {
		defer func() { err = joined(err, g.close()) }()
		m.GPUs, err = g.inspect(ctx, nil)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.GPUFault, m.NoDriver = err, noDriver(err)
	k := o.keeping()
	m.Left, m.PutBack = k.left(), k.restore()
	return nil
}

// folders are where files of a run go.
func (o *doctorOptions) folders(m *doctor.Machine) {
	m.Folders = []doctor.Folder{{Path: o.out, For: "run directories", Flag: "--out", Much: true}}
	if o.sim == "" && (!m.Needs.Known || m.Needs.GPUs) {
		m.Folders = append(m.Folders, doctor.Folder{Path: o.stateDir, For: "lock and journal of changes", Flag: "--state-dir"})
	}
	m.Folders = append(m.Folders, doctor.Folder{Path: os.TempDir(), For: "temporary files", Flag: "TMPDIR"})
}

// printFindings writes a line for each, and what to do below it.
func printFindings(w io.Writer, mark string, all []doctor.Finding) error {
	if mark != "" {
		if _, err := fmt.Fprintln(w, strings.TrimSuffix(mark, ": ")+": its GPUs are simulated; all else is this machine, which drives the load"); err != nil {
			return err
		}
	}
	for _, f := range all {
		if _, err := fmt.Fprintf(w, "%-8s %-12s %s\n", f.Level, f.Check, plainLine(f.Text)); err != nil {
			return err
		}
		if f.Remedy != "" {
			if _, err := fmt.Fprintf(w, "%-8s %-12s   %s\n", "", "", plain(f.Remedy)); err != nil {
				return err
			}
		}
	}
	var counts []string
	for _, l := range []struct {
		level doctor.Level
		one   string
	}{{doctor.Fault, "fault"}, {doctor.Warning, "warning"}, {doctor.Unknown, "unknown"}, {doctor.OK, "ok"}} {
		n := doctor.Count(all, l.level)
		if l.level == doctor.Fault || l.level == doctor.Warning {
			counts = append(counts, units.Plural(n, l.one))
		} else {
			counts = append(counts, fmt.Sprintf("%d %s", n, l.one))
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(counts, ", "))
	return err
}
