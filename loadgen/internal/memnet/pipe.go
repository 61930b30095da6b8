package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// room is how many bytes a direction of a connection holds that nobody has read.
const room = 64 << 10

// Pipe makes a connection and gives its two ends. Unlike net.Pipe's, and like a
// socket's, a write waits for nobody to read as long as there is room; what was
// written before an end was closed can be read from the other.
func Pipe() (a, b net.Conn) {
	there, back := newLane(), newLane()
	return &end{in: back, out: there}, &end{in: there, out: back}
}

// A lane carries bytes in one direction.
type lane struct {
	mu      sync.Mutex
	changed *sync.Cond
	bytes   []byte
	ended   bool // nothing more will be written
	dropped bool // nothing more will be read
	// The times of the ends, zero for none.
	readUntil, writeUntil time.Time
}

func newLane() *lane {
	l := &lane{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// until lets a deadline of the lane be t.
func (l *lane) until(which *time.Time, t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*which = t
	l.changed.Broadcast()
	if left := time.Until(t); !t.IsZero() && left > 0 {
		// A timer that goes for nothing, since the deadline was moved, harms nobody.
		time.AfterFunc(left, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changed.Broadcast()
		})
	}
}

func passed(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.dropped:
			return 0, net.ErrClosed
		case passed(l.readUntil):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(l.bytes) > 0:
			n := copy(p, l.bytes)
			l.bytes = append(l.bytes[:0], l.bytes[n:]...)
			l.changed.Broadcast()
			return n, nil
		case l.ended:
			return 0, io.EOF
		}
		l.changed.Wait()
	}
}

func (l *lane) write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.ended:
			return n, net.ErrClosed
		case l.dropped:
			return n, syscall.EPIPE
		case passed(l.writeUntil):
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		case len(l.bytes) < room:
			k := min(len(p), room-len(l.bytes))
			l.bytes = append(l.bytes, p[:k]...)
			p, n = p[k:], n+k
			l.changed.Broadcast()
			continue
		}
		l.changed.Wait()
	}
}

// An end is one end of a connection.
type end struct{ in, out *lane }

func (e *end) Read(p []byte) (int, error) {
	n, err := e.in.read(p)
	return n, wrap("read", err)
}

func (e *end) Write(p []byte) (int, error) {
	n, err := e.out.write(p)
	return n, wrap("write", err)
}

// wrap puts an error in the words of package net, but for the end of a stream.
func wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "memory", Addr: addr, Err: err}
}

func (e *end) Close() error {
	for _, l := range []*lane{e.in, e.out} {
		l.mu.Lock()
		if l == e.in {
			l.dropped, l.bytes = true, nil
		} else {
			l.ended = true
		}
		l.changed.Broadcast()
		l.mu.Unlock()
	}
	return nil
}

func (e *end) LocalAddr() net.Addr  { return addr }
func (e *end) RemoteAddr() net.Addr { return addr }

func (e *end) SetDeadline(t time.Time) error {
	e.in.until(&e.in.readUntil, t)
	e.out.until(&e.out.writeUntil, t)
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error  { e.in.until(&e.in.readUntil, t); return nil }
func (e *end) SetWriteDeadline(t time.Time) error { e.out.until(&e.out.writeUntil, t); return nil }
