package httpx

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// maxRest bounds what is read of an answer that is complete, in bytes, so that
// its connection can be used again.
const maxRest = 64 << 10

// stampError is how much a stamp may be before the request it answers: many
// times what the kernel's clock is misplaced by on ours. What came in before that
// came unasked.
//
// Note: what had come in and is read in one piece with the answer's first bytes
// has the answer's stamp, and is taken for it.
const stampError = 100 * time.Microsecond

// A phase is what a connection is in.
type phase uint8

const (
	dialing phase = iota
	busy          // with an exchange
	resting       // reads the rest of an answer that is complete
	idle
	ended
)

// A conn is a connection of a lean line, the [pace.Handler] of its bytes.
type conn struct {
	line   *lean
	wire   pace.Conn
	state  phase
	answer *answer // of the exchange on its way, nil if there is none
	parser parser
	// heads are those of this request and the one before, by turns: the goroutine
	// that writes to an adopted connection may come back from a write only when
	// the answer to it is in.
	heads [2][]byte

	from  int            // place of the address that is tried first
	tried int            // addresses tried, with this one
	at    int            // its place
	why   error          // what is to be told of those tried
	until results.Offset // given to making it

	index  int            // in line.conns
	served bool           // it carried an answer before
	fresh  bool           // nothing came in since the request was sent
	sent   results.Offset // when the request was, on one that served
	since  results.Offset // when it became idle
	rest   int            // bytes read while resting
	timer  pace.Timer     // for its making, or its rest
}

// write sends the exchange's request.
func (c *conn) write() {
	r := c.answer.r
	c.state = busy
	c.parser.begin(r.Method)
	if c.fresh = c.served; c.fresh {
		c.sent = c.line.loop.Now()
	}
	c.heads[0], c.heads[1] = c.line.compose(c.heads[1][:0], r), c.heads[0]
	c.wire.Write(c.heads[0], r.Body)
}

// Connected implements [pace.Handler].
func (c *conn) Connected() {
	c.line.loop.Stop(&c.timer)
	if c.line.client.secure == nil {
		c.line.to.good.Store(int32(c.at))
	}
	c.write()
}

// Received implements [pace.Handler].
func (c *conn) Received(p []byte, at results.Offset) {
	if c.state == idle {
		c.close() // nobody asked: the next answer could not be told from it
		return
	}
	if c.fresh && at.Sub(c.sent) < -stampError {
		c.fault(errStale, at)
		return
	}
	c.fresh = false
	for {
		e, data, in, err := c.parser.next(p)
		if err == nil {
			switch e {
			case more:
				c.pause(at)
				return
			case begun:
				err = c.head()
			case piece:
				err = c.piece(data, at)
			case whole:
				c.whole(len(in) == 0, at)
				return
			}
		}
		if c.state == ended {
			return
		}
		if err != nil {
			c.fault(err, at)
			return
		}
		p = in
	}
}

// head takes the header. A 408 on a kept connection that ends with it was on its
// way when the request was sent: a server's word for a connection idle too long
// (RFC 9110, section 15.5.9).
func (c *conn) head() error {
	if c.served && c.parser.status == http.StatusRequestTimeout && !c.parser.keep {
		return errFarewell
	}
	return c.answer.head(c.parser.status, &c.parser)
}

// piece takes a piece of the body.
func (c *conn) piece(p []byte, at results.Offset) error {
	if c.state == resting {
		if c.rest += len(p); c.rest > maxRest {
			return errRest
		}
		return nil
	}
	complete, err := c.answer.body(p, at)
	if !complete || err != nil || c.state == ended {
		return err
	}
	if !c.stays() {
		c.finish(true, at)
		return nil
	}
	c.state, c.rest = resting, 0
	return nil
}

var errRest = errors.New("the rest is too long to be read")

// stays reports whether the connection can be used for another request.
func (c *conn) stays() bool {
	return c.parser.keep && !c.answer.r.Close && c.wire.Unwritten() == 0
}

// pause is called when all bytes were looked at and the answer is not whole. An
// exchange that is complete all the same ends here.
func (c *conn) pause(at results.Offset) {
	if c.state != resting || c.answer == nil {
		return
	}
	l := c.line
	l.loop.Set(&c.timer, l.loop.Now().Add(l.client.Transport.IdleLimit))
	c.finish(false, at)
}

// whole is called when the answer is whole. Clean is whether nothing came after
// it.
func (c *conn) whole(clean bool, at results.Offset) {
	l := c.line
	stays := clean
	if c.state == busy {
		stays = stays && c.stays()
		if err := c.answer.end(at); err != nil {
			c.answer.broke(err, true)
		}
	}
	if c.state == resting && c.answer == nil {
		l.loop.Stop(&c.timer)
	}
	if stays && c.state != ended {
		c.state, c.since, c.served = idle, at, true
		l.idle = append(l.idle, c)
	}
	if c.answer != nil {
		c.finish(!stays, at)
	} else if !stays {
		c.close()
	}
}

// fault ends the connection, and with a fault the exchange that is not complete.
func (c *conn) fault(err error, at results.Offset) {
	switch {
	case c.answer == nil:
		c.close()
		return
	case c.state != resting:
		c.answer.broke(err, true)
	}
	c.finish(true, at)
}

// finish completes the exchange and lets go of it. The connection is closed
// before, if told so.
func (c *conn) finish(closes bool, at results.Offset) {
	a := c.answer
	c.answer = nil
	sent := int64(0)
	if c.wire != nil && c.state != dialing {
		size := len(a.r.Body)
		sent = int64(size - min(size, c.wire.Unwritten()))
	}
	if closes {
		c.close()
	}
	a.finish(sent, at)
	c.line.answers.done(a)
}

// Closed implements [pace.Handler].
func (c *conn) Closed(err error) {
	l := c.line
	now := l.loop.Now()
	if c.state == dialing {
		c.why = afterAddress(c.why, err)
		err = c.why
	}
	switch {
	case c.state == dialing && c.tried < len(l.to.addrs) && !isExhausted(err):
		c.connect()
	case c.answer == nil:
		c.close()
	case c.state == dialing:
		c.answer.broke(err, false)
		c.finish(true, now)
	case c.state == busy && errors.Is(err, io.EOF) && c.parser.ended():
		if err := c.answer.end(now); err != nil {
			c.answer.broke(err, true)
		}
		c.finish(true, now)
	default:
		c.fault(cutOff(err, c.served, c.parser.status != 0), now)
	}
}

// close ends the connection and forgets it.
func (c *conn) close() {
	if c.state == ended {
		return
	}
	c.state = ended
	l := c.line
	l.loop.Stop(&c.timer)
	if c.wire != nil {
		c.wire.Close()
	}
	last := len(l.conns) - 1
	l.conns[c.index] = l.conns[last]
	l.conns[c.index].index = c.index
	l.conns[last] = nil
	l.conns = l.conns[:last]
}
