package pace

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// tlsConfigs are a server's with a certificate for example.com, and a client's
// that trusts it.
func tlsConfigs() (server, client *tls.Config) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName, client.NextProtos = "example.com", nil
	return &tls.Config{Certificates: s.TLS.Certificates}, client
}

// overTLS dials with stamps below TLS.
func overTLS(to string, config *tls.Config) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", to)
		if err != nil {
			return nil, err
		}
		t := tls.Client(Stamped(c), config)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		return t, nil
	}
}

// TestTLS sends a body over TLS and reads it back, with the kernel's stamps.
func TestTLS(t *testing.T) {
	stampsOn(t)
	server, client := tlsConfigs()
	to := serve(t, func(c *net.TCPConn) {
		s := tls.Server(c, server)
		defer s.Close()
		io.CopyN(s, s, 4+1<<20)
	})
	body := noise(1<<20, 3)
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		var last results.Offset
		r.onConnected = func() { r.c.Write([]byte("head"), body) }
		r.onReceived = func(_ []byte, at results.Offset) {
			if at < last {
				t.Errorf("stamp %d after %d", at, last)
			}
			last = at
		}
		r.c = l.Adopt(overTLS(to.String(), client), r)
		l.Run()
		if r.err != io.EOF || !bytes.Equal(r.got, append([]byte("head"), body...)) {
			t.Errorf("%d bytes, %v", len(r.got), r.err)
		}
		if u := l.Usage(); u.Stamped == 0 || u.Stamped < u.Unstamped {
			t.Errorf("%+v: want stamps", u)
		}
	})
}

// TestTLSRefused has a certificate that the client does not trust.
func TestTLSRefused(t *testing.T) {
	server, client := tlsConfigs()
	client.RootCAs = nil
	to := serve(t, func(c *net.TCPConn) { tls.Server(c, server).Handshake() })
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		r.c = l.Adopt(overTLS(to.String(), client), r)
		l.Run()
		op, ok := errors.AsType[*net.OpError](r.err)
		_, unknown := errors.AsType[*tls.CertificateVerificationError](r.err)
		if !ok || op.Op != "dial" || !unknown {
			t.Errorf("got %#v, want a *net.OpError of dial with the certificate's fault", r.err)
		}
	})
}

// TestAdoptedWriteFails has a connection whose writes fail while its reads go
// on: what was read comes before the error.
func TestAdoptedWriteFails(t *testing.T) {
	both(t, func(t *testing.T, l Loop) {
		watchdog(t, l)
		r := &recorder{t: t, l: l}
		failed := errors.New("no more")
		r.onConnected = func() { r.c.Write([]byte("x"), nil) }
		r.c = l.Adopt(func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { // ends with the pipe
				theirs.Write([]byte("answer"))
				theirs.Read(make([]byte, 1))
			}()
			return &writeFails{Conn: ours, err: failed, answered: make(chan struct{})}, nil
		}, r)
		l.Run()
		if string(r.got) != "answer" || r.err != failed {
			t.Errorf("got %q and %v, want answer and %v", r.got, r.err, failed)
		}
	})
}

// writeFails is a connection whose answer comes before the time for it is over.
type writeFails struct {
	net.Conn
	err      error
	once     sync.Once
	answered chan struct{}
}

func (c *writeFails) Write([]byte) (int, error) { return 0, c.err }

func (c *writeFails) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.once.Do(func() { close(c.answered) })
	return n, err
}

func (c *writeFails) SetReadDeadline(time.Time) error {
	<-c.answered
	return c.Conn.SetReadDeadline(time.Now())
}

// TestStampedIsTransparent reads to the end, past a deadline and after Close.
func TestStampedIsTransparent(t *testing.T) {
	to := serve(t, func(c *net.TCPConn) { c.Write([]byte("bye")) })
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	s := Stamped(c)
	if _, ok := s.(*stamped); !ok {
		t.Fatalf("a %T is not stamped", c)
	}
	if got, err := io.ReadAll(s); string(got) != "bye" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	s.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := s.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		if e, ok := err.(net.Error); !ok || !e.Timeout() {
			t.Errorf("past the deadline: %v", err)
		}
	}
	s.Close()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want %v", err, net.ErrClosed)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if Stamped(ours) != ours {
		t.Error("a pipe is stamped")
	}
}
