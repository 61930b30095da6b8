package pace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// noise is n bytes that tell their place.
func noise(n int, seed uint64) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{0: byte(seed)}).Read(p)
	return p
}

// TestBodies sends bodies of many sizes back to back on one connection whose
// peer reads slowly, and compares every byte.
func TestBodies(t *testing.T) {
	var contents [][]byte
	for i, n := range []int{0, 1, 100, 4096, 16 << 10, 100_000, 5 << 20, 17} {
		contents = append(contents, noise(n, uint64(i)))
	}
	var want []byte
	for i, c := range contents {
		for range 2 {
			want = append(append(want, fmt.Sprintf("head %d;", i)...), c...)
		}
	}
	to := serve(t, func(c *net.TCPConn) {
		c.SetReadBuffer(64 << 10) // small beside the bodies: the client has to wait for room
		got := make([]byte, len(want))
		n, err := io.ReadFull(c, got)
		if err != nil || !bytes.Equal(got, want) {
			fmt.Fprintf(c, "%d bytes of %d, equal %v, %v", n, len(want), bytes.Equal(got, want), err)
			return
		}
		io.WriteString(c, "equal")
	})
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.onConnected = func() {
			for i, body := range contents {
				head := fmt.Appendf(nil, "head %d;", i)
				r.c.Write(head, body)
				r.c.Write(head, body)
			}
			if r.c.Unwritten() == 0 {
				t.Error("10 MB are written at once")
			}
		}
		r.onReceived = func([]byte, results.Offset) {
			if n := r.c.Unwritten(); n != 0 {
				t.Errorf("%d bytes unwritten after all were read", n)
			}
		}
		r.c = l.Connect(to, r)
		l.Run()
		if string(r.got) != "equal" {
			t.Errorf("the peer says %q", r.got)
		}
	})
}

// TestCloseInHandlers closes a connection from each of its handler's methods;
// the loop goes on with another one.
func TestCloseInHandlers(t *testing.T) {
	for _, in := range []string{"Connected", "Received", "Closed"} {
		t.Run(in, func(t *testing.T) {
			to := serve(t, func(c *net.TCPConn) {
				for range 3 {
					c.Write(noise(100_000, 1))
				}
				if in == "Closed" {
					return
				}
				echo(c)
			})
			both(t, func(t *testing.T, l Loop) {
				watchdog(t, l)
				r, other := &recorder{t: t, l: l}, &recorder{t: t, l: l}
				calls := 0
				shut := func(where string) {
					if calls++; where == in {
						if calls = 0; r.closed != (in == "Closed") {
							t.Errorf("closed %v", r.closed)
						}
						r.c.Close()
						r.c.Close()
						other.c = l.Connect(to, other) // gets the same descriptor
					}
				}
				r.onConnected = func() { shut("Connected") }
				r.onReceived = func([]byte, results.Offset) { shut("Received") }
				r.onClosed = func(error) { shut("Closed") }
				other.onReceived = func([]byte, results.Offset) {
					if len(other.got) == 300_000 {
						l.Quit()
					}
				}
				r.c = l.Connect(to, r)
				l.Run()
				if calls != 0 || len(other.got) != 300_000 {
					t.Errorf("%d calls after Close, %d bytes by the other", calls, len(other.got))
				}
			})
		})
	}
}

// TestCloseWhileConnecting closes connections that are being made; their
// handlers hear nothing.
func TestCloseWhileConnecting(t *testing.T) {
	to := serve(t, echo)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		silent := &recorder{t: t, l: l}
		for range 20 {
			l.Connect(to, silent).Close()
			l.Connect(netip.AddrPort{}, silent).Close()
		}
		dialling := make(chan struct{})
		c := l.Adopt(func(ctx context.Context) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			return nil, ctx.Err()
		}, silent)
		<-dialling
		c.Close()
		r := &recorder{t: t, l: l}
		r.onConnected = l.Quit
		r.c = l.Connect(to, r)
		l.Run()
		if silent.connected || silent.closed {
			t.Error("a closed connection's handler was called")
		}
	})
}

// TestNoAddress connects to nothing.
func TestNoAddress(t *testing.T) {
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.c = l.Connect(netip.AddrPort{}, r)
		l.Run()
		if op, ok := errors.AsType[*net.OpError](r.err); !ok || op.Op != "dial" {
			t.Errorf("got %#v, want a *net.OpError of dial", r.err)
		}
	})
}

// TestLoopClose closes loops with connections in every state; both looks for
// goroutines, this for descriptors.
func TestLoopClose(t *testing.T) {
	hold := make(chan struct{})
	to := serve(t, func(c *net.TCPConn) { <-hold })
	defer close(hold)
	open := descriptors(t)
	for range 20 {
		both(t, func(t *testing.T, l Loop) {
			watchdog(t, l)
			idle, writing, late := &recorder{t: t, l: l}, &recorder{t: t, l: l}, &recorder{t: t, l: l}
			idle.c = l.Connect(to, idle)
			l.Adopt(func(ctx context.Context) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, &recorder{t: t, l: l})
			writing.onConnected = func() {
				writing.c.Write(nil, make([]byte, 20<<20))
				l.Quit()
			}
			writing.c = l.Connect(to, writing)
			l.Run()
			late.c = l.Connect(to, late)
		})
	}
	// The server's ends are held until the test ends.
	if now := descriptors(t); now > open+2*20*3 {
		t.Errorf("%d descriptors, %d before", now, open)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// TestStamps compares stamps with when the other side, by the same clock, wrote:
// each is after its write began and before it was read, also where the reader
// comes late.
func TestStamps(t *testing.T) {
	stampsOn(t)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		const n = 200
		conns := make(chan *net.TCPConn, 1)
		to := serve(t, func(c *net.TCPConn) {
			conns <- c
			io.Copy(io.Discard, c)
		})
		var began, read results.Offset
		var peer *net.TCPConn
		early := 0 // stamps from before the loop read
		r := &recorder{t: t, l: l}
		write := func() {
			began = l.Now()
			peer.Write([]byte("x"))
			for read = l.Now(); l.Now() < read.Add(100*time.Microsecond); {
			}
			read = l.Now() // the loop reads it now, 0.1 ms late
		}
		r.onConnected = func() { peer = <-conns; write() }
		r.onReceived = func(_ []byte, at results.Offset) {
			if at < read {
				early++
			}
			if at < began.Add(-tolerance) || at > l.Now() {
				t.Errorf("stamp %d, want from %d to %d", at, began, l.Now())
			}
			if l.Usage().Stamped >= n { // the kernel begins to stamp some time after it was asked
				l.Quit()
				return
			}
			write()
		}
		r.c = l.Connect(to, r)
		l.Run()
		u := l.Usage()
		if all := u.Stamped + u.Unstamped; all != int64(len(r.got)) {
			t.Errorf("%+v, want %d reads", u, len(r.got))
		}
		if early < n/2 {
			t.Errorf("%d of %d stamps are from before the read", early, n)
		}
	})
}

// TestSocketsBeforeTimers has bytes that came in before a timer's moment read
// before it, if it is not sharp, and after it if it is.
func TestSocketsBeforeTimers(t *testing.T) {
	for _, sharp := range []bool{false, true} {
		l := newLoop(t)
		watchdog(t, l)
		conns := make(chan *net.TCPConn, 1)
		to := serve(t, func(c *net.TCPConn) {
			conns <- c
			io.Copy(io.Discard, c)
		})
		for range 100 {
			var order []string
			tm := &Timer{Sharp: sharp, F: func() { order = append(order, "timer"); l.Quit() }}
			r := &recorder{t: t, l: l}
			r.onConnected = func() {
				(<-conns).Write([]byte("x"))
				arrived(t, r.c)
				l.Set(tm, l.Now())
			}
			r.onReceived = func([]byte, results.Offset) { order = append(order, "bytes"); r.c.Close() }
			r.c = l.Connect(to, r)
			l.(*socketLoop).quit = false
			l.(*socketLoop).ended = false
			l.Run()
			if want := map[bool]string{false: "[bytes timer]", true: "[timer]"}[sharp]; fmt.Sprint(order) != want {
				t.Fatalf("sharp %v: order %v, want %s", sharp, order, want)
			}
			r.c.Close()
		}
		l.Close()
	}
}

// arrived waits until a connection has bytes to read.
func arrived(t *testing.T, c Conn) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(c.(*conn).fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err == nil {
			return
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// TestBusySockets keeps a loop busy with sockets that never run dry: timers of
// both kinds go all the same, and so do posts and other connections.
func TestBusySockets(t *testing.T) {
	flood := noise(1<<20, 1)
	to := serve(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(flood); err != nil {
				return
			}
		}
	})
	calm := serve(t, echo)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		for range 4 {
			r := &recorder{t: t, l: l}
			r.onReceived = func([]byte, results.Offset) { r.got = r.got[:0] }
			r.c = l.Connect(to, r)
		}
		left := 4 // sharp, plain, post, calm
		done := func() {
			if left--; left == 0 {
				l.Quit()
			}
		}
		for _, sharp := range []bool{true, false} {
			n := 0
			tm := &Timer{Sharp: sharp}
			tm.F = func() {
				if n++; n == 20 {
					done()
					return
				}
				l.Set(tm, l.Now().Add(100*time.Microsecond))
			}
			l.Set(tm, l.Now())
		}
		go l.Post(done)
		r := &recorder{t: t, l: l}
		r.onConnected = func() { r.c.Write([]byte("x"), nil) }
		r.onReceived = func([]byte, results.Offset) { done() }
		r.c = l.Connect(calm, r)
		l.Run()
	})
}

// TestVirtualExchange sends and answers over a pipe in virtual time: an answer
// of a timeout's own moment comes first, and moments are exact.
func TestVirtualExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			l := NewTimed(results.NewOrigin(time.Now()))
			r := &recorder{t: t, l: l}
			peer := make(chan net.Conn, 1)
			go func() {
				c := <-peer
				defer c.Close()
				c.Read(make([]byte, 10))
				time.Sleep(time.Second)
				c.Write([]byte("answer"))
				c.Read(make([]byte, 10)) // until the client ends
			}()
			timeout := &Timer{F: func() { t.Error("the timeout came first"); l.Quit() }}
			r.onConnected = func() {
				r.c.Write([]byte("ask"), nil)
				l.Set(timeout, l.Now().Add(time.Second))
			}
			r.onReceived = func(_ []byte, at results.Offset) {
				if at != results.Offset(time.Second) {
					t.Errorf("answer at %d, want 1 s", at)
				}
				l.Stop(timeout)
				r.c.Close()
				l.Quit()
			}
			r.c = l.Adopt(func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				peer <- theirs
				return ours, nil
			}, r)
			l.Run()
			l.Close()
		}
	})
}
