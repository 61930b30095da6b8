package search

import (
	"math"
	"time"

	"github.com/evabench/evabench/results"
)

// plans are how long steps last.
type plans struct {
	search  results.Search
	limit   float64 // the largest of all clauses, in seconds
	allowed float64 // the smallest share that a clause allows

	settle   time.Duration // of every step: servers begin idle, and queues take time to fill
	requests float64       // of a probe
	probes   int
}

// The price of an interval: probesFast probes of requestsFast requests make one of ±3 %
// on most systems of the bench, and a wider one less in the square. Fewer than
// leastOver requests over the limit, at the boundary, tell nothing of a probe.
const (
	probesFast   = 15
	probesSlow   = 12
	requestsFast = 2200
	leastOver    = 12
	climbOver    = 3
)

func newPlans(s results.Search, clauses []clause) plans {
	p := plans{search: s, allowed: 0.05}
	for _, c := range clauses {
		p.limit = math.Max(p.limit, c.limit)
		if c.limit > 0 && c.Allowed > 0 {
			p.allowed = math.Min(p.allowed, c.Allowed)
		}
	}
	p.settle = max(s.Warmup, seconds(math.Min(20*p.limit, 15+3*p.limit)))
	p.aim(fastTolerance)
	return p
}

// aim sets what a tolerance costs.
func (p *plans) aim(tolerance float64) {
	p.probes = probesFast
	if tolerance > 2*fastTolerance {
		p.probes = probesSlow
	}
	ratio := fastTolerance / tolerance
	p.requests = math.Max(requestsFast*ratio*ratio, leastOver/p.allowed)
}

// climb, probe and confirm give the windows of steps at a rate of requests a second, 0
// if it is unknown.
func (p *plans) climb(rate float64) time.Duration {
	return p.window(p.search.Window/3, climbOver/p.allowed, 5, rate)
}

func (p *plans) probe(rate float64) time.Duration {
	return p.window(p.search.Window, p.requests, 10, rate)
}

func (p *plans) confirm(rate float64) time.Duration {
	least := p.search.Confirm
	if least == 0 {
		least = max(3*time.Minute, p.search.Window)
	}
	return p.window(least, p.requests, 10, rate)
}

func (p *plans) window(least time.Duration, requests, limits, rate float64) time.Duration {
	w := max(least, seconds(limits*p.limit), time.Second)
	if rate > 0 {
		w = max(w, seconds(requests/rate))
	}
	return w.Round(100 * time.Millisecond)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
