package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
	"github.com/evabench/evabench/results"
)

// reportFiles are the files of a run directory that are made from its facts.
var reportFiles = []struct{ file, format string }{
	{"summary.json", "json"},
	{"report.md", "markdown"},
	{"report.xlsx", "xlsx"},
}

func newReport(s streams) *cobra.Command {
	var format, out string
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Make the reports of a run directory again, from it alone",
		Long: `Report reads a run directory, writes its summary.json, report.md and report.xlsx
anew, and prints the tables. With --format it prints one format to standard
output instead and writes nothing. The same directory gives the same bytes.`,
		Example: "  evabench report runs/pro6000x1-20261121T020304Z\n  evabench report runs/… --format markdown",
		Args:    one("run directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if format == "" && out != "" {
				return &usageError{errors.New("--out needs --format: which of the reports?")}
			}
			if format == "" {
				_, err := writeReports(args[0], s.out)
				return err
			}
			if !slices.Contains(formats.Names(), format) {
				return &usageError{fmt.Errorf("unknown format %q; known: %s", format, strings.Join(formats.Names(), ", "))}
			}
			_, d, err := document(args[0])
			if err != nil {
				return err
			}
			if out == "" {
				return formats.Write(format, s.out, d)
			}
			return writeFile(out, func(w io.Writer) error { return formats.Write(format, w, d) })
		},
	}
	c.Flags().StringVar(&format, "format", "", fmt.Sprintf("print one `FORMAT` only: %v", formats.Names()))
	c.Flags().StringVar(&out, "out", "", "with --format, write to `FILE`")
	return c
}

// document reads a run directory and makes its document.
func document(dir string) (*analysis.Summary, *report.Document, error) {
	run, err := results.Read(dir)
	if err != nil {
		return nil, nil, err
	}
	summary, err := analysis.Summarize(run)
	if err != nil {
		return nil, nil, fmt.Errorf("summarize %s: %w", dir, err)
	}
	return summary, report.Build(summary), nil
}

// writeReports makes every file of a run directory that is made from its
// facts, and prints the tables. It gives the number of steps that can be
// judged.
func writeReports(dir string, out io.Writer) (valid int, err error) {
	summary, d, err := document(dir)
	if err != nil {
		return 0, err
	}
	for _, f := range reportFiles {
		err := writeFile(filepath.Join(dir, f.file), func(w io.Writer) error { return formats.Write(f.format, w, d) })
		if err != nil {
			return 0, fmt.Errorf("write %s: %w", f.file, err)
		}
	}
	return summary.ValidSteps(), formats.Write("terminal", out, d)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	defer f.Cleanup() // does nothing once the file is in place
	if err := write(f); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
