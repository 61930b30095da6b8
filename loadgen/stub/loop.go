package stub

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop is the server's thread. Nobody else touches it.
//
// Note: the system calls that cannot block go past the Go scheduler
// (RawSyscall); only the wait for events, when there is none, tells it.
type loop struct {
	options  Options
	answers  *answers
	addr     netip.AddrPort
	listener int
	epoll    int
	wake     int
	start    time.Time

	conns    []*conn // by descriptor
	timers   heap
	buf      []byte
	control  [8]uint64 // what the kernel tells with received bytes
	timeout  unix.Timespec
	events   [512]unix.EpollEvent
	arrivals [][]Arrival
	stats    Stats
	turn     time.Duration // when the present turn began
}

// now is the time since the start.
func (l *loop) now() time.Duration { return time.Since(l.start) }

// run serves until wake is written to.
func (l *loop) run() error {
	// The default slack makes waits 50 µs late (man 2 prctl).
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return err
	}
	defer l.account()
	for {
		if l.options.Stall.For > 0 {
			if end := l.options.Stall.end(l.now()); end > 0 {
				if l.sleep(end - l.now()) {
					return nil
				}
				continue
			}
		}
		l.fire()
		n, err := l.wait()
		if err != nil {
			return err
		}
		l.turn = l.now()
		for i := range n {
			fd := int(l.events[i].Fd)
			switch fd {
			case l.wake:
				return nil
			case l.listener:
				l.accept()
			default:
				if c := l.conns[fd]; c != nil {
					l.ready(c, l.events[i].Events)
				}
			}
		}
	}
}

// account takes note of the thread's processor time.
func (l *loop) account() {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &u) == nil {
		l.stats.CPU = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
}

// end is when the stall that is at the moment now ends, 0 if there is none.
// Moments count from the server's start.
func (s Stall) end(now time.Duration) time.Duration {
	if s.For == 0 || now%s.Every < s.Every-s.For {
		return 0
	}
	return now - now%s.Every + s.Every
}

// sleep does nothing for d, and reports whether wake was written to meanwhile.
func (l *loop) sleep(d time.Duration) (woken bool) {
	fds := []unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}}
	t := unix.NsecToTimespec(int64(max(d, 0)))
	n, _ := unix.Ppoll(fds, &t, nil) // an interruption is a shorter sleep
	return n > 0
}

// wait gives the events that are there, or waits for some until the next timer or
// stall.
func (l *loop) wait() (int, error) {
	l.timeout = unix.Timespec{}
	n, errno := l.poll(&l.timeout, unix.RawSyscall6)
	if n == 0 && errno == 0 {
		d, bounded := l.idle()
		switch {
		case !bounded:
			n, errno = l.poll(nil, unix.Syscall6)
		case d > 0:
			l.timeout = unix.NsecToTimespec(int64(d))
			n, errno = l.poll(&l.timeout, unix.Syscall6)
		}
	}
	if errno != 0 && errno != unix.EINTR {
		return 0, errno
	}
	return n, nil
}

type syscall6 func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err unix.Errno)

// poll asks for events; timeout is nil or lies within l, so that it does not move.
func (l *loop) poll(timeout *unix.Timespec, call syscall6) (int, unix.Errno) {
	n, _, errno := call(unix.SYS_EPOLL_PWAIT2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.events[0])), uintptr(len(l.events)),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// idle is how long nothing is to be done but for events; false if for ever.
func (l *loop) idle() (time.Duration, bool) {
	var next time.Duration
	ok := false
	now := l.now()
	if s := l.options.Stall; s.For > 0 {
		next, ok = s.Every-s.For-now%s.Every, true
	}
	if len(l.timers) > 0 {
		if d := l.timers[0].at - now; !ok || d < next {
			next, ok = d, true
		}
	}
	return next, ok
}

// fire does what is due.
func (l *loop) fire() {
	if len(l.timers) == 0 {
		return
	}
	for now := l.now(); len(l.timers) > 0 && l.timers[0].at <= now; {
		c := l.timers[0]
		if c.tokens > 0 {
			l.token(c)
		} else {
			l.timers.remove(c)
			l.answer(c)
			l.next(c)
		}
	}
}

// count takes note of a whole request.
func (l *loop) count() {
	l.stats.Requests++
	part := int(l.turn / Part)
	for len(l.stats.Parts) <= part {
		l.stats.Parts = append(l.stats.Parts, 0)
	}
	l.stats.Parts[part]++
}

func (l *loop) accept() {
	for range 256 {
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(l.listener), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return // also for want of descriptors: the peer finds out
		}
		c := &conn{fd: int(fd), id: l.stats.Connections, interest: unix.EPOLLIN, log: -1}
		if unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: c.interest, Fd: int32(c.fd)}) != nil {
			_ = unix.Close(c.fd) // nothing can be done for it
			continue
		}
		l.stats.Connections++
		for len(l.conns) <= c.fd {
			l.conns = append(l.conns, nil)
		}
		l.conns[c.fd] = c
	}
}

// drop ends a connection.
func (l *loop) drop(c *conn) {
	if c.dropped {
		return
	}
	c.dropped = true
	l.timers.remove(c)
	l.conns[c.fd] = nil
	_ = unix.Close(c.fd) // whatever it says, the descriptor is gone
}

// close ends everything but wake, which Server.Close still needs if it runs.
func (l *loop) close() {
	for _, c := range l.conns {
		if c != nil {
			l.drop(c)
		}
	}
	for _, fd := range []int{l.listener, l.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// watch sets the events that a connection waits for.
func (l *loop) watch(c *conn, interest uint32) {
	if c.interest == interest || c.dropped {
		return
	}
	c.interest = interest
	if unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: interest, Fd: int32(c.fd)}) != nil {
		l.drop(c)
	}
}

// arrivalsBlock is how many arrivals are kept in one piece, so that keeping one
// more never copies the others.
const arrivalsBlock = 1 << 16

// logged keeps an arrival and gives its number.
func (l *loop) logged(a Arrival) int {
	if last := len(l.arrivals) - 1; last < 0 || len(l.arrivals[last]) == arrivalsBlock {
		l.arrivals = append(l.arrivals, make([]Arrival, 0, arrivalsBlock))
	}
	last := len(l.arrivals) - 1
	l.arrivals[last] = append(l.arrivals[last], a)
	return last*arrivalsBlock + len(l.arrivals[last]) - 1
}
