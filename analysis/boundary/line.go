package boundary

import (
	"math"
	"slices"
)

// A line is log(excess) = slope·(x - root), at arrivals as usual, with what it was fitted from.
type line struct {
	slope, level float64 // log(excess) = level + slope·x + log(1 + heed·luck)
	heed         float64 // how much of the luck of its arrivals a probe shows
	scatter      float64 // relative variance of shares about it, of a point of weight 1
	points       int
	expected     expectation
}

func (l line) root() float64 { return -l.level / l.slope }

// fit finds the line by quasi-likelihood: a share's spread is as large as itself, whatever
// the load, because what makes it vary is a few long spells of congestion. Points without
// anything over a limit take part with their 0. For a slope and a heed the level follows, so
// that these two are searched, one after the other.
func fit(points []point, expected expectation) (line, bool) {
	over := 0.0
	for _, p := range points {
		over += p.up
	}
	if len(points) < 2 || over == 0 {
		return line{}, false
	}
	scatter := expected.scatter
	l := line{expected: expected, heed: heedPrior(points), points: len(points)}
	for range 2 { // the priors' weight depends on the scatter
		l.slope = math.Exp(least(math.Log(leastSlope), math.Log(mostSlope), func(u float64) float64 {
			l.slope = math.Exp(u)
			return l.deviance(points) + l.prior(u, scatter)
		}))
		if anyLuck(points) {
			l.heed = least(0, mostHeed, func(heed float64) float64 {
				l.heed = heed
				d := (heed - heedPrior(points)) / heedSpread
				return l.deviance(points) + scatter*d*d/2
			})
		}
		l.level = l.levelOf(points)
		scatter = l.scatterOf(points)
	}
	l.scatter = scatter
	l.level += l.bias(points)
	return l, true
}

// bias is by how much the level is to be raised for the excess, whose mean it is, to be the
// odds of the mean share over all arrivals. The logarithm of odds bends in the share m:
//
//   - that of a mean is too low by half its relative variance, times 1 - 2m, on average, and
//   - shares at the luck of all arrivals are, on average, below the share at a luck of 0, by
//     m·heed² times the variance of luck in the logarithm of their odds.
//
// Both are by the second terms of Taylor's series.
func (l line) bias(points []point) float64 {
	n := float64(len(points))
	share := 0.0 // of all points; 0 for a mean
	for _, p := range points {
		share += p.w * (1 - p.even) / 2 / n
	}
	return l.scatter/2/n*(1-2*share) - share*l.heed*l.heed*luckSquare(points)
}

// How much of the luck of its arrivals a probe shows lies between 0, where what the server
// does has more to say than when requests come, and 1. On the bench's systems it is about
// heedOften, and less where luck itself scatters by more than 1: the plain queue kept but a
// few spells of arrivals waiting then.
const (
	heedOften  = 0.4
	heedSpread = 0.3
	mostHeed   = 0.95
)

// heedPrior is about which heed lies.
func heedPrior(points []point) float64 { return heedOften / math.Max(1, luckSquare(points)) }

// luckSquare is the mean square of the points' luck: its variance, since its mean is 0.
func luckSquare(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		sum += p.luck * p.luck
	}
	return sum / float64(len(points))
}

// anyLuck says that some point's luck is known.
func anyLuck(points []point) bool {
	return slices.ContainsFunc(points, func(p point) bool { return p.luck != 0 })
}

// deviance is minus the quasi-likelihood of the line with its best level, but for what is
// the same for all lines.
func (l line) deviance(points []point) float64 {
	l.level = l.levelOf(points)
	sum := 0.0
	for _, p := range points {
		sum += p.w * p.deviance(l.at(p))
	}
	return sum
}

// deviance is minus the quasi-likelihood of an expected excess.
func (p point) deviance(excess float64) float64 {
	return p.up/excess + p.even*math.Log(excess) + p.down*excess
}

// levelOf is the best level of a line: where the derivative of its deviance, a quadratic
// equation in exp(level), is 0.
func (l line) levelOf(points []point) float64 {
	var up, even, down float64
	l.level = 0
	for _, p := range points {
		at := l.at(p)
		up, even, down = up+p.w*p.up/at, even+p.w*p.even, down+p.w*p.down*at
	}
	root := math.Sqrt(even*even + 4*up*down)
	if even > 0 {
		return math.Log(2 * up / (even + root))
	}
	return math.Log((root - even) / (2 * down))
}

// at is the excess that the line expects of a point.
func (l line) at(p point) float64 { return math.Exp(l.level+l.slope*p.x) * l.factor(p) }

// factor is by how many times the luck of its arrivals is expected to have raised a point.
func (l line) factor(p point) float64 { return 1 + l.heed*p.luck }

// prior is minus the logarithm of the slope's prior, on the scale of the
// quasi-likelihood, whose unit is the scatter.
func (l line) prior(logSlope, scatter float64) float64 {
	d := (logSlope - math.Log(l.expected.slope)) / l.expected.spread
	return scatter * d * d / 2
}

// scatterOf is Pearson's estimate of the dispersion. With few points it is no less than
// leastScatter: they may lie on the line by chance.
func (l line) scatterOf(points []point) float64 {
	sum := 0.0
	for _, p := range points {
		at := l.at(p)
		e := p.up/at - p.even - p.down*at
		sum += p.w * e * e
	}
	return math.Max(leastScatter, sum/math.Max(1, freedom(points)))
}

const (
	leastScatter = 0.01
	usualScatter = 0.4 // of the bench's systems, about
	scatterRace  = 1.0
)

// freedom is how many degrees of freedom points leave: level and slope take one each, and
// heed, where there is any.
func freedom(points []point) float64 {
	if anyLuck(points) {
		return float64(len(points) - 3)
	}
	return float64(len(points) - 2)
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
		return fit(some, l.expected)
	}
	low, okLow := half(true)
	high, okHigh := half(false)
	if !okLow || !okHigh {
		return math.NaN()
	}
	return (low.root()+high.root())/2 - l.root()
}
