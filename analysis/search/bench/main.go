// Command bench tries the capacity search on systems whose capacity is known, many
// times each, and says how often it was right, how honest its intervals are and
// what they cost.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/evabench/evabench/internal/queues"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := flags.String("systems", "", "only these, separated by commas")
	truths := flags.Bool("truths", false, "compute the long-run truths of the systems instead, as lines of their table")
	runs := flags.Int("truth-runs", 40, "with -truths: independent runs")
	requests := flags.Int("truth-requests", 400_000, "with -truths: requests of a run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	systems, err := chosen(*names)
	if err != nil {
		return err
	}
	if *truths {
		printTruths(os.Stdout, systems, queues.Effort{Runs: *runs, Requests: *requests})
	}
	return nil
}

// chosen gives the systems of these names, all for none.
func chosen(names string) ([]*queues.System, error) {
	if names == "" {
		return queues.All(), nil
	}
	var all []*queues.System
	for name := range strings.SplitSeq(names, ",") {
		s, ok := queues.Named(name)
		if !ok {
			return nil, fmt.Errorf("no system is called %q", name)
		}
		all = append(all, s)
	}
	return all, nil
}
