package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/progress"
	"github.com/evabench/evabench/progress/bars"
	"github.com/evabench/evabench/progress/page"
	"github.com/evabench/evabench/runner"
)

// progressOptions say how a run tells how it goes on.
type progressOptions struct {
	plain bool
	// events is the file that events are written to, "-" for standard output; empty for
	// none.
	events string
	live   string // the address of the page; empty for none
}

func (o *progressOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&o.plain, "plain", false, "tell of progress in lines, not in bars, also on a terminal")
	f.StringVar(&o.events, "json-events", "", "append each event of the run as a line of JSON to `FILE`; - is standard output, and the\nreport goes to standard error then")
	f.StringVar(&o.live, "live", "", "serve a page of what is going on at `ADDR`, with /metrics for Prometheus; :8090 is port 8090\nof this machine's loopback, :0 any free one")
}

// A telling is what tells of a run, from before its first change on.
type telling struct {
	options progressOptions
	streams streams
	events  *os.File
	page    *page.Page
	server  *page.Server
	stream  *progress.Stream
}

// prepare opens what can fail before anything is changed.
func (o progressOptions) prepare(s streams) (t *telling, err error) {
	t = &telling{options: o, streams: s}
	if o.events != "" && o.events != "-" {
		if t.events, err = os.OpenFile(o.events, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return nil, &usageError{fmt.Errorf("--json-events: %w; name a file in a folder that exists and can be written", err)}
		}
	}
	if o.live == "" {
		return t, nil
	}
	t.page = &page.Page{}
	if t.server, err = page.Serve(t.page, o.live); err != nil {
		if errors.Is(err, page.ErrAddress) {
			err = &usageError{fmt.Errorf("--live %s: %w", o.live, err)}
		} else {
			if at, ok := takenAt(err); ok {
				err = taken(at, "give another port (--live :0 takes any free one)")
			} else {
				err = fmt.Errorf("%w; give an address of this machine, or --live :PORT for its own loopback", err)
			}
			err = fmt.Errorf("--live %s: %w; nothing was changed", o.live, err)
		}
		return nil, errors.Join(err, t.close())
	}
	fmt.Fprintf(s.err, "evabench: live at %s\n", t.server.URL)
	if t.server.Open {
		fmt.Fprintf(s.err, "evabench: WARNING: --live %s: whoever reaches this machine can read the page, without a password; without a host it is for this machine alone\n", o.live)
	} else {
		fmt.Fprintln(s.err, "evabench: every user of this machine can read the page, without a password")
	}
	return t, nil
}

// begin lets a run tell of itself. It is called before the run is accelerated.
func (t *telling) begin(r *runner.Bench, sweep progress.Sweep) {
	var to []progress.Consumer
	if screen := t.screen(); screen != nil {
		drawn := bars.New(screen.file, screen.size)
		screen.draws(drawn)
		to = append(to, drawn)
	} else {
		to = append(to, progress.NewLines(t.streams.err, progress.FiguresEvery))
	}
	switch {
	case t.events != nil:
		to = append(to, progress.NewJSONLines(t.events))
		t.events = nil // closed with it
	case t.options.events == "-":
		to = append(to, progress.NewJSONLines(left{t.streams.out}))
	}
	if t.page != nil {
		to = append(to, t.page)
	}
	t.stream = progress.Start(sweep, to...)
	r.Tell, r.Follow = t.stream.Say, t.stream.Follow
}

// end tells how the run ended.
func (t *telling) end(run error, interrupted bool) {
	err := t.stream.End(run, interrupted)
	if screen := t.screen(); screen != nil {
		screen.draws(nil)
	}
	if err != nil { // what was measured is as good as ever
		fmt.Fprintf(t.streams.err, "evabench: WARNING: %v\n", err)
	}
}

// screen is the terminal to draw bars on; nil where lines are to be written.
func (t *telling) screen() *talk {
	on, ok := t.streams.err.(*talk)
	if !ok || t.options.plain || !isTerminal(on.file) || os.Getenv("CI") != "" {
		return nil
	}
	if term := os.Getenv("TERM"); term == "" || term == "dumb" {
		return nil
	}
	return on
}

// close ends the page.
func (t *telling) close() error {
	var faults []error
	if t.events != nil {
		faults = append(faults, t.events.Close())
	}
	if t.server != nil {
		faults = append(faults, t.server.Close())
	}
	return errors.Join(faults...)
}

// left is a writer that is left open.
type left struct{ io.Writer }

func (left) Close() error { return nil }

// toTell is what is known of a run before it begins.
func (b *bench) toTell(dir string) progress.Sweep {
	s := progress.Sweep{
		Evabench: buildVersion(), Scenario: b.scenario.Name, Dir: dir,
		Simulated: b.simulated.server, Faults: b.simulated.faults, Services: b.servicesUnderTest(),
	}
	for _, c := range b.cells {
		s.Cells = append(s.Cells, c.Folder)
	}
	if b.scenario.Search == nil {
		s.Steps = len(b.scenario.StepPlans())
	}
	if b.simulated.server != "" {
		s.Scale = b.simulated.scale
	}
	if q := b.quote(); q.known {
		s.LoadSeconds = q.load.Seconds() / float64(len(b.cells))
	}
	return s
}
