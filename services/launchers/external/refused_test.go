package external

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A server has ended when it refuses connections. What else keeps us from one may be ours or
// the network's: a living server must not be taken for one that has ended.
func TestRefused(t *testing.T) {
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	lost := &net.DNSError{Err: "server misbehaving", Name: "eyes", IsTemporary: true}
	accepted := error(nil)
	for name, c := range map[string]struct {
		dials []error // the last again and again
		want  string  // of the fault; empty: it is refused
	}{
		"refused":                {[]error{failed(syscall.ECONNREFUSED)}, ""},
		"reset":                  {[]error{failed(syscall.ECONNRESET)}, ""},
		"accepted at first":      {[]error{accepted, accepted, failed(syscall.ECONNREFUSED)}, ""},
		"unreachable at first":   {[]error{failed(syscall.ENETUNREACH), lost, failed(syscall.ECONNREFUSED)}, ""},
		"accepted":               {[]error{accepted}, "the last was accepted"},
		"no descriptor":          {[]error{failed(syscall.EMFILE)}, "the last: dial tcp: connect: too many open files"},
		"no name":                {[]error{lost}, "the last: lookup eyes: server misbehaving"},
		"no way":                 {[]error{failed(syscall.ENETUNREACH)}, "the last: dial tcp: connect: network is unreachable"},
		"no host":                {[]error{failed(syscall.EHOSTUNREACH)}, "the last: dial tcp: connect: no route to host"},
		"no port of ours":        {[]error{failed(syscall.EADDRNOTAVAIL)}, "the last: dial tcp: connect: cannot assign requested address"},
		"no answer":              {[]error{failed(os.ErrDeadlineExceeded)}, "the last: dial tcp: connect: i/o timeout"},
		"accepted, then no name": {[]error{accepted, lost}, "the last: lookup eyes"},
		"no name, then accepted": {[]error{lost, accepted}, "the last was accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				begin := time.Now()
				err := refused(t.Context(), "http://eyes:1", func(context.Context, string) (net.Conn, error) {
					fault := c.dials[min(n, len(c.dials)-1)]
					if n++; fault != nil {
						return nil, fault
					}
					ours, theirs := net.Pipe()
					return ours, theirs.Close()
				})
				took := time.Since(begin)
				switch {
				case c.want == "" && (err != nil || n != len(c.dials)):
					t.Errorf("after %d connections: %v", n, err)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || took != refusedWithin):
					t.Errorf("after %v: %v, want %q", took, err, c.want)
				}
			})
		})
	}
}

// Who waits for the end of a server may have enough of it.
func TestRefusedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(enough) })
		hung := func(ctx context.Context, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if err := refused(ctx, "http://eyes:1", hung); !errors.Is(err, enough) {
			t.Errorf("%v", err)
		}
		if err := refused(t.Context(), "http://eyes:1", hung); err == nil || !strings.Contains(err.Error(), "does not refuse connections 10s later") {
			t.Errorf("%v", err)
		}
	})
}
