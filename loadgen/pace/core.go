package pace

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/evabench/evabench/results"
)

// A core is what both loops have: timers, posted functions and adopted
// connections.
type core struct {
	origin results.Origin
	sharp  heap
	plain  heap
	seq    uint64
	quit   bool
	usage  Usage
	clock  wallClock

	wake   func() // ends a wait from any goroutine
	asleep atomic.Bool
	posted atomic.Bool // whether queue holds something
	mu     sync.Mutex
	queue  []func()
	spare  []func() // the queue's other half
	ended  bool

	adopted map[*adopted]struct{}
	workers sync.WaitGroup
}

func (c *core) Origin() results.Origin { return c.origin }
func (c *core) Now() results.Offset    { return c.origin.Now() }
func (c *core) Quit()                  { c.quit = true }

func (c *core) heapOf(t *Timer) *heap {
	if t.Sharp {
		return &c.sharp
	}
	return &c.plain
}

func (c *core) Set(t *Timer, at results.Offset) {
	c.seq++
	c.heapOf(t).set(t, at, c.seq)
}

func (c *core) Stop(t *Timer) { c.heapOf(t).remove(t) }

// fireSharp calls the sharp timers that are due by the clock. Those set
// meanwhile wait for the next call, so that a timer which sets itself to the past
// leaves room for sockets.
func (c *core) fireSharp() {
	if len(c.sharp.entries) == 0 {
		return
	}
	now, last := c.Now(), c.seq
	for len(c.sharp.entries) > 0 {
		e := c.sharp.entries[0]
		if e.at > now || e.seq > last {
			return
		}
		c.sharp.remove(e.t)
		e.t.F()
	}
}

// firePlain calls the other timers that are due at now, sharp ones in between.
func (c *core) firePlain(now results.Offset) {
	last := c.seq
	for len(c.plain.entries) > 0 {
		e := c.plain.entries[0]
		if e.at > now || e.seq > last {
			return
		}
		c.plain.remove(e.t)
		e.t.F()
		c.fireSharp()
	}
}

func (c *core) Post(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.queue = append(c.queue, f)
	c.posted.Store(true)
	// Under the lock: after drop the descriptor to wake it with may be another's.
	if c.asleep.CompareAndSwap(true, false) {
		c.wake()
	}
	return true
}

// runPosted calls what was posted until now, sharp timers in between, and
// reports whether there was any. With end, nothing can be posted any more.
func (c *core) runPosted(end bool) bool {
	if !end && !c.posted.Load() {
		return false
	}
	c.mu.Lock()
	c.ended = c.ended || end
	c.posted.Store(false)
	batch := c.queue
	c.queue, c.spare = c.spare[:0], nil
	c.mu.Unlock()
	for i, f := range batch {
		batch[i] = nil
		f()
		if !end {
			c.fireSharp()
		}
	}
	c.spare = batch[:0]
	return len(batch) > 0
}

// drop ends posting and forgets what was posted.
func (c *core) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.queue, c.spare = true, nil, nil
}

func (c *core) Adopt(dial func(context.Context) (net.Conn, error), h Handler) Conn {
	return adopt(c, dial, h)
}

// closeAdopted ends adopted connections and waits for their goroutines.
func (c *core) closeAdopted() {
	for a := range c.adopted {
		a.Close()
	}
	c.workers.Wait()
}
