package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/procfs"

	"github.com/evabench/evabench/internal/roofline"
	"github.com/evabench/evabench/loadgen/stub"
)

// settle is how long the machine rests between two clients.
const settle = 300 * time.Millisecond

// measure lets the clients take turns, repetitions outermost, so that what
// changes on the machine touches all alike.
func (b *bench) measure(ctx context.Context) error {
	for i := range b.groups {
		g := &b.groups[i]
		g.readings = map[string][]reading{}
		for r := range b.repetitions {
			fmt.Fprintf(b.talk, "bench: %s, %d of %d\n", g.title, r+1, b.repetitions)
			if err := b.turn(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn lets each client do the group once.
func (b *bench) turn(ctx context.Context, g *group) error {
	before := roofline.ReadUse()
	found := make([]*reading, len(b.clients))
	var together sync.WaitGroup
	for i, c := range b.clients {
		one := func() {
			if r, ok := b.one(ctx, *g, c); ok {
				found[i] = &r
			}
		}
		if g.together {
			together.Go(one)
			continue
		}
		alone := roofline.ReadUse()
		one()
		if found[i] != nil {
			now := roofline.ReadUse()
			found[i].others, found[i].stolen = orNaN(alone.Others(now)), orNaN(alone.Stolen(now))
			pause(ctx, settle)
		}
	}
	together.Wait()
	for i, r := range found {
		if r == nil {
			continue
		}
		if g.together {
			now := roofline.ReadUse()
			r.others, r.stolen = orNaN(before.Others(now)), orNaN(before.Stolen(now))
		}
		if r.fault != "" {
			fmt.Fprintf(b.talk, "bench: %s, %s: %s\n", g.name, b.clients[i].name, r.fault)
		}
		g.readings[b.clients[i].name] = append(g.readings[b.clients[i].name], *r)
	}
	return context.Cause(ctx)
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// one lets a client do a group once, against a server of its own. It reports false
// if the client cannot do it.
func (b *bench) one(ctx context.Context, g group, c client) (reading, bool) {
	dir, err := os.MkdirTemp(b.dir, c.name)
	if err != nil {
		return reading{fault: err.Error()}, true
	}
	if c.name == floorName {
		if g.rate == 0 || g.together {
			return reading{}, false
		}
		return b.floor(ctx, g), true
	}
	if g.streams > 0 {
		if c.command != nil {
			return reading{}, false
		}
		return b.stream(ctx, g), true
	}
	s, err := b.server(ctx, g)
	if err != nil {
		return reading{fault: err.Error()}, true
	}
	u := s.URL() + "/predictions/stub"
	var args []string
	if c.command == nil {
		args, err = b.scenario(g, s.URL(), dir)
	} else {
		args = c.command(b, g, u, dir)
	}
	if err != nil || args == nil {
		return reading{fault: fmt.Sprint(err)}, errors.Join(err, s.Kill()) != nil
	}
	used, out, fault := b.exec(ctx, g, c.path, args)
	stats, seen, err := s.End()
	if err != nil {
		return reading{fault: err.Error()}, true
	}
	r := reading{
		perSecond: steady(stats), cpu: used.cpu / float64(stats.Requests), peak: used.peak,
		connections: float64(stats.Connections), others: math.NaN(),
	}
	switch {
	case c.command == nil:
		b.own(g, dir, seen, &r)
	case fault != nil:
		r.fault = fault.Error()
	default:
		b.theirs(g, c, out, dir, seen, &r)
	}
	return r, true
}

// theirs takes what can be known of another load generator.
func (b *bench) theirs(g group, c client, out, dir string, seen []stub.Arrival, r *reading) {
	if g.rate > 0 {
		r.late = onGrid(seen, g.rate)
		r.perSecond = r.late.Achieved
	}
	if g.name == stalls && c.quantiles != nil {
		var err error
		if r.quantiles, err = c.quantiles(out, dir); err != nil {
			r.fault = fmt.Sprintf("read what it reports: %v", err)
		}
	}
}

// used is what a process used.
type used struct{ cpu, peak float64 } // seconds, bytes

// exec runs a client on its processor until it ends.
func (b *bench) exec(ctx context.Context, g group, path string, args []string) (used, string, error) {
	ctx, cancel := context.WithTimeout(ctx, g.length+90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(b.clientCPU), path}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"), "K6_NO_USAGE_REPORT=true")
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Start()
	u := used{math.NaN(), math.NaN()}
	if err == nil {
		peak := watchPeak(cmd.Process.Pid)
		err = cmd.Wait()
		u.peak = peak()
	}
	if err != nil {
		last := strings.TrimSpace(talk.String())
		err = fmt.Errorf("%w: %s", err, last[max(0, len(last)-300):])
	}
	if cmd.ProcessState != nil {
		u.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	return u, out.String(), err
}

// watchPeak looks at the most memory that a process has had resident, until the
// function it gives is called, which gives the last figure.
//
// Note: what the system tells of a process that has ended (man 2 getrusage)
// counts ours in, which it was before it became another program.
func watchPeak(pid int) func() float64 {
	stop, last := make(chan struct{}), make(chan float64)
	go func() {
		peak := math.NaN()
		for {
			if v, err := peakOf(pid); err == nil {
				peak = v
			}
			select {
			case <-stop:
				last <- peak
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-last
	}
}

// peakOf is the most memory that a process has had resident, in bytes.
func peakOf(pid int) (float64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	status, err := p.NewStatus()
	if err == nil && status.VmHWM == 0 {
		err = errors.New("it has ended")
	}
	return float64(status.VmHWM), err
}
