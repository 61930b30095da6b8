// Command torture puts the evabench command through what goes wrong on real servers,
// from outside and with the real binary: servers that answer anything, disks that fill,
// clocks that step, signals and kill -9, files that are damaged. Nothing that was
// measured may be lost, every request that was due is accounted for, and nothing is left behind.
//
// A table says by class how many faults were tried and survived. The program fails
// if one was not, if a request is missing, or if anything was left.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	runAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// options are what the command is asked for.
type options struct {
	evabench string
	classes  []class
	many     bool
	n        int // faults of each class; 0 means as many as the class says
	seed     uint64
	keep     string // folder for what the classes leave; empty leaves none
}

func readOptions(args []string, talk io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(talk)
	flags.StringVar(&o.evabench, "evabench", "bin/evabench", "the program to drive")
	flags.BoolVar(&o.many, "many", false, "as many faults as in make long")
	flags.IntVar(&o.n, "n", 0, "faults of each class; 0 is as many as the class says")
	flags.Uint64Var(&o.seed, "seed", 1, "of the first fault of each class")
	flags.StringVar(&o.keep, "keep", "", "leave what the classes made in `DIR`")
	names := flags.String("classes", "", "only these, separated by commas; known: "+known(classes()))
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.classes, err = chosen(*names); err != nil {
		return o, err
	}
	if o.n < 0 || flags.NArg() > 0 {
		return o, errors.New("want -n of at least 0, and no arguments but flags")
	}
	if o.keep != "" {
		if o.keep, err = filepath.Abs(o.keep); err != nil {
			return o, err
		}
	}
	o.evabench, err = filepath.Abs(o.evabench)
	return o, err
}

// run prints the table, and fails if a class does.
func run(ctx context.Context, args []string, out, talk io.Writer) error {
	o, err := readOptions(args, talk)
	if err != nil {
		return err
	}
	if _, err := os.Stat(o.evabench); err != nil {
		return fmt.Errorf("look for the program to drive: %w; make build makes it", err)
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "torture-*"); err != nil {
			return fmt.Errorf("make a scratch folder: %w", err)
		}
		defer os.RemoveAll(dir)
	}
	var rows []row
	for _, c := range o.classes {
		r := tried(ctx, o, c, dir, talk)
		rows = append(rows, r)
		fmt.Fprintln(talk, r.line())
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprint(out, table(rows))
	return errors.Join(ctx.Err(), judged(rows))
}

// tried tries one class in a folder of its own.
func tried(ctx context.Context, o options, c class, dir string, talk io.Writer) row {
	r := row{class: c, n: c.few}
	if o.many {
		r.n = c.many
	}
	if o.n > 0 {
		r.n = o.n
	}
	began := time.Now()
	b, err := newBed(o.evabench, filepath.Join(dir, c.name), o.seed, talk)
	if err == nil {
		r.tally, err = c.try(ctx, b, r.n)
	}
	r.err, r.took = err, time.Since(began)
	return r
}
