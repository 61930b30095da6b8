package pace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

// readBuffer is the loop's one buffer for what comes in.
const readBuffer = 256 << 10

// doubt is how much older than what the kernel had told of before a stamp may be
// without doubt: the kernel stamps what comes in before it hands it to the socket.
const doubt = 100 * time.Microsecond

// socketLoop is the production loop.
type socketLoop struct {
	core
	epoll   epoll
	event   int // the eventfd that Post wakes it with
	keeper  int // a socket that keeps stamps on
	r       receiver
	s       sender
	buf     []byte
	conns   []*conn // by slot
	vacant  []int32 // slots to be used again
	uses    int32   // how many connections there have been, for events of former ones
	again   []*conn // those with work that no event will tell of
	others  []*conn // again's other half
	spin    spinner
	start   results.Offset
	began   results.Offset // of being busy
	asked   results.Offset // just before the kernel was asked for sockets
	seen    results.Offset // what could be read by then had been told of before this turn
	behind  int            // turns that left something unread
	full    bool           // the kernel was not asked for all sockets
	running bool
}

// wakeSlot is the eventfd's place in epoll.
const wakeSlot = -1

// New makes the production loop: one thread on epoll. Its Run panics if the
// kernel refuses to wait, which it has no reason to.
func New(origin results.Origin) (Loop, error) {
	l := &socketLoop{buf: make([]byte, readBuffer)}
	l.origin, l.clock.origin = origin, origin
	l.adopted = make(map[*adopted]struct{})
	var err error
	if l.epoll.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make an event loop: %w", os.NewSyscallError("epoll_create1", err))
	}
	if l.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(l.epoll.fd)
		return nil, fmt.Errorf("make an event loop: %w", os.NewSyscallError("eventfd2", err))
	}
	l.keeper = keepStamps()
	// Edge-triggered, each write wakes the loop and need not be read.
	if err := l.watch(l.event, wakeSlot, 0, unix.EPOLLIN|unix.EPOLLET); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("make an event loop: %w", err)
	}
	wakeup := binary.NativeEndian.AppendUint64(nil, 1)
	l.wake = func() { unix.Write(l.event, wakeup) }
	return l, nil
}

func (l *socketLoop) watch(fd int, slot, use int32, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: slot, Pad: use}))
}

func (l *socketLoop) Connect(to netip.AddrPort, h Handler) Conn {
	c := &conn{l: l, h: h, to: to, fd: -1, last: l.Now()}
	l.take(c)
	if err := c.connect(); err != nil {
		c.refused = err
		l.later(c)
	}
	return c
}

// take gives c a slot.
func (l *socketLoop) take(c *conn) {
	l.uses++
	c.use = l.uses
	if n := len(l.vacant); n > 0 {
		c.slot = l.vacant[n-1]
		l.vacant = l.vacant[:n-1]
		l.conns[c.slot] = c
		return
	}
	c.slot = int32(len(l.conns))
	l.conns = append(l.conns, c)
}

// release takes c's slot back.
func (l *socketLoop) release(c *conn) {
	l.conns[c.slot] = nil
	l.vacant = append(l.vacant, c.slot)
}

// later lets c be worked on in the next turn.
func (l *socketLoop) later(c *conn) {
	if !c.waiting {
		c.waiting = true
		l.again = append(l.again, c)
	}
}

func (l *socketLoop) Run() {
	defer enter()()
	l.spin.share = shareOf()
	l.start, l.running = l.Now(), true
	l.began, l.asked, l.seen, l.spin.last = l.start, l.start, l.start, l.start
	for !l.quit {
		l.fireSharp()
		events := l.wait()
		l.fireSharp()
		l.sockets(events)
		l.runPosted(false)
		if l.allRead(events) {
			l.firePlain(l.asked)
		}
	}
	l.runPosted(true)
	end := l.Now()
	l.usage.Busy += end.Sub(l.began)
	l.usage.Ran = end.Sub(l.start)
	l.running = false
}

// allRead reports whether what had come in when the kernel was asked last has
// been read. Under more load than that, it is true every now and then all the
// same, so that timers do not wait for ever.
func (l *socketLoop) allRead(events []unix.EpollEvent) bool {
	if len(l.again) == 0 && len(events) < len(l.epoll.events) || l.behind == mostBehind {
		l.behind = 0
		return true
	}
	l.behind++
	return false
}

// mostBehind is how many turns may leave something unread before the timers'
// turn.
const mostBehind = 16

// wait waits for sockets, posts or the next timer.
func (l *socketLoop) wait() []unix.EpollEvent {
	l.asleep.Store(true)
	defer l.asleep.Store(false)
	now := l.Now()
	if !l.full {
		l.seen = max(l.seen, l.asked)
	}
	next := min(l.sharp.next(), l.plain.next())
	if len(l.again) > 0 || l.quit || l.posted.Load() || next <= now {
		l.asked = now
		return l.poll(0)
	}
	l.usage.Busy += now.Sub(l.began)
	events := l.sleep(now, next)
	l.began = l.Now()
	if l.began.Sub(now) > doubt { // it did sleep: there was nothing
		l.seen = l.began
	}
	return events
}

// sleep waits until the moment next, before a sharp timer spinning in the end.
func (l *socketLoop) sleep(now, next results.Offset) []unix.EpollEvent {
	until := next
	if next == l.sharp.next() {
		until = next.Add(-l.spin.window(now))
	}
	if now < until {
		l.asked = now
		events := l.poll(until.Sub(now))
		if len(events) > 0 || l.posted.Load() {
			return events
		}
		now = l.Now()
		if now >= until {
			l.spin.slept(until, now)
		}
	}
	if until == next || now < until {
		return nil
	}
	began := now
	defer func() { l.spin.credit -= l.Now().Sub(began) }()
	for now < next {
		if next.Sub(now) > pollWorth {
			l.asked = now
			if events := l.poll(0); len(events) > 0 {
				return events
			}
		}
		now = l.Now()
	}
	return nil
}

// pollWorth is how long before a sharp timer spinning still looks at sockets.
const pollWorth = 3 * time.Microsecond

func (l *socketLoop) poll(left time.Duration) []unix.EpollEvent {
	events, err := l.epoll.wait(left)
	if err != nil {
		panic(fmt.Sprintf("pace: %v", err))
	}
	l.full = len(events) == len(l.epoll.events)
	return events
}

// sockets works on what is ready, with sharp timers in between.
func (l *socketLoop) sockets(events []unix.EpollEvent) {
	again := l.again
	l.again = l.others[:0]
	for i, c := range again {
		again[i] = nil
		c.waiting = false
		c.ready(0)
		l.fireSharp()
	}
	l.others = again[:0]
	for i := range events {
		e := &events[i]
		if e.Fd == wakeSlot {
			continue
		}
		if c := l.conns[e.Fd]; c != nil && c.use == e.Pad {
			c.ready(e.Events)
			l.fireSharp()
		}
	}
}

func (l *socketLoop) Usage() Usage {
	u := l.usage
	if l.running {
		now := l.Now()
		u.Ran = now.Sub(l.start)
		u.Busy += now.Sub(l.began)
	}
	return u
}

func (l *socketLoop) Close() error {
	l.drop()
	for _, c := range l.conns {
		if c != nil {
			c.Close()
		}
	}
	l.closeAdopted()
	return l.closeFiles()
}

func (l *socketLoop) closeFiles() error {
	if l.keeper >= 0 {
		unix.Close(l.keeper)
	}
	unix.Close(l.event)
	return os.NewSyscallError("close", unix.Close(l.epoll.fd))
}
