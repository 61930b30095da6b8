// Command bench measures what it takes to report a large run directory: it makes one of
// made-up samples, lets evabench report it, and prints the time, the processor time, the
// memory and the samples a second, beside those of a program that reads the columns of the
// samples and does nothing with them, which nothing that reads them all can pass.
//
//	go run ./report/bench -evabench bin/evabench
//	go run ./report/bench -evabench bin/evabench -cells 20 -dir /tmp/run   # kept, and used again
//
// It fails where the report takes more than [mostSeconds] or [mostBytes]. The time is that
// of the clock, on two processors that have nothing else to do; on a machine that has,
// look at the processor time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// What a report of the run directory may take, on two processors.
const (
	mostSeconds = 60
	mostBytes   = 1 << 30
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	evabench, dir string
	floor, made   string // of what we ask ourselves, in programs of their own
	procs         int
	size          size
	talk          io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := options{talk: stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.evabench, "evabench", "bin/evabench", "the `PROGRAM` that is measured")
	flags.StringVar(&o.dir, "dir", "", "make the run directory in `DIR` and keep it; what is there is used again (default: a temporary one)")
	flags.StringVar(&o.floor, "floor", "", "only read the columns of run directory `DIR`")
	flags.StringVar(&o.made, "make", "", "only make the run directory `DIR`")
	flags.IntVar(&o.procs, "procs", 2, "processors that a program may use")
	flags.IntVar(&o.size.cells, "cells", 200, "cells of the run")
	flags.IntVar(&o.size.samples, "samples", 10_000, "samples of a service in a step")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.floor != "" {
		return readColumns(o.floor, stdout)
	}
	if o.made != "" {
		return makeRun(ctx, o.made, o.size)
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "evabench-report-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = filepath.Join(dir, "run")
	}
	return o.measure(ctx, stdout)
}

// measure makes the run directory if it is not there, and runs both programs.
func (o options) measure(ctx context.Context, stdout io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.dir, "environment.json")); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(o.talk, "bench: making %s\n", o.dir)
		if _, err := o.child(ctx, self, "-make", o.dir, "-cells", strconv.Itoa(o.size.cells), "-samples", strconv.Itoa(o.size.samples)); err != nil {
			return err
		}
	}
	floor, err := o.child(ctx, self, "-floor", o.dir)
	if err != nil {
		return err
	}
	report, err := o.child(ctx, o.evabench, "report", o.dir)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(firstLine(floor.out), 10, 64)
	if err != nil {
		return fmt.Errorf("read columns: %w", err)
	}
	fmt.Fprintf(stdout, "%d samples, %s\n\n| program | s | CPU s | peak memory, MiB | samples/s |\n| --- | ---: | ---: | ---: | ---: |\n", n, o.files())
	for _, u := range []struct {
		name string
		use
	}{{"columns alone", floor}, {"evabench report", report}} {
		fmt.Fprintf(stdout, "| %s | %.1f | %.1f | %d | %.3g |\n", u.name, u.wall.Seconds(), u.cpu.Seconds(), u.peak>>20, float64(n)/u.wall.Seconds())
	}
	fmt.Fprintf(stdout, "\nThe report takes %.1f times as long as reading the columns alone, and %.1f times its CPU.\n",
		report.wall.Seconds()/floor.wall.Seconds(), report.cpu.Seconds()/floor.cpu.Seconds())
	return report.within()
}

// within says what of the limits was passed.
func (u use) within() error {
	var faults []error
	if s := u.wall.Seconds(); s > mostSeconds {
		faults = append(faults, fmt.Errorf("the report took %.1f s, more than %d", s, mostSeconds))
	}
	if u.peak > mostBytes {
		faults = append(faults, fmt.Errorf("the report took %d MiB, more than %d", u.peak>>20, mostBytes>>20))
	}
	return errors.Join(faults...)
}

// files tells of what the report wrote.
func (o options) files() string {
	text := "in MB:"
	for _, name := range []string{"summary.json", "report.md", "report.xlsx"} {
		if stat, err := os.Stat(filepath.Join(o.dir, name)); err == nil {
			text += fmt.Sprintf(" %s %.1f", name, float64(stat.Size())/1e6)
		}
	}
	return text
}

// use is what a program took.
type use struct {
	wall, cpu time.Duration
	peak      int64 // B of resident memory
	out       []byte
}

// child runs a program to its end. What we do ourselves is done so too: a program begins
// with the largest memory that its parent had.
func (o options) child(ctx context.Context, program string, args ...string) (use, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(o.procs))
	c.Stderr = o.talk
	start := time.Now()
	out, err := c.Output()
	u := use{wall: time.Since(start), out: out}
	if err != nil {
		return u, fmt.Errorf("%s %s: %w", program, args[0], err)
	}
	u.cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	r, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return u, errors.New("the system does not tell what a program took")
	}
	u.peak = r.Maxrss << 10 // Linux tells KiB: getrusage(2)
	return u, nil
}
