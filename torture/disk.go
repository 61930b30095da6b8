package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/results"
)

// disks is the class of bad disks. Its program is built with faults in the one layer that
// run directories and reports are written by.
var disks = class{
	name: "disk", about: "an I/O error, a full disk, a read-only one, a cut, at any operation of a sweep; then resumed",
	few: 4, many: 150, try: tryDisk,
}

// newSmall makes the bed of one fault of the classes of bad disks and clocks, with a small
// scenario: two layouts with MPS daemons, two steps each.
func newSmall(b *bed, name, window string) (*sweeper, error) {
	s, err := newSweeper(b, name)
	if err != nil {
		return nil, err
	}
	s.scenario, err = s.file("small.yaml", swept{name: "small", scale: 10, warmup: "1s", window: window, replicates: 1}.yaml())
	return s, err
}

// sweptWhole is a sweep that nobody disturbs: what it gave, and how the GPUs stand.
func (s *sweeper) sweptWhole(ctx context.Context) (*seen, string, error) {
	g, err := s.carryOut(ctx, s.sweep(), statusDone, statusNoValid)
	if err != nil {
		return nil, "", err
	}
	whole, err := look(s.run())
	if err != nil {
		return nil, "", err
	}
	if len(whole.planned) != 2 || len(whole.done) != 2 || len(whole.problems) > 0 {
		return nil, "", fmt.Errorf("%d of %d cells are done, %v: %s", len(whole.done), len(whole.planned), whole.problems, g.end())
	}
	cards, err := s.cards(ctx)
	return whole, cards, err
}

// The injected faults, and what the system says of each.
var diskFaults = []struct{ name, says string }{
	{"EIO", "input/output error"}, {"ENOSPC", "no space left on device"}, {"EROFS", "read-only file system"}, {"CUT", ""},
}

// faultVariable is what a program built with the tag faultdisk looks at
// (internal/disk.Injected).
const faultVariable = "EVABENCH_FAULT_DISK"

func tryDisk(ctx context.Context, b *bed, n int) (t tally, err error) {
	faulty := *b
	faulty.evabench = filepath.Join(b.dir, "evabench-faultdisk")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "faultdisk", "-o", faulty.evabench, "github.com/evabench/evabench/cmd/evabench")
	if out, err := build.CombinedOutput(); err != nil {
		return t, fmt.Errorf("build a program with faults: %w: %s", err, out)
	}
	defer os.Remove(faulty.evabench)
	s, err := newSmall(&faulty, "whole", "6s")
	if err != nil {
		return t, err
	}
	list := filepath.Join(b.dir, "operations")
	s.env = []string{faultVariable + "=" + list + ":LIST"}
	whole, cards, err := s.sweptWhole(ctx)
	if err != nil {
		return t, fmt.Errorf("a sweep on a sound disk: %w", err)
	}
	text, err := os.ReadFile(list)
	if err != nil {
		return t, err
	}
	operations := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i := range n {
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		seed := b.seed + uint64(i)
		f := diskFaults[int(seed)%len(diskFaults)]
		d, err := diskTrial{whole: whole, cards: cards, fault: f.name, says: f.says}.drawn(ctx, &faulty, seed, operations)
		if err != nil {
			return t, fmt.Errorf("seed %d: %w", seed, err)
		}
		fmt.Fprintf(b.talk, "seed %d: %s at operation %d of %d: %d faults\n", seed, d.fault, d.at, len(operations), len(d.faults))
		for i := range d.faults {
			d.faults[i] += fmt.Sprintf(" (%s at operation %d)", d.fault, d.at)
		}
		t.add(seed, d.faults...)
		t.requests += d.requests
		t.accounted += d.accounted
		t.left = append(t.left, d.remaining...)
		if len(d.faults)+len(d.remaining) == 0 {
			if err := os.RemoveAll(d.dir); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

// diskDraws is how often a place is drawn for one fault: two sweeps differ by a few
// operations, so that the last of one need not be there in another.
const diskDraws = 5

// drawn tries the fault at a drawn one of the operations of a sweep. One in four is drawn from
// those that write its reports, which are the last, and few.
func (d diskTrial) drawn(ctx context.Context, b *bed, seed uint64, operations []string) (*diskTrial, error) {
	random := rand.New(rand.NewPCG(seed, 0x6469736b))
	for draw := 1; ; draw++ {
		trial := d
		trial.at = place(random, operations)
		var err error
		if trial.sweeper, err = newSmall(b, fmt.Sprintf("%d-%d", seed, draw), "6s"); err != nil {
			return nil, err
		}
		if err := trial.try(ctx); err != nil || !trial.missed || draw == diskDraws {
			return &trial, err
		}
		if err := os.RemoveAll(trial.dir); err != nil {
			return nil, err
		}
	}
}

// place draws an operation, by its number from 1.
func place(random *rand.Rand, operations []string) int {
	var reports []int
	for i, op := range operations {
		if strings.Contains(op, "/.unfinished-report.") || strings.Contains(op, "/.unfinished-summary.") {
			reports = append(reports, i+1)
		}
	}
	if len(reports) > 0 && random.IntN(4) == 0 {
		return reports[random.IntN(len(reports))]
	}
	return 1 + random.IntN(len(operations))
}

// A diskTrial is one fault of the disk at one sweep.
type diskTrial struct {
	*sweeper
	whole *seen
	cards string
	at    int
	fault string
	says  string // what the system says of it; empty of a cut, which says nothing

	missed              bool // the sweep had fewer operations, so that nothing was tried
	waits               bool // the program told that the journal of the GPUs could not be ended
	faults, remaining   []string
	requests, accounted int64
}

func (d *diskTrial) failed(format string, args ...any) {
	d.faults = append(d.faults, fmt.Sprintf(format, args...))
}

// try lets the disk go wrong in a sweep, and then goes on with it on a sound one. The
// error is that it could not be tried.
func (d *diskTrial) try(ctx context.Context) error {
	d.env = []string{fmt.Sprintf("%s=%d:%s", faultVariable, d.at, d.fault)}
	limited, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	g, err := d.start(limited, d.sweep())
	if err != nil {
		return err
	}
	<-g.ended
	d.env = nil
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.ended(g); d.missed {
		return nil
	}
	// What a cut leaves is for the next command to end; of an orderly end nothing is left.
	if d.fault != "CUT" {
		if err := d.putBack(ctx); err != nil {
			return err
		}
		d.waits = false // the next command ends it
	}
	var before *seen
	if _, err := os.Stat(filepath.Join(d.run(), "environment.json")); err == nil {
		if before, err = look(d.run()); err != nil {
			d.failed("what is there cannot be read: %v", err)
			return nil
		}
	}
	args, err := d.again()
	if err != nil {
		return err
	}
	if g, err := d.carryOut(ctx, args, statusDone, statusNoValid); err != nil {
		if g == nil {
			return err
		}
		d.failed("%v", err)
		return nil
	}
	now, err := look(d.run())
	if err != nil {
		d.failed("in the end: %v", err)
		return nil
	}
	if before != nil {
		d.faults = append(d.faults, now.kept(before)...)
	}
	lacks, requests, accounted := now.complete(d.whole)
	d.faults, d.requests, d.accounted = append(d.faults, lacks...), requests, accounted
	return d.putBack(ctx)
}

// unended is how a sweep tells that it could not note down that the GPUs are as before.
const unended = "the GPUs were not put back as they were for certain: end journal: "

// ended looks at how the sweep ended, and whether it told the fault once.
func (d *diskTrial) ended(g *going) {
	if strings.Contains(g.text(), "panic:") || strings.Contains(g.text(), "goroutine ") {
		d.failed("it panicked: %s", g.end())
	}
	told := 0
	for line := range strings.SplitSeq(g.text(), "\n") {
		progress := len(line) > 8 && line[2] == ':' && line[5] == ':' // 15:04:05
		switch {
		case d.says == "" || !strings.Contains(line, d.says) || progress || strings.HasPrefix(line, "- "):
		case strings.Contains(line, unended):
			d.waits = true
		default:
			told++
		}
	}
	if d.waits {
		told = max(told, 1) // beside another fault it tells what that came to
	}
	switch {
	case !strings.Contains(g.text(), "injected: "):
		d.missed = true
		d.failed("operation %d was not reached, so nothing was tried: %s", d.at, g.end())
	case d.fault == "CUT":
		if g.exited(0, 1, 2, 3, 4) {
			d.failed("the cut did not end it: %s", g.how())
		}
	case g.exited(1) && told != 1:
		d.failed("the fault is told %d times: %s", told, g.end())
	case g.exited(1):
	case d.fault == "EIO" && g.exited(statusDone, statusNoValid): // it was tried again
		if warned, err := d.warned(); err != nil || warned != 1 {
			d.failed("%s, the run has %d warnings of the fault, %v: %s", g.how(), warned, err, g.end())
		}
	case d.fault == "ENOSPC" && g.exited(statusDone, statusNoValid) && told == 0: // nothing was written after
	default:
		d.failed("%s, the fault is told %d times: %s", g.how(), told, g.end())
	}
}

// warned counts the warnings of the run, of its cells and of their steps that tell the fault.
func (d *diskTrial) warned() (n int, err error) {
	run, err := results.Read(d.run())
	if err != nil {
		return 0, err
	}
	all := run.Environment.Warnings
	for _, c := range run.Cells {
		all = slices.Concat(all, c.Cell.Warnings)
		for _, s := range c.Steps {
			all = slices.Concat(all, s.Step.Warnings)
		}
	}
	for _, w := range all {
		if strings.Contains(w.Text, d.says) {
			n++
		}
	}
	return n, nil
}

// putBack asks that nothing is left, and that the GPUs stand as before.
func (d *diskTrial) putBack(ctx context.Context) error {
	now, err := d.sweeper.cards(ctx)
	if err != nil {
		return err
	}
	if d.waits {
		lines := strings.Split(now, "\n")
		now = strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "began to change the GPUs at") }), "\n")
	}
	if strings.TrimSpace(now) != strings.TrimSpace(d.cards) {
		d.failed("the GPUs stand otherwise than before: %s", strings.ReplaceAll(now, "\n", " | "))
	}
	for until := time.Now().Add(goneWithin); ; time.Sleep(50 * time.Millisecond) {
		all, err := d.running()
		if err != nil {
			return err
		}
		if len(all) == 0 || time.Now().After(until) {
			break
		}
	}
	left, err := d.remains()
	for _, l := range left {
		// A file that could not be removed from a disk that takes no changes stays until
		// the run goes on.
		if strings.Contains(l, "/.unfinished-") && d.fault != "EIO" && d.requests == 0 {
			continue
		}
		if d.waits && strings.HasSuffix(l, "/journal.json waits to be put back") {
			continue
		}
		d.remaining = append(d.remaining, l)
	}
	return err
}
