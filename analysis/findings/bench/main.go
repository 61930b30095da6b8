// Command bench tries how often the first finding of a run names the fault that was
// injected into it. Each run is a sweep by the evabench command on a simulated server:
// real HTTP, collectors, a run directory, analysis, findings.
//
// A fault of the server is in the server's model or on its wire, that of the client in
// the evabench process itself, which is stopped for a part of each tenth of a second.
// How strong it is, and for how much load, is drawn from the run's seed.
//
// On a machine that does other work the load generator is late without our doing, and
// the findings rightly say that first. Such a run shows nothing of its fault: it is made
// again, a few times, and in the end is told apart and not counted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "findings-bench:", err)
		os.Exit(1)
	}
}

// least is the share of runs with a fault whose first finding has to be right.
const least = 0.85

// options are what the command is asked for.
type options struct {
	evabench string
	runs     int
	seed     uint64
	tries    int     // of a run that this machine spoils
	scale    float64 // seconds of server time in one of the clock
	keep     string  // folder for the run directories; empty leaves none
	cases    []fault
}

func readOptions(args []string, talk io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("findings-bench", flag.ContinueOnError)
	flags.SetOutput(talk)
	flags.StringVar(&o.evabench, "evabench", "bin/evabench", "the program to drive")
	flags.IntVar(&o.runs, "n", 20, "runs with each fault, and as many without any")
	flags.Uint64Var(&o.seed, "seed", 1, "of the first run; the next one has the next")
	flags.IntVar(&o.tries, "tries", 3, "how often a run is tried that other work on this machine spoils")
	flags.Float64Var(&o.scale, "scale", 5, "how many times as fast as the clock the simulated server runs")
	flags.StringVar(&o.keep, "keep", "", "leave the run directories in `DIR`")
	names := flags.String("faults", "", "only these, separated by commas; none is a run without one")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.cases, err = chosen(*names); err != nil {
		return o, err
	}
	if o.runs < 1 || o.tries < 1 || flags.NArg() > 0 {
		return o, errors.New("want -n and -tries of at least 1, and no arguments but flags")
	}
	return o, nil
}

// run prints the table, and fails if the first finding was right too seldom.
func run(ctx context.Context, args []string, out, talk io.Writer) error {
	o, err := readOptions(args, talk)
	if err != nil {
		return err
	}
	rows, err := tryAll(ctx, o, talk)
	if err != nil {
		return err
	}
	fmt.Fprint(out, table(rows))
	right, n, spoilt := total(rows)
	switch {
	case float64(right) < least*float64(n):
		return fmt.Errorf("the first finding was right in %d of %d runs, want %.0f %%", right, n, least*100)
	case spoilt > n:
		return fmt.Errorf("%w: %d of %d runs could not be judged", errBusy, spoilt, n+spoilt)
	}
	return nil
}

// errBusy says that most runs were spoilt by what else this machine did.
var errBusy = errors.New("the load generator was late by itself: this machine is too busy")

// tryAll runs every case so often, the cases in turn within each round, so that what
// else happens on this machine touches all alike.
func tryAll(ctx context.Context, o options, talk io.Writer) ([]row, error) {
	rows := make([]row, len(o.cases))
	for i, f := range o.cases {
		rows[i] = row{fault: f, said: map[string]int{}}
	}
	for n := range o.runs {
		for i, f := range o.cases {
			seed, began := o.seed+uint64(n), time.Now()
			d := f.of(seed)
			var said verdict
			for k := range o.tries {
				var err error
				if said, err = try(ctx, o, d, fmt.Sprintf("%s-%d-%d", f.name, seed, k)); err != nil {
					return nil, fmt.Errorf("%s (%s), seed %d: %w", f.name, d.text, seed, err)
				}
				fmt.Fprintf(talk, "%s (%s), seed %d: %s, after %.1f s\n", f.name, d.text, seed, said, time.Since(began).Seconds())
				if !f.spoilt(said) {
					break
				}
			}
			rows[i].add(said)
		}
	}
	return rows, nil
}
