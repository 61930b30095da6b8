// Package clocks tells what should not happen while something is timed: that the process
// did not run for a while, that the whole machine was suspended, that the wall clock was set.
package clocks

import (
	"context"
	"sync"
	"time"
)

// A Reading is what three clocks say at one moment, each since a zero of its own.
type Reading struct {
	// Running goes on while the machine runs, also where the process is stopped. What is
	// measured is measured by it.
	Running time.Duration
	// Boot goes on while the machine is suspended, too.
	Boot time.Duration
	// Wall is the time of day, which anybody may set.
	Wall time.Duration
	// Apart bounds how far apart the three were read.
	Apart time.Duration
}

// What can happen.
const (
	Stopped   = "stopped"   // the process did not run: SIGSTOP, a debugger, a frozen container, or no processor left for it
	Suspended = "suspended" // the machine did not run: asleep, or a virtual machine that was paused
	Set       = "set"       // the wall clock was set
)

// A Mishap is something that happened between two readings, From ≤ To by a clock like
// Running.
type Mishap struct {
	What     string // Stopped, Suspended or Set
	From, To time.Duration
	// For is how long the process or the machine stood still; how far the wall clock was
	// set, forwards if it is positive.
	For time.Duration
}

const (
	// Every is the time between two readings of a [Watch].
	Every = 50 * time.Millisecond
	// LongestGap is how late a reading may come. A garbage collection and other processes
	// delay it by milliseconds.
	LongestGap = 500 * time.Millisecond
	// asleep is the least difference of two clocks that a suspension makes.
	asleep = 20 * time.Millisecond
	// set is the least step of the wall clock that is told: NTP slews it by at most
	// 500 µs a second, so by 25 µs between two readings, and steps it from 128 ms on.
	set = 5 * time.Millisecond
)

// Between says what happened between two readings that should lie Every apart, the
// gravest first.
func Between(a, b Reading) []Mishap {
	var all []Mishap
	ran := b.Running - a.Running
	apart := a.Apart + b.Apart
	slept := b.Boot - a.Boot - ran
	if slept > asleep+apart {
		all = append(all, Mishap{Suspended, a.Running, b.Running, slept})
	}
	if late := ran - Every; late > LongestGap {
		all = append(all, Mishap{Stopped, a.Running, b.Running, late})
	}
	step := b.Wall - a.Wall - ran
	if slept > apart {
		step -= slept // while the machine sleeps the time of day goes on: that is no step
	}
	if step.Abs() > set+apart {
		all = append(all, Mishap{Set, a.Running, b.Running, step})
	}
	return all
}

// A Watch reads the clocks again and again, and keeps what happened. It is safe for
// concurrent use.
type Watch struct {
	read func() Reading

	mu      sync.Mutex
	last    Reading
	mishaps []Mishap
}

// NewWatch makes a Watch, and reads the clocks for the first time.
func NewWatch(read func() Reading) *Watch { return &Watch{read: read, last: read()} }

// Run looks at the clocks until ctx ends, and once more then.
func (w *Watch) Run(ctx context.Context) {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			w.Look()
			return
		case <-ticker.C:
			w.Look()
		}
	}
}

// Look reads the clocks now. The readings are to be no more than [Every] apart.
func (w *Watch) Look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.read()
	w.mishaps = append(w.mishaps, Between(w.last, now)...)
	w.last = now
}

// Take gives what happened and began until a moment of the running clock, in its order,
// and forgets it.
func (w *Watch) Take(until time.Duration) []Mishap {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.mishaps) && w.mishaps[n].From <= until {
		n++
	}
	taken := w.mishaps[:n:n]
	w.mishaps = w.mishaps[n:]
	return taken
}
