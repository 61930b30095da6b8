// Package pace waits for moments to within microseconds, where package time is
// late by up to a millisecond: Go's runtime waits for timers in whole
// milliseconds on Linux (golang.org/issue/44343).
package pace

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

const (
	// coarse is how long before the moment package time hands over to the
	// kernel's own timer: more than a Go timer is late.
	coarse = 2 * time.Millisecond
	// spin is how long before the moment sleeping ends and looking at the clock
	// begins: more than a thread needs to wake up. At 1,000 arrivals a second it
	// is some 5 % of one core.
	spin = 50 * time.Microsecond
)

// A Waiter is the production [loadgen.Waiter]. The zero value is ready, and
// safe for concurrent use; each call in its last two milliseconds holds an
// operating system thread.
type Waiter struct{}

// Until returns at the moment, or sooner when ctx is done, which it looks at
// until two milliseconds before. It reports whether the moment was reached.
func (Waiter) Until(ctx context.Context, origin results.Origin, at results.Offset) bool {
	if left := at.Sub(origin.Now()); left > coarse {
		t := time.NewTimer(left - coarse)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	if ctx.Err() != nil {
		return false
	}
	if left := at.Sub(origin.Now()); left > spin {
		sleep(left - spin)
	}
	for origin.Now() < at {
		// Only looking: a yield here may not come back within the spin.
	}
	return true
}

// sleep sleeps on the kernel's high resolution timer. The thread's timer slack,
// 50 µs by default (man 2 prctl), is 1 ns meanwhile.
func sleep(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) == nil {
		defer unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // back to the default
	}
	left := unix.NsecToTimespec(d.Nanoseconds())
	for unix.Nanosleep(&left, &left) == unix.EINTR { // the runtime's signals
	}
}
