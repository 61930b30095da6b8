package stub

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A conn is one connection. While it is busy with an answer, or cannot send one,
// what comes in is held.
type conn struct {
	framer
	fd       int
	id       int64
	interest uint32
	held     []byte // received and not yet taken
	out      []byte // what the kernel did not take yet
	first    int64  // stamp of the present request's first bytes, 0 before them
	log      int    // its Arrival, -1 if not logged
	large    bool   // the last request had a large body
	busy     bool   // an answer is due or on its way
	ended    bool   // the peer sends no more
	closing  bool   // to be closed when all is sent
	dropped  bool

	// A wait is for the moment at, with tokens left to send, or none for an
	// ordinary answer.
	at     time.Duration
	tokens int
	place  int // in the heap, from 1; 0 if not in it
}

const (
	// largeBody is from where on a body is dropped within the kernel instead of
	// being copied; headSize is read of a request that may have such a body.
	largeBody = 8 << 10
	headSize  = 1 << 10
	// stampSize is read first of a request that is stamped, so that the stamp is
	// that of its beginning.
	stampSize = 96
	// maxHeld bounds what is held while a connection is busy.
	maxHeld = 1 << 20
	// turns bounds the reads of one connection before others are looked at.
	turns = 16
)

// ready reads or writes as the events say.
func (l *loop) ready(c *conn, events uint32) {
	if events&unix.EPOLLOUT != 0 {
		l.flush(c)
		l.next(c)
	}
	if c.dropped || events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return
	}
	if c.ended { // an error, or the other direction's end
		l.drop(c)
		return
	}
	for range turns {
		if !l.read(c) {
			return
		}
	}
}

// read reads once and reports whether there may be more.
func (l *loop) read(c *conn) bool {
	if c.inBody && !c.chat && c.length > 0 && !c.busy && len(c.held) == 0 {
		return l.discard(c)
	}
	size := len(l.buf)
	fresh := !c.inBody && !c.busy && len(c.held) == 0
	switch {
	case fresh && l.options.Log:
		size = stampSize
	case fresh && c.large:
		size = headSize
	}
	n, stamp, errno := l.receive(c.fd, l.buf[:size])
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return false
	}
	if errno != 0 {
		l.drop(c)
		return false
	}
	if n == 0 {
		c.ended = true
		if !c.busy && len(c.out) == 0 {
			l.drop(c)
			return false
		}
		l.watch(c, c.interest&^unix.EPOLLIN)
		return false
	}
	if c.first == 0 {
		c.first = stamp
	}
	l.feed(c, l.buf[:n])
	return !c.dropped && (n == size || c.inBody)
}

// discard lets the kernel drop what there is of a body (man 7 tcp, MSG_TRUNC), and
// reports whether there may be more to read.
func (l *loop) discard(c *conn) bool {
	ask := min(c.left, 1<<30)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), 0, uintptr(ask), unix.MSG_TRUNC, 0, 0)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return false
	}
	if errno != 0 || n == 0 {
		l.drop(c)
		return false
	}
	l.stats.BodyBytes += int64(n)
	if c.left -= int64(n); c.left > 0 {
		return true
	}
	c.inBody = false
	l.whole(c)
	return false
}

// receive reads into p and gives the kernel's stamp, or the present time where
// there is none.
func (l *loop) receive(fd int, p []byte) (int, int64, unix.Errno) {
	if !l.options.Log {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
		return int(n), 1, errno
	}
	iov := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
	msg := unix.Msghdr{Iov: &iov, Iovlen: 1, Control: (*byte)(unsafe.Pointer(&l.control[0])), Controllen: uint64(unsafe.Sizeof(l.control))}
	n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), 0)
	if errno != 0 {
		return 0, 0, errno
	}
	return int(n), l.stamp(int(msg.Controllen)), 0
}

// stamp reads the control message of SO_TIMESTAMPNS: its length, its level and
// type, then seconds and nanoseconds.
func (l *loop) stamp(size int) int64 {
	const want = unix.SizeofCmsghdr + int(unsafe.Sizeof(unix.Timespec{}))
	if h := (*unix.Cmsghdr)(unsafe.Pointer(&l.control[0])); size >= want && h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS {
		return (*unix.Timespec)(unsafe.Pointer(&l.control[unix.SizeofCmsghdr/8])).Nano()
	}
	return time.Now().UnixNano()
}

// feed takes received bytes after those that are held.
func (l *loop) feed(c *conn, p []byte) {
	if len(c.held) > 0 {
		c.held = append(c.held, p...)
		p = c.held
	}
	for len(p) > 0 && !c.busy && !c.closing && !c.dropped && len(c.out) == 0 {
		if c.first == 0 {
			c.first = 1
			if l.options.Log {
				c.first = time.Now().UnixNano() // it came with the one before
			}
		}
		inBody := c.inBody
		n, e, err := c.take(p)
		if err != nil {
			l.stats.Refused++
			l.send(c, refusal)
			c.closing = true
			break
		}
		if inBody {
			l.stats.BodyBytes += int64(n)
		}
		p = p[n:]
		switch {
		case e == headRead:
			if c.expects && len(p) == 0 {
				l.send(c, continues)
			}
		case e == whole:
			l.whole(c)
		case n == 0: // a header that is not whole
			l.hold(c, p)
			return
		}
	}
	if c.closing { // what follows is nobody's
		p = nil
	}
	l.hold(c, p)
	if c.closing && len(c.out) == 0 && !c.busy {
		l.drop(c)
	}
}

// hold keeps p, which may lie within what is held.
func (l *loop) hold(c *conn, p []byte) {
	if c.held = append(c.held[:0], p...); len(c.held) > maxHeld {
		l.drop(c)
	}
}

// next goes on with a connection whose answer was sent.
func (l *loop) next(c *conn) {
	switch {
	case c.dropped || c.busy || len(c.out) > 0:
	case c.closing || c.ended && len(c.held) == 0:
		l.drop(c)
	case len(c.held) > 0:
		l.feed(c, nil)
		if c.ended && !c.busy && len(c.out) == 0 && !c.dropped {
			l.drop(c) // what is held will never be whole
		}
	}
}

// whole takes note of a whole request and answers it, now or later.
func (l *loop) whole(c *conn) {
	l.count()
	c.large = c.length > largeBody
	if c.log = -1; l.options.Log {
		c.log = l.logged(Arrival{First: c.first, Connection: c.id})
	}
	c.first = 0
	c.busy = true
	switch {
	case c.chat && c.stream.found:
		l.stats.Streams++
		l.send(c, l.answers.begin)
		c.tokens, c.at = l.options.Tokens, l.now()+l.options.Gap
		l.timers.set(c)
	case l.options.Delay > 0:
		c.tokens, c.at = 0, l.now()+l.options.Delay
		l.timers.set(c)
	default:
		l.answer(c)
	}
}

// answer sends an ordinary answer.
func (l *loop) answer(c *conn) {
	c.busy = false
	switch {
	case c.headOnly:
		l.send(c, l.answers.head)
	case c.chat:
		l.send(c, l.answers.chat)
	case c.close:
		l.send(c, l.answers.closing)
	case c.oldKept:
		l.send(c, l.answers.old)
	default:
		l.send(c, l.answers.kept)
	}
	c.closing = c.closing || c.close
	if c.closing && len(c.out) == 0 && !c.dropped {
		l.drop(c)
	}
}

// token sends the next token of a stream, and its end after the last.
func (l *loop) token(c *conn) {
	l.stats.Tokens++
	text := l.answers.stamped(time.Now())
	if c.tokens--; c.tokens > 0 {
		c.at += l.options.Gap
		l.timers.set(c)
		l.send(c, text)
		return
	}
	l.timers.remove(c)
	c.busy = false
	n := copy(l.buf, text)
	n += copy(l.buf[n:], l.answers.end)
	c.closing = c.close
	l.send(c, l.buf[:n])
	l.next(c)
}

// send sends p after what was not taken yet; p is copied if need be.
func (l *loop) send(c *conn, p []byte) {
	if c.log >= 0 {
		at := &l.arrivals[c.log/arrivalsBlock][c.log%arrivalsBlock]
		if at.Answered == 0 {
			at.Answered = time.Now().UnixNano()
		}
	}
	if len(c.out) > 0 {
		c.out = append(c.out, p...)
		return
	}
	n, ok := l.write(c, p)
	if ok && n < len(p) {
		c.out = append(c.out, p[n:]...)
		l.watch(c, c.interest|unix.EPOLLOUT)
	}
}

// flush sends what the kernel did not take before.
func (l *loop) flush(c *conn) {
	n, ok := l.write(c, c.out)
	if !ok {
		return
	}
	if c.out = c.out[:copy(c.out, c.out[n:])]; len(c.out) == 0 {
		l.watch(c, c.interest&^unix.EPOLLOUT)
	}
}

// write gives p to the kernel and tells how much it took, and false if the
// connection is gone.
func (l *loop) write(c *conn, p []byte) (int, bool) {
	if c.dropped || len(p) == 0 {
		return 0, !c.dropped
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	switch errno {
	case 0:
		return int(n), true
	case unix.EAGAIN, unix.EINTR:
		return 0, true
	}
	l.drop(c)
	return 0, false
}
