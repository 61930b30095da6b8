package pace

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/results"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// both runs f on either loop, in real time. The loop is closed afterwards, with
// a check that nothing is left of it.
func both(t *testing.T, f func(*testing.T, Loop)) {
	t.Helper()
	for name, make := range map[string]func() Loop{
		"sockets": func() Loop { return newLoop(t) },
		"timed":   func() Loop { return NewTimed(results.NewOrigin(time.Now())) },
	} {
		t.Run(name, func(t *testing.T) {
			running := goleak.IgnoreCurrent()
			server := goleak.IgnoreAnyFunction("github.com/evabench/evabench/loadgen/pace.serve.func1")
			serving := goleak.IgnoreAnyFunction("github.com/evabench/evabench/loadgen/pace.serve.func1.1")
			l := make()
			f(t, l)
			if err := l.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if l.Post(func() {}) {
				t.Error("Post after Close: true")
			}
			leaks.None(t, running, server, serving)
		})
	}
}

// watchdog ends a loop whose test hangs: only what is broken takes so long.
func watchdog(t *testing.T, l Loop) {
	const long = 5 * time.Minute
	w := &Timer{}
	w.F = func() { t.Errorf("still running after %v", long); l.Quit() }
	l.Set(w, l.Now().Add(long))
}

// A recorder is a Handler that keeps what it is told and calls the functions
// that are set.
type recorder struct {
	t           *testing.T
	l           Loop
	c           Conn
	onConnected func()
	onReceived  func(p []byte, at results.Offset)
	onClosed    func(err error)

	connected bool
	got       []byte
	closed    bool
	err       error
}

func (r *recorder) Connected() {
	if r.connected || r.closed {
		r.t.Errorf("Connected with connected %v, closed %v", r.connected, r.closed)
	}
	r.connected = true
	if r.onConnected != nil {
		r.onConnected()
	}
}

func (r *recorder) Received(p []byte, at results.Offset) {
	if !r.connected || r.closed || len(p) == 0 {
		r.t.Errorf("Received %d bytes with connected %v, closed %v", len(p), r.connected, r.closed)
	}
	if now := r.l.Now(); at > now {
		r.t.Errorf("received at %d, after now, %d", at, now)
	}
	r.got = append(r.got, p...)
	if r.onReceived != nil {
		r.onReceived(p, at)
	}
}

func (r *recorder) Closed(err error) {
	if r.closed || err == nil {
		r.t.Errorf("Closed(%v) with closed %v", err, r.closed)
	}
	r.closed, r.err = true, err
	if r.onClosed != nil {
		r.onClosed(err)
		return
	}
	r.l.Quit()
}

// serve accepts connections until the test ends and gives each to f on a
// goroutine of its own, which closes it.
func serve(t *testing.T, f func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); f(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// echo sends back what comes in.
func echo(c *net.TCPConn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		c.Write(buf[:n])
	}
}

func TestPosts(t *testing.T) {
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		const posters, each = 8, 1000
		last := make([]int, posters)
		left := posters * each
		var wg sync.WaitGroup
		for p := range posters {
			wg.Go(func() {
				for i := range each {
					l.Post(func() {
						if i != last[p] {
							t.Errorf("poster %d: got %d, want %d", p, i, last[p])
						}
						last[p]++
						if left--; left == 0 {
							l.Quit()
						}
					})
				}
			})
		}
		l.Run()
		wg.Wait()
		if left != 0 {
			t.Errorf("%d posts lost", left)
		}
	})
}

// TestPostWakes posts to a loop that waits for nothing else.
func TestPostWakes(t *testing.T) {
	both(t, func(t *testing.T, l Loop) {
		const rounds = 1000
		back := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for range rounds {
				l.Post(func() { back <- struct{}{} })
				<-back
			}
			l.Post(l.Quit)
		})
		l.Run()
		wg.Wait()
	})
}

func TestRefused(t *testing.T) {
	to := nobody(t)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.c = l.Connect(to, r)
		l.Run()
		wantDial(t, r, syscall.ECONNREFUSED)
	})
}

func wantDial(t *testing.T, r *recorder, want error) {
	t.Helper()
	op, ok := errors.AsType[*net.OpError](r.err)
	if r.connected || !ok || op.Op != "dial" || !errors.Is(r.err, want) {
		t.Errorf("connected %v, error %#v; want a *net.OpError of dial with %v", r.connected, r.err, want)
	}
}

// TestNoDescriptors lets the process have no descriptor left.
func TestNoDescriptors(t *testing.T) {
	to := serve(t, echo)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		var before syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		none := before
		none.Cur = 3 // fewer than are open
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
			t.Fatal(err)
		}
		r.c = l.Connect(to, r)
		l.Run()
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		wantDial(t, r, syscall.EMFILE)
	})
}

// TestPeerCloses reads what a peer says before it closes.
func TestPeerCloses(t *testing.T) {
	to := serve(t, func(c *net.TCPConn) { c.Write([]byte("bye")) })
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.c = l.Connect(to, r)
		l.Run()
		if string(r.got) != "bye" || r.err != io.EOF {
			t.Errorf("got %q and %v, want bye and EOF", r.got, r.err)
		}
	})
}

// TestEnded has a peer that answers and closes before the loop comes to read:
// that it closed is known with the answer, and not before.
func TestEnded(t *testing.T) {
	to := serve(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.Write([]byte("bye"))
	})
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.onConnected = func() {
			if r.c.Ended() {
				t.Error("ended from the beginning")
			}
			r.c.Write([]byte("x"), nil)
			c, ok := r.c.(*conn)
			for !ok && !r.c.Ended() { // its reader is a goroutine
				runtime.Gosched()
			}
			for ok {
				n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLRDHUP}}, -1)
				ok = n == 0 || err != nil
			}
		}
		r.onReceived = func([]byte, results.Offset) {
			if !r.c.Ended() {
				t.Error("the answer is read, the peer has closed: not ended")
			}
		}
		r.c = l.Connect(to, r)
		l.Run()
		if string(r.got) != "bye" || r.err != io.EOF || !r.c.Ended() {
			t.Errorf("got %q and %v, ended %v; want bye and EOF", r.got, r.err, r.c.Ended())
		}
	})
}

func TestPeerResets(t *testing.T) {
	to := serve(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.SetLinger(0)
	})
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.onConnected = func() { r.c.Write([]byte("x"), nil) }
		r.c = l.Connect(to, r)
		l.Run()
		if _, ok := errors.AsType[*net.OpError](r.err); !ok || !errors.Is(r.err, syscall.ECONNRESET) {
			t.Errorf("got %#v, want a *net.OpError with ECONNRESET", r.err)
		}
	})
}

// TestAnswerBeforeReset has a peer that answers and goes without reading the
// request: the answer is still read.
func TestAnswerBeforeReset(t *testing.T) {
	to := serve(t, func(c *net.TCPConn) {
		io.ReadFull(c, make([]byte, 1000))
		c.Write([]byte("too much"))
	})
	body := make([]byte, 8<<20)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.onConnected = func() { r.c.Write([]byte("head"), body) }
		if _, ok := l.(*timed); ok {
			r.c = l.Adopt(func(ctx context.Context) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", to.String())
				return unhurried{c}, err
			}, r)
		} else {
			r.c = l.Connect(to, r)
		}
		l.Run()
		if string(r.got) != "too much" || r.err == nil {
			t.Errorf("got %q and %v, want the answer and an error", r.got, r.err)
		}
	})
}

// unhurried is read until its peer ends it, however late its reader comes.
type unhurried struct{ net.Conn }

func (unhurried) SetReadDeadline(time.Time) error { return nil }
