package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// inMemory lists the clients in virtual time.
func inMemory(t *testing.T, f func(t *testing.T, s subject)) {
	for _, s := range subjects {
		if s.memory {
			t.Run(s.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { f(t, s) })
			})
		}
	}
}

// dialing makes one exchange over connections that dial makes; it is ended after
// the limit, if there is one. It also tells how long it took.
func (s subject) dialing(t *testing.T, dial DialFunc, limit time.Duration) (a loadgen.Answer, took time.Duration) {
	base, err := ParseBase("http://server")
	if err != nil {
		t.Fatal(err)
	}
	s.with(t, Config{Base: base, Dial: dial}, nil, 0, func(tr *trial) {
		tr.request = requestOf(t, hostile.Ask{Size: 10})
		timer := pace.Timer{F: func() { tr.line.Abort(&tr.x, results.Timeout) }}
		start := tr.loop.Now()
		if limit > 0 {
			tr.loop.Set(&timer, start.Add(limit))
		}
		a = tr.run(1)[0]
		took = a.Done.Sub(start)
	})
	return a, took
}

// What our own machine lacks is told apart from what the server refuses.
func TestClientFault(t *testing.T) {
	inMemory(t, func(t *testing.T, s subject) {
		for _, c := range []struct {
			err  error
			want bool
		}{
			{os.NewSyscallError("socket", syscall.EMFILE), true},
			{os.NewSyscallError("socket", syscall.ENFILE), true},
			{os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), true},
			{os.NewSyscallError("socket", syscall.ENOBUFS), true},
			{os.NewSyscallError("socket", syscall.ENOMEM), true},
			{os.NewSyscallError("connect", syscall.ECONNREFUSED), false},
			{os.NewSyscallError("connect", syscall.EHOSTUNREACH), false},
			{&net.DNSError{Err: "no such host", Name: "server"}, false},
			{io.ErrUnexpectedEOF, false},
		} {
			a, _ := s.dialing(t, func(context.Context, string, string) (net.Conn, error) { return nil, c.err }, 0)
			if a.Outcome != results.Connect || a.ClientFault != c.want || a.BytesSent != 0 ||
				strings.HasPrefix(a.Detail, "the load generator's machine") != c.want || !strings.Contains(a.Detail, c.err.Error()) {
				t.Errorf("%v: %+v", c.err, a)
			}
		}
	})
}

// A connection that does not come is given up before the request's time limit,
// and is no timeout of the server's.
func TestConnectTimeout(t *testing.T) {
	silent := func(ctx context.Context, network, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inMemory(t, func(t *testing.T, s subject) {
		for limit, want := range map[time.Duration]results.Outcome{time.Minute: results.Connect, 2 * time.Second: results.Timeout} {
			a, took := s.dialing(t, silent, limit)
			late := took - min(limit, 5*time.Second)
			if a.Outcome != want || late < 0 || late > time.Microsecond || a.ClientFault || !strings.Contains(a.Detail, "connection") {
				t.Errorf("limit %v: %v after %v (%s)", limit, a.Outcome, took, a.Detail)
			}
		}
	})
}

// An idle connection that the server ends, or that is old, is not used again.
func TestIdle(t *testing.T) {
	good := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n%s", hostile.Good)
	inMemory(t, func(t *testing.T, s subject) {
		for _, c := range []struct {
			name  string
			serve func(*hostile.Conn, int)
			pause time.Duration
			conns int64
		}{
			{"short pause", func(c *hostile.Conn, _ int) {
				for c.Request() && c.Say(good) {
				}
			}, 3*time.Second - time.Millisecond, 1},
			{"long pause", func(c *hostile.Conn, _ int) {
				for c.Request() && c.Say(good) {
				}
			}, 3*time.Second + time.Millisecond, 2},
			{"the server closes", func(c *hostile.Conn, _ int) { c.Request(); c.Say(good) }, time.Millisecond, 2},
			{"the server speaks", func(c *hostile.Conn, _ int) {
				c.Request()
				c.Say(good)
				time.Sleep(time.Millisecond)
				c.Say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
				c.Wait()
			}, time.Second, 2},
		} {
			ok := []results.Outcome{results.OK, results.OK}
			s.pause = c.pause
			s.try(t, hostile.Case{Name: c.name, Serve: c.serve, Want: ok, Status: 200, Conns: c.conns}, nil, Config{})
		}
	})
}

// Addresses are tried in their order; a name that is not known is no connection,
// and neither is a port where nobody listens.
func TestAddresses(t *testing.T) {
	defer leaks.None(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := hostile.Serve(l, hostile.Case{Serve: func(c *hostile.Conn, _ int) {
		if c.Request() {
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + hostile.Good)
		}
	}}, nil)
	defer server.Close()
	there := l.Addr().(*net.TCPAddr).AddrPort()
	nowhere := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), there.Port())
	for _, s := range subjects[:2] {
		for _, c := range []struct {
			to   *place
			want results.Outcome
		}{
			{&place{addrs: []netip.AddrPort{nowhere, there}}, results.OK},
			{&place{addrs: []netip.AddrPort{nowhere, nowhere}}, results.Connect},
			{&place{err: &net.DNSError{Err: "no such host", Name: "server"}}, results.Connect},
		} {
			for _, guesses := range []bool{false, true} {
				base, err := ParseBase("http://server")
				if err != nil {
					t.Fatal(err)
				}
				s.guesses, s.to = guesses, c.to
				s.with(t, Config{Base: base, Transport: patient(Transport{})}, nil, 0, func(tr *trial) {
					tr.request = requestOf(t, hostile.Ask{})
					if a := tr.run(1)[0]; a.Outcome != c.want {
						t.Errorf("%s to %v: %v (%s), want %v", s.name, c.to, a.Outcome, a.Detail, c.want)
					}
				})
			}
		}
	}
}

func TestLookUp(t *testing.T) {
	for base, want := range map[string]string{
		"http://127.0.0.1": "[127.0.0.1:80]", "https://127.0.0.1/": "[127.0.0.1:443]", "http://[::1]:8080": "[[::1]:8080]", "http://127.0.0.1:99999": "[]",
	} {
		u, err := ParseBase(base)
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Config{Base: u, NewReader: func() Reader { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		to := &place{client: c, addr: c.addr()}
		to.lookUp()
		if got := fmt.Sprint(to.addrs); got != want || (to.err == nil) != (len(to.addrs) > 0) {
			t.Errorf("%s: %s, %v; want %s", base, got, to.err, want)
		}
	}
}

func TestClassify(t *testing.T) {
	alert := &net.OpError{Op: "remote error", Err: tls.AlertError(42)}
	for _, c := range []struct {
		err                 error
		connected, answered bool
		want                results.Outcome
	}{
		{io.ErrUnexpectedEOF, false, false, results.Connect},
		{io.ErrUnexpectedEOF, true, false, results.Reset},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), true, true, results.Reset},
		{alert, true, false, results.Connect}, // it does not want our certificate
		{alert, true, true, results.Reset},
		{tls.RecordHeaderError{Msg: "no TLS"}, true, false, results.Connect},
		{tls.RecordHeaderError{Msg: "no TLS"}, true, true, results.Reset},
		{cutOff(tls.RecordHeaderError{Msg: "no TLS"}, true, false), true, false, results.Reset}, // after others were answered
		{cutOff(alert, true, false), true, false, results.Reset},
		{fmt.Errorf("x: %w", malformed("y")), true, true, results.Malformed},
		{&net.OpError{Op: "proxyconnect", Err: io.EOF}, true, false, results.Connect},
	} {
		if got := classify(c.err, c.connected, c.answered); got != c.want {
			t.Errorf("%v, connected %v, answered %v: %v, want %v", c.err, c.connected, c.answered, got, c.want)
		}
	}
}

// The addresses share the time limit, and the one that answered is tried first
// from then on.
func TestAddressesInTurn(t *testing.T) {
	l, line := stillLine(t, "http://127.0.0.1:1", Transport{ConnectTimeout: 3 * time.Second})
	var addrs []netip.AddrPort
	for _, text := range []string{"127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"} {
		addrs = append(addrs, netip.MustParseAddrPort(text))
	}
	line.to.addrs = addrs
	request := &Request{Method: "POST", Path: "/"}
	send := func() *loadgen.Exchange {
		x := &loadgen.Exchange{Done: func(*loadgen.Exchange) {}}
		line.Send(request, x)
		return x
	}
	// last is the connection that is being made, which is given until a moment.
	last := func(n, addr int, until time.Duration) *stillConn {
		t.Helper()
		c := l.conns[len(l.conns)-1]
		if len(l.conns) != n || c.to != addrs[addr] || len(l.timers) != 1 {
			t.Fatalf("connection %d is to %v, of %d; %d timers", len(l.conns), c.to, n, len(l.timers))
		}
		for _, at := range l.timers {
			if at != results.Offset(until) {
				t.Fatalf("connection %d is given until %v, want %v", n, time.Duration(at), until)
			}
		}
		return c
	}
	expire := func() {
		for timer, at := range l.timers {
			delete(l.timers, timer)
			l.now = at
			timer.F()
		}
	}
	send()
	first := last(1, 0, time.Second)
	if expire(); !first.closed {
		t.Error("the connection that was given up is open")
	}
	second := last(2, 1, 2*time.Second)
	l.now = results.Offset(1500 * time.Millisecond)
	second.h.Closed(syscall.ECONNREFUSED)
	last(3, 2, 3*time.Second).h.Connected()
	l.now = 0
	x := send()
	last(4, 2, time.Second)
	expire()
	last(5, 0, 2*time.Second)
	expire()
	last(6, 1, 3*time.Second)
	if expire(); x.Answer.Outcome != results.Connect || x.Answer.Done != results.Offset(3*time.Second) || len(line.conns) != 1 {
		t.Errorf("no address answers: %+v, %d connections", x.Answer, len(line.conns))
	}
}

// An address of a kind that this machine has none of, as IPv6 where it is switched
// off, is passed over: what another one says counts, and no port is missing. Where
// ports are used up, which connecting tells by the same error, no other is tried.
func TestNoAddressOfTheKind(t *testing.T) {
	here, lacking := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("[fe80::1%lo]:1")
	for _, c := range []struct {
		addrs []netip.AddrPort
		errs  []syscall.Errno
		says  string
		fault bool
	}{
		{[]netip.AddrPort{lacking, here}, []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.ECONNREFUSED}, "connection refused", false},
		{[]netip.AddrPort{here, lacking}, []syscall.Errno{syscall.ECONNREFUSED, syscall.EADDRNOTAVAIL}, "connection refused", false},
		{[]netip.AddrPort{here, lacking}, []syscall.Errno{0, syscall.EADDRNOTAVAIL}, "no connection within 3s", false},
		{[]netip.AddrPort{lacking, lacking}, []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EADDRNOTAVAIL}, "this machine has no address of the kind", false},
		{[]netip.AddrPort{lacking, here}, []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EADDRNOTAVAIL}, "no descriptor, port or memory", true},
		{[]netip.AddrPort{here, here}, []syscall.Errno{syscall.EADDRNOTAVAIL}, "no descriptor, port or memory", true},
	} {
		l, line := stillLine(t, "http://127.0.0.1:1", Transport{ConnectTimeout: 3 * time.Second})
		line.to.addrs = c.addrs
		x := &loadgen.Exchange{Done: func(*loadgen.Exchange) {}}
		line.Send(&Request{Method: "POST", Path: "/"}, x)
		for i, errno := range c.errs {
			if len(l.conns) != i+1 {
				t.Fatalf("%v, %v: %d connections after %d faults (%+v)", c.addrs, c.errs, len(l.conns), i, x.Answer)
			}
			if errno == 0 {
				for timer := range l.timers {
					timer.F()
				}
				continue
			}
			l.conns[i].h.Closed(&net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(c.addrs[i]), Err: os.NewSyscallError("connect", errno)})
		}
		if a := x.Answer; len(l.conns) != len(c.errs) || a.Outcome != results.Connect || a.ClientFault != c.fault || !strings.Contains(a.Detail, c.says) {
			t.Errorf("%v, %v: %+v; want client fault %v and %q", c.addrs, c.errs, a, c.fault, c.says)
		}
	}
}

// Where package net dials, too, a silent address leaves time for the next, which
// is tried first from then on.
func TestSilentAddress(t *testing.T) {
	listening := func() netip.AddrPort {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().(*net.TCPAddr).AddrPort()
	}
	to := &place{client: &Client{Config: Config{Transport: Transport{ConnectTimeout: 2 * time.Second}}}}
	to.addrs = []netip.AddrPort{silentAddress(t), listening()}
	for range 2 {
		c, err := to.dialPlain(t.Context())
		if err != nil || to.good.Load() != 1 || c.RemoteAddr().String() != to.addrs[1].String() {
			t.Fatalf("address %d answered, %v", to.good.Load(), err)
		}
		c.Close()
		to.addrs[0] = listening() // would answer, too, if it were tried
		to.client.Transport = patient(Transport{})
	}
}

// silentAddress is one whose queue of connections is full, so that the kernel
// drops what asks for another.
func silentAddress(t *testing.T) netip.AddrPort {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	own, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(own.(*syscall.SockaddrInet4).Port))
	c, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return a
}
