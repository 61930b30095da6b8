package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/results"
)

// selftestOptions say what the selftest measures and how it is told.
type selftestOptions struct {
	roofline.Options
	json      bool
	serverCPU int // -1: not told
}

func newSelftest(s streams) *cobra.Command {
	o := selftestOptions{serverCPU: -1}
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Measure what the load generator can do on this machine",
		Long: `Selftest measures the load generator itself: requests and bytes a second of closed
loops, how late the requests of open loops begin to arrive, and how exactly the
tokens of many streams are stamped. It asks a server of its own over the
loopback, which runs as a process of its own on another processor if there is
one; no network card is in the figures. It takes about half a minute.

A run measures the same, quickly, if the last time was more than a day ago, and
warns when a step asks for more than half of what the client can do.`,
		Example: "  evabench selftest\n  evabench selftest --quick --json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), s)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Quick, "quick", false, "measure for about 3 s in all")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringSliceVar(&o.Only, "only", nil, "measure only these `PHASES`: "+strings.Join(roofline.Phases(), ", "))
	f.DurationVar(&o.Length, "length", 0, "measure each phase for `DURATION`")
	f.IntVar(&o.Streams, "streams", 0, "streams at once (default 5000, or 500 with --quick)")
	f.Float64SliceVar(&o.Rates, "rates", nil, "requests a second of the open loops (default 1000,2000,10000)")
	f.IntVar(&o.serverCPU, "server-cpu", -1, "run the server on processor `N` (default the last one)")
	return c
}

// run measures and prints.
func (o *selftestOptions) run(ctx context.Context, s streams) error {
	if o.serverCPU != -1 {
		o.ServerCPU = &o.serverCPU
	}
	if err := o.Check(); err != nil {
		return &usageError{err}
	}
	o.Tell = func(phase string) { fmt.Fprintf(s.err, "measuring %s\n", phase) }
	t, err := roofline.Measure(ctx, o.Options)
	if err != nil {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		return err
	}
	if o.json {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(t)
	}
	return printSelftest(s.out, t)
}

// selftestForRun gives what a run keeps of the client: measured within a day, or
// now. Where it cannot be measured the run goes on without it and says so.
func selftestForRun(ctx context.Context, s streams) (*results.SelfTest, error) {
	dir, err := roofline.DefaultCacheDir()
	if err != nil {
		dir = "" // measured, but not kept
	}
	t, err := roofline.ForRun(ctx, dir)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		fmt.Fprintf(s.err, "evabench: what the load generator can do here is unknown: %v\n", err)
		return nil, nil
	}
	return &t, nil
}

// printSelftest writes the table.
func printSelftest(out io.Writer, t results.SelfTest) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")) }
	server := "with the client"
	if t.ServerCPU != nil {
		server = "on CPU " + strconv.Itoa(*t.ServerCPU)
	}
	fmt.Fprintf(out, "The load generator on this machine (%s), client on CPU %v, server %s, over loopback:\n\n", t.CPUModel, t.ClientCPUs, server)
	if t.Images != nil || t.Small != nil {
		line("CLOSED LOOP", "REQ/S", "MB/S", "CPU/REQ", "FAILED")
		for _, p := range []*results.Throughput{t.Images, t.Small} {
			if p != nil {
				line(fmt.Sprintf("%d B, 64 connections", p.BodyBytes), fmt.Sprintf("%.0f", p.PerSecond),
					fmt.Sprintf("%.0f", p.BytesPerSecond/1e6), short(p.CPUPerRequest), strconv.FormatInt(p.Failed, 10))
			}
		}
		line()
	}
	if len(t.Rates) > 0 {
		line("OPEN LOOP", "ACHIEVED/S", "LATE P50", "P99", "MAX", "FAILED", "LOST")
		for _, r := range t.Rates {
			line(fmt.Sprintf("%.0f/s", r.Rate), fmt.Sprintf("%.1f", r.Achieved), short(r.P50), short(r.P99), short(r.Max),
				strconv.FormatInt(r.Failed, 10), strconv.FormatInt(r.Lost, 10))
		}
		line()
	}
	if p := t.Streams; p != nil {
		line("STREAMS", "TOKENS/S", "CORES", "TOKENS/S AT 85 %", "STAMP ERROR P50", "P99", "MAX", "TOKENS", "LOST")
		line(strconv.Itoa(p.Streams), fmt.Sprintf("%.0f", p.PerSecond), fmt.Sprintf("%.2f", p.Cores), fmt.Sprintf("%.0f", p.PerSecondAt85),
			short(p.ErrorP50), short(p.ErrorP99), short(p.ErrorMax), strconv.FormatInt(p.Tokens, 10), strconv.FormatInt(p.Lost, 10))
		line()
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, n := range t.Warnings {
		if _, err := fmt.Fprintf(out, "Warning: %s\n", n.Text); err != nil {
			return err
		}
	}
	return nil
}

// short tells a short duration to three digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// newSelftestServer is the selftest's other process.
func newSelftestServer(s streams) *cobra.Command {
	return &cobra.Command{
		Use:    roofline.ServerCommand,
		Short:  "Serve the selftest until standard input ends",
		Hidden: true,
		Args:   usageArgs(cobra.NoArgs),
		RunE:   func(*cobra.Command, []string) error { return roofline.Serve(s.in, s.out) },
	}
}
