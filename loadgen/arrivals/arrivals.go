// Package arrivals says when the sessions of an open loop are due: evenly, at
// random as from many independent clients, or as a set of cameras sends its
// frames. A schedule is a function of its seed alone.
package arrivals

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen"
)

// Names lists the known arrivals, sorted, as users type them.
func Names() []string { return []string{"cameras", "constant", "poisson"} }

// New makes the arrivals that name says. Value is a rate in sessions a second
// for constant and poisson, and a number of cameras, each sending fps frames a
// second, for cameras; fps is not read otherwise. Both must be positive.
func New(name string, value, fps float64) (loadgen.Arrivals, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("unknown arrivals %q; known: %v", name, Names())
	}
	if err := positive(name, "value", value); err != nil {
		return nil, err
	}
	switch name {
	case "constant":
		return constant(value), nil
	case "poisson":
		return poisson(value), nil
	}
	if err := positive(name, "fps", fps); err != nil {
		return nil, err
	}
	if value != math.Trunc(value) || value > maxCameras {
		return nil, fmt.Errorf("arrivals cameras: %v is not a whole number of cameras up to %d", value, maxCameras)
	}
	return cameras{int(value), fps}, nil
}

// maxCameras bounds the cameras of one service.
const maxCameras = 1_000_000

// maxRate is where due times run together on a clock of nanoseconds.
const maxRate = 1e7

func positive(name, what string, v float64) error {
	if !(v > 0 && v <= maxRate) {
		return fmt.Errorf("arrivals %s: the %s of %v is not within (0, %g]", name, what, v, float64(maxRate))
	}
	return nil
}

// at is the moment of so many seconds. Due times come from an index or a sum
// in seconds, never from adding rounded intervals, so that the rate is exact.
func at(seconds float64) time.Duration { return time.Duration(math.Round(seconds * 1e9)) }

// A constant rate has its n-th arrival at (n + u)/rate, where u in [0, 1) is
// drawn once: two services of one rate do not send in lockstep.
type constant float64

func (c constant) Rate() float64 { return float64(c) }

func (c constant) Times(seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		phase := random(seed, 0).Float64()
		for n := 0; yield(at((float64(n) + phase) / float64(c))); n++ {
		}
	}
}

// A poisson process has independent gaps, exponential with mean 1/rate.
type poisson float64

func (p poisson) Rate() float64 { return float64(p) }

func (p poisson) Times(seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		r := random(seed, 0)
		for t := r.ExpFloat64() / float64(p); yield(at(t)); {
			t += r.ExpFloat64() / float64(p)
		}
	}
}

// cameras send a frame each 1/fps seconds, each camera with a phase of its own.
type cameras struct {
	n   int
	fps float64
}

func (c cameras) Rate() float64 { return float64(c.n) * c.fps }

func (c cameras) Times(seed uint64) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		phases := make([]float64, c.n)
		for i := range phases {
			phases[i] = random(seed, uint64(i)).Float64()
		}
		slices.Sort(phases)
		for frame := 0; ; frame++ {
			for _, p := range phases {
				if !yield(at((float64(frame) + p) / c.fps)) {
					return
				}
			}
		}
	}
}

// random gives stream i of a seed, so that camera i keeps its phase when
// cameras are added.
func random(seed, i uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, i)) }
