package pace

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// longAgo is far beyond what a stamp may be older than what the loop has seen.
const longAgo = 10 * doubt

// TestStampBeforeReadable has bytes that can be read long after their stamp, as
// those behind a lost segment: the socket, one whose kernel does not tell that all
// came in order, is watched only then. The loop is busy meanwhile, with polls that
// do not find it, or asleep.
func TestStampBeforeReadable(t *testing.T) {
	stampsOn(t)
	for _, asleep := range []bool{false, true} {
		l := newLoop(t).(*socketLoop)
		watchdog(t, l)
		c, sent := datagram(t, l)
		r := c.h.(*recorder)
		watch := func() {
			if err := l.watch(c.fd, c.slot, c.use, unix.EPOLLIN|unix.EPOLLET); err != nil {
				t.Error(err)
			}
		}
		var late sync.WaitGroup
		turn := &Timer{}
		turn.F = func() {
			switch {
			case asleep:
				late.Go(func() {
					for !l.asleep.Load() {
					}
					for since := l.Now(); l.Now() < since.Add(longAgo); {
					}
					watch()
				})
			case l.Now() < sent.Add(longAgo):
				l.Set(turn, l.Now())
			default:
				watch()
			}
		}
		l.Set(turn, l.Now())
		r.onReceived = func(_ []byte, at results.Offset) {
			if at < sent.Add(longAgo) {
				t.Errorf("asleep %v: received %v after it was sent, could be read after %v", asleep, at.Sub(sent), longAgo)
			}
			l.Quit()
		}
		l.Run()
		late.Wait()
		if u := l.Usage(); u.Stamped != 0 || u.Unstamped != 1 {
			t.Errorf("asleep %v: %+v, want an unstamped read", asleep, u)
		}
		l.Close()
	}
}

// TestLateReadIsStamped has the loop busy for long before it reads what came in:
// that ages nothing, also where the kernel cannot tell that all came in order, and
// before the Origin.
func TestLateReadIsStamped(t *testing.T) {
	stampsOn(t)
	for _, ahead := range []time.Duration{0, time.Hour} {
		loop, err := New(results.NewOrigin(time.Now().Add(ahead)))
		if err != nil {
			t.Fatal(err)
		}
		l := loop.(*socketLoop)
		watchdog(t, l)
		l.Set(&Timer{F: func() {
			c, sent := datagram(t, l)
			if err := l.watch(c.fd, c.slot, c.use, unix.EPOLLIN|unix.EPOLLET); err != nil {
				t.Error(err)
			}
			for l.Now() < sent.Add(longAgo) {
			}
			c.h.(*recorder).onReceived = func(_ []byte, at results.Offset) {
				if at >= sent.Add(longAgo) {
					t.Errorf("stamped %v after it was sent, when it was read", at.Sub(sent))
				}
				l.Quit()
			}
		}}, l.Now())
		l.Run()
		if u := l.Usage(); u.Stamped != 1 || u.Unstamped != 0 {
			t.Errorf("origin in %v: %+v, want a stamped read", ahead, u)
		}
		l.Close()
	}
}

// datagram gives a connection over a socket that holds a stamped datagram, and
// when that had been sent. Nobody watches it.
func datagram(t *testing.T, l *socketLoop) (*conn, results.Offset) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, l: l, connected: true}
	c := &conn{l: l, h: r, fd: fd, connected: true, last: l.Now()}
	r.c = c
	l.take(c) // whose Close closes it
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(fd, []byte("x"), 0, own); err != nil {
		t.Fatal(err)
	}
	return c, l.Now()
}

// TestInOrder asks the kernel about a TCP connection, of which it knows, and of
// another socket, of which it does not.
func TestInOrder(t *testing.T) {
	to := serve(t, echo)
	tcp, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, c := range []struct {
		of   syscall.Conn
		want bool
	}{{tcp.(*net.TCPConn), true}, {udp, false}} {
		raw, err := c.of.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) {
			if got := inOrder(int(fd)); got != c.want {
				t.Errorf("%T: %v, want %v", c.of, got, c.want)
			}
		})
	}
}

// TestStampedBeforeReadable is the same below TLS, where each read is judged by
// when it comes back: a stamp of long ago counts where the kernel knows that all
// came in order.
func TestStampedBeforeReadable(t *testing.T) {
	stampsOn(t)
	l := newLoop(t).(*socketLoop)
	defer l.Close()
	c, _ := datagram(t, l)
	accepted := make(chan *net.TCPConn)
	to := serve(t, func(c *net.TCPConn) { accepted <- c; io.Copy(io.Discard, c) })
	tcp, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	inTurn := Stamped(tcp).(*stamped)
	(<-accepted).Write([]byte("x"))
	inTurn.raw.Control(func(fd uintptr) {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != nil {
			t.Error(err)
		}
	})
	for since := l.Now(); l.Now() < since.Add(2*tooOld); {
	}
	if _, err := inTurn.Read(make([]byte, 1)); err != nil || inTurn.stamp() == 0 {
		t.Errorf("%v; the stamp of bytes that came in order is %d", err, inTurn.stamp())
	}
	untold := &stamped{p: make([]byte, 1)}
	if !untold.receive(uintptr(c.fd)) || untold.n != 1 || untold.stamp() != 0 {
		t.Errorf("read %d bytes, %v; their stamp is %d", untold.n, untold.err, untold.stamp())
	}
}
