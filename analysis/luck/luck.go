// Package luck tells how kind the arrivals of a step were. Poisson arrivals come in
// clusters by chance, and in a step of a minute near a server's capacity that chance is
// half and more of what makes the share of late requests vary from step to step. But which
// arrivals came when is known, and so is the law that they were drawn by. So the same
// arrivals are put through a plain queue (one server, constant services) that keeps the
// allowed share of arrivals waiting in the long run: by how much more or fewer it kept
// waiting this time is the luck of the step, of which the server knows nothing.
//
// In the terms of simulation it is a control variate (Lavenberg and Welch, "A perspective on
// the use of control variables to increase the efficiency of Monte Carlo simulations",
// Management Science 27, 1981): something that is correlated with what is measured, and
// whose mean is known.
package luck

import "math"

// A Law is what arrivals were drawn by: independent gaps of a gamma distribution of mean
// 1/Rate seconds. Shape 1 makes them Poisson's.
type Law struct{ Rate, Shape float64 }

// What an arrival may wait in the plain queue, as a share of the clause's limit, and the
// largest share that the queue keeps waiting for longer. Of 0.3 to 0.7 of the limit half
// goes best with what servers do, one line, a line a worker or batches; a queue that keeps
// more than a tenth waiting takes long to forget how it began.
const (
	patience = 0.5
	most     = 0.1
)

// The bounds of what is told: the plain queue must have forgotten that it began idle, in
// warm-up, and the window be long enough for some arrivals to wait.
const (
	relaxations = 3
	leastOver   = 5
	mostGaps    = 500 // that patience spans; the exact law takes its square
)

// Of gives how many more of the arrivals from from to to waited in the plain queue than
// usual, as a share of what is usual: 0 as usual, -1 if none did, 2 if three times as many.
// Due are the moments of all arrivals since the load began at start, ascending, all in
// seconds; limit is the clause's, in seconds, and allowed the share that may be over it. It
// is false where that cannot be told.
func (l Law) Of(due []float64, start, from, to, limit, allowed float64) (more float64, ok bool) {
	wait, usual := patience*limit, math.Min(allowed, most)
	if !(l.Rate > 0) || !(l.Shape > 0) || !(usual > 0) || !(wait > 0) ||
		wait*l.Rate > mostGaps || (to-from)*l.Rate*usual < leastOver {
		return 0, false
	}
	load := l.load(wait*l.Rate, usual)
	service := load / l.Rate
	// Of a reflected Brownian motion with the queue's drift and variance.
	relaxation := 2 * service / l.Shape / ((1 - load) * (1 - load))
	if !(load > 0) || from-start < relaxations*relaxation {
		return 0, false
	}
	n, over := 0, 0
	free := math.Inf(-1)
	for _, t := range due {
		begin := math.Max(t, free)
		free = begin + service
		if t >= from && t < to {
			n++
			if begin-t > wait {
				over++
			}
		}
	}
	if n == 0 {
		return 0, false
	}
	return float64(over)/float64(n)/usual - 1, true
}
