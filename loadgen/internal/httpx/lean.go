package httpx

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A lean is a Line over connections of HTTP/1.1 on the loop. The one that was
// idle for the shortest time is used first, so that the others grow old and go.
type lean struct {
	client  *Client
	loop    pace.Loop
	to      *place
	answers answers
	common  string // the header fields of every request

	conns []*conn // all that are open or being opened
	idle  []*conn // oldest first; some of them have ended meanwhile
}

func openLean(c *Client, loop pace.Loop, to *place) *lean {
	return &lean{client: c, loop: loop, to: to, answers: answers{client: c}, common: " HTTP/1.1\r\nHost: " + c.host + "\r\n"}
}

// Send implements [loadgen.Line]. A Prepared is a *Request.
func (l *lean) Send(p loadgen.Prepared, x *loadgen.Exchange) {
	a := l.answers.take(p.(*Request), x)
	c := l.pick()
	x.State = c
	c.answer = a
	if c.state == idle {
		c.write()
	}
}

// pick gives an idle connection that is young enough and that the server has not
// ended, as far as is known, or one that is being made.
func (l *lean) pick() *conn {
	for n := len(l.idle) - 1; n >= 0; n-- {
		c := l.idle[n]
		l.idle = l.idle[:n]
		if c.state != idle {
			continue
		}
		if l.loop.Now().Sub(c.since) <= l.client.Transport.IdleLimit && !c.wire.Ended() {
			return c
		}
		c.close()
	}
	return l.open()
}

// open begins to make a connection.
func (l *lean) open() *conn {
	c := &conn{line: l, state: dialing, index: len(l.conns)}
	l.conns = append(l.conns, c)
	c.timer.F = c.late
	c.until, c.from = l.loop.Now(), int(l.to.good.Load())
	if l.to.err != nil {
		l.loop.Set(&c.timer, c.until)
		return c
	}
	c.until = c.until.Add(l.client.Transport.ConnectTimeout)
	c.connect()
	return c
}

// Abort implements [loadgen.Line].
func (l *lean) Abort(x *loadgen.Exchange, outcome results.Outcome) {
	c, ok := x.State.(*conn)
	if !ok || c.answer == nil || c.answer.x != x {
		return
	}
	c.answer.cut(outcome, c.state != dialing)
	c.finish(true, l.loop.Now())
}

// Close implements [loadgen.Line].
func (l *lean) Close() {
	for len(l.conns) > 0 {
		l.conns[len(l.conns)-1].close()
	}
	l.idle = nil
}

// compose puts a request's header behind b.
func (l *lean) compose(b []byte, r *Request) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, l.client.prefix...)
	b = append(b, r.Path...)
	b = append(b, l.common...)
	for _, f := range r.Fields {
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	if len(r.Body) > 0 || !lacksBody(r.Method) {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	if l.client.Transport.Gzip && !r.Stream {
		b = append(b, "Accept-Encoding: gzip\r\n"...)
	}
	return append(b, "\r\n"...)
}

// lacksBody reports whether requests of the method have no body as a rule, so
// that a length of 0 goes without saying.
func lacksBody(method string) bool {
	return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS"
}

// connect tries the next address, for its part of the time that is left, or the
// only way there is.
func (c *conn) connect() {
	l := c.line
	if l.client.Dial != nil || l.client.secure != nil {
		c.tried = len(l.to.addrs)
		l.loop.Set(&c.timer, c.until)
		c.wire = l.loop.Adopt(func(ctx context.Context) (net.Conn, error) { return l.to.dial(ctx) }, c)
		return
	}
	n, now := len(l.to.addrs), l.loop.Now()
	l.loop.Set(&c.timer, now.Add(c.until.Sub(now)/time.Duration(n-c.tried)))
	c.at = (c.from + c.tried) % n
	c.tried++
	c.wire = l.loop.Connect(l.to.addrs[c.at], c)
}

// late is called when an address did not answer in time, or none could be tried,
// or when the rest of an answer does not come.
func (c *conn) late() {
	if c.answer == nil {
		c.close()
		return
	}
	err := c.line.to.err
	if err == nil && c.tried < len(c.line.to.addrs) {
		c.why = c.line.client.dialTimeout()
		c.wire.Close()
		c.connect()
		return
	}
	if err == nil {
		err = c.line.client.dialTimeout()
	}
	c.answer.broke(&net.OpError{Op: "dial", Net: "tcp", Err: err}, false)
	c.finish(true, c.line.loop.Now())
}
