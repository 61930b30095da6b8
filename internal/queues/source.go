package queues

import (
	"math"
	"math/rand/v2"
)

// The arrivals that a Source can have. They are spelled as in scenarios.
const (
	Poisson  = "poisson"
	Constant = "constant"
	Gamma    = "gamma"
	Trace    = "trace"
	Closed   = "closed"
)

// A Class is a part of a service's requests. The zero value of Work and Heavy is
// 1.
type Class struct {
	Name   string
	Weight float64 // share, if divided by the sum
	Work   float64 // of a request, as a factor of the server's times
	Heavy  float64 // the same, of the heavy variant; 0: there is none
}

// A Source is what puts a service under load.
type Source struct {
	Arrivals string
	Unit     string // of the level: "req/s", "users", or "x" of a trace
	Classes  []Class

	// Burstiness is the shape of the gaps of Gamma: less than 1 comes in bursts.
	Burstiness float64
	// Trace at level x is a process whose rate changes between Rates at random,
	// after exponential spells of mean Spells seconds, played x times as fast.
	Rates, Spells [2]float64

	// Closed: the think time's mean in seconds, exponential, between two sessions of
	// a user, and how many calls, one after the other, a session has (0: 1).
	Think float64
	Calls int
}

// A stream gives the arrivals of one source within a step, in their order.
type stream struct {
	*Source
	index   int // of the service
	level   float64
	heavy   bool
	random  *rand.Rand
	mean    float64   // of the gap
	weights []float64 // of classes, added up to 1
	next    float64   // an open loop's
	high    int       // a trace's state
	until   float64   // when it ends
	users   []user    // a closed loop's, a heap by their moment
	session int32     // begun so far
	taken   int32
}

type user struct {
	at      float64
	think   float32 // how long the user paused before, if this is a session's first
	number  int32
	session int32
	call    int16
}

func (s *Source) begin(index int, level float64, heavy bool, seed uint64, at float64) *stream {
	r := &stream{Source: s, index: index, level: level, heavy: heavy, random: rand.New(rand.NewPCG(seed, 0xa221+uint64(index)))}
	r.weights = make([]float64, len(s.Classes))
	sum := 0.0
	for i, c := range s.Classes {
		sum += c.Weight
		r.weights[i] = sum
	}
	for i := range r.weights {
		r.weights[i] /= sum
	}
	r.mean = 1 / level
	switch s.Arrivals {
	case Closed:
		for n := range int32(math.Round(level)) {
			r.push(user{at: at + r.random.ExpFloat64()*s.Think, number: n})
		}
		return r
	case Trace:
		r.high = 1
		if r.random.Float64() < s.Spells[0]/(s.Spells[0]+s.Spells[1]) {
			r.high = 0
		}
		r.until = at + r.random.ExpFloat64()*s.Spells[r.high]/level
	}
	r.next = at
	r.advance()
	if s.Arrivals == Constant {
		r.next = at + r.random.Float64()*r.mean
	}
	return r
}

// advance moves an open loop to its next arrival.
func (r *stream) advance() {
	switch r.Arrivals {
	case Poisson:
		r.next += r.random.ExpFloat64() * r.mean
	case Constant:
		r.next += r.mean
	case Gamma:
		r.next += gamma(r.random, r.Burstiness) / r.Burstiness * r.mean
	case Trace:
		for {
			gap := r.random.ExpFloat64() / (r.Rates[r.high] * r.level)
			if r.next+gap <= r.until {
				r.next += gap
				return
			}
			// The exponential gap has no memory: begin again where the rate changes.
			r.next = r.until
			r.high = 1 - r.high
			r.until += r.random.ExpFloat64() * r.Spells[r.high] / r.level
		}
	}
}

// peek is when the next arrival is due: +Inf if none is before an answer.
func (r *stream) peek() float64 {
	if r.Arrivals != Closed {
		return r.next
	}
	if len(r.users) == 0 {
		return math.Inf(1)
	}
	return r.users[0].at
}

// take gives the next arrival.
func (r *stream) take() record {
	a := record{service: uint8(r.index), user: -1, session: r.session, seq: r.taken}
	r.taken++
	if r.Arrivals == Closed {
		u := r.pop()
		a.due, a.user, a.call, a.think = u.at, u.number, u.call, u.think
		if u.call == 0 {
			u.session = r.session
			r.session++
		}
		a.session = u.session
	} else {
		a.due = r.next
		r.session++
		r.advance()
	}
	a.last = int(a.call) >= r.Calls-1
	if len(r.weights) > 1 {
		x := r.random.Float64()
		for r.weights[a.class] < x && int(a.class) < len(r.weights)-1 {
			a.class++
		}
	}
	c := &r.Classes[a.class]
	a.work = c.Work
	if r.heavy && c.Heavy != 0 {
		a.work = c.Heavy
	}
	if a.work == 0 {
		a.work = 1
	}
	return a
}

// answered tells a closed loop that a request was answered: its user's next is due
// then, or after a pause once the session is over.
func (r *stream) answered(a *record) {
	if r.Arrivals != Closed {
		return
	}
	u := user{at: a.done, number: a.user, session: a.session, call: a.call + 1}
	if a.last {
		think := r.random.ExpFloat64() * r.Think
		u.at, u.call, u.think = a.done+think, 0, float32(think)
	}
	r.push(u)
}

func (r *stream) push(u user) {
	h := append(r.users, u)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].at <= u.at {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = u
	r.users = h
}

func (r *stream) pop() user {
	h := r.users
	top, u := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	r.users = h
	i := 0
	for len(h) > 0 {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1].at < h[c].at {
			c++
		}
		if h[c].at >= u.at {
			break
		}
		h[i] = h[c]
		i = c
	}
	if len(h) > 0 {
		h[i] = u
	}
	return top
}

// gamma is a gamma variable of the given shape and scale 1: Marsaglia and Tsang, A
// simple method for generating gamma variables, ACM TOMS 26 (2000).
func gamma(r *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(r, shape+1) * math.Pow(r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if u := r.Float64(); math.Log(u) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// gapShape is the shape of the gaps' gamma distribution, nil where gaps depend on each other.
func (s *Source) gapShape() *float64 {
	switch s.Arrivals {
	case Poisson:
		one := 1.0
		return &one
	case Gamma:
		return &s.Burstiness
	}
	return nil
}
