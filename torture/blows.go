package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A point is a moment of a sweep: after so many lines of what it says, or so long after
// its start where lines is negative, and a while on.
type point struct {
	lines int
	after time.Duration
}

func (p point) String() string {
	if p.lines < 0 {
		return fmt.Sprintf("%s after its start", p.after.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s after line %d", p.after.Round(time.Millisecond), p.lines)
}

// pointOf draws a moment of a sweep that took so long and said so many lines. Most are
// drawn by lines: what is applied and put back takes little of the time and is much of
// what can go wrong.
func pointOf(r *rand.Rand, lines int, took time.Duration) point {
	if r.IntN(4) == 0 {
		return point{-1, time.Duration(r.Float64() * float64(took))}
	}
	// To the 0.4 s that a step takes; seldom, as what is quick comes right after a line.
	return point{r.IntN(lines), time.Duration(r.ExpFloat64() * float64(100*time.Millisecond))}
}

// await waits for a moment of a command, or for its end.
func (g *going) await(p point) (ended bool) {
	for range p.lines {
		select {
		case <-g.lines:
		case <-g.ended:
			return true
		}
	}
	return g.wait(p.after)
}

// A strike is one thing that is done to a sweep, a while after the one before.
type strike struct {
	after time.Duration
	text  string
	do    func(*sweeper, *going) error
}

// A blow is what ends a sweep: strikes, and what may be left then that the next
// command has to tidy up.
type blow struct {
	at      point
	strikes []strike
	// ordered says that the command is to end by itself and in order.
	ordered bool
	// spared may be left running until the next command.
	spared func(process) bool
}

func (b blow) String() string {
	var all []string
	for _, s := range b.strikes {
		text := s.text
		if s.after > 0 {
			text = fmt.Sprintf("after %s %s", s.after.Round(time.Millisecond), text)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ") + ", " + b.at.String()
}

// nothing may be left.
func nothing(process) bool { return false }

// daemons of GPUs may be left: those of real ones outlive evabench too.
func daemons(p process) bool {
	return len(p.cmdline) > 1 && strings.HasSuffix(p.cmdline[0], "/nvidia-cuda-mps-control") && p.cmdline[1] == "-d"
}

// orphans may be left: daemons, and what the processes of services started, which
// are nobody's children once their supervisors are dead.
func orphans(p process) bool { return daemons(p) || slices.Contains(p.cmdline, lingerCommand) }

// signalled is a strike of a signal at the command, or at its whole process group as
// Ctrl-C at a terminal does it.
func signalled(s syscall.Signal, group bool) strike {
	text, to := s.String(), 1
	if group {
		text, to = text+" to its group", -1
	}
	return strike{text: text, do: func(_ *sweeper, g *going) error {
		return gone(syscall.Kill(to*g.cmd.Process.Pid, s))
	}}
}

// gone takes it for done when who was to be struck has ended before.
func gone(err error) error {
	if err == syscall.ESRCH || err == os.ErrProcessDone {
		return nil
	}
	return err
}

// hangUp is what the end of a terminal does: its shell signals its jobs, and a while
// after, once the shell has ended, the kernel those in the foreground.
func hangUp(after time.Duration) []strike {
	shell := strike{text: "the terminal's end", do: func(_ *sweeper, g *going) error {
		g.out.Close() // it may have ended, and be closed
		return gone(syscall.Kill(-g.cmd.Process.Pid, syscall.SIGHUP))
	}}
	kernel := signalled(syscall.SIGHUP, true)
	kernel.after = after
	return []strike{shell, kernel}
}

// killing kills with no moment between: all that is meant stands before the first dies.
func killing(text string, meant func(process) bool) strike {
	return strike{text: "kill -9 of " + text, do: func(s *sweeper, g *going) error {
		seen := map[int]bool{}
		for again := true; again; { // until all that is meant stands
			again = false
			all, err := s.running()
			if err != nil {
				return err
			}
			for _, p := range all {
				if meant(p) && !seen[p.pid] {
					seen[p.pid], again = true, true
					if err := gone(syscall.Kill(p.pid, syscall.SIGSTOP)); err != nil {
						return err
					}
				}
			}
		}
		for pid := range seen {
			if err := gone(syscall.Kill(pid, syscall.SIGKILL)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// endOf draws how signals end a sweep.
func endOf(r *rand.Rand, at point) blow {
	b := blow{at: at, ordered: true, spared: nothing}
	asks := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	s, then := asks[r.IntN(len(asks))], asks[r.IntN(len(asks))]
	later := time.Duration(r.ExpFloat64() * float64(300*time.Millisecond))
	switch r.IntN(5) {
	case 0, 1:
		b.strikes = []strike{signalled(s, r.IntN(2) == 0)}
	case 2:
		b.strikes = hangUp(later / 10) // the shell ends at once
	default:
		second := signalled(then, r.IntN(2) == 0)
		second.after = later
		b.strikes = []strike{signalled(s, r.IntN(2) == 0), second}
		if s != syscall.SIGHUP && then != syscall.SIGHUP { // it ends at once, wherever it is
			b.ordered, b.spared = false, daemons
		}
	}
	return b
}

// killOf draws whom a kill -9 ends.
func killOf(r *rand.Rand, at point) blow {
	one := func(g *going) int { return g.cmd.Process.Pid }
	switch r.IntN(4) {
	case 0, 1:
		alone := strike{text: "kill -9 of evabench", do: func(_ *sweeper, g *going) error { return gone(syscall.Kill(one(g), syscall.SIGKILL)) }}
		return blow{at: at, strikes: []strike{alone}, spared: daemons}
	case 2:
		return blow{at: at, strikes: []strike{killing("evabench, its supervisors and the simulated server", func(p process) bool {
			return !orphans(p) && !slices.Contains(p.cmdline, workerCommand)
		})}, spared: orphans}
	default:
		return blow{at: at, strikes: []strike{killing("every process but what workers started", func(p process) bool {
			return !slices.Contains(p.cmdline, lingerCommand)
		})}, spared: orphans}
	}
}
