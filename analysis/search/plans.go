package search

import (
	"math"
	"time"

	"github.com/evabench/evabench/results"
)

// plans are how long steps last.
type plans struct {
	search  results.Search
	limit   float64 // the largest of what is raised, in seconds
	allowed float64 // the smallest share that a clause of what is raised allows

	settle   time.Duration // of every step: servers begin idle, and queues take time to fill
	requests float64       // of a probe
	probes   int
	stretch  float64 // of the climb's windows, at least 1
}

// The price of an interval: probesFast probes of requestsFast requests make one of ±3 %
// on most systems of the bench, and a wider one less in the square. Fewer than
// leastOver requests over the limit, at the boundary, tell nothing of a probe.
const (
	probesFast   = 18
	probesSlow   = 11
	probesLong   = 8 // where warm-ups make probes long
	warmupWorth  = 1.5
	requestsFast = 3000
	leastOver    = 16
	climbOver    = 6
)

// longSettle is a warm-up that is most of the price of a probe.
const longSettle = 2 * time.Minute

func newPlans(s results.Search, clauses []clause, raised int) plans {
	p := plans{search: s, allowed: 0.5, stretch: 1}
	all := 0.0
	for _, c := range clauses {
		all = math.Max(all, c.limit)
		if raised < 0 || c.service == raised {
			p.limit = math.Max(p.limit, c.limit)
		}
		if c.limit > 0 && c.Allowed > 0 && (raised < 0 || c.service == raised) {
			p.allowed = math.Min(p.allowed, c.Allowed)
		}
	}
	p.settle = max(s.Warmup, seconds(math.Min(40*all, 30+2*all)))
	p.aim(fastTolerance, p.settle)
	return p
}

// aim sets what a tolerance costs.
func (p *plans) aim(tolerance float64, settle time.Duration) {
	p.probes = probesFast
	if tolerance > 2*fastTolerance {
		p.probes = probesSlow
		if settle > longSettle {
			p.probes = probesLong
		}
	}
	ratio := fastTolerance / tolerance
	p.requests = math.Max(requestsFast*ratio*ratio/2, leastOver/p.allowed)
	if tolerance <= 2*fastTolerance {
		p.requests = math.Max(p.requests, requestsFast*ratio*ratio)
	}
}

// climb, probe and confirm give the windows of steps at a rate of requests a second, 0
// if it is unknown.
func (p *plans) climb(rate float64) time.Duration {
	return p.window(time.Duration(float64(p.search.Window)*p.stretch), climbOver/p.allowed, 3*p.stretch, rate)
}

// A probe lasts longer than its warm-up, which is lost.
func (p *plans) probe(rate float64, settle time.Duration) time.Duration {
	return max(p.window(p.search.Window, p.requests, 6, rate), time.Duration(warmupWorth*float64(settle)))
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

// seconds makes a Duration, of at most mostSeconds: a rate of hardly anything must not
// overflow it.
func seconds(s float64) time.Duration {
	return time.Duration(math.Min(s, mostSeconds) * float64(time.Second))
}

const mostSeconds = 1e7
