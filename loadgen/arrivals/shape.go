package arrivals

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// A Point says by what factor the rate is multiplied at a moment after the
// window's start. Between two points the factor changes evenly; before the first
// and after the last it stays. Two points at one moment make it jump: a spike is
// 1, 1 and 5, 5 and 1 at its borders.
type Point struct {
	At     time.Duration // not negative, not before the point before
	Factor float64       // 0 to 1000
}

// maxFactor bounds a shape's factors.
const maxFactor = 1000

// A shape is a factor f(t) over the step's time in seconds, with its integral
// F(t) from 0. Arrivals of an even rate that are due at F(t) are due at t: as
// many are due until t as the rate adds up to, whatever the arrivals are, and a
// Poisson process stays one.
type shape struct{ knots []knot }

// A knot is a place where the factor bends: time, factor, integral.
type knot struct{ at, factor, sum float64 }

func newShape(points []Point, warmup time.Duration) (*shape, error) {
	s := &shape{knots: []knot{{0, points[0].Factor, 0}}}
	var faults []error
	most := 0.0
	for i, p := range points {
		if p.At < 0 || i > 0 && p.At < points[i-1].At {
			faults = append(faults, fmt.Errorf("shape: point %d, at %v, is before the one before or the window", i+1, p.At))
		}
		if !(p.Factor >= 0 && p.Factor <= maxFactor) {
			faults = append(faults, fmt.Errorf("shape: the factor %v of point %d is not within 0 to %d", p.Factor, i+1, maxFactor))
		}
		last := s.knots[len(s.knots)-1]
		at := (warmup + p.At).Seconds()
		s.knots = append(s.knots, knot{at, p.Factor, last.sum + (at-last.at)*(last.factor+p.Factor)/2})
		most = max(most, p.Factor)
	}
	if len(faults) == 0 && most == 0 {
		faults = append(faults, errors.New("shape: every factor is 0"))
	}
	return s, errors.Join(faults...)
}

// most is the highest factor.
func (s *shape) most() float64 {
	most := 0.0
	for _, k := range s.knots {
		most = max(most, k.factor)
	}
	return most
}

func (s *shape) last() knot { return s.knots[len(s.knots)-1] }

// end is where the last knot stands.
func (s *shape) end() float64 { return s.last().at }

// meanOver is the mean factor between two moments.
func (s *shape) meanOver(from, to float64) float64 {
	if to <= from {
		return s.last().factor
	}
	return (s.integral(to) - s.integral(from)) / (to - from)
}

// integral is F(t).
func (s *shape) integral(t float64) float64 {
	for i, k := range s.knots[1:] {
		if before := s.knots[i]; t < k.at {
			x := t - before.at
			return before.sum + x*(before.factor+slope(before, k)*x/2)
		}
	}
	return s.last().sum + (t-s.last().at)*s.last().factor
}

func slope(a, b knot) float64 { return (b.factor - a.factor) / (b.at - a.at) }

// inverse gives a function that gives t for F(t), for values that ascend; false
// where the factor is 0 to the end.
func (s *shape) inverse() func(sum float64) (float64, bool) {
	i := 0
	return func(sum float64) (float64, bool) {
		for i+1 < len(s.knots) && sum >= s.knots[i+1].sum {
			i++
		}
		k := s.knots[i]
		y := sum - k.sum
		if i+1 == len(s.knots) {
			return k.at + y/k.factor, k.factor > 0
		}
		if y <= 0 {
			return k.at, true
		}
		// factor·x + slope·x²/2 = y, in the form that does not cancel.
		next := s.knots[i+1]
		root := math.Sqrt(max(0, k.factor*k.factor+2*slope(k, next)*y))
		return min(next.at, k.at+2*y/(k.factor+root)), true
	}
}
