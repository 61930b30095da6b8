// Package stub is a server to measure clients with: one thread that answers
// HTTP/1.1 as fast as plain sockets allow, so that what is measured is the client.
//
// It answers every request with a small JSON list, as a detector does, and
// POST to …/chat/completions as vLLM does, streamed when the body asks for it.
// A token's text is the moment when it was sent. Bodies are dropped unread.
package stub

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Options say how a Server answers. The zero value is a server on a free port
// of the loopback that answers at once.
type Options struct {
	// Addr is where it listens; the zero value means a free port of 127.0.0.1.
	Addr netip.AddrPort
	// Answer is the body of ordinary answers; nil means two boxes.
	Answer []byte
	// Delay is between the end of an ordinary request and its answer.
	Delay time.Duration
	// Tokens is the length of a streamed answer, at least 1; Gap is before each
	// of them.
	Tokens int
	Gap    time.Duration
	Stall  Stall
	// Log keeps an Arrival for each request, with the kernel's stamp of its first
	// bytes, for Close to give.
	Log bool
}

// A Stall lets the server do nothing at all for the last For of every Every
// since its start. The zero value never stalls.
type Stall struct{ Every, For time.Duration }

// An Arrival is what the server knows of one request. Moments are nanoseconds of
// the wall clock (Unix time).
type Arrival struct {
	// First is when the request's first bytes were received, as the kernel told:
	// of those that were read first, the last of one packet or more where the
	// server was slower than the client.
	First int64
	// Answered is when the answer, or the head of a stream, was sent; 0 if never.
	Answered int64
	// Connection tells connections apart, from 0.
	Connection int64
}

// Stats is what a server did.
type Stats struct {
	Connections int64         `json:"connections"`
	Requests    int64         `json:"requests"`   // whole ones
	BodyBytes   int64         `json:"body_bytes"` // received
	Refused     int64         `json:"refused"`    // what was no request
	Streams     int64         `json:"streams"`    // begun
	Tokens      int64         `json:"tokens"`     // sent
	CPU         time.Duration `json:"cpu_ns"`     // of its thread
	Started     time.Time     `json:"started"`    // stalls count from here
	// Parts counts the requests in each [Part] since Started, up to the last one.
	Parts []int64 `json:"parts"`
}

// Part is what Stats.Parts counts by.
const Part = 100 * time.Millisecond

// A Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	addr     netip.AddrPort
	wake     int // an eventfd
	done     chan struct{}
	stats    Stats
	arrivals [][]Arrival
	fault    error
}

// Start listens and serves on a thread of its own until Close.
func Start(o Options) (*Server, error) {
	if o.Tokens == 0 {
		o.Tokens = 1
	}
	switch {
	case o.Tokens < 0 || o.Gap < 0 || o.Delay < 0 || o.Stall.For < 0:
		return nil, errors.New("stub: tokens and durations may not be negative")
	case o.Stall.For > 0 && o.Stall.For >= o.Stall.Every:
		return nil, fmt.Errorf("stub: a stall of %v every %v never ends", o.Stall.For, o.Stall.Every)
	}
	l := &loop{options: o, answers: makeAnswers(o), buf: make([]byte, 256<<10), listener: -1, epoll: -1, wake: -1}
	if err := l.open(); err != nil {
		l.close()
		return nil, fmt.Errorf("stub: %w", err)
	}
	s := &Server{addr: l.addr, wake: l.wake, done: make(chan struct{})}
	l.stats.Started = l.start.Round(0)
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // and not unlocked: its timer slack is changed
		s.fault = l.run()
		l.close()
		s.stats, s.arrivals = l.stats, l.arrivals
	}()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// URL is the server's base URL.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// Close ends the server and all connections at once, and tells what it did. It is
// called once.
func (s *Server) Close() (Stats, error) {
	one := [8]byte{1} // of either byte order: not 0
	_, err := unix.Write(s.wake, one[:])
	if err != nil {
		return Stats{}, fmt.Errorf("stub: wake the server: %w", err)
	}
	<-s.done
	err = unix.Close(s.wake)
	return s.stats, errors.Join(s.fault, err)
}

// Arrivals gives what was logged, in the order in which requests began to be
// read, after Close.
func (s *Server) Arrivals() []Arrival {
	all := make([]Arrival, 0, len(s.arrivals)*arrivalsBlock)
	for _, block := range s.arrivals {
		all = append(all, block...)
	}
	return all
}

// open makes the sockets and registers them.
func (l *loop) open() error {
	addr := l.options.Addr
	if !addr.IsValid() {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if !addr.Addr().Is4() {
		return net.InvalidAddrError("the address is not of IPv4")
	}
	var err error
	if l.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	for _, set := range l.socketOptions() {
		if err := unix.SetsockoptInt(l.listener, set.level, set.name, set.value); err != nil {
			return fmt.Errorf("set a socket's option: %w", err)
		}
	}
	if err := unix.Bind(l.listener, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return fmt.Errorf("bind %v: %w", addr, err)
	}
	if err := unix.Listen(l.listener, backlog); err != nil {
		return fmt.Errorf("listen on %v: %w", addr, err)
	}
	name, err := unix.Getsockname(l.listener)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	l.addr = netip.AddrPortFrom(addr.Addr(), uint16(name.(*unix.SockaddrInet4).Port))
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	for _, fd := range []int{l.listener, l.wake} {
		if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
	}
	l.start = time.Now()
	return nil
}

// backlog is how many connections may wait while the server stalls; the system
// has its own bound.
const backlog = 8192

type socketOption struct{ level, name, value int }

// socketOptions are the listener's; connections inherit them. The receive buffer
// takes an image at once, where the kernel would begin with half of one.
func (l *loop) socketOptions() []socketOption {
	set := []socketOption{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_RCVBUF, 1 << 20},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	}
	if l.options.Log {
		set = append(set, socketOption{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1})
	}
	return set
}
