// Package hostile is a server that does wrong, or oddly, whatever a server can,
// one [Case] after another, with what a client must make of it. It is for tests.
package hostile

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/results"
)

// A Case is one way to serve, and what becomes of the exchanges with it, which
// follow each other.
type Case struct {
	Name string
	// Serve plays the server on one connection, from 1. The connection is closed
	// in order when it returns.
	Serve func(c *Conn, n int)
	// Want is the outcomes of the exchanges.
	Want []results.Outcome
	// Status and Detail are of the last exchange; Detail is a part of it.
	Status int
	Detail string
	// Conns is how many connections are made; 0 means that it is not known.
	Conns int64
	// Guesses is the outcomes where a client follows net/http, which takes some
	// answers that could be read in two ways; nil means Want.
	Guesses []results.Outcome
	// Unasked says that more than the answer comes. A client that follows net/http
	// may send the next request before it has looked at that, and takes it for the
	// next answer: what it makes of it is known only if some time passes between
	// two requests.
	Unasked bool
	Ask     Ask
}

// Ask is what is asked.
type Ask struct {
	Method string // POST if empty
	Size   int    // of the body
	Stream bool
	Gzip   bool
	Close  bool
}

// A Server serves a Case.
type Server struct {
	// Hung gets a value whenever a connection hangs: then the client's time limit
	// may pass.
	Hung chan struct{}

	listener net.Listener
	conns    atomic.Int64
	running  sync.WaitGroup
}

// Serve begins to serve. With a wrap, connections go through it first, such as
// tls.Server.
func Serve(l net.Listener, c Case, wrap func(net.Conn) net.Conn) *Server {
	s := &Server{Hung: make(chan struct{}, 16), listener: l}
	s.running.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			s.running.Go(func() {
				defer raw.Close()
				wrapped := raw
				if wrap != nil {
					wrapped = wrap(raw)
					defer wrapped.Close()
				}
				c.Serve(&Conn{hung: s.Hung, raw: raw, Conn: wrapped, in: bufio.NewReader(wrapped)}, n)
			})
		}
	})
	return s
}

// Conns is how many connections were accepted.
func (s *Server) Conns() int64 { return s.conns.Load() }

// Close ends the server and waits until the client has ended all connections.
func (s *Server) Close() {
	s.listener.Close()
	s.running.Wait()
}

// A Conn is the server's end of a connection.
type Conn struct {
	net.Conn
	hung chan<- struct{} // the server's, nil if nobody waits for it
	raw  net.Conn
	in   *bufio.Reader
	play *play // of a Mix
}

// Request reads one request with its body, and reports whether there was one.
func (c *Conn) Request() bool {
	r, err := c.request()
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// request reads a request's header, if the case is to have one more.
func (c *Conn) request() (*http.Request, error) {
	if c.play != nil && !c.play.more() {
		return nil, io.EOF
	}
	r, err := http.ReadRequest(c.in)
	if c.play != nil && err == nil {
		c.play.asked()
	}
	return r, err
}

// early answers a request before it reads the body, and reports whether there
// was one.
func (c *Conn) early(text string) bool {
	r, err := c.request()
	if err != nil || !c.Say(text) {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// Header reads a request's header.
func (c *Conn) Header() { _, _ = c.request() }

// Say sends text and reports whether that went well.
func (c *Conn) Say(text string) bool {
	_, err := io.WriteString(c, text)
	if c.play != nil {
		c.play.pause(len(text))
	}
	return err == nil
}

// Hang reads until the client ends the connection, after it told the server's
// Hung.
func (c *Conn) Hang() {
	if c.hung != nil {
		c.hung <- struct{}{}
	}
	c.Wait()
}

// Wait reads until the client ends the connection by itself.
func (c *Conn) Wait() {
	from := time.Now()
	_, err := io.Copy(io.Discard, c.in)
	if c.play != nil && !errors.Is(err, net.ErrClosed) {
		c.play.m.heldFor(time.Since(from))
	}
}

// Reset ends the connection at once, without order where there is such a thing.
func (c *Conn) Reset() {
	if t, ok := c.raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.raw.Close()
}
