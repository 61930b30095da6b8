package queues

import (
	"math"
	"math/rand/v2"

	"github.com/evabench/evabench/results"
)

// A Server is what answers. Times are in seconds. The zero value of every field
// but Workers and Fixed leaves its part out.
type Server struct {
	Workers int
	// PerWorker gives every worker a line of its own and deals requests out in turn;
	// otherwise all take from one line, first come first served.
	PerWorker bool

	// A worker serves up to Batch requests at once (0 and 1: one) in Fixed + PerItem
	// times their number. With Delay it waits so long after the first of them has
	// come for the batch to fill.
	Batch          int
	Delay          float64
	Fixed, PerItem float64
	// Spread is the coefficient of variation of a lognormal factor of each service,
	// whose mean is 1.
	Spread float64
	// Tail makes the factor a bounded Pareto variable instead, of mean 1.
	Tail *Pareto
	// PauseShare of the services take Pause longer.
	PauseShare, Pause float64

	// Front is the mean time of a stage of one worker that every request passes
	// first, lognormal with FrontSpread. Not for batches.
	Front, FrontSpread float64
	// Contention is by what share a service is slower if all other workers are busy
	// when it starts; in between it is in proportion.
	Contention float64
	// Neighbour makes the server slow at times.
	Neighbour *Neighbour
	// Drift is by what share services slow down in an hour since the first step.
	Drift float64

	// The rest is for servers with one line and without batches.

	// Room bounds how many wait; who comes to a full line is shed.
	Room int
	// Lock makes the server slow for those who come while it is overfull.
	Lock *Lock
	// Ban sheds everything for a while after too many have come.
	Ban *Ban
	// Few lets only some workers serve while few requests come.
	Few *Few
}

// A Pareto is a bounded Pareto law from 1 to Ratio with the tail index Alpha > 1;
// it is scaled to the mean 1.
type Pareto struct{ Alpha, Ratio float64 }

// A Neighbour takes from the server for exponential spells of mean On seconds,
// between spells of mean Off; meanwhile services take Factor as long.
type Neighbour struct{ On, Off, Factor float64 }

// A Lock begins when more than Waiting wait and ends when a quarter of them do;
// meanwhile services take Factor as long, as of memory that is swapped.
type Lock struct {
	Waiting int
	Factor  float64
}

// A Ban begins when more than Rate·Over requests came within Over seconds, and
// sheds all for For seconds, as a gateway does with a client that asks too much.
type Ban struct{ Rate, Over, For float64 }

// A Few lets only so many workers serve unless more than Rate·Over requests came
// within the last Over seconds; 30 s without are needed to go back.
type Few struct {
	Workers    int
	Rate, Over float64
}

// A serving is a server within a step.
type serving struct {
	*Server
	random          *rand.Rand
	sigma, frontSig float64 // of the logs
	scale, lo       float64 // of Tail
	clock           float64 // when the step began, for Drift
	free            []float64
	turn            int
	front           float64 // free from
	noisy           bool
	noisyUntil      float64
	locked          bool
	banned          float64 // until
	all             float64 // until when all workers serve
	counted         int     // first of the records that still counts as recent
	starts          []float64
	waiting         int // first of starts that is not yet, as of the last arrival
}

func sigma(cv float64) float64 { return math.Sqrt(math.Log1p(cv * cv)) }

func (s *Server) begin(seed uint64, clock float64) *serving {
	v := &serving{Server: s, random: rand.New(rand.NewPCG(seed, 0x5e47)), clock: clock, banned: math.Inf(-1), all: math.Inf(-1)}
	v.sigma, v.frontSig = sigma(s.Spread), sigma(s.FrontSpread)
	v.free = make([]float64, s.Workers)
	for i := range v.free {
		v.free[i] = math.Inf(-1)
	}
	v.front = math.Inf(-1)
	if p := s.Tail; p != nil {
		// Mean of the bounded Pareto law from 1 to R: α/(α−1)·(1−R^(1−α))/(1−R^−α).
		v.lo = math.Pow(p.Ratio, -p.Alpha)
		v.scale = (p.Alpha - 1) / p.Alpha * (1 - v.lo) / (1 - math.Pow(p.Ratio, 1-p.Alpha))
	}
	if n := s.Neighbour; n != nil {
		v.noisyUntil = clock + v.random.ExpFloat64()*n.Off
	}
	return v
}

// lognormal is a variable of mean 1 whose log has the given deviation.
func lognormal(r *rand.Rand, sigma float64) float64 {
	if sigma == 0 {
		return 1
	}
	return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2)
}

// service is how long a service of so much work takes that starts at a moment on
// worker k.
func (v *serving) service(work, at float64, k int) float64 {
	d := work
	if v.Tail != nil {
		// Inverse of the distribution function.
		d *= v.scale * math.Pow(1-v.random.Float64()*(1-v.lo), -1/v.Tail.Alpha)
	} else {
		d *= lognormal(v.random, v.sigma)
	}
	if v.PauseShare > 0 && v.random.Float64() < v.PauseShare {
		d += v.Pause
	}
	if v.Contention > 0 {
		busy := 0
		for j, f := range v.free {
			if j != k && f > at {
				busy++
			}
		}
		d *= 1 + v.Contention*float64(busy)/float64(v.Workers-1)
	}
	if n := v.Neighbour; n != nil {
		for v.noisyUntil < at {
			v.noisy = !v.noisy
			mean := n.Off
			if v.noisy {
				mean = n.On
			}
			v.noisyUntil += v.random.ExpFloat64() * mean
		}
		if v.noisy {
			d *= n.Factor
		}
	}
	if v.locked {
		d *= v.Lock.Factor
	}
	if v.Drift != 0 {
		d *= 1 + v.Drift*at/3600
	}
	return d
}

// earliest gives the worker that is free first, of those who serve.
func (v *serving) earliest(at float64) int {
	n := v.Workers
	if v.Few != nil && at >= v.all {
		n = v.Few.Workers
	}
	k := 0
	for j := 1; j < n; j++ {
		if v.free[j] < v.free[k] {
			k = j
		}
	}
	return k
}

// one serves the last of the records, which came at its Due; all before are
// served. It is for servers without batches.
func (v *serving) one(all []record) {
	r := &all[len(all)-1]
	r.outcome = results.OK
	if v.refuses(all, r) {
		r.outcome, r.start, r.done = results.Shed, math.Inf(-1), r.due
		return
	}
	at := r.due
	if v.Front > 0 {
		at = max(at, v.front) + v.Front*lognormal(v.random, v.frontSig)
		v.front = at
	}
	var k int
	if v.PerWorker {
		k = v.turn
		v.turn = (v.turn + 1) % v.Workers
	} else {
		k = v.earliest(at)
	}
	r.start = max(v.free[k], at)
	if v.Room > 0 || v.Lock != nil {
		v.starts = append(v.starts, r.start)
	}
	r.done = r.start + v.service((v.Fixed+v.PerItem)*r.work, r.start, k)
	v.free[k] = r.done
}

// refuses tells whether a request is shed as it comes, and moves what depends on
// how many came or wait.
func (v *serving) refuses(all []record, r *record) bool {
	if v.Room > 0 || v.Lock != nil {
		for v.waiting < len(v.starts) && v.starts[v.waiting] <= r.due {
			v.waiting++
		}
		waits := len(v.starts) - v.waiting
		if v.Room > 0 && waits >= v.Room {
			return true
		}
		if v.Lock != nil {
			v.locked = waits > v.Lock.Waiting || v.locked && 4*waits > v.Lock.Waiting
		}
	}
	if b := v.Ban; b != nil {
		if r.due < v.banned {
			return true
		}
		if v.recent(all, b.Over) > b.Rate*b.Over {
			v.banned = r.due + b.For
			return true
		}
	}
	if f := v.Few; f != nil && v.recent(all, f.Over) > f.Rate*f.Over {
		if r.due >= v.all { // the others begin now
			for j := f.Workers; j < v.Workers; j++ {
				v.free[j] = r.due
			}
		}
		v.all = r.due + 30
	}
	return false
}

// recent counts the records due within so many seconds up to the last.
func (v *serving) recent(all []record, over float64) float64 {
	for all[v.counted].due <= all[len(all)-1].due-over {
		v.counted++
	}
	return float64(len(all) - v.counted)
}

// batch serves the next batch of what waits from the first of the records on, if
// it starts before a moment, and gives how many were in it: 0 if none was. Records
// reach beyond that moment, or no more will come.
func (v *serving) batch(waiting []record, before float64) int {
	k := v.earliest(waiting[0].due)
	t := max(v.free[k], waiting[0].due)
	if v.Delay > 0 {
		full := math.Inf(1)
		if len(waiting) >= v.Batch {
			full = waiting[v.Batch-1].due
		}
		t = max(t, min(full, waiting[0].due+v.Delay))
	}
	if t >= before {
		return 0
	}
	n, work := 0, 0.0
	for n < min(v.Batch, len(waiting)) && waiting[n].due <= t {
		work += waiting[n].work
		n++
	}
	done := t + v.service(v.Fixed+v.PerItem*work, t, k)
	v.free[k] = done
	for i := range waiting[:n] {
		waiting[i].start, waiting[i].done, waiting[i].outcome = t, done, results.OK
	}
	return n
}
