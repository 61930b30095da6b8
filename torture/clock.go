package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/results"
)

// clockwork is the class of bad clocks. Nobody may set this machine's clock; that a wall
// clock is set, and that a machine sleeps, is held by tests with clocks of their own.
var clockwork = class{
	name: "clock", about: "a sweep's process is stopped for 0.7 to 2.5 s, anywhere in its steps",
	few: 2, many: 40, try: tryClock,
}

// A stop is when a process was stopped, by this machine's clock.
type stop struct{ from, to time.Time }

func tryClock(ctx context.Context, b *bed, n int) (t tally, err error) {
	s, err := newSmall(b, "whole", "30s")
	if err != nil {
		return t, err
	}
	whole, cards, err := s.sweptWhole(ctx)
	if err != nil {
		return t, fmt.Errorf("a sweep that nobody stops: %w", err)
	}
	for i := range n {
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		seed := b.seed + uint64(i)
		s, err := newSmall(b, fmt.Sprint(seed), "30s")
		if err != nil {
			return t, err
		}
		d := diskTrial{sweeper: s, whole: whole, cards: cards}
		stopped, err := d.stopped(ctx, rand.New(rand.NewPCG(seed, 0x636c6f63)))
		if err != nil {
			return t, fmt.Errorf("seed %d: %w", seed, err)
		}
		fmt.Fprintf(b.talk, "seed %d: stopped %d times: %d faults\n", seed, len(stopped), len(d.faults))
		t.add(seed, d.faults...)
		t.requests += d.requests
		t.accounted += d.accounted
		t.left = append(t.left, d.remaining...)
		if len(d.faults)+len(d.remaining) == 0 {
			if err := os.RemoveAll(s.dir); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

// stopped stops a sweep once in each of its steps or so, and looks at what became of it.
func (d *diskTrial) stopped(ctx context.Context, random *rand.Rand) (stops []stop, err error) {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	g, err := d.start(ctx, d.sweep())
	if err != nil {
		return nil, err
	}
	for steps := 1; d.awaitStep(g, steps); steps++ {
		// A step takes 3.1 s of the clock.
		if g.wait(time.Duration(random.Float64() * float64(3*time.Second))) {
			break
		}
		s := stop{from: time.Now()}
		if err := g.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			break // it has ended
		}
		time.Sleep(700*time.Millisecond + time.Duration(random.Float64()*float64(1800*time.Millisecond)))
		s.to = time.Now()
		if err := g.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			return nil, err
		}
		stops = append(stops, s)
	}
	<-g.ended
	if !g.exited(statusDone, statusNoValid) {
		d.failed("%s: %s", g.how(), g.end())
		return stops, d.putBack(ctx)
	}
	now, err := look(d.run())
	if err != nil {
		return nil, err
	}
	lacks, requests, accounted := now.complete(d.whole)
	d.faults, d.requests, d.accounted = append(d.faults, lacks...), requests, accounted
	if err := d.halts(stops); err != nil {
		return nil, err
	}
	return stops, d.putBack(ctx)
}

// awaitStep waits until a sweep has said that so many steps begin, and reports false if it
// ended before.
func (d *diskTrial) awaitStep(g *going, steps int) bool {
	for {
		if strings.Count(g.text(), "of server time (") >= steps+1 { // one is the plan's
			return true
		}
		if g.wait(20 * time.Millisecond) {
			return false
		}
	}
}

// halts holds the halts of the steps against the stops.
func (d *diskTrial) halts(stops []stop) error {
	run, err := results.Read(d.run())
	if err != nil {
		return err
	}
	within := 0
	for _, c := range run.Cells {
		for _, s := range c.Steps {
			moment := func(o results.Offset) time.Time {
				return c.Cell.Started.Add(time.Duration(float64(o) / run.Environment.SimulatedScale))
			}
			begin, end := moment(s.Step.Start), moment(s.Step.End)
			for _, stop := range stops {
				// Offset 0 is known to a few milliseconds of the clock, and the least halt
				// that is told is half a second.
				inside := earlier(stop.to, end).Sub(later(stop.from, begin))
				if inside < 600*time.Millisecond {
					continue
				}
				within++
				if len(s.Step.Halts) == 0 {
					d.failed("%s step %d, %v to %v, has no halt; stopped for %v from %v", c.Cell.Folder, s.Step.Index, begin.Format("05.000"), end.Format("05.000"), stop.to.Sub(stop.from), stop.from.Format("05.000"))
				}
			}
		}
	}
	if within == 0 {
		d.failed("no step was stopped: nothing was tried (%d stops)", len(stops))
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
