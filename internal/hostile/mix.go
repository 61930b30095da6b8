package hostile

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/evabench/evabench/results"
)

// A Mix is a server that answers requests well, and plays a Case with one in so many of
// them, over whatever connection that one comes. Where a case leaves the connection of
// use it goes on with good answers. It is safe for concurrent use.
type Mix struct {
	o        Options
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	count  int // requests that began with nobody playing
	deck   []Case
	random *rand.Rand
	asked  []Asked
	open   map[net.Conn]bool
	most   int
	held   time.Duration
}

// Options are what a Mix is made of.
type Options struct {
	Good  string        // the whole of a good answer, with its header
	After time.Duration // how long a good answer takes
	// Every is how many requests there are to one that begins a case; 0 means that
	// none does. The first From requests begin none.
	Every, From int
	// Cases are played in an order of the seed, each once before one is played again.
	Cases []Case
	Seed  uint64
}

// Asked is one request, in the order in which they came in.
type Asked struct {
	At   time.Time
	Case string // the name of the case that it fell into; empty for none
	Want results.Outcome
}

// ServeMix begins to serve.
func ServeMix(l net.Listener, o Options) *Mix {
	m := &Mix{o: o, listener: l, random: rand.New(rand.NewPCG(o.Seed, 0)), open: map[net.Conn]bool{}}
	m.running.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			m.enter(raw)
			m.running.Go(func() {
				defer m.leave(raw)
				m.serve(&Conn{Conn: raw, raw: raw, in: bufio.NewReader(raw)})
			})
		}
	})
	return m
}

// Close ends the server and all its connections.
func (m *Mix) Close() {
	m.listener.Close()
	m.mu.Lock()
	for c := range m.open {
		c.Close()
	}
	m.mu.Unlock()
	m.running.Wait()
}

// Asked is all requests so far.
func (m *Mix) Asked() []Asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Asked(nil), m.asked...)
}

// Most is the most connections that were open at once.
func (m *Mix) Most() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.most
}

// Held is the longest time for which a client kept a connection that it could not use
// any more, since the server had said its last word on it.
func (m *Mix) Held() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

func (m *Mix) enter(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[c] = true
	m.most = max(m.most, len(m.open))
}

func (m *Mix) leave(c net.Conn) {
	c.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
}

// came takes note of a request.
func (m *Mix) came(name string, want results.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, Asked{At: time.Now(), Case: name, Want: want})
}

// serve serves one connection.
func (m *Mix) serve(c *Conn) {
	for {
		if _, err := c.in.Peek(1); err != nil {
			return
		}
		if played, ok := m.draw(); ok {
			c.play = newPlay(m, played)
			played.Serve(c, 1)
			if !c.play.full {
				m.end(c)
				return
			}
			c.play = nil
			continue
		}
		r, err := http.ReadRequest(c.in)
		if err == nil {
			m.came("", results.OK)
			_, err = io.Copy(io.Discard, r.Body)
		}
		if err != nil {
			return
		}
		time.Sleep(m.o.After)
		if !c.Say(m.o.Good) {
			return
		}
	}
}

// draw gives the case that the next request is played, if it is one's turn.
func (m *Mix) draw() (Case, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	if m.o.Every == 0 || m.count <= m.o.From || (m.count-m.o.From)%m.o.Every != 0 {
		return Case{}, false
	}
	if len(m.deck) == 0 {
		m.deck = append(m.deck, m.o.Cases...)
		m.random.Shuffle(len(m.deck), func(i, k int) { m.deck[i], m.deck[k] = m.deck[k], m.deck[i] })
	}
	last := len(m.deck) - 1
	played := m.deck[last]
	m.deck = m.deck[:last]
	return played, true
}

// end ends a connection in order: it says no more, and waits for the client to do the
// same. A request that was on its way meanwhile finds it closed.
func (m *Mix) end(c *Conn) {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return // it was reset, by either side
	}
	from := time.Now()
	for {
		r, err := http.ReadRequest(c.in)
		if err == nil {
			m.came(c.play.played.Name+", and on", results.Reset)
			_, err = io.Copy(io.Discard, r.Body)
		}
		if err != nil {
			break
		}
	}
	// What is left to read is no request, or the client's end.
	_, err := io.Copy(io.Discard, c.in)
	if !errors.Is(err, net.ErrClosed) { // by us
		m.heldFor(time.Since(from))
	}
}

func (m *Mix) heldFor(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = max(m.held, d)
}

// A play is a case with as many requests as it takes to see all of it.
type play struct {
	m      *Mix
	played Case
	want   []results.Outcome // one for each request
	n      int               // requests that the case has had
	full   bool              // it asked for more than that
	burst  int               // bytes said since the last pause
}

// burst is what a case says in a millisecond, at the most, in bytes: a server floods its
// client over a network of 2 Gb/s. As fast as loopback can, it would show how two
// processes share this machine's processors.
const burst = 256 << 10

// pause keeps to burst.
func (p *play) pause(said int) {
	if p.burst += said; p.burst >= burst {
		p.burst = 0
		time.Sleep(time.Millisecond)
	}
}

// newPlay begins to play, with the request that has just begun to come in.
func newPlay(m *Mix, c Case) *play {
	want := c.Want[:1]
	for _, w := range c.Want {
		if w != c.Want[0] { // it is about one request after another
			want = c.Want
		}
	}
	m.came(c.Name, want[0])
	return &play{m: m, played: c, want: want}
}

// more reports whether the case is to have another request.
func (p *play) more() bool {
	p.full = p.n == len(p.want)
	return !p.full
}

// asked takes note of a request that the case has read the header of; the first is
// known.
func (p *play) asked() {
	if p.n++; p.n > 1 {
		p.m.came(p.played.Name, p.want[p.n-1])
	}
}
