// Command gpucheck drives the evabench command on this machine's GPU, from
// outside and within minutes, and says of each thing that only a card can prove
// whether it was shown.
//
// It needs no Go, no network and no root: evabench and gpucheck as built, the
// folder examples, an NVIDIA driver, and a Python with torch, transformers and
// aiohttp (EVABENCH_PYTHON, else python3). It changes no setting of the card:
// the layout is "off", and what evabench may do is run MPS daemons of its own,
// in folders of its own. Where there is no GPU, or with -cpu, it runs the same
// course with small models on processors.
//
// # Where eight minutes go
//
// Planned for 16 processor cores, on which several torch processes that start at
// once answer after 10 to 20 s, and four that start in turn after 40 s. A cell is
// start, warm-up of at most 2 s, its steps, and 3 s to end.
//
//	look before, Python's versions                         15 s
//	calibrate  1 cell:  start 40, steps 3 x (2 + 6)        70 s
//	together   6 cells: start 15, step 2 + 10             195 s
//	with-vlm   2 cells: start 20, step 2 + 12              80 s
//	failover   1 cell:  start 20, steps 2 x (2 + 16), return 5   65 s
//	reports, look after, archive                           20 s
//	                                                      445 s
//
// Each part has a time limit that leaves the later ones their least time. At the
// limit evabench gets SIGINT, so that it restores; what was left out is told.
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp), errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "gpu-check: "+err.Error())
		os.Exit(1)
	}
}

// errUsage is the fault of a command line, which was told already.
var errUsage = errors.New("usage")

// options are what the command is told.
type options struct {
	evabench, examples, out string
	cpu, busy, keep         bool
	sim                     string
	simScale                float64
	limit                   time.Duration // 0: the form's own
	python                  string
}

func readOptions(args []string, talk io.Writer) (options, error) {
	o := options{python: os.Getenv("EVABENCH_PYTHON")}
	if o.python == "" {
		o.python = "python3"
	}
	f := flag.NewFlagSet("gpu-check", flag.ContinueOnError)
	f.SetOutput(talk)
	f.StringVar(&o.evabench, "evabench", beside("evabench"), "the program to check")
	f.StringVar(&o.examples, "examples", "examples", "the `FOLDER` with gpu-check and workers")
	f.StringVar(&o.out, "out", "gpu-check.tar.gz", "write the archive to `FILE`")
	f.BoolVar(&o.cpu, "cpu", false, "small models on processors, no GPU")
	f.BoolVar(&o.busy, "busy", false, "run though processes of others are on the card")
	f.StringVar(&o.sim, "sim", "", "the course of a GPU on the simulated `SERVER`, to try gpu-check itself")
	f.Float64Var(&o.simScale, "sim-scale", 10, "how many times as fast as the clock the simulated server runs")
	f.DurationVar(&o.limit, "limit", 0, "the longest time for all (default 8m, with -cpu 4m)")
	f.BoolVar(&o.keep, "keep", false, "keep the scratch folder, and say where it is")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	if f.NArg() > 0 || o.cpu && o.sim != "" {
		fmt.Fprintln(talk, "gpu-check: there are no arguments but flags, and -cpu and -sim exclude each other")
		return o, errUsage
	}
	var err error
	for _, path := range []*string{&o.evabench, &o.examples, &o.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

// beside names a program in this one's own folder.
func beside(name string) string {
	own, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(own), name)
}

func run(ctx context.Context, args []string, out, talk io.Writer) (err error) {
	o, err := readOptions(args, talk)
	if err != nil {
		return err
	}
	c := &check{options: o, began: time.Now(), talk: talk}
	if err := c.prepare(ctx); err != nil {
		return errors.Join(err, c.clean())
	}
	defer func() { err = errors.Join(err, c.clean()) }()
	c.drive(ctx)
	proofs := c.judge()
	dropped, size, err := c.archive(proofs)
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	fmt.Fprint(out, proofLines(proofs))
	if len(dropped) > 0 {
		fmt.Fprintf(out, "left out of the archive for its size: %d files\n", len(dropped))
	}
	fmt.Fprintf(out, "%s\n%s: %.1f MiB, evidence.md in it tells all\n", c.verdict(proofs), o.out, float64(size)/(1<<20))
	if n := count(proofs, failed); n > 0 {
		return fmt.Errorf("%d of %d proofs failed", n, len(proofs))
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

// clean removes the scratch folder.
func (c *check) clean() error {
	if c.scratch == "" {
		return nil
	}
	if c.keep {
		fmt.Fprintf(c.talk, "gpu-check: kept: %s\n", c.scratch)
		return nil
	}
	return os.RemoveAll(c.scratch)
}
