package listening

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// A listener is where to listen: tcp6 is of IPv6 alone.
type listener struct{ network, host string }

// together listens at all of them on one port, which is free at each.
func together(t *testing.T, all []listener) (port uint16) {
	t.Helper()
	for range 20 { // the port of the first may be taken at another
		var open []net.Listener
		at := "0"
		for _, l := range all {
			one, err := net.Listen(l.network, net.JoinHostPort(l.host, at))
			if errors.Is(err, syscall.EADDRINUSE) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, one)
			port = one.Addr().(*net.TCPAddr).AddrPort().Port()
			at = strconv.Itoa(int(port))
		}
		for _, one := range open {
			t.Cleanup(func() { one.Close() })
		}
		if len(open) == len(all) {
			return port
		}
	}
	t.Fatal("no port is free at each of them")
	return 0
}

// TestTakers holds what the kernel refuses against who is named: each socket that is in
// the way, and no other on the same port.
func TestTakers(t *testing.T) {
	four, six, every := listener{"tcp4", "127.0.0.1"}, listener{"tcp6", "::1"}, listener{"tcp6", "::"}
	next, fours, both := listener{"tcp4", "127.0.0.2"}, listener{"tcp4", "0.0.0.0"}, listener{"tcp", ""}
	for _, c := range []struct {
		listen []listener
		at     listener
		want   []string
	}{
		{[]listener{four, next}, four, []string{"127.0.0.1"}},
		{[]listener{four, next}, next, []string{"127.0.0.2"}},
		{[]listener{four, next}, listener{"tcp4", "127.0.0.3"}, nil},
		{[]listener{four, next}, both, []string{"127.0.0.1", "127.0.0.2"}},
		{[]listener{fours}, next, []string{"0.0.0.0"}},
		{[]listener{four, six}, six, []string{"::1"}},
		{[]listener{fours, six}, four, []string{"0.0.0.0"}},
		{[]listener{fours, six}, six, []string{"::1"}},
		{[]listener{four, every}, four, []string{"127.0.0.1"}},
		{[]listener{four, every}, six, []string{"::"}},
		{[]listener{four, every}, both, []string{"127.0.0.1", "::"}},
		{[]listener{both}, four, []string{"::"}},
		{[]listener{both}, six, []string{"::"}},
	} {
		if usesSix := func(l listener) bool { return l.network == "tcp6" || l == both }; !hasIPv6() && slices.ContainsFunc(append(c.listen, c.at), usesSix) {
			t.Logf("%v is not tried: this machine has no IPv6", c.listen)
			continue
		}
		port := together(t, c.listen)
		all, err := Find("")
		if err != nil {
			t.Fatal(err)
		}
		address, _ := netip.ParseAddr(c.at.host) // none of both
		var got []string
		for _, s := range Takers(all, netip.AddrPortFrom(address, port)) {
			got = append(got, s.Address.Addr().String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v listen, and %v is taken by %q, want %q", c.listen, c.at, got, c.want)
		}
		l, err := net.Listen(c.at.network, net.JoinHostPort(c.at.host, strconv.Itoa(int(port))))
		if refused := errors.Is(err, syscall.EADDRINUSE); refused != (c.want != nil) {
			t.Errorf("%v listen, and the kernel says of %v: %v", c.listen, c.at, err)
		}
		if err == nil {
			l.Close()
		}
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// TestNames: each process is named once.
func TestNames(t *testing.T) {
	at := func(text string, pid int) Socket {
		s := Socket{Address: netip.MustParseAddrPort(text), PID: pid}
		if pid != 0 {
			s.Args = []string{"nginx"}
		}
		return s
	}
	got := Names([]Socket{at("0.0.0.0:80", 7), at("[::]:80", 7), at("127.0.0.1:80", 8), at("127.0.0.2:80", 0)})
	if want := "port 80 (pid 7, nginx; pid 8, nginx; whose is unknown; root may see it)"; got != want {
		t.Errorf("Names() = %q, want %q", got, want)
	}
	if got, want := Names([]Socket{at("0.0.0.0:80", 7)}), at("0.0.0.0:80", 7).String(); got != want {
		t.Errorf("Names() of one = %q, want %q", got, want)
	}
}
