package pace

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// stampsOn lets the kernel stamp until the test ends, and returns when it does:
// it begins some time after it was asked.
func stampsOn(t *testing.T) {
	t.Helper()
	keeper := keepStamps()
	t.Cleanup(func() { unix.Close(keeper) })
	to := serve(t, echo)
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for s := Stamped(c).(*stamped); s.stamp() == 0; {
		s.Write([]byte("x"))
		if _, err := s.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDescriptors makes and closes loops, with a connection or not, and looks
// for descriptors that are left.
func TestDescriptors(t *testing.T) {
	to := nobody(t)
	open := descriptors(t)
	for range 10 {
		newLoop(t).Close()
		l := newLoop(t)
		l.Connect(to, &recorder{t: t, l: l})
		l.Close()
	}
	if now := descriptors(t); now != open {
		t.Errorf("%d descriptors, %d before", now, open)
	}
}

// bound gives a socket with an address of loopback, which nobody else gets until the
// test ends.
func bound(t *testing.T) (fd int, name unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if name, err = unix.Getsockname(fd); err != nil {
		t.Fatal(err)
	}
	return fd, name
}

func addrPort(name unix.Sockaddr) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
}

// nobody gives an address where nobody listens.
func nobody(t *testing.T) netip.AddrPort {
	t.Helper()
	_, name := bound(t)
	return addrPort(name)
}

// full gives an address of loopback that answers no connection any more.
func full(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, name := bound(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 4 { // one is taken, the others wait in vain
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(c) })
		unix.Connect(c, name)
	}
	return addrPort(name)
}

// TestStaleEvents has two connections ready at once: whichever comes first ends
// the other and begins a third, which gets the other's slot but not its event.
func TestStaleEvents(t *testing.T) {
	nowhere := full(t)
	conns := make(chan *net.TCPConn, 2)
	hold := make(chan struct{})
	to := serve(t, func(c *net.TCPConn) { conns <- c; <-hold })
	defer close(hold)
	l := newLoop(t)
	defer l.Close()
	watchdog(t, l)
	third := &recorder{t: t, l: l}
	var pair [2]*recorder
	connected := 0
	for i := range pair {
		r := &recorder{t: t, l: l}
		pair[i] = r
		r.onConnected = func() {
			if connected++; connected == 2 {
				(<-conns).Write([]byte("x"))
				(<-conns).Write([]byte("x"))
			}
		}
		r.onReceived = func([]byte, results.Offset) {
			other := pair[1-i]
			slot := other.c.(*conn).slot
			other.c.Close()
			third.c = l.Connect(nowhere, third)
			if got := third.c.(*conn).slot; got != slot {
				t.Errorf("slot %d, want the other's, %d", got, slot)
			}
			l.Set(&Timer{F: l.Quit}, l.Now().Add(time.Millisecond))
		}
		r.c = l.Connect(to, r)
	}
	l.Run()
	if third.connected || third.closed {
		t.Errorf("connected %v, closed %v: by the event of another", third.connected, third.closed)
	}
}
