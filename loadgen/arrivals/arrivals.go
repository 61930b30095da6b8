// Package arrivals says when the sessions of an open loop are due: evenly, at
// random as from many independent clients, in bursts, as a set of cameras sends
// its frames, or as they were recorded; and how their rate rises and falls. A
// schedule is a function of its seed alone.
package arrivals

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/evabench/evabench/loadgen"
)

// Names lists the known arrivals, sorted, as users type them.
func Names() []string { return []string{"cameras", "constant", "gamma", "poisson", "trace"} }

// A Config says what arrivals are wanted. What a kind does not name below is
// not read for it.
type Config struct {
	Kind string // one of Names
	// Value is a rate in sessions a second for constant, gamma and poisson; a
	// whole number of cameras; or how many times faster than it was recorded a
	// trace is played. It must be positive.
	Value float64
	// FPS is the frames a second of each of cameras. It must be positive.
	FPS float64
	// Burstiness is the shape of gamma's gaps, 0.01 to 100: 1 makes a Poisson
	// process, less makes bursts, more is more even. The variance of the counts in
	// long parts of time is 1/Burstiness of their mean.
	Burstiness float64
	// File is of trace; see [ReadTrace]. It is read whenever arrivals are made, for
	// each check and each step anew: what is changed in it meanwhile counts from the
	// next step on.
	File string
	// Shape makes the rate rise and fall; empty leaves it even.
	Shape []Point
	// Warmup and Window are the step's: Shape's points count from the end of the
	// warm-up, and Rate is the mean over the window. A Window of 0 makes it the
	// mean over the whole of a trace, or over the time up to Shape's last point.
	Warmup, Window time.Duration
}

// New makes arrivals, and reads the trace's file.
func New(c Config) (loadgen.Arrivals, error) {
	if !slices.Contains(Names(), c.Kind) {
		return nil, fmt.Errorf("unknown arrivals %q; known: %v", c.Kind, Names())
	}
	of, err := processOf(c)
	if err != nil {
		return nil, err
	}
	s := &schedule{of: of}
	if len(c.Shape) > 0 {
		if s.shape, err = newShape(c.Shape, c.Warmup); err != nil {
			return nil, fmt.Errorf("arrivals %s: %w", c.Kind, err)
		}
		if top := of.rate() * s.shape.most(); top > maxRate {
			return nil, fmt.Errorf("arrivals %s: the shape's highest rate of %g is above %g", c.Kind, top, float64(maxRate))
		}
	}
	s.mean = s.meanOver(c.Warmup, c.Window)
	return s, nil
}

func processOf(c Config) (process, error) {
	if err := within(c, "value", c.Value, math.SmallestNonzeroFloat64, maxRate); err != nil {
		return nil, err
	}
	switch c.Kind {
	case "constant":
		return constant(c.Value), nil
	case "poisson":
		return poisson(c.Value), nil
	case "gamma":
		return gamma{c.Value, c.Burstiness}, within(c, "burstiness", c.Burstiness, 0.01, 100)
	case "trace":
		if c.File == "" {
			return nil, errors.New("arrivals trace: there is no file")
		}
		times, err := readTraceFile(c.File)
		return trace{times, c.Value}, err
	}
	if c.Value != math.Trunc(c.Value) || c.Value > maxCameras {
		return nil, fmt.Errorf("arrivals cameras: %v is not a whole number of cameras up to %d", c.Value, maxCameras)
	}
	return cameras{int(c.Value), c.FPS}, within(c, "fps", c.FPS, math.SmallestNonzeroFloat64, maxRate)
}

// maxCameras bounds the cameras of one service.
const maxCameras = 1_000_000

// maxRate is where due times run together on a clock of nanoseconds.
const maxRate = 1e7

func within(c Config, what string, v, low, high float64) error {
	if v >= low && v <= high {
		return nil
	}
	from := fmt.Sprintf("[%g", low)
	if low == math.SmallestNonzeroFloat64 {
		from = "(0"
	}
	return fmt.Errorf("arrivals %s: the %s of %v is not within %s, %g]", c.Kind, what, v, from, high)
}

// A process is arrivals of a rate that does not change, in seconds since the
// step's start. They come from an index or a sum in seconds, never from adding
// rounded intervals, so that the rate is exact.
type process interface {
	seconds(seed uint64) func() (float64, bool)
	rate() float64 // mean, a second
}

// A schedule is a process with the shape of its rate, if any.
type schedule struct {
	of    process
	shape *shape
	mean  float64
}

// Rate is the mean over the step's window.
func (s *schedule) Rate() float64 { return s.mean }

// Times gives the due times. They end where a time.Duration does, after 292
// years.
func (s *schedule) Times(seed uint64) func() (time.Duration, bool) {
	next := s.shaped(seed)
	return func() (time.Duration, bool) {
		t, ok := next()
		ns := math.Round(t * 1e9)
		if !ok || !(ns < math.MaxInt64) {
			return 0, false
		}
		return time.Duration(ns), true
	}
}

func (s *schedule) shaped(seed uint64) func() (float64, bool) {
	next := s.of.seconds(seed)
	if s.shape == nil {
		return next
	}
	warp := s.shape.inverse()
	return func() (float64, bool) {
		t, ok := next()
		if !ok {
			return 0, false
		}
		return warp(t)
	}
}

// meanOver is what Rate gives.
func (s *schedule) meanOver(warmup, window time.Duration) float64 {
	from, to := warmup.Seconds(), (warmup + window).Seconds()
	switch t, isTrace := s.of.(trace); {
	case isTrace && window == 0:
		return t.rate()
	case isTrace:
		n, next := 0, s.shaped(0)
		for at, ok := next(); ok && at < to; at, ok = next() {
			if at >= from {
				n++
			}
		}
		return float64(n) / window.Seconds()
	case s.shape == nil:
		return s.of.rate()
	case window == 0:
		from, to = 0, s.shape.end()
	}
	return s.of.rate() * s.shape.meanOver(from, to)
}

// A constant rate has its n-th arrival at (n + u)/rate, where u in [0, 1) is
// drawn once: two services of one rate do not send in lockstep.
type constant float64

func (c constant) rate() float64 { return float64(c) }

func (c constant) seconds(seed uint64) func() (float64, bool) {
	at := random(seed, 0).Float64() - 1
	return func() (float64, bool) {
		at++
		return at / float64(c), true
	}
}

// A poisson process has independent gaps, exponential with mean 1/rate.
type poisson float64

func (p poisson) rate() float64 { return float64(p) }

func (p poisson) seconds(seed uint64) func() (float64, bool) {
	r, t := random(seed, 0), 0.0
	return func() (float64, bool) {
		t += r.ExpFloat64() / float64(p)
		return t, true
	}
}

// cameras send a frame each 1/fps seconds, each camera with a phase of its own.
type cameras struct {
	n   int
	fps float64
}

func (c cameras) rate() float64 { return float64(c.n) * c.fps }

func (c cameras) seconds(seed uint64) func() (float64, bool) {
	phases := make([]float64, c.n)
	for i := range phases {
		phases[i] = random(seed, uint64(i)).Float64()
	}
	slices.Sort(phases)
	frame, i := 0, -1
	return func() (float64, bool) {
		if i++; i == len(phases) {
			frame, i = frame+1, 0
		}
		return (float64(frame) + phases[i]) / c.fps, true
	}
}

// random gives stream i of a seed, so that camera i keeps its phase when
// cameras are added.
func random(seed, i uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, i)) }
