package pace

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A receiver reads from sockets with their stamps (SO_TIMESTAMPNS, man 7
// socket). It is used by one goroutine, and is on the heap, so that what it
// points the kernel to stays where it is.
type receiver struct {
	msg     unix.Msghdr
	iov     unix.Iovec
	control struct {
		head  unix.Cmsghdr
		stamp unix.Timespec
		rest  [48]byte // room for messages that nobody asked for
	}
}

// receive reads into p, which is not empty, and gives the stamp of the last byte
// in ns of the wall clock, 0 if it has none. It does not wait.
func (r *receiver) receive(fd int, p []byte) (n int, stamp int64, errno syscall.Errno) {
	r.iov.Base = &p[0]
	r.iov.SetLen(len(p))
	r.msg.Iov, r.msg.Iovlen = &r.iov, 1
	r.msg.Control = (*byte)(unsafe.Pointer(&r.control))
	r.msg.SetControllen(int(unsafe.Sizeof(r.control)))
	for {
		got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msg)), unix.MSG_DONTWAIT)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, 0, errno
		}
		c := &r.control
		if int(r.msg.Controllen) >= unix.CmsgLen(int(unsafe.Sizeof(c.stamp))) &&
			c.head.Level == unix.SOL_SOCKET && c.head.Type == unix.SCM_TIMESTAMPNS {
			stamp = c.stamp.Nano()
		}
		return int(got), stamp, 0
	}
}

// inOrder reports whether the kernel tells that all segments of a connection came
// in the order of their bytes (TCP_INFO; since Linux 5.4).
//
// Note: bytes behind a lost segment have the stamp of when they came in, but can be
// read only once it was sent again. What is read then in one piece has their stamp,
// which is up to a retransmission's time too early.
func inOrder(fd int) bool {
	var info unix.TCPInfo
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	told := uintptr(size) >= unsafe.Offsetof(info.Rcv_ooopack)+unsafe.Sizeof(info.Rcv_ooopack)
	return errno == 0 && told && info.Rcv_ooopack == 0
}

// keepStamps gives a socket that lets the kernel stamp what comes in as long as
// it is open, or -1. Without one the kernel begins only some time after the first
// connection asked, and changes its code, on all cores, with every first and last
// one.
func keepStamps() int {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		unix.Close(fd)
		return -1
	}
	return fd
}

// Stamped gives the connection back so that what is adopted learns when bytes
// came in from the kernel, also through a [crypto/tls.Conn] on top of it: under
// TLS that is when the last bytes came in that the record was read with. One
// that is not a *net.TCPConn is given back as it is. Reads are for one goroutine
// at a time.
func Stamped(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	var asked error
	err = raw.Control(func(fd uintptr) {
		asked = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	if err != nil || asked != nil {
		return c
	}
	s := &stamped{TCPConn: tcp, raw: raw}
	s.try = s.receive
	return s
}

// tooOld is how much older than its read a stamp may be without doubt.
const tooOld = time.Millisecond

// stamped is a TCP connection that reads with stamps.
type stamped struct {
	*net.TCPConn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // s.receive, made once
	r    receiver
	p    []byte
	n    int
	err  syscall.Errno
	last atomic.Int64
}

func (s *stamped) stamp() int64 { return s.last.Load() }

func (s *stamped) receive(fd uintptr) bool {
	var at int64
	s.n, at, s.err = s.r.receive(int(fd), s.p)
	if s.err == unix.EAGAIN {
		return false
	}
	if s.n > 0 {
		if at != 0 && time.Now().UnixNano()-at > int64(tooOld) && !inOrder(int(fd)) {
			at = 0 // it could not be read then
		}
		s.last.Store(at)
	}
	return true
}

// Read is the connection's Read.
func (s *stamped) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return s.TCPConn.Read(p)
	}
	s.p = p
	err := s.raw.Read(s.try)
	s.p = nil
	switch {
	case err != nil:
		return 0, err
	case s.err != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("recvmsg", s.err)}
	case s.n == 0:
		return s.TCPConn.Read(p) // the end, told as package net does
	}
	return s.n, nil
}
