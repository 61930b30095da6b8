package pace

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/results"
)

const (
	// firstChunk and fullChunk bound an adopted connection's read buffers, of which
	// it has two: small for streams, of which there are many, and a TLS record's
	// size once an answer fills the small one.
	firstChunk = 4 << 10
	fullChunk  = 16 << 10
	// piece is how much is given to an adopted connection's Write at once.
	piece = 64 << 10
	// grace is how long a connection that cannot be written to is still read: its
	// peer may have answered before it ended.
	grace = time.Second
)

// adopted is a connection of package net's kind. The loop's fields are used on
// the loop only, the queue's under the lock.
type adopted struct {
	core   *core
	h      Handler
	cancel context.CancelFunc
	done   <-chan struct{} // closed by Close
	conn   net.Conn        // from Connected on
	closed bool
	last   results.Offset // of the last stamp

	free  chan *chunk
	work  chan struct{} // says that the queue holds something
	mu    sync.Mutex
	queue []output
	spare []output
	left  atomic.Int64 // bytes in the queue or being written
	ended atomic.Bool  // the reader has come to the end
	werr  error        // why writing ended; under the lock
}

// output is bytes to be written.
type output struct{ head, body []byte }

// A chunk is bytes read, on their way from the reader to the loop and back.
type chunk struct {
	a       *adopted
	buf     []byte
	n       int
	read    results.Offset // when they were read
	stamp   int64          // of the kernel, in ns of the wall clock; 0 if none
	deliver func()         // c.received, made once
}

// stamper is a connection which knows when its last bytes came in.
type stamper interface{ stamp() int64 }

func adopt(c *core, dial func(context.Context) (net.Conn, error), h Handler) *adopted {
	ctx, cancel := context.WithCancel(context.Background())
	a := &adopted{core: c, h: h, cancel: cancel, done: ctx.Done(), last: c.Now(), free: make(chan *chunk, 2), work: make(chan struct{}, 1)}
	c.adopted[a] = struct{}{}
	c.workers.Go(func() { a.dial(ctx, dial) })
	return a
}

// dial makes the connection and goes on as its reader.
func (a *adopted) dial(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	conn, err := dial(ctx)
	if err != nil {
		a.core.Post(func() { a.end(dialError(err)) })
		return
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { a.hangUp(conn); close(closed) })
	defer func() {
		if stop() {
			conn.Close()
		} else {
			<-closed
		}
	}()
	if !a.core.Post(func() { a.connected(conn) }) {
		return
	}
	a.read(conn)
}

// hangUp closes the connection, below TLS where a goodbye could wait for the
// peer.
func (a *adopted) hangUp(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok && a.left.Load() > 0 {
		conn = t.NetConn()
	}
	conn.Close()
}

// dialError is err as an error of dialling.
func dialError(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return err
	}
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

func (a *adopted) connected(conn net.Conn) {
	if a.closed {
		return
	}
	a.conn = conn
	a.core.workers.Go(func() { a.write(conn) })
	a.h.Connected()
}

// read posts what comes in until the connection ends.
func (a *adopted) read(conn net.Conn) {
	stamps := stamperOf(conn)
	for range cap(a.free) {
		c := &chunk{a: a}
		c.deliver = c.received
		a.free <- c
	}
	size := firstChunk
	for {
		var c *chunk
		select {
		case c = <-a.free:
		case <-a.done:
			return
		}
		if len(c.buf) < size {
			c.buf = make([]byte, size)
		}
		n, err := conn.Read(c.buf)
		if err != nil {
			a.ended.Store(true)
		}
		if n > 0 {
			c.n, c.read, c.stamp = n, a.core.Now(), 0
			if stamps != nil {
				c.stamp = stamps.stamp()
			}
			if n == len(c.buf) {
				size = fullChunk
			}
			if !a.core.Post(c.deliver) {
				return
			}
		}
		if err != nil {
			a.core.Post(func() { a.end(a.cause(err)) })
			return
		}
	}
}

// stamperOf finds what stamps below conn, if anything does.
func stamperOf(conn net.Conn) stamper {
	for {
		if s, ok := conn.(stamper); ok {
			return s
		}
		outer, ok := conn.(interface{ NetConn() net.Conn }) // a *tls.Conn
		if !ok {
			return nil
		}
		conn = outer.NetConn()
	}
}

// received hands a chunk to the handler, on the loop, and back to the reader.
func (c *chunk) received() {
	a := c.a
	if a.closed {
		return
	}
	at, ok := a.core.clock.moment(c.stamp, a.last, c.read)
	if ok {
		a.core.usage.Stamped++
	} else {
		a.core.usage.Unstamped++
	}
	a.last = at
	a.h.Received(c.buf[:c.n], at)
	a.free <- c // has room for both
}

// cause is why the connection ended: what ended writing, if that came first.
func (a *adopted) cause(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.werr != nil {
		return a.werr
	}
	return err
}

// end tells the handler, on the loop, that the connection ended by itself.
func (a *adopted) end(err error) {
	if a.closed {
		return
	}
	a.Close()
	a.h.Closed(err)
}

func (a *adopted) Write(head, body []byte) {
	if a.conn == nil && !a.closed {
		panic("pace: Write before Connected")
	}
	if a.closed || len(head)+len(body) == 0 {
		return
	}
	a.left.Add(int64(len(head) + len(body)))
	a.mu.Lock()
	a.queue = append(a.queue, output{head, body})
	a.mu.Unlock()
	select {
	case a.work <- struct{}{}:
	default:
	}
}

func (a *adopted) Unwritten() int { return int(a.left.Load()) }

func (a *adopted) Ended() bool { return a.ended.Load() }

func (a *adopted) Close() {
	if a.closed {
		return
	}
	a.closed = true
	delete(a.core.adopted, a)
	a.cancel()
}

// write writes what is in the queue until the connection ends.
func (a *adopted) write(conn net.Conn) {
	w := writer{a: a, conn: conn}
	for {
		select {
		case <-a.work:
		case <-a.done:
			return
		}
		a.mu.Lock()
		batch := a.queue
		a.queue, a.spare = a.spare[:0], batch
		a.mu.Unlock()
		for i, o := range batch {
			batch[i] = output{}
			if err := w.output(o); err != nil {
				a.mu.Lock()
				a.werr = err
				a.mu.Unlock()
				conn.SetReadDeadline(time.Now().Add(grace))
				return
			}
		}
	}
}

// A writer writes outputs to a connection with few calls.
type writer struct {
	a       *adopted
	conn    net.Conn
	scratch []byte
}

// output writes o: head and the body's beginning are joined, since each write
// is a system call and under TLS a record of its own.
func (w *writer) output(o output) error {
	if len(o.head) > 0 && len(o.head) < fullChunk && len(o.body) > 0 {
		n := min(len(o.body), fullChunk-len(o.head))
		w.scratch = append(append(w.scratch[:0], o.head...), o.body[:n]...)
		if err := w.all(w.scratch); err != nil {
			return err
		}
		return w.all(o.body[n:])
	}
	if err := w.all(o.head); err != nil {
		return err
	}
	return w.all(o.body)
}

func (w *writer) all(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), piece)
		// A piece counts as written when its Write begins: the peer may have
		// answered before Write comes back.
		w.a.left.Add(-int64(n))
		done, err := w.conn.Write(p[:n])
		if err != nil {
			w.a.left.Add(int64(n - done))
			return err
		}
		p = p[n:]
	}
	return nil
}
