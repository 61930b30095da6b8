package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// A system is a queue whose truth can be had by simulating it for long: workers that
// take up to batch requests at once, first come, first served, from one queue or,
// with spread, each from its own in turn.
type system struct {
	name    string
	workers int
	batch   int
	spread  bool
	base    float64 // seconds of a batch, and of each request in it
	item    float64
	cv      float64 // of the time of a batch, lognormal
	pause   float64 // seconds that are added to one batch in 2000
	burst   float64 // share by which the rate swings up and down
	stay    float64 // mean seconds of a swing
	cap     float64 // capacity: the largest rate that meets an SLA
	// slower multiplies times, by the moment in seconds at which service begins; nil
	// for a steady server.
	slower func(float64) float64
}

// saturation is the rate that all workers serve with full batches.
func (s system) saturation() float64 {
	return float64(s.workers*s.batch) / (s.base + s.item*float64(s.batch) + s.pause/2000)
}

// slots is how many requests are served at once.
func (s system) slots() int { return s.workers * s.batch }

var systems = []system{
	{name: "280/s, 7 workers", workers: 7, batch: 1, base: 0.020, cv: 0.25, pause: 0.05, cap: 276.5},
	{name: "30/s, 7 workers", workers: 7, batch: 1, base: 0.200, cv: 0.4, pause: 0.3, cap: 29.8},
	{name: "31/s, queue per worker", workers: 7, batch: 1, spread: true, base: 0.200, cv: 0.4, pause: 0.3, cap: 31.0},
	{name: "1540/s, batches of 8", workers: 4, batch: 8, base: 0.008, item: 0.0015, cv: 0.1, pause: 0.05, cap: 1540},
	{name: "250/s, bursts", workers: 7, batch: 1, base: 0.020, cv: 0.25, pause: 0.05, burst: 0.3, stay: 0.5, cap: 250},
}

// arrivals gives moments of a Poisson process of a rate until the end, which swings
// if the system's load is bursty.
func (s system) arrivals(r *rand.Rand, rate, end float64) []float64 {
	var list []float64
	up, until := r.IntN(2) == 0, math.Inf(1)
	if s.burst > 0 {
		until = r.ExpFloat64() * s.stay
	}
	for now := 0.0; ; {
		current := rate
		if s.burst > 0 && up {
			current *= 1 + s.burst
		} else if s.burst > 0 {
			current *= 1 - s.burst
		}
		next := now + r.ExpFloat64()/current
		if next > until {
			now, up, until = until, !up, until+r.ExpFloat64()*s.stay
			continue
		}
		if next >= end {
			return list
		}
		list, now = append(list, next), next
	}
}

// serve gives, for each of the due moments, when it was done.
func (s system) serve(r *rand.Rand, due []float64) []float64 {
	done := make([]float64, len(due))
	queues := 1
	if s.spread {
		queues = s.workers
	}
	sigma := math.Sqrt(math.Log(1 + s.cv*s.cv))
	for q := range queues {
		free := make([]float64, s.workers/queues)
		for i := q; i < len(due); {
			k := 0
			for j := range free {
				if free[j] < free[k] {
					k = j
				}
			}
			at := max(free[k], due[i])
			n := 1
			for n < s.batch && i+n*queues < len(due) && due[i+n*queues] <= at {
				n++
			}
			took := (s.base + s.item*float64(n)) * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2)
			if s.pause > 0 && r.IntN(2000) == 0 {
				took += s.pause
			}
			if s.slower != nil {
				took *= s.slower(at)
			}
			free[k] = at + took
			for range n {
				done[i] = free[k]
				i += queues
			}
		}
	}
	return done
}

// backlog runs the system from empty and gives what is judged from a moment on.
func (s system) backlog(seed uint64, rate, from, to float64) Backlog {
	r := rand.New(rand.NewPCG(seed, 0))
	due := s.arrivals(r, rate, to)
	done := s.serve(r, due)
	slices.Sort(done)
	return Backlog{Due: due, Done: done, From: from, To: to, Slots: s.slots(), Offered: rate}
}

// calls runs the system from empty until a moment.
func (s system) calls(seed uint64, rate, to float64) []Call {
	r := rand.New(rand.NewPCG(seed, 1))
	due := s.arrivals(r, rate, to)
	calls := make([]Call, len(due))
	for i, done := range s.serve(r, due) {
		calls[i] = Call{Due: due[i], Done: done, OK: true}
	}
	return calls
}

// latencies runs it and gives the times of the calls due in the last seconds, in
// their order.
func (s system) latencies(seed uint64, rate, warmup, seconds float64) []float64 {
	var list []float64
	for _, c := range s.calls(seed, rate, warmup+seconds) {
		if c.Due >= warmup {
			list = append(list, c.Done-c.Due)
		}
	}
	return list
}
