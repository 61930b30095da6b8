// Package pace is an event loop that keeps moments to within microseconds, where
// package time is late by up to a millisecond: Go's runtime waits for timers in
// whole milliseconds on Linux (golang.org/issue/44343). The loop waits for
// sockets on the same thread, so that nothing which is due waits for another
// thread, and takes from the kernel when bytes came in.
//
// Note: a thread that sleeps until the moment and hands over to goroutines wakes
// up as precisely, but what it hands over then waits for a thread in its turn, and
// with one core for whatever runs there.
package pace

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/evabench/evabench/results"
)

// A Loop is one thread that waits for moments and for sockets at once and does
// everything of a step in turn, so that nothing which is due waits for another
// thread to wake up. [New] gives the production one, [NewTimed] one on package
// time for tests in virtual time.
//
// All methods but Post, Now and Origin are called on the loop: before Run, from
// what Run calls (timers, handlers, posted functions), or after it.
type Loop interface {
	Origin() results.Origin
	// Now reads the clock.
	Now() results.Offset
	// Set lets t.F be called at the moment, or at once if that has passed, and
	// never before. A timer that is set is moved. Of two timers of one moment the
	// one set first goes first.
	Set(t *Timer, at results.Offset)
	// Stop ends a timer's wait, if it waits.
	Stop(t *Timer)
	// Post lets f be called on the loop, soon, in the order of posting. It is safe
	// from any goroutine and reports false when the loop has ended and f is dropped.
	// What was posted before Run's end is called by it, also after Quit.
	Post(f func()) bool
	// Connect opens a TCP connection. It returns at once; h learns the rest.
	Connect(to netip.AddrPort, h Handler) Conn
	// Adopt is Connect for any other connection (TLS, a proxy's, one in memory):
	// dial is called on a goroutine of its own, and the connection it gives is read
	// and written by goroutines of its own. The context ends with Conn.Close.
	Adopt(dial func(context.Context) (net.Conn, error), h Handler) Conn
	// Run works until Quit, on the calling goroutine. It is called once.
	Run()
	// Quit ends Run after the present turn.
	Quit()
	// Close ends what connections are left, calls no handler, and waits for their
	// goroutines. It is called once, after Run or instead of it.
	Close() error
	// Usage tells what the loop did until now.
	Usage() Usage
}

// A Timer calls F on its loop. It may be set again and again, also from F. The
// zero value with F set is ready; it is not copied.
type Timer struct {
	F func()
	// Sharp timers are kept to the microsecond, by spinning before the moment where
	// the loop does so, and go before sockets are read. One that is not sharp, such
	// as a timeout, goes only after what had come in by then was read. It is not
	// changed while the timer is set.
	Sharp bool

	at    results.Offset
	seq   uint64
	index int // place in its heap, from 1; 0 if not set
}

// A Handler learns what becomes of a connection, on the loop. No method of it is
// called from within a Conn's or the Loop's own methods.
type Handler interface {
	// Connected tells that bytes can be sent. It comes at most once, first.
	Connected()
	// Received hands over bytes in their order; p is valid during the call only. At
	// is when the last of them came to this machine, as the kernel tells, or the
	// present moment where it does not, or where they may have become readable only
	// later, as they had to wait for some before them that were lost.
	Received(p []byte, at results.Offset)
	// Closed tells that the connection ended by itself: io.EOF if the peer ended it
	// in order, an error of the net package or the system's else, an *net.OpError
	// with Op "dial" if there never was one. It comes at most once, last, and not
	// after Conn.Close.
	Closed(err error)
}

// A Conn is one connection on a loop.
type Conn interface {
	// Write sends head and then body, after what was given before. Both must stay
	// as they are until all is written. Before Connected it is an error of the
	// caller. A fault of the connection comes to the handler.
	Write(head, body []byte)
	// Unwritten is how many bytes given to Write the system has not taken.
	Unwritten() int
	// Ended reports whether the peer is known to have ended its side, which Closed
	// tells once all is read: it answers nothing more.
	Ended() bool
	// Close ends the connection at once and silences its handler, also while it
	// is being made. Closing twice is fine.
	Close()
}

// Usage is what a loop did since Run began.
type Usage struct {
	Ran  time.Duration // since Run began, until its end
	Busy time.Duration // of it, not waiting (spinning before a sharp timer is waiting)
	// Stamped counts the reads with a stamp of the kernel that counts, Unstamped the
	// others.
	Stamped, Unstamped int64
}
