// Package boundary estimates the load at which an SLO stops being met, with an
// interval, from what probes at loads around it counted.
//
// The variable is the share of requests that are over a clause's limit (as odds), not
// the percentile: "p99 < 50 ms" says the same as "at most 1 % took longer", and a share
// is a count whose logarithm is nearly straight in the load around the boundary. So
// every probe near it says something, whether it met the clause or not, and all of
// them are taken together in one line. Requests near capacity depend on each other,
// so nothing is taken from their number: how far the probes scatter about the line
// says how sure the boundary is, and a probe is one observation.
package boundary

import (
	"cmp"
	"math"
)

// A Clause is one condition of the SLO. Allowed is the share of requests that may be
// over its limit, above 0 and at most 1: 0.01 for a p99. A clause on a mean, such as a
// queue's length, has Allowed 1, and its Counts have N = 1 and for Over the value as a
// share of its limit.
type Clause struct {
	Name    string
	Allowed float64
	// Steep is how many times as steep as is usual its line is expected to be; 0 is 1.
	Steep float64
	// Paired leaves the luck of arrivals in: the boundary is only set against others' whose
	// probes met the same arrivals at the same shares of their capacity, and fared alike. Its
	// line is then expected as those of races are, too.
	Paired bool
}

// A Count is how many of N requests were over a clause's limit. N = 0 tells nothing.
type Count struct {
	N, Over float64
	// Luck says how unkind the probe's arrivals were, as analysis/luck has it: how many more
	// of them than usual, as a share, would have waited long in a plain queue. Its mean over
	// all arrivals that might have come is 0, which is also what is not known; it is at least -1.
	Luck float64
}

// Excess says how far a count is over what a clause allows: the odds of being over the
// limit, divided by the odds that are allowed, 1 at the boundary; for a mean its share of
// the limit. For small shares it is the ratio of the shares; a p50's share cannot be more
// than twice what is allowed, its odds can. At least one request counts as within.
func (c Clause) Excess(n Count) float64 {
	if c.Allowed >= 1 {
		return n.Over / n.N / c.Allowed
	}
	odds := n.Over / math.Max(n.N-n.Over, 1)
	return odds * (1 - c.Allowed) / c.Allowed
}

// counted gives the terms of a count's quasi-likelihood. The variance of a share m is taken
// to be proportional to m²·(1-m)² (McCullagh and Nelder, "Generalized Linear Models", table
// 9.1): the relative spread of small ones is the same for all, and the mean of shares stays
// the mean, which the mean of odds would not. At least half a request counts as within. A
// mean has a variance in proportion to its square.
func (c Clause) counted(n Count) (up, even, down float64) {
	if c.Allowed >= 1 {
		return n.Over / n.N / c.Allowed, 1, 0
	}
	share, odds := math.Min(n.Over, n.N-0.5)/n.N, c.Allowed/(1-c.Allowed)
	return share / odds, 1 - 2*share, (1 - share) * odds
}

// A Probe is one step at one load.
type Probe struct {
	Load    float64 // along the ray, above 0
	Seconds float64 // of its window, above 0
	Counts  []Count // in the clauses' order
}

// An Estimate is what probes say of the boundary. Low ≤ Load ≤ High, all in the
// probes' unit; Low and High are the ends of a 95 % interval.
type Estimate struct {
	Load, Low, High float64
	Binding         int     // the clause whose boundary is the lowest
	Slope           float64 // of the binding clause: how much its log share grows for a relative growth of the load
	Probes          int     // that the binding clause's line rests on
	Requests        float64 // of them
	// Scatter is the relative variance of a probe's share about the line.
	Scatter float64
	// Bend is by how much the estimate would move, as a share, if the line were
	// allowed to bend; NaN with too few probes.
	Bend float64
}

// HalfWidth is half the interval's width as a share of the estimate.
func (e Estimate) HalfWidth() float64 { return (e.High - e.Low) / 2 / e.Load }

// Probes count that lie so near the center, as a share of it. Farther ones would bend
// the line: log shares are straight only locally, least so for heavy tails.
const (
	nearBelow = 0.08
	nearAbove = 0.07
	// nearGrains is how many grains away always is near.
	nearGrains = 1.7
)

// leastProbes is with how many a line has an interval: 2 or 3 of them are used up.
const leastProbes = 5

// most is the excess over which a probe is no longer on the line: the queue grew, and its
// share depends on how long it was looked at.
const most = 60

// The prior of a slope is lognormal with priorSpread as a logarithm, about slopePrior times
// ln(1/allowed)/(1-allowed). In a queue whose waits have an exponential tail,
// P(wait > t) = exp(-θt) with θ in proportion to the capacity that is left, the logarithm of
// a share a over a limit grows with the load by ln(1/a)·ρ/(1-ρ), that of its odds by 1/(1-a)
// times as much. On the queues of the bench it is 1.7 to 5 times ln(1/a)/(1-a), more where they
// work in batches: 8 to 22 for a p99, 5.5 to 16 for a p95. What is allowed less often than
// leastOften, mostly errors, is expected no steeper. The line of a mean is about meanSlope.
const (
	slopePrior  = 3.5
	priorSpread = 0.55
	leastOften  = 0.01
	meanSlope   = 8
	leastSlope  = 1.5
	mostSlope   = 250
)

// Lines of a race are expected to be steeper, and are believed less: its blocks are of few
// probes close together. By the prior above races of servers that batch took twice as long.
const (
	slopeRace  = 20
	spreadRace = 0.5
	// oftenRace is what a clause allows whose line is about meanSlope in a race, too.
	oftenRace = 0.07
)

// widen multiplies the distance of the interval's ends from the estimate, as it follows from
// what the probes leave open. It is calibrated on the bench of systems with known capacity, see
// docs/statistics.md.
const widen = 1.08

// outside is how often the capacity may lie above the interval, and how often below.
const outside = 0.025

// Fit estimates the boundary from the probes within reach of center, which should be
// the estimate so far. grain is the distance between two loads that can be asked for,
// such as 1 user, and 0 if there is none. ok is false while there is no estimate: center
// is not above 0, fewer than two probes are near, no request of any of them was over any
// limit, or the line reaches what is allowed only far above center. With fewer than
// leastProbes near, the ends are 0 and +Inf. Every probe has a Count for each clause.
func Fit(clauses []Clause, probes []Probe, center, grain float64) (e Estimate, ok bool) {
	e = Estimate{Load: math.Inf(1), Low: math.Inf(1), High: math.Inf(1), Binding: -1, Bend: math.NaN()}
	if !(center > 0) {
		return e, false
	}
	var all []candidate
	for k, c := range clauses {
		points := near(probes, k, c, center, grain)
		l, fits := fit(points, c.expected())
		if !fits {
			continue
		}
		at := center * (1 + l.root())
		if l.root() < -0.5 || at > 1.5*center {
			if at > 1.5*center {
				continue // far from binding
			}
			at = center / 2
		}
		all = append(all, candidateOf(l, points))
		if at < e.Load {
			e.Load, e.Binding, e.Slope = at, k, l.slope
			e.Probes, e.Scatter = len(points), l.scatter
			e.Requests = 0
			for _, p := range points {
				e.Requests += p.n
			}
			e.Bend = bend(points, l)
		}
	}
	low, high := interval(all)
	e.Low, e.High = center*(1+low), center*(1+high)
	e.Low, e.High = math.Max(0, math.Min(e.Low, e.Load)), math.Max(e.High, e.Load)
	return e, e.Binding >= 0
}

// A candidate is a clause that may bind.
type candidate struct {
	line  line
	roots roots
	known bool // there are enough points for an interval
}

func candidateOf(l line, points []point) candidate {
	c := candidate{line: l}
	if len(points) >= leastProbes {
		c.roots, c.known = l.roots(points), true
	}
	return c
}

// low and high are the ends, as x, beyond which the clause's boundary lies with a share.
func (c candidate) low(share float64) float64 {
	if !c.known {
		return -1
	}
	root := c.line.root()
	return math.Max(-1, root+widen*math.Min(0, c.roots.quantile(share)-root))
}

func (c candidate) high(share float64) float64 {
	if !c.known {
		return math.Inf(1)
	}
	root := c.line.root()
	return root + widen*math.Max(0, c.roots.quantile(1-share)-root)
}

// interval gives the ends of the capacity's interval, as x. The capacity is the least of
// all boundaries, and below the interval only if the one that binds is. It lies above if it
// does so of any of those that may bind, so that these share how often that may be
// (Bonferroni).
func interval(all []candidate) (low, high float64) {
	low, high = math.Inf(1), math.Inf(1)
	for _, c := range all {
		high = math.Min(high, c.high(outside))
	}
	bind := 0.0 // how many may
	for _, c := range all {
		// Of a clause with too few points only where its line crosses is known.
		if l := c.low(outside); l < high && (c.known || c.line.root() < high) {
			low = math.Min(low, l)
			bind++
		}
	}
	if bind < 2 {
		return low, high
	}
	high = math.Inf(1)
	for _, c := range all {
		high = math.Min(high, c.high(outside/bind))
	}
	return low, high
}

// A point is a probe as a clause's line sees it.
type point struct {
	x float64 // load ÷ center - 1
	// up, even and down are what the probe counted as the quasi-likelihood has it: that of an
	// expected excess r is -(up/r + even·log r + down·r).
	up, even, down float64

	w       float64 // weight: seconds, over all points 1 on average
	poisson float64 // relative variance that its count has if requests know nothing of each other
	n       float64 // requests
	luck    float64 // see Count
}

// near gives the points of a clause.
func near(probes []Probe, clause int, c Clause, center, grain float64) []point {
	below, above := math.Max(nearBelow, nearGrains*grain/center), math.Max(nearAbove, nearGrains*grain/center)
	var list []point
	total := 0.0
	for _, p := range probes {
		x, count := p.Load/center-1, p.Counts[clause]
		if x < -below || x > above || !(p.Seconds > 0) || count.N == 0 || c.Excess(count) > most {
			continue
		}
		w := p.Seconds * kernel(x, below, above)
		p := point{x: x, w: w, n: count.N}
		if !c.Paired {
			p.luck = count.Luck
		}
		p.up, p.even, p.down = c.counted(count)
		if c.Allowed < 1 {
			p.poisson = 1 / (count.N * c.Allowed * (1 - c.Allowed))
		}
		list = append(list, p)
		total += w
	}
	for i := range list {
		list[i].w *= float64(len(list)) / total
	}
	return list
}

// kernel weighs a point less the farther it is (Epanechnikov's, not quite to 0 at the
// ends), since the line is only local.
func kernel(x, below, above float64) float64 {
	if x < 0 {
		above = below
	}
	u := x / above
	return 1 - 0.8*u*u
}

// An expectation is what is thought of a line before its points are seen: about which slope
// it lies, how far off as a logarithm, how its points scatter at first sight, and how they
// usually do where no luck is known.
type expectation struct{ slope, spread, scatter, usual float64 }

func (c Clause) expected() expectation {
	e := expectation{slope: meanSlope, spread: priorSpread, scatter: usualScatter, usual: usualUnknown}
	often := math.Max(c.Allowed, leastOften)
	switch {
	case c.Paired:
		e.spread, e.scatter, e.usual = spreadRace, scatterRace, usualPaired
		if c.Allowed <= oftenRace {
			e.slope = slopeRace
		}
	case c.Allowed < 1:
		e.slope = slopePrior * math.Log(1/often) / (1 - often)
	}
	e.slope *= cmp.Or(c.Steep, 1)
	return e
}

// Expected is about which slope the clause's prior lies.
func (c Clause) Expected() float64 { return c.expected().slope }
