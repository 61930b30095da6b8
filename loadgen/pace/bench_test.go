package pace

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// BenchmarkSharp sets one sharp timer after another on an absolute schedule and
// reports how late they are, in µs, and which part of the time is busy or spent
// spinning.
func BenchmarkSharp(b *testing.B) {
	for _, rate := range []int{1000, 2000, 10000} {
		b.Run(fmt.Sprintf("%d/s", rate), func(b *testing.B) { benchSharp(b, rate) })
		b.Run(fmt.Sprintf("%d/s-garbage", rate), func(b *testing.B) {
			stop := make(chan struct{})
			var work sync.WaitGroup
			work.Go(func() { litter(stop) })
			benchSharp(b, rate)
			close(stop)
			work.Wait()
		})
	}
}

// litter makes 20 MB of garbage a second beside 20 MB that are alive: a
// collection every second.
func litter(stop chan struct{}) {
	alive := make([][]byte, 20_000)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ; {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for range 20 {
			alive[i%len(alive)] = make([]byte, 1000)
			i++
		}
	}
}

func benchSharp(b *testing.B, rate int) {
	l := newLoop(b)
	late := make([]time.Duration, 0, b.N)
	gap := time.Second / time.Duration(rate)
	due := l.Now().Add(time.Millisecond)
	t := &Timer{Sharp: true}
	t.F = func() {
		late = append(late, l.Now().Sub(due))
		if len(late) == b.N {
			l.Quit()
			return
		}
		due = due.Add(gap)
		l.Set(t, due)
	}
	l.Set(t, due)
	b.ReportAllocs()
	var before, after unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &before)
	b.ResetTimer()
	l.Run()
	b.StopTimer()
	unix.Getrusage(unix.RUSAGE_SELF, &after)
	slices.Sort(late)
	for _, p := range []float64{0.5, 0.99, 0.999} {
		b.ReportMetric(float64(late[int(float64(len(late))*p)])/1e3, fmt.Sprintf("µs-p%g", p*100))
	}
	u := l.Usage()
	b.ReportMetric(float64(u.Busy)/float64(u.Ran), "busy")
	cpu := func(r unix.Rusage) int64 { return r.Utime.Nano() + r.Stime.Nano() }
	b.ReportMetric(float64(cpu(after)-cpu(before))/float64(u.Ran), "cpu")
}

// pingers answers every read of its connections with the same bytes, on one
// thread, by raw system calls, until the peers end.
func pingers(b *testing.B, fds []int) {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		b.Error(err)
		return
	}
	defer unix.Close(ep)
	for _, fd := range fds {
		unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	events, buf := make([]unix.EpollEvent, 128), make([]byte, 4096)
	for open := len(fds); open > 0; {
		n, err := unix.EpollWait(ep, events, -1)
		if err != nil {
			continue
		}
		for _, e := range events[:n] {
			got, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(e.Fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
			if errno != 0 || got == 0 {
				unix.Close(int(e.Fd))
				open--
				continue
			}
			unix.RawSyscall(unix.SYS_WRITE, uintptr(e.Fd), uintptr(unsafe.Pointer(&buf[0])), got)
		}
	}
}

const pingConns = 64

// BenchmarkPingPong sends 64 bytes over each of 64 connections and again when
// they come back. The other side runs in the same process; the floor does the
// same with nothing but system calls.
func BenchmarkPingPong(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		fd, to := listen(b)
		l := newLoop(b)
		p := &pingRun{l: l, left: b.N, msg: make([]byte, 64)}
		for range pingConns {
			c := &pinger{run: p}
			c.c = l.Connect(to, c)
		}
		done := make(chan struct{})
		go func() { defer close(done); onCPU(1, func() { pingers(b, acceptAll(fd)) }) }()
		b.ReportAllocs()
		b.ResetTimer()
		perOp(b, onCPU(0, l.Run))
		b.StopTimer()
		if u := l.Usage(); b.N > 100_000 && u.Stamped == 0 {
			b.Errorf("usage %+v: want stamps", u)
		}
		l.Close()
		<-done
	})
	b.Run("floor", func(b *testing.B) {
		fd, to := listen(b)
		ours := make([]int, pingConns)
		for i := range ours {
			ours[i], _ = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err := unix.Connect(ours[i], &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
				b.Fatal(err)
			}
			unix.SetsockoptInt(ours[i], unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		}
		done := make(chan struct{})
		go func() { defer close(done); onCPU(1, func() { pingers(b, acceptAll(fd)) }) }()
		b.ResetTimer()
		perOp(b, onCPU(0, func() { floor(b, ours) }))
		b.StopTimer()
		for _, fd := range ours {
			unix.Close(fd)
		}
		<-done
	})
}

func floor(b *testing.B, fds []int) {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(ep)
	buf, events := make([]byte, 64), make([]unix.EpollEvent, 128)
	for _, fd := range fds {
		unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
		unix.Write(fd, buf)
	}
	for left := b.N; left > 0; {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 10, 0, 0)
		if errno != 0 {
			continue
		}
		for _, e := range events[:n] {
			unix.RawSyscall(unix.SYS_READ, uintptr(e.Fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
			unix.RawSyscall(unix.SYS_WRITE, uintptr(e.Fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
			left--
		}
	}
}

// onCPU runs f on a thread of its own on one core and gives the CPU time that
// the thread took.
func onCPU(cpu int, f func()) time.Duration {
	var took int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if runtime.NumCPU() > cpu {
			var set unix.CPUSet
			set.Set(cpu)
			unix.SchedSetaffinity(0, &set)
		}
		var before, after unix.Rusage
		unix.Getrusage(unix.RUSAGE_THREAD, &before)
		f()
		unix.Getrusage(unix.RUSAGE_THREAD, &after)
		took = after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	}()
	<-done
	return time.Duration(took)
}

// perOp reports the CPU time that the client's thread took.
func perOp(b *testing.B, took time.Duration) {
	b.ReportMetric(float64(took)/float64(b.N), "cpu-ns/op")
}

type pingRun struct {
	l    Loop
	left int
	msg  []byte
	body []byte
	// partial counts writes that the socket did not take whole.
	partial int
}

type pinger struct {
	run *pingRun
	c   Conn
}

func (p *pinger) Connected() { p.c.Write(p.run.msg, p.run.body) }

func (p *pinger) Received(_ []byte, _ results.Offset) {
	if p.run.left--; p.run.left == 0 {
		p.run.l.Quit()
	}
	p.c.Write(p.run.msg, p.run.body)
	if p.c.Unwritten() > 0 {
		p.run.partial++
	}
}

func (p *pinger) Closed(err error) { panic(err) }

// BenchmarkRequests sends 100 KB and gets 64 bytes back, over 64 connections.
func BenchmarkRequests(b *testing.B) {
	const size = 100_000
	fd, to := listen(b)
	l := newLoop(b)
	p := &pingRun{l: l, left: b.N, msg: make([]byte, 200), body: make([]byte, size)}
	for range pingConns {
		c := &pinger{run: p}
		c.c = l.Connect(to, c)
	}
	done := make(chan struct{})
	go func() { defer close(done); onCPU(1, func() { sinks(acceptAll(fd), size+200) }) }()
	b.ReportAllocs()
	b.SetBytes(size)
	b.ResetTimer()
	perOp(b, onCPU(0, l.Run))
	b.StopTimer()
	b.ReportMetric(float64(p.partial)/float64(b.N), "partial/op")
	l.Close()
	<-done
}

// sinks answers every so many bytes of its connections with 64, until the peers
// end.
func sinks(fds []int, size int) {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return
	}
	defer unix.Close(ep)
	for _, fd := range fds {
		unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	got, buf, events := map[int32]int{}, make([]byte, 256<<10), make([]unix.EpollEvent, 128)
	for open := len(fds); open > 0; {
		n, err := unix.EpollWait(ep, events, -1)
		if err != nil {
			continue
		}
		for _, e := range events[:n] {
			n, err := unix.Read(int(e.Fd), buf)
			if err != nil || n == 0 {
				unix.Close(int(e.Fd))
				open--
				continue
			}
			for got[e.Fd] += n; got[e.Fd] >= size; got[e.Fd] -= size {
				unix.Write(int(e.Fd), buf[:64])
			}
		}
	}
}

// BenchmarkTimer sets and fires a timer among 5,000 others.
func BenchmarkTimer(b *testing.B) {
	var h heap
	timers := make([]Timer, 5000)
	for i := range timers {
		h.set(&timers[i], results.Offset(i*7919%5000), uint64(i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		t := h.entries[0].t
		h.remove(t)
		h.set(t, t.at.Add(5000), uint64(5000+i))
	}
}

func newLoop(tb testing.TB) Loop {
	tb.Helper()
	l, err := New(results.NewOrigin(time.Now()))
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// listen gives a listening socket with room for all connections.
func listen(b *testing.B) (int, netip.AddrPort) {
	b.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	fd := int(f.Fd()) // blocking from here on
	return fd, ln.Addr().(*net.TCPAddr).AddrPort()
}

func acceptAll(fd int) []int {
	fds := make([]int, 0, pingConns)
	for len(fds) < pingConns {
		c, _, err := unix.Accept(fd)
		if err != nil {
			break
		}
		unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		fds = append(fds, c)
	}
	return fds
}
