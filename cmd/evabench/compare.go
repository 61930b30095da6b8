package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
)

// compareOptions are the flags of compare.
type compareOptions struct {
	format, out string
	width       int
}

func newCompare(s streams) *cobra.Command {
	var o compareOptions
	c := &cobra.Command{
		Use:   "compare DIR DIR [DIR…]",
		Short: "Set runs side by side: before and after a change, or two servers",
		Long: `Compare reads two or more run directories and sets each against the first: what
differs in what they were made with, and every figure of the configurations and
steps that both have, with its change and 95 % interval over the replicates.

Replicates of one number that had the same seed met the same arrivals, and are
compared in pairs; others by Welch's method. "No difference shown" is a result,
and says how many more replicates would decide it. What has nothing in common
(other services, other units of load) is refused.`,
		Example: "  evabench compare runs/before runs/after\n  evabench compare runs/server-a runs/server-b --format xlsx --out servers.xlsx",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return &usageError{fmt.Errorf("compare takes two run directories or more, and got %d", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c.Flags().Changed("width")); err != nil {
				return &usageError{err}
			}
			if !c.Flags().Changed("width") {
				o.width = widthOf(s.out)
			}
			return o.compare(args, s.out)
		},
	}
	c.Flags().StringVar(&o.format, "format", "terminal", fmt.Sprintf("write in `FORMAT`: %v", comparisonFormats()))
	c.Flags().StringVar(&o.out, "out", "", "write to `FILE`")
	c.Flags().IntVar(&o.width, "width", 0, fmt.Sprintf("print at most `N` columns, 0: no limit (default: the terminal's, else %d)", formats.DefaultWidth))
	return c
}

// comparisonFormats are those that take any document: the others are of one run.
func comparisonFormats() []string {
	return slices.DeleteFunc(formats.Names(), func(name string) bool { return slices.Contains(formats.OneRun(), name) })
}

func (o *compareOptions) check(width bool) error {
	switch {
	case !slices.Contains(comparisonFormats(), o.format):
		return fmt.Errorf("unknown format %q; a comparison is written as %s", o.format, strings.Join(comparisonFormats(), ", "))
	case width && o.format != "terminal":
		return fmt.Errorf("--width says nothing of --format %s", o.format)
	case o.width < 0:
		return fmt.Errorf("--width %d: no less than 0", o.width)
	}
	return nil
}

func (o *compareOptions) compare(dirs []string, stdout io.Writer) error {
	a, damaged, err := against(dirs)
	if err != nil {
		return err
	}
	return errors.Join(writeDocument(report.Against(a), o.format, o.out, o.width, stdout), damaged)
}

// writeDocument writes a document that is no single run's.
func writeDocument(d *report.Document, format, out string, width int, stdout io.Writer) error {
	write := func(w io.Writer) error { return formats.Write(format, w, d) }
	if format == "terminal" {
		write = func(w io.Writer) error { return formats.Terminal(w, d, width) }
	}
	if out == "" {
		return write(stdout)
	}
	return writeFile(out, write)
}

// against reads run directories and sets them side by side. Runs that cannot be compared
// are a fault of usage, unless one has no valid measurement; damaged tells what was left out of them.
func against(dirs []string) (_ *analysis.Against, damaged error, _ error) {
	var runs []analysis.NamedSummary
	for _, dir := range dirs {
		summary, _, err := document(dir)
		if err != nil {
			return nil, nil, err
		}
		runs = append(runs, analysis.NamedSummary{Name: dir, Summary: summary})
		damaged = errors.Join(damaged, damagedIn(dir, summary))
	}
	a, err := compared(runs)
	return a, damaged, err
}

func compared(runs []analysis.NamedSummary) (*analysis.Against, error) {
	a, err := analysis.CompareRuns(runs)
	if err != nil {
		for _, r := range runs {
			if r.Summary.ValidSteps() == 0 {
				return nil, fmt.Errorf("%s cannot be compared: %w", r.Name, errNoValid)
			}
		}
		return nil, &usageError{fmt.Errorf("cannot be compared: %w", err)}
	}
	return a, nil
}
