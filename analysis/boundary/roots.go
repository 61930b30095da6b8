package boundary

import (
	"math"
	"sort"
)

// Roots are what points leave open of a line's root. All pairs of slope and level are
// weighed: by a Student's t of their quasi-deviance, with the points' degrees of freedom,
// and by the slope's prior. A root's weight is that of all pairs that have it.
//
// A profile, which asks of each root for its best slope, makes intervals up to twice as wide
// where hardly anything but the prior tells the slope: it takes the flattest line that is at
// all likely together with the farthest level.
type roots struct {
	slopes []openSlope
	total  float64
}

// An openSlope is a slope with levels that it may have, ascending, and the weight of all up
// to each.
type openSlope struct {
	slope         float64
	levels, below []float64
}

// How many slopes and levels are weighed. Slopes are left out whose best level weighs less
// than mention times the most likely one's, but for those next to others.
const (
	coarseSlopes = 41
	openSlopes   = 31
	openLevels   = 121
	mention      = 1e-4
)

// roots weighs slopes and levels. The points are those that the line was fitted from.
func (l line) roots(points []point) roots {
	low, high := math.Log(leastSlope), math.Log(mostSlope)
	coarse := l.deviances(points, low, high, coarseSlopes)
	least, most := leastOf(coarse), 0.0
	for _, d := range coarse {
		most = math.Max(most, d.weight(d.middle, least))
	}
	first, last := coarseSlopes, 0
	for i, d := range coarse {
		if d.weight(d.middle, least) >= mention*most {
			first, last = min(first, i), max(last, i)
		}
	}
	step := (high - low) / (coarseSlopes - 1)
	low, high = low+step*float64(max(first-1, 0)), low+step*float64(min(last+1, coarseSlopes-1))

	var r roots
	fine := l.deviances(points, low, high, openSlopes)
	least = leastOf(fine)
	for _, d := range fine {
		s := d.levels(least, l.bias(points))
		r.slopes = append(r.slopes, s)
		r.total += s.below[openLevels-1]
	}
	return r
}

// A deviance is minus the quasi-likelihood of lines of one slope, by their level.
type deviance struct {
	slope                 float64
	up, even, down, fixed float64 // up·exp(-level) + even·level + down·exp(level) + fixed
	middle                float64 // the best level
	spread                float64 // about that of the level, as that of a mean of relative errors
	prior                 float64 // of the slope, minus its logarithm
	scatter, freedom      float64
}

// deviances are those of slopes that lie evenly, as logarithms, from low to high.
func (l line) deviances(points []point, low, high float64, n int) []deviance {
	list := make([]deviance, n)
	scatter, freedom := l.tempered(points)
	for i := range list {
		u := low + (high-low)*float64(i)/float64(n-1)
		l.slope, l.level = math.Exp(u), 0
		d := deviance{slope: l.slope, prior: l.prior(u, 1), scatter: scatter, freedom: freedom}
		for _, p := range points {
			at := l.at(p)
			d.up += p.w * p.up / at
			d.even += p.w * p.even
			d.down += p.w * p.down * at
			d.fixed += p.w * p.even * math.Log(at)
		}
		d.middle, d.spread = l.levelOf(points), math.Sqrt(scatter/float64(len(points)))
		list[i] = d
	}
	return list
}

// How the scatter is tempered by what is usual: usualWorth points' worth of a scatter that
// is, beyond that of counts, usualOfLuck times the variance of the points' luck, mostUsual at
// the most, or usualUnknown where no luck is known, and usualPaired where it is left in.
const (
	usualWorth   = 5
	usualOfLuck  = 0.15
	usualUnknown = 0.2
	mostUsual    = 0.6
	usualPaired  = 0.6
)

// tempered gives the scatter and its degrees of freedom with what is usual put to what the
// points say. Ten points, of which few hold all that is over a limit, say little of their
// scatter: where it was truly 1.5 it came out anywhere from 0.3 to 7. On the bench's systems
// it is 0.2 to 2 times the variance of luck.
func (l line) tempered(points []point) (scatter, freed float64) {
	usual := l.expected.usual
	if anyLuck(points) {
		usual = math.Min(mostUsual, usualOfLuck*luckSquare(points))
	}
	for _, p := range points {
		usual += p.w * p.poisson / float64(len(points))
	}
	freed = freedom(points)
	return (freed*l.scatter + usualWorth*usual) / (freed + usualWorth), freed + usualWorth
}

func (d deviance) of(level float64) float64 {
	return d.up*math.Exp(-level) + d.even*level + d.down*math.Exp(level) + d.fixed
}

// leastOf is the least deviance of all.
func leastOf(list []deviance) float64 {
	least := math.Inf(1)
	for _, d := range list {
		least = math.Min(least, d.of(d.middle))
	}
	return least
}

// weight is how likely a level is, beside a line whose deviance is the least of all: that
// the scatter itself is not known for sure makes of a normal law a Student's t.
func (d deviance) weight(level, least float64) float64 {
	excess := 2 * math.Max(0, d.of(level)-least) / d.scatter
	return math.Exp(-d.prior - (d.freedom+1)/2*math.Log1p(excess/d.freedom))
}

// levels weighs the slope's levels, which are then raised by bias, by trapezia. They lie
// denser in the middle, and reach 14 spreads. The weights lean upwards by themselves, as the
// logarithm of a mean does downwards; without the bias of that the lower ends of slow services
// lay above the capacity in 7 of 100 searches, with it in 5.
func (d deviance) levels(least, bias float64) openSlope {
	s := openSlope{slope: d.slope}
	sum, before, last := 0.0, 0.0, 0.0
	for j := range openLevels {
		level := d.middle + d.spread*math.Sinh(4*(2*float64(j)/(openLevels-1)-1))/2
		weight := d.weight(level, least)
		if j > 0 {
			sum += (weight + before) / 2 * (level - last)
		}
		s.levels, s.below = append(s.levels, level+bias), append(s.below, sum)
		before, last = weight, level
	}
	return s
}

// quantile is the x below which the root lies with a share of the weight, at least -1, where
// there is no load; +Inf beyond 1, twice the center.
func (r roots) quantile(share float64) float64 {
	low, high := -1.0, 1.0
	for range 40 {
		x := (low + high) / 2
		sum := 0.0
		for _, s := range r.slopes { // a root up to x is a level from -slope·x on
			sum += s.below[openLevels-1] - s.upTo(-s.slope*x)
		}
		if sum < share*r.total {
			low = x
		} else {
			high = x
		}
	}
	if high == 1 {
		return math.Inf(1)
	}
	return high
}

// upTo is the weight of the levels up to one.
func (s openSlope) upTo(level float64) float64 {
	j := sort.SearchFloat64s(s.levels, level)
	switch j {
	case 0:
		return 0
	case len(s.levels):
		return s.below[j-1]
	}
	part := (level - s.levels[j-1]) / (s.levels[j] - s.levels[j-1])
	return s.below[j-1] + part*(s.below[j]-s.below[j-1])
}
