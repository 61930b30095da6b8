package pace

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
)

// TestSelfConnect makes the connection that the kernel makes when it gives the
// very port that is connected to, and nobody listens there.
func TestSelfConnect(t *testing.T) {
	l := newLoop(t).(*socketLoop)
	defer l.Close()
	watchdog(t, l)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, own); err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, l: l}
	c := &conn{l: l, h: r, fd: fd, to: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(own.(*unix.SockaddrInet4).Port))}
	r.c = c
	r.onConnected = l.Quit
	l.take(c)
	if err := l.watch(fd, c.slot, c.use, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET); err != nil {
		t.Fatal(err)
	}
	l.Run()
	op, ok := errors.AsType[*net.OpError](r.err)
	if r.connected || !ok || op.Op != "dial" || !errors.Is(op, syscall.ECONNREFUSED) {
		t.Errorf("connected %v: %v", r.connected, r.err)
	}
}

// TestThreads counts the runtime's Ps with several loops at once: one more for
// each that runs, and as before once all have ended.
func TestThreads(t *testing.T) {
	for _, set := range []int{0, 1, 5} {
		if set > 0 {
			runtime.GOMAXPROCS(set)
		}
		before := runtime.GOMAXPROCS(0)
		var wg sync.WaitGroup
		loops := make([]Loop, 4)
		for i := range loops {
			loops[i] = newLoop(t)
			running := make(chan struct{})
			loops[i].Post(func() { close(running) })
			wg.Go(loops[i].Run)
			<-running
			if got := runtime.GOMAXPROCS(0); got != before+i+1 {
				t.Errorf("%d with %d loops, want %d", got, i+1, before+i+1)
			}
		}
		for _, l := range loops {
			l.Post(l.Quit)
		}
		wg.Wait()
		for _, l := range loops {
			l.Close()
		}
		if got := runtime.GOMAXPROCS(0); got != before {
			t.Errorf("%d afterwards, want %d", got, before)
		}
	}
	runtime.SetDefaultGOMAXPROCS()
}

// TestLoopsAmongWork runs more loops than there are Ps beside goroutines that
// never wait and a garbage collector that always runs: each loop ends.
func TestLoopsAmongWork(t *testing.T) {
	stop := make(chan struct{})
	var work, wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		work.Go(func() {
			var keep []byte
			for {
				select {
				case <-stop:
					runtime.KeepAlive(keep)
					return
				default:
					keep = make([]byte, 1<<16)
				}
			}
		})
	}
	for range 3 {
		l := newLoop(t)
		n := 0
		tm := &Timer{Sharp: true}
		tm.F = func() {
			if n++; n == 200 {
				l.Quit()
				return
			}
			l.Set(tm, l.Now().Add(200*time.Microsecond))
		}
		l.Set(tm, l.Now())
		wg.Go(func() { l.Run(); l.Close() })
	}
	for range 3 {
		runtime.GC()
	}
	wg.Wait()
	close(stop)
	work.Wait()
}

// TestWallClock places stamps that the wall clock gives now.
func TestWallClock(t *testing.T) {
	origin := results.NewOrigin(time.Now())
	w := wallClock{origin: origin}
	for range 1000 {
		before := origin.Now()
		stamp := time.Now().UnixNano()
		after := origin.Now()
		at, ok := w.moment(stamp, before.Add(-time.Millisecond), after)
		if !ok || at < before.Add(-time.Millisecond) || at > after {
			t.Fatalf("placed at %d, %v; want from %d to %d", at, ok, before, after)
		}
	}
}

// TestWallClockSteps gives stamps as of clocks that were set: whatever they say,
// the moment is between those that it is known to be between.
func TestWallClockSteps(t *testing.T) {
	origin := results.NewOrigin(time.Now())
	rapid.Check(t, func(t *rapid.T) {
		w := wallClock{origin: origin}
		w.measure()
		w.zero += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-1e15, 1e15)).Draw(t, "step")
		now := origin.Now()
		earliest := now.Add(-time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "span")))
		at, ok := w.moment(rapid.Int64Range(1, math.MaxInt64/2).Draw(t, "stamp"), earliest, now)
		if at < earliest || at > now || !ok && at != now {
			t.Fatalf("placed at %d, %v; want from %d to %d", at, ok, earliest, now)
		}
		if at, ok := w.moment(0, earliest, now); ok || at != now {
			t.Fatalf("no stamp: %d, %v", at, ok)
		}
		// After a step the place is measured again.
		stamp := time.Now().UnixNano()
		w.known = false
		if _, ok := w.moment(stamp, now, origin.Now()); !ok {
			t.Fatal("not placed after measuring again")
		}
	})
}

// TestSockaddr has an address of each kind as the kernel takes it.
func TestSockaddr(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want unix.Sockaddr
	}{
		{"127.0.0.1:80", &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}},
		{"[::ffff:127.0.0.1]:80", &unix.SockaddrInet4{Port: 80, Addr: [4]byte{127, 0, 0, 1}}},
		{"[::1]:81", &unix.SockaddrInet6{Port: 81, Addr: [16]byte{15: 1}}},
		{"[fe80::1%7]:82", &unix.SockaddrInet6{Port: 82, ZoneId: 7, Addr: [16]byte{0: 0xfe, 1: 0x80, 15: 1}}},
	} {
		_, got, err := sockaddr(netip.MustParseAddrPort(tt.addr))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tt.addr, got, err, tt.want)
		}
	}
	if _, _, err := sockaddr(netip.MustParseAddrPort("[fe80::1%nosuch]:82")); err == nil {
		t.Error("an unknown zone is taken")
	}
}
