package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/findings"
	"github.com/evabench/evabench/analysis/recommend"
	"github.com/evabench/evabench/analysis/search"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
	"github.com/evabench/evabench/results"
)

// reportFiles are the files of a run directory that are made from its facts.
var reportFiles = []reportFile{
	{"summary.json", "json"},
	{"report.md", "markdown"},
	{"report.xlsx", "xlsx"},
	{"report.html", "html"},
}

type reportFile struct{ file, format string }

// alertsFile is made beside them where there is a capacity.
const alertsFile = "alerts.yaml"

// reportOptions are the flags of report.
type reportOptions struct {
	format, out string
	all         bool
	width       int
	published   bool
}

func newReport(s streams) *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report DIR | report --published",
		Short: "Make the reports of a run directory again, from it alone",
		Long: `Report reads a run directory, writes its summary.json, report.md, report.xlsx and
report.html anew, and prints a short form of about a screen; with --all, the whole report.
Of a run that searched for a capacity it also writes alerts.yaml, rules for
Prometheus at the measured boundary.
With --format it prints one format to standard output instead and writes
nothing. The same directory gives the same bytes.

Parts that are damaged are left out; the reports are made of what is whole, each
part is named with its file, and the exit status is 1.

With --published the rows of the EVA GPU MIG/MPS Optimization Guide stand beside
the run's own, as printed and marked published; without a run directory, alone.`,
		Example: "  evabench report runs/pro6000x1-20261121T020304Z\n  evabench report runs/… --all | less\n  evabench report runs/… --format markdown\n  evabench report --published",
		Args: func(c *cobra.Command, args []string) error {
			if o.published && len(args) == 0 {
				return nil
			}
			return one("run directory")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c.Flags().Changed("width")); err != nil {
				return &usageError{err}
			}
			if !c.Flags().Changed("width") {
				o.width = widthOf(s.out)
			}
			if len(args) == 0 {
				if o.all {
					return &usageError{errors.New("--all says nothing of --published without a run directory, which is always whole")}
				}
				return o.publishedAlone(s.out)
			}
			return o.report(args[0], s.out)
		},
	}
	c.Flags().StringVar(&o.format, "format", "", fmt.Sprintf("print one `FORMAT` only: %v", formats.Names()))
	c.Flags().StringVar(&o.out, "out", "", "with --format, write to `FILE`")
	c.Flags().BoolVar(&o.all, "all", false, "print the whole report, not its short form")
	c.Flags().IntVar(&o.width, "width", 0, fmt.Sprintf("print at most `N` columns, 0: no limit (default: the terminal's, else %d)", formats.DefaultWidth))
	c.Flags().BoolVar(&o.published, "published", false, "with the published rows beside the run's own; without DIR, those alone")
	return c
}

// check refuses flags that say nothing.
func (o *reportOptions) check(width bool) error {
	text := o.format == "" || o.format == "terminal"
	switch {
	case o.format == "" && o.out != "":
		return errors.New("--out needs --format: which of the reports?")
	case o.format != "" && !slices.Contains(formats.Names(), o.format):
		return fmt.Errorf("unknown format %q; known: %s", o.format, strings.Join(formats.Names(), ", "))
	case o.all && !text:
		return fmt.Errorf("--all says nothing of --format %s, which is always whole", o.format)
	case width && !text:
		return fmt.Errorf("--width says nothing of --format %s", o.format)
	case o.published && slices.Contains(formats.OneRun(), o.format):
		return fmt.Errorf("--published says nothing of --format %s", o.format)
	case o.width < 0:
		return fmt.Errorf("--width %d: no less than 0", o.width)
	}
	return nil
}

func (o *reportOptions) report(dir string, stdout io.Writer) error {
	if o.format == "" {
		_, err := writeReportsAs(dir, stdout, *o)
		return err
	}
	defer boundMemory()()
	summary, d, err := document(dir)
	if err != nil {
		return err
	}
	if o.published {
		report.AddPublished(d)
	}
	write := func(w io.Writer) error { return formats.Write(o.format, w, d) }
	if o.format == "terminal" {
		write = func(w io.Writer) error { return o.text(w, summary, d) }
	}
	if o.out == "" {
		err = write(stdout)
	} else {
		err = writeFile(o.out, write)
	}
	return errors.Join(err, damagedIn(dir, summary))
}

// text writes what a terminal shows: the short form, or all.
func (o *reportOptions) text(w io.Writer, s *analysis.Summary, whole *report.Document) error {
	if o.all {
		return formats.Terminal(w, whole, o.width)
	}
	brief := report.Brief(s)
	if o.published {
		report.AddPublished(brief)
	}
	return formats.Terminal(w, brief, o.width)
}

// publishedAlone writes the published rows without a run.
func (o *reportOptions) publishedAlone(stdout io.Writer) error {
	format := o.format
	if format == "" {
		format = "terminal"
	}
	return writeDocument(report.Published(), format, o.out, o.width, stdout)
}

// widthOf gives the width of the terminal that w is.
func widthOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return formats.DefaultWidth
}

// document reads a run directory and makes its document. What is damaged there is left out
// and told, in the document and by [damagedIn].
func document(dir string) (_ *analysis.Summary, _ *report.Document, err error) {
	run, err := results.Read(dir)
	if err != nil {
		return nil, nil, err
	}
	if run.Environment.Lost != "" {
		fillLost(run)
	}
	defer func() {
		if fault := recover(); fault != nil { // records that make no sense found a mistake of ours
			err = fmt.Errorf("summarize %s: panic: %v; please report this", dir, fault)
		}
	}()
	summary, err := analysis.Summarize(run)
	if err != nil {
		return nil, nil, fmt.Errorf("summarize %s: %w", dir, err)
	}
	if err := search.Complete(summary); err != nil {
		return nil, nil, fmt.Errorf("summarize %s: the search for capacity: %w", dir, err)
	}
	summary.Complete()
	findings.Complete(summary)
	recommend.Complete(summary)
	return summary, report.Build(summary), nil
}

// writeReports makes every file of a run directory that is made from its
// facts, and prints the short form. It gives the number of steps that can be
// judged.
func writeReports(dir string, out io.Writer) (valid int, err error) {
	return writeReportsAs(dir, out, reportOptions{width: widthOf(out)})
}

func writeReportsAs(dir string, out io.Writer, o reportOptions) (valid int, err error) {
	defer boundMemory()()
	summary, d, err := document(dir)
	if err != nil {
		return 0, err
	}
	if o.published {
		report.AddPublished(d)
	}
	files := reportFiles
	if len(d.Alerts.Groups) > 0 {
		files = append(slices.Clone(files), reportFile{alertsFile, "alerts"})
	}
	lost := writeFiles(dir, files, d)
	if err := o.text(out, summary, d); err != nil {
		return 0, errors.Join(lost, err)
	}
	if lost != nil {
		return summary.ValidSteps(), errors.Join(lost, damagedIn(dir, summary))
	}
	_, err = fmt.Fprintf(out, "\nIn %s:\n  report.html, report.md, report.xlsx: the full report; \"evabench report DIR --all\" prints it\n  summary.json: every number, exact; cells/: each request and each reading\n", dir)
	if err == nil && len(d.Alerts.Groups) > 0 {
		_, err = fmt.Fprintf(out, "  %s: alert rules for Prometheus at the measured boundary\n", alertsFile)
	}
	return summary.ValidSteps(), errors.Join(err, damagedIn(dir, summary))
}
