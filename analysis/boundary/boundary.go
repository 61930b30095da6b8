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

	"github.com/evabench/evabench/analysis/stats"
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
}

// A Count is how many of N requests were over a clause's limit. N = 0 tells nothing.
type Count struct{ N, Over float64 }

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

// leastProbes is with how many a line has an interval: 2 of them are used up.
const leastProbes = 5

// most is the excess over which a probe is no longer on the line: the queue grew, and its
// share depends on how long it was looked at.
const most = 60

// The prior of a slope is lognormal about slopePrior, and about slopeOften where a clause
// allows more than oftenAllowed; priorSpread is its spread as a logarithm. Slopes of
// p95 and p99 that were measured on queues and batching servers lie between 6 and 80,
// those of p50 and p90 of slow services between 3 and 15.
const (
	slopePrior   = 20
	slopeOften   = 8
	oftenAllowed = 0.07
	priorSpread  = 0.5
	leastSlope   = 1.5
	mostSlope    = 250
)

// widen multiplies the interval's half-width as it follows from the scatter alone. It
// is calibrated on the bench of systems with known capacity, see docs/statistics.md.
const widen = 1.25

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
	for k, c := range clauses {
		points := near(probes, k, c, center, grain)
		l, fits := fit(points, c.Expected())
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
		low, high := l.interval(points)
		e.Low, e.High = math.Min(e.Low, center*(1+low)), math.Min(e.High, center*(1+high))
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
	e.Low = math.Max(0, math.Min(e.Low, e.Load))
	return e, e.Binding >= 0
}

// A point is a probe as a clause's line sees it.
type point struct {
	x float64 // load ÷ center - 1
	y float64 // excess
	w float64 // weight: seconds, over all points 1 on average
	n float64 // requests
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
		list = append(list, point{x, c.Excess(count), w, count.N})
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

// A line is log(y) = slope·(x - root) with what it was fitted from.
type line struct {
	slope, level float64 // log y = level + slope·x
	scatter      float64 // relative variance of y about it, of a point of weight 1
	points       int
	about        float64 // of the slope's prior
}

func (l line) root() float64 { return -l.level / l.slope }

// fit finds the line by quasi-likelihood with a variance proportional to the squared
// mean (a gamma model with log link, McCullagh and Nelder, "Generalized Linear Models",
// chapter 8): a share's spread is as large as itself, whatever the load, because what
// makes it vary is a few long spells of congestion. Points without anything over a limit
// take part with their 0. For a given slope the level follows, so that one number is
// searched.
func fit(points []point, about float64) (line, bool) {
	over := 0.0
	for _, p := range points {
		over += p.y
	}
	if len(points) < 2 || over == 0 {
		return line{}, false
	}
	scatter := 1.0
	l := line{about: about}
	for range 2 { // the prior's weight depends on the scatter
		slope := math.Exp(least(math.Log(leastSlope), math.Log(mostSlope), func(u float64) float64 {
			b := math.Exp(u)
			return float64(len(points))*math.Log(levelAt(points, b)) + b*meanX(points) + l.prior(u, scatter)
		}))
		l = line{about: about, slope: slope, level: math.Log(levelAt(points, slope)), points: len(points)}
		scatter = l.scatterOf(points)
	}
	l.scatter = scatter
	// The logarithm of a mean is too low by half its relative variance on average.
	l.level += scatter / 2 / float64(len(points))
	return l, true
}

// levelAt is the mean of y brought to x = 0 with a slope.
func levelAt(points []point, slope float64) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.w * p.y * math.Exp(-slope*p.x)
	}
	return sum / float64(len(points))
}

// meanX is Σ w·x.
func meanX(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.w * p.x
	}
	return sum
}

// Expected is about which slope the clause's prior lies.
func (c Clause) Expected() float64 {
	about := float64(slopePrior)
	if c.Allowed > oftenAllowed {
		about = slopeOften
	}
	return about * cmp.Or(c.Steep, 1)
}

// prior is minus the logarithm of the slope's prior, on the scale of the
// quasi-likelihood, whose unit is the scatter.
func (l line) prior(logSlope, scatter float64) float64 {
	d := (logSlope - math.Log(l.about)) / priorSpread
	return scatter * d * d / 2
}

// scatterOf is Pearson's estimate of the dispersion. With few points it is no less than
// leastScatter: they may lie on the line by chance.
func (l line) scatterOf(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		e := p.y/math.Exp(l.level+l.slope*p.x) - 1
		sum += p.w * e * e
	}
	return math.Max(leastScatter, sum/math.Max(1, float64(len(points)-2)))
}

const leastScatter = 0.01

// interval gives the ends of the root's interval, as x: where the quasi-deviance of a
// line through (x, y = 1) passes what an F distribution with the points' degrees of
// freedom allows. It is longer towards the side on which little was seen, as it
// must: a share is skewed, and what was not seen is a rare long spell.
func (l line) interval(points []point) (low, high float64) {
	if len(points) < leastProbes {
		return -1, math.Inf(1)
	}
	t := stats.TQuantile(0.975, float64(len(points)-2)) * widen
	allowed := l.scatter * t * t / 2
	best := l.profile(points, l.root())
	end := func(direction float64) float64 {
		inside, outside := 0.0, 0.002
		for l.profile(points, l.root()+direction*outside)-best < allowed {
			if inside, outside = outside, outside*1.6; outside > 1 {
				return outside
			}
		}
		for range 14 {
			middle := (inside + outside) / 2
			if l.profile(points, l.root()+direction*middle)-best < allowed {
				inside = middle
			} else {
				outside = middle
			}
		}
		return outside
	}
	return math.Max(-1, l.root()-end(-1)), l.root() + end(1)
}

// profile is minus the quasi-likelihood of the best line whose root is x.
func (l line) profile(points []point, x float64) float64 {
	value := func(u float64) float64 {
		b := math.Exp(u)
		sum := 0.0
		for _, p := range points {
			e := b * (p.x - x)
			sum += p.w * (p.y*math.Exp(-e) + e)
		}
		return sum + l.prior(u, l.scatter)
	}
	return value(least(math.Log(leastSlope), math.Log(mostSlope), value))
}

// least finds where a function is least between from and to: a coarse look, then golden
// sections about its best.
func least(from, to float64, f func(float64) float64) float64 {
	const parts = 24
	step := (to - from) / parts
	best, at := math.Inf(1), from
	for i := range parts + 1 {
		if v := f(from + float64(i)*step); v < best {
			best, at = v, from+float64(i)*step
		}
	}
	low, high := math.Max(from, at-step), math.Min(to, at+step)
	golden := (math.Sqrt(5) - 1) / 2
	a, b := high-golden*(high-low), low+golden*(high-low)
	fa, fb := f(a), f(b)
	for range 20 {
		if fa < fb {
			high, b, fb = b, a, fa
			a = high - golden*(high-low)
			fa = f(a)
		} else {
			low, a, fa = a, b, fb
			b = low + golden*(high-low)
			fb = f(b)
		}
	}
	return (low + high) / 2
}

// bend fits lines to the points below and above the root apart, and gives by how much
// their mean root differs from the line's.
func bend(points []point, l line) float64 {
	half := func(below bool) (line, bool) {
		var some []point
		for _, p := range points {
			if d := p.x - l.root(); math.Abs(d) < 0.005 || (d < 0) == below {
				some = append(some, p)
			}
		}
		if len(some) < leastProbes {
			return line{}, false
		}
		return fit(some, l.about)
	}
	low, okLow := half(true)
	high, okHigh := half(false)
	if !okLow || !okHigh {
		return math.NaN()
	}
	return (low.root()+high.root())/2 - l.root()
}
