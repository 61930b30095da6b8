package pace

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/results"
)

const (
	// sendBuffer holds a 100 KB request, so that one call takes it whole. The kernel
	// doubles it for its own needs and caps it at net.core.wmem_max; memory is used
	// only for what is on its way.
	sendBuffer = 256 << 10
	sendFlags  = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	// reads is how often one connection is read before the others' turn.
	reads = 4
)

// conn is a TCP connection of a socketLoop.
type conn struct {
	l         *socketLoop
	h         Handler
	to        netip.AddrPort
	fd        int
	slot, use int32
	connected bool
	closed    bool
	ended     bool           // the peer has, as epoll told
	waiting   bool           // in the loop's again
	refused   error          // why there is no connection
	werr      syscall.Errno  // why writing ended
	wcall     string         // the call that told
	last      results.Offset // of the last stamp; of Connect before

	queue []unsent
	first int // of the queue
	left  int // bytes in the queue
}

// unsent is what is left of a Write.
type unsent struct {
	head, body []byte
}

// connect begins to connect. Its error is a *net.OpError.
func (c *conn) connect() error {
	family, to, err := sockaddr(c.to)
	if err != nil {
		return c.dialError(err)
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return c.dialError(os.NewSyscallError("socket", err))
	}
	c.fd = fd
	for _, o := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer},
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return c.dialError(os.NewSyscallError("setsockopt", err))
		}
	}
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		return c.dialError(os.NewSyscallError("connect", err))
	}
	if err := c.l.watch(fd, c.slot, c.use, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
		return c.dialError(err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) (family int, to unix.Sockaddr, err error) {
	ip := a.Addr().Unmap()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}, nil
	}
	if !ip.IsValid() {
		return 0, nil, &net.AddrError{Err: "no address", Addr: a.String()}
	}
	to6 := &unix.SockaddrInet6{Port: int(a.Port()), Addr: ip.As16()}
	if zone := ip.Zone(); zone != "" {
		id, err := strconv.Atoi(zone)
		if err != nil {
			in, err := net.InterfaceByName(zone)
			if err != nil {
				return 0, nil, err
			}
			id = in.Index
		}
		to6.ZoneId = uint32(id)
	}
	return unix.AF_INET6, to6, nil
}

func (c *conn) dialError(err error) error { return c.opError("dial", err) }

func (c *conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(c.to), Err: err}
}

// ready works on the connection: events are epoll's, 0 if it asked to be called.
func (c *conn) ready(events uint32) {
	switch {
	case c.closed:
		return
	case c.refused != nil:
		c.end(c.refused)
		return
	case !c.connected:
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 || !c.establish() {
			return
		}
	}
	if events&unix.EPOLLOUT != 0 && c.left > 0 {
		c.flush()
	}
	// Without an event there is a reason to read: more than fitted, or a fault.
	if events == 0 || events&^unix.EPOLLOUT != 0 {
		c.read(events)
	}
}

// establish tells the handler how connecting ended, and reports whether there
// is a connection still.
func (c *conn) establish() bool {
	errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = syscall.Errno(errno)
	}
	if err == nil && c.toSelf() {
		err = unix.ECONNREFUSED
	}
	if err != nil {
		c.end(c.dialError(os.NewSyscallError("connect", err)))
		return false
	}
	c.connected = true
	c.h.Connected()
	return !c.closed
}

// toSelf reports whether the connection's other end is its own: the kernel may
// choose the port that is connected to where nobody listens, and TCP lets both
// sides open at once (RFC 9293, section 3.5).
func (c *conn) toSelf() bool {
	own, err := unix.Getsockname(c.fd)
	if err != nil {
		return false
	}
	to := c.to.Addr().Unmap()
	switch a := own.(type) {
	case *unix.SockaddrInet4:
		return a.Port == int(c.to.Port()) && netip.AddrFrom4(a.Addr) == to
	case *unix.SockaddrInet6:
		return a.Port == int(c.to.Port()) && netip.AddrFrom16(a.Addr) == to.WithZone("")
	}
	return false
}

// read hands over what came in. A read that does not fill the buffer has emptied
// the socket (man 7 epoll), unless the peer has ended too.
func (c *conn) read(events uint32) {
	c.ended = c.ended || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	ending := events == 0 || c.ended
	for range reads {
		n, stamp, errno := c.l.r.receive(c.fd, c.l.buf)
		switch {
		case errno == unix.EAGAIN:
			if c.werr != 0 {
				c.fail("recvmsg", errno)
			}
			return
		case errno != 0:
			c.fail("recvmsg", errno)
			return
		case n == 0:
			c.fail("", 0)
			return
		}
		at, ok := c.l.clock.moment(stamp, c.last, c.l.Now())
		if ok && at < c.l.seen.Add(-doubt) && !inOrder(c.fd) {
			at, ok = c.l.Now(), false // it came in then, behind a hole, and could not be read
		}
		if ok {
			c.l.usage.Stamped++
		} else {
			c.l.usage.Unstamped++
		}
		c.last = at
		c.h.Received(c.l.buf[:n], at)
		if c.closed || n < len(c.l.buf) && !ending {
			return
		}
		c.l.fireSharp()
		if c.closed {
			return
		}
	}
	c.l.later(c)
}

// fail ends the connection for the handler: by what ended writing if something
// did, an orderly end if errno is 0.
func (c *conn) fail(call string, errno syscall.Errno) {
	switch {
	case c.werr != 0:
		c.end(c.opError("write", os.NewSyscallError(c.wcall, c.werr)))
	case errno == 0:
		c.end(io.EOF)
	default:
		c.end(c.opError("read", os.NewSyscallError(call, errno)))
	}
}

func (c *conn) end(err error) {
	c.Close()
	c.h.Closed(err)
}

func (c *conn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.queue, c.left = nil, 0
	c.l.release(c)
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
}

func (c *conn) Unwritten() int { return c.left }

func (c *conn) Ended() bool { return c.ended }

func (c *conn) Write(head, body []byte) {
	if !c.connected && !c.closed {
		panic("pace: Write before Connected")
	}
	if c.closed || c.werr != 0 || len(head)+len(body) == 0 {
		return
	}
	idle := c.left == 0
	c.left += len(head) + len(body)
	c.queue = append(c.queue, unsent{head, body})
	if idle {
		c.flush()
	}
}

// flush sends from the queue what the socket takes.
func (c *conn) flush() {
	for c.first < len(c.queue) {
		u := &c.queue[c.first]
		n, call, errno := c.send(u)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return
		default:
			// What the peer said before is still read; then the handler learns.
			c.werr, c.wcall = errno, call
			c.queue, c.first = nil, 0
			c.l.later(c)
			return
		}
		c.left -= n
		h := min(n, len(u.head))
		u.head = u.head[h:]
		u.body = u.body[n-h:]
		if len(u.head)+len(u.body) == 0 {
			*u = unsent{}
			c.first++
		}
	}
	c.queue, c.first = c.queue[:0], 0
}

// send gives the socket what it takes of u in one call.
func (c *conn) send(u *unsent) (n int, call string, errno syscall.Errno) {
	if len(u.body) == 0 { // a short request: sendto takes less than sendmsg
		got, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&u.head[0])), uintptr(len(u.head)), sendFlags, 0, 0)
		return int(got), "sendto", errno
	}
	n, errno = c.l.s.send(c.fd, u)
	return n, "sendmsg", errno
}

// A sender has what the kernel is pointed to when sending. It is on the heap.
type sender struct {
	msg unix.Msghdr
	iov [2]unix.Iovec
}

// send sends head and body in one call.
func (s *sender) send(fd int, u *unsent) (int, syscall.Errno) {
	n := 0
	for _, p := range [...][]byte{u.head, u.body} {
		if len(p) > 0 {
			s.iov[n].Base = &p[0]
			s.iov[n].SetLen(len(p))
			n++
		}
	}
	s.msg.Iov, s.msg.Iovlen = &s.iov[0], uint64(n)
	got, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.msg)), sendFlags)
	s.iov = [2]unix.Iovec{}
	return int(got), errno
}
