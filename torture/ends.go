package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The classes of bad ends.
var (
	ends = class{
		name: "ends", about: "SIGINT, SIGTERM, SIGHUP, the terminal's end (which hangs up twice), a second signal, anywhere in a sweep; then resumed",
		few: 5, many: 60,
		try: func(ctx context.Context, b *bed, n int) (tally, error) { return tryBlows(ctx, b, n, endOf) },
	}
	kill = class{
		name: "kill", about: "kill -9 anywhere in a sweep with services and MPS daemons, of resumed ones too; then resumed",
		few: 5, many: 200,
		try: func(ctx context.Context, b *bed, n int) (tally, error) { return tryBlows(ctx, b, n, killOf) },
	}
)

// goneWithin is the patience for what is left: a supervisor gives the worker its grace
// of a second.
const goneWithin = 20 * time.Second

// tryBlows tries blows of one kind, each at a sweep of its own.
func tryBlows(ctx context.Context, b *bed, n int, draw func(*rand.Rand, point) blow) (t tally, err error) {
	w, err := sweepWhole(ctx, b)
	if err != nil {
		return t, fmt.Errorf("a sweep that nobody disturbs: %w", err)
	}
	for i := range n {
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		seed := b.seed + uint64(i)
		broken, err := w.tryBlow(ctx, b, seed, draw)
		if err != nil {
			return t, fmt.Errorf("seed %d: %w", seed, err)
		}
		kept := 0
		if broken.first != nil {
			kept = len(broken.first.done)
		}
		fmt.Fprintf(b.talk, "seed %d: %s: %d of %d cells were done; %d faults\n", seed, strings.Join(broken.blows, "; then "), kept, len(w.seen.planned), len(broken.faults))
		for i, f := range broken.faults {
			broken.faults[i] = f + " (" + strings.Join(broken.blows, "; then ") + ")"
		}
		t.add(seed, broken.faults...)
		t.requests += broken.requests
		t.accounted += broken.accounted
		t.left = append(t.left, broken.remaining...)
		w.add(*broken)
		if len(broken.faults) == 0 && len(broken.remaining) == 0 {
			if err := os.RemoveAll(broken.dir); err != nil {
				return t, err
			}
		}
	}
	if w.ordered > 0 && w.interrupted == 0 {
		t.survived--
		t.faults = append(t.faults, fmt.Sprintf("%d signals came to a sweep that went on, and none ended with status %d", w.ordered, statusInterrupted))
	}
	if said := w.difference(); said != "" {
		t.survived--
		t.faults = append(t.faults, said)
	}
	return t, nil
}

// mostLate is how often a blow may come after the end of what it was to strike.
const mostLate = 5

// tryBlow tries one blow that lands: one that came when the sweep had ended is drawn again.
func (w *wholeSweep) tryBlow(ctx context.Context, b *bed, seed uint64, draw func(*rand.Rand, point) blow) (*broken, error) {
	random := rand.New(rand.NewPCG(seed, 0x656e6473))
	for late := range mostLate {
		name := fmt.Sprint(seed)
		if late > 0 {
			name += fmt.Sprintf("-%d", late)
		}
		s, err := newSweeper(b, name)
		if err != nil {
			return nil, err
		}
		k := &broken{sweeper: s, whole: w, draw: draw, random: random, patience: goneWithin}
		if err := k.try(ctx); err != nil {
			return nil, err
		}
		if k.landed > 0 || len(k.faults)+len(k.remaining) > 0 {
			return k, nil
		}
		fmt.Fprintf(b.talk, "seed %d: %s: drawn again\n", seed, strings.Join(k.blows, "; then "))
		if err := os.RemoveAll(s.dir); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%d blows in a row came when the sweep had ended", mostLate)
}

// A wholeSweep is what a sweep is that nobody disturbs, and what of disturbed ones is
// held against it.
type wholeSweep struct {
	seen  *seen
	cards string
	took  time.Duration
	lines int
	// redone and untouched are log ratios of the median times of answers to this one's.
	redone, untouched []float64
	// ordered counts the signals that were to end a sweep in order and came while it went
	// on, interrupted those after which it said that it was.
	ordered, interrupted int
}

// sweepWhole sweeps once to the end.
func sweepWhole(ctx context.Context, b *bed) (*wholeSweep, error) {
	s, err := newSweeper(b, "whole")
	if err != nil {
		return nil, err
	}
	w := &wholeSweep{}
	if w.cards, err = s.cards(ctx); err != nil {
		return nil, err
	}
	g, err := s.carryOut(ctx, s.sweep(), statusDone, statusNoValid)
	if err != nil {
		return nil, err
	}
	w.took, w.lines = time.Since(g.began), strings.Count(g.text()[:max(0, strings.Index(g.text(), "evabench: ends\n"))], "\n")
	if w.lines == 0 {
		return nil, fmt.Errorf("it told no progress: %s", g.end())
	}
	if w.seen, err = look(s.run()); err != nil {
		return nil, err
	}
	left, err := s.remains()
	if err != nil {
		return nil, err
	}
	if len(w.seen.done) != len(w.seen.planned) || len(w.seen.done) == 0 || len(w.seen.others)+len(w.seen.problems)+len(left) > 0 {
		return nil, fmt.Errorf("%d of %d cells are done, and %v, %v, %v", len(w.seen.done), len(w.seen.planned), w.seen.others, w.seen.problems, left)
	}
	return w, nil
}

// Exit statuses of evabench.
const (
	statusDone        = 0
	statusNoValid     = 4 // on a busy machine the load generator is too late for a verdict
	statusInterrupted = 130
)

// A broken sweep is one that blows end, and that is resumed until it is whole.
type broken struct {
	*sweeper
	whole  *wholeSweep
	draw   func(*rand.Rand, point) blow
	random *rand.Rand
	// patience is how long what is left may take to end by itself.
	patience time.Duration

	blows               []string
	landed              int // blows that came while the command went on
	faults, remaining   []string
	requests, accounted int64
	first, last         *seen
}

func (b *broken) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// try strikes the sweep, and one in four resumed ones, and looks at what became of it.
// The error is that it could not be tried.
func (b *broken) try(ctx context.Context) error {
	args := b.sweep()
	for {
		before := b.last
		if err := b.strike(ctx, args); err != nil {
			return err
		}
		if err := b.lookAgain(before); err != nil {
			return err
		}
		if b.first == nil {
			b.first = b.last
		}
		var err error
		if args, err = b.again(); err != nil {
			return err
		}
		if b.random.IntN(4) > 0 {
			break
		}
	}
	before := b.last
	if g, err := b.carryOut(ctx, args, statusDone, statusNoValid); err != nil {
		if g == nil || ctx.Err() != nil {
			return err
		}
		b.fault("%v", err)
	}
	if err := b.lookAgain(before); err != nil {
		return err
	}
	if b.last == nil {
		b.fault("there is no run directory in the end")
		return nil
	}
	faults, requests, accounted := b.last.complete(b.whole.seen)
	b.faults, b.requests, b.accounted = append(b.faults, faults...), requests, accounted
	cards, err := b.cards(ctx)
	if err != nil {
		return err
	}
	if cards != b.whole.cards {
		b.fault("the GPUs stand otherwise than before: %s", strings.ReplaceAll(cards, "\n", " | "))
	}
	b.remaining, err = b.remains()
	return err
}

// lookAgain reads the run directory, if there is one, and holds it against an earlier look.
func (b *broken) lookAgain(before *seen) error {
	if _, err := os.Stat(b.run() + "/environment.json"); err != nil {
		if before != nil {
			b.fault("the run's environment is gone")
		}
		return nil
	}
	now, err := look(b.run())
	if err != nil {
		b.fault("the run directory cannot be read: %v", err)
		return nil
	}
	if before != nil {
		b.faults = append(b.faults, now.kept(before)...)
	}
	b.last = now
	return nil
}

// strike starts a command, strikes it, and looks at how it ends.
func (b *broken) strike(ctx context.Context, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	blow := b.draw(b.random, pointOf(b.random, b.whole.lines, b.whole.took))
	b.blows = append(b.blows, blow.String())
	g, err := b.start(ctx, args)
	if err != nil {
		return err
	}
	ended := g.await(blow.at)
	if ended {
		b.blows[len(b.blows)-1] += " (it had ended)"
	}
	struck := false
	for _, s := range blow.strikes {
		ended = ended || g.wait(s.after)
		if !ended {
			if err := s.do(b.sweeper, g); err != nil {
				return err
			}
			struck = true
		}
	}
	if !g.wait(sweepLimit) {
		return fmt.Errorf("it did not end: %s", g.end())
	}
	if struck {
		b.landed++
	}
	if blow.ordered {
		if struck {
			b.whole.ordered++
		}
		if g.exited(statusInterrupted) {
			b.whole.interrupted++
		}
		b.inOrder(g, blow)
	}
	return b.awaitGone(blow)
}

// inOrder says what of an end is not as it is promised: by itself, with its status, the
// server put back, and nothing left.
func (b *broken) inOrder(g *going, blow blow) {
	early := g.state.Sys().(syscall.WaitStatus).Signaled() && g.text() == "" // before it could catch signals
	if !early && !g.exited(statusInterrupted, statusDone, statusNoValid) {
		b.fault("%s, want status %d: %s", g.how(), statusInterrupted, g.end())
	}
	left, err := b.remains()
	if err != nil {
		b.fault("%v", err)
	}
	for _, l := range left {
		b.fault("right after its end there is %s", l)
	}
}

// awaitGone waits until what may not be left has ended.
func (b *broken) awaitGone(blow blow) error {
	for until := time.Now().Add(b.patience); ; time.Sleep(50 * time.Millisecond) {
		all, err := b.running()
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, blow.spared)
		if len(all) == 0 {
			return nil
		}
		if time.Now().After(until) {
			for _, p := range all {
				b.fault("%s after its end there is %s", b.patience, p)
			}
			return nil
		}
	}
}
