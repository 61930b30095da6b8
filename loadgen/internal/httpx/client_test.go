package httpx

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// send sends a call over connections that dial makes, with a time limit.
func send(t *testing.T, dial DialFunc, timeout time.Duration) loadgen.Answer {
	t.Helper()
	u, err := ParseBase("http://server:80")
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(dial)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return c.Send(ctx, &Call{URL: u, Header: http.Header{}}, func() {},
		func(io.Reader, func(), *loadgen.Answer) error { return nil }, func([]byte) bool { return false })
}

// What our own machine lacks is told apart from what the server refuses.
func TestClientFault(t *testing.T) {
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
	} {
		a := send(t, func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: c.err}
		}, time.Minute)
		if a.Outcome != results.Connect || a.ClientFault != c.want || strings.HasPrefix(a.Detail, "the load generator's machine") != c.want {
			t.Errorf("%v: %+v", c.err, a)
		}
	}
}

// A connection that does not come is given up before the request's timeout,
// and is no timeout of the server's.
func TestDialTimeout(t *testing.T) {
	silent := func(ctx context.Context, network, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	for timeout, want := range map[time.Duration]results.Outcome{time.Minute: results.Connect, 2 * time.Second: results.Timeout} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			a := send(t, silent, timeout)
			if took := time.Since(start); a.Outcome != want || took != min(timeout, dialTimeout) {
				t.Errorf("timeout %v: %v after %v (%s)", timeout, a.Outcome, took, a.Detail)
			}
		})
	}
}

func TestParseBaseRefusesUsers(t *testing.T) {
	for _, u := range []string{
		"http://eva:sesame@host:80", "http://eva:sesame@host:x", "eva:sesame@host", "http://eva:ses%ame@host", "http://sesame@host",
	} {
		_, err := ParseBase(u)
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "api_key_env") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if u, err := ParseBase("http://host/@x"); err != nil || u.Path != "/@x" {
		t.Errorf("%v, %v", u, err)
	}
}
