// Command bench tries the capacity search on systems whose capacity is known, many
// times each, and says how often it was right, how honest its intervals are and
// what they cost, beside a bisection.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command is asked for.
type options struct {
	runs, bisections int
	write            string
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var o options
	flags.IntVar(&o.runs, "n", 1000, "searches of each system")
	flags.IntVar(&o.bisections, "bisections", 100, "bisections of each system, with probes of 600 s, to compare with")
	flags.StringVar(&o.write, "write", "", "write the tables between the marks in this file, too")
	names := flags.String("systems", "", "only these, separated by commas")
	truths := flags.Bool("truths", false, "compute the long-run truths of the systems instead, as lines of their table")
	races := flags.Int("races", 0, "race configurations instead, so many times each field; -systems names the bases")
	aa := flags.Int("aa", 0, "compare two identical configurations instead, so many times each")
	aaSearches := flags.Int("aa-searches", 0, "with -aa: compare their searched capacities so many times, too")
	var l longRuns
	flags.IntVar(&l.queues.Runs, "truth-runs", 40, "with -truths: independent runs of a queue system")
	flags.IntVar(&l.queues.Requests, "truth-requests", 400_000, "with -truths: requests of such a run")
	flags.IntVar(&l.runs, "truth-cells", 30, "with -truths: independent runs of a cell of EVA's")
	flags.DurationVar(&l.window, "truth-window", 8*time.Hour, "with -truths: window of such a run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *truths {
		return printTruths(stdout, *names, l)
	}
	if *races > 0 {
		return printRaces(stdout, stderr, *names, *races)
	}
	if *aa > 0 {
		return printAA(stdout, stderr, *names, *aa, *aaSearches)
	}
	all, err := chosen(*names)
	if err != nil {
		return err
	}
	began := time.Now()
	var rows []row
	for _, s := range all {
		r := tryAll(s, o)
		rows = append(rows, r)
		fmt.Fprintf(stderr, "%s: %d searches, after %.0f s\n", s.name, len(r.trials), time.Since(began).Seconds())
	}
	text := report(rows)
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	if o.write != "" {
		return writeBetween(o.write, text)
	}
	return nil
}

// report is all tables of the rows.
func report(rows []row) string {
	return accuracy(rows) + "\n" + verdicts(rows) + "\n" + refusals(rows)
}

// tryAll searches a subject many times, two or more at once. Run i has the seed i+1, and a
// first load of its own, whatever else is run.
func tryAll(s subject, o options) row {
	r := row{subject: s, trials: make([]trial, o.runs)}
	each(o.runs, func(i int) {
		seed := uint64(i + 1)
		r.trials[i] = try(s, newSearch(s.drawn(seed)), seed)
	})
	if s.found() {
		r.bisections = make([]trial, o.bisections)
		each(o.bisections, func(i int) {
			seed := uint64(i + 1)
			r.bisections[i] = try(s, newBisection(s.drawn(seed), 600*time.Second), seed)
		})
	}
	return r
}

// each calls do for 0 to n-1, on all processors.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
