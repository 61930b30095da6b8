package httpx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// A netLine is a Line over net/http. Each exchange has a goroutine that asks the
// loop to take what has come in and waits until it has.
//
// Note: net/http writes bodies in 4 KiB pieces unless its buffer holds more;
// with 100 KB bodies a buffer of 256 KiB saves a third of the client's CPU.
type netLine struct {
	client    *Client
	loop      pace.Loop
	answers   answers
	transport *http.Transport
	end       context.CancelFunc // ends dials

	flights map[*flight]bool // that have a goroutine
	running sync.WaitGroup
}

func openNet(c *Client, loop pace.Loop, to *place) *netLine {
	ctx, end := context.WithCancel(context.Background())
	t := &http.Transport{
		DialTLSContext:         bounded(ctx, c, func(ctx context.Context, _ string) (net.Conn, error) { return to.dial(ctx) }),
		DialContext:            bounded(ctx, c, func(ctx context.Context, _ string) (net.Conn, error) { return to.dialPlain(ctx) }),
		DisableCompression:     true, // it is asked for and unpacked by ourselves
		MaxIdleConnsPerHost:    1 << 16,
		IdleConnTimeout:        c.Transport.IdleLimit,
		TLSHandshakeTimeout:    c.Transport.ConnectTimeout,
		MaxResponseHeaderBytes: maxHead,
		WriteBufferSize:        256 << 10,
		ReadBufferSize:         16 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(c.Transport.HTTP == http11)
	t.Protocols.SetHTTP2(c.Transport.HTTP == http2 && c.secure != nil)
	t.Protocols.SetUnencryptedHTTP2(c.Transport.HTTP == http2 && c.secure == nil)
	if c.proxy != nil {
		t.Proxy = http.ProxyURL(c.proxy)
		t.TLSClientConfig = c.secure
		t.DialContext = bounded(ctx, c, func(ctx context.Context, addr string) (net.Conn, error) {
			if c.Dial != nil {
				return c.Dial(ctx, "tcp", addr)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		})
	}
	return &netLine{client: c, loop: loop, answers: answers{client: c}, transport: t, end: end, flights: map[*flight]bool{}}
}

// bounded gives up a dial after the time limit, or when the line ends: net/http
// goes on with a dial when nobody waits for it any more.
func bounded(line context.Context, c *Client, dial func(context.Context, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, c.Transport.ConnectTimeout)
		defer cancel()
		defer context.AfterFunc(line, cancel)()
		conn, err := dial(ctx, addr)
		if err == nil && line.Err() != nil {
			conn.Close()
			err = line.Err()
		}
		if err == nil {
			return conn, nil
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = c.dialTimeout()
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
}

// A flight is an exchange on its way. Its fields are the loop's, but for those
// that are set before it begins and sent.
type flight struct {
	line   *netLine
	cancel context.CancelFunc
	answer *answer // nil when the exchange is complete
	sent   atomic.Int64
	conn   atomic.Int32 // noConn, newConn or keptConn
	goOn   chan bool    // the loop's reply to ask
}

const (
	noConn int32 = iota
	newConn
	keptConn
)

// Send implements [loadgen.Line].
func (l *netLine) Send(p loadgen.Prepared, x *loadgen.Exchange) {
	r := p.(*Request)
	f := &flight{line: l, answer: l.answers.take(r, x), goOn: make(chan bool, 1)}
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: f.gotConn}))
	f.cancel = cancel
	x.State = f
	l.flights[f] = true
	request := f.request(r).WithContext(ctx)
	l.running.Go(func() {
		defer l.loop.Post(func() { delete(l.flights, f) })
		defer cancel()
		f.fly(ctx, request)
	})
}

func (f *flight) gotConn(i httptrace.GotConnInfo) {
	f.conn.Store(newConn)
	if i.Reused {
		f.conn.Store(keptConn)
	}
}

// request puts a request in net/http's words. Its body cannot be had again, so
// that net/http sends nothing twice; on HTTP/2 it still sends again what the
// server says it did not begin.
func (f *flight) request(r *Request) *http.Request {
	c := f.line.client
	path, query, _ := bytes.Cut([]byte(c.prefix+r.Path), []byte("?"))
	target := &url.URL{Scheme: c.Base.Scheme, Host: c.host, RawPath: string(path), RawQuery: string(query)}
	target.Path, _ = url.PathUnescape(target.RawPath)
	header := make(http.Header, len(r.Fields)+2)
	header["User-Agent"] = []string{""} // none, unless told below
	for _, field := range r.Fields {
		if header.Get(field.Name) == "" {
			header.Set(field.Name, field.Value)
		} else {
			header.Add(field.Name, field.Value)
		}
	}
	if c.Transport.Gzip && !r.Stream {
		header.Set("Accept-Encoding", "gzip")
	}
	request := &http.Request{
		Method: r.Method, URL: target, Host: c.host, Header: header, Close: r.Close && c.Transport.HTTP == http11, ContentLength: int64(len(r.Body)),
		Body: io.NopCloser(&counter{bytes.NewReader(r.Body), &f.sent}),
	}
	if len(r.Body) == 0 {
		if request.ContentLength = -1; !lacksBody(r.Method) {
			request.ContentLength, request.Body = 0, http.NoBody
		}
	}
	return request
}

// fly is the goroutine of an exchange.
func (f *flight) fly(ctx context.Context, request *http.Request) {
	l := f.line
	response, err := l.transport.RoundTrip(request)
	if err != nil {
		f.ask(ctx, func() bool { return f.broke(err) })
		return
	}
	defer response.Body.Close()
	if !f.ask(ctx, func() bool { return f.take(f.head(response)) }) {
		return
	}
	p := make([]byte, 16<<10)
	for {
		n, err := response.Body.Read(p)
		at := l.loop.Now()
		if n > 0 {
			complete := false
			if !f.ask(ctx, func() bool { complete = f.piece(p[:n], at); return f.answer != nil || complete }) {
				return
			}
			if complete {
				f.rest(response.Body, request.Close || response.Close)
				return
			}
		}
		if err != nil {
			f.ask(ctx, func() bool { return f.over(err, at) })
			return
		}
	}
}

// head is conn.head.
func (f *flight) head(r *http.Response) error {
	if f.conn.Load() == keptConn && r.StatusCode == http.StatusRequestTimeout && r.Close {
		return errFarewell
	}
	return f.answer.head(r.StatusCode, header(r.Header))
}

// ask lets do be called on the loop and waits for it. It reports what do said,
// or false if the exchange is complete.
func (f *flight) ask(ctx context.Context, do func() bool) bool {
	if !f.line.loop.Post(func() { f.goOn <- f.answer != nil && do() }) {
		return false
	}
	select {
	case ok := <-f.goOn:
		return ok
	case <-ctx.Done():
		return false
	}
}

// rest reads what follows when an answer is complete, for a while, so that its
// connection can be used again.
func (f *flight) rest(body io.Reader, closes bool) {
	if closes {
		return
	}
	defer time.AfterFunc(f.line.client.Transport.IdleLimit, f.cancel).Stop()
	_, _ = io.Copy(io.Discard, io.LimitReader(body, maxRest))
}

// take ends the exchange if err is not nil, and reports whether it goes on.
func (f *flight) take(err error) bool { return err == nil || f.broke(err) }

// piece takes a piece of the body, and reports whether the answer is complete.
func (f *flight) piece(p []byte, at results.Offset) bool {
	complete, err := f.answer.body(p, at)
	switch {
	case err != nil:
		f.broke(err)
		return false
	case complete && f.answer != nil:
		f.finish(at)
	}
	return complete
}

// over takes the end of the body, or a fault in it.
func (f *flight) over(err error, at results.Offset) bool {
	if errors.Is(err, io.EOF) {
		err = f.answer.end(at)
	}
	if err != nil {
		return f.broke(err)
	}
	f.finish(at)
	return false
}

// broke ends the exchange with a fault.
func (f *flight) broke(err error) bool {
	a := f.answer
	answered, kept := a.x.Answer.Status != 0, f.conn.Load() == keptConn
	if classify(err, true, answered || kept) == results.Reset {
		err = cutOff(err, kept, answered)
	}
	a.broke(err, true)
	f.finish(f.line.loop.Now())
	return false
}

// finish completes the exchange and lets go of it.
func (f *flight) finish(at results.Offset) {
	a := f.answer
	f.answer = nil
	a.finish(f.sent.Load(), at)
	f.line.answers.done(a)
}

// Abort implements [loadgen.Line].
func (l *netLine) Abort(x *loadgen.Exchange, outcome results.Outcome) {
	f, ok := x.State.(*flight)
	if !ok || f.answer == nil || f.answer.x != x {
		return
	}
	f.cancel()
	f.answer.cut(outcome, f.conn.Load() != noConn)
	f.finish(l.loop.Now())
}

// Close implements [loadgen.Line].
func (l *netLine) Close() {
	for f := range l.flights {
		f.cancel()
	}
	l.end()
	l.running.Wait()
	l.transport.CloseIdleConnections()
}

// A header is the header of an answer as net/http gives it.
type header http.Header

// Field implements [Header].
func (h header) Field(name string) []byte {
	if v := http.Header(h).Values(name); len(v) > 0 {
		return []byte(v[0])
	}
	return nil
}

// A counter counts what was read through it, for another goroutine.
type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
