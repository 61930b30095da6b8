package scenarios

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// The kinds of arrivals.
const (
	Constant = "constant" // open loop, evenly spaced; levels in req/s
	Poisson  = "poisson"  // open loop, exponential gaps; levels in req/s
	Gamma    = "gamma"    // open loop, gaps of a gamma distribution; levels in req/s
	Cameras  = "cameras"  // open loop, periodic cameras; levels in cameras
	Trace    = "trace"    // open loop, recorded moments; levels in x, times as fast
	Closed   = "closed"   // users who wait for the answer; levels in users
)

// ArrivalKinds lists the kinds of arrivals that a file can name.
func ArrivalKinds() []string { return []string{Constant, Poisson, Gamma, Cameras, Trace, Closed} }

// A Load is how a service is driven.
type Load struct {
	Arrivals string // one of ArrivalKinds
	// Levels is the ladder, at least one, each above 0; whole numbers for
	// Cameras and Closed.
	Levels []float64
	FPS    float64 // frames a second of each camera; 0 unless Cameras
	// Burstiness is the shape of Gamma's gaps, 1 as Poisson, less in bursts; 0
	// unless Gamma.
	Burstiness float64
	File       string // of a Trace, as it is written; empty unless Trace
	// Shape makes an open loop's rate rise and fall; empty leaves it even.
	Shape []RatePoint
	// Think is the mean time a user of a Closed loop waits between sessions.
	Think            time.Duration
	ThinkExponential bool // draw it, instead of taking it as it is
	// FailurePause and Ramp are those of the load generator (loadgen.Load): the
	// least pause of a Closed loop's user after a failure, and the time over
	// which users without think time start. No key of a file sets them; 0 means
	// the load generator's own.
	FailurePause, Ramp time.Duration
}

// A RatePoint says by what factor a level is multiplied at a moment of the window.
// Between two points the factor changes evenly; before the first, in the warm-up
// too, and after the last it stays. Two points at one moment make it jump.
type RatePoint struct {
	At     time.Duration // since the window's start; not before the point before
	Factor float64       // 0 to 1000
}

// Unit is the unit of Levels: "req/s", "cameras", "users", or "x" for times as
// fast.
func (l Load) Unit() string {
	switch l.Arrivals {
	case Cameras:
		return "cameras"
	case Closed:
		return "users"
	case Trace:
		return "x"
	default:
		return "req/s"
	}
}

// A Retry says when a client asks again after a failure; the zero value never.
type Retry struct {
	Attempts int               // asked again at most so often
	On       []results.Outcome // after these
	Pause    time.Duration     // before each
}

// defaultPause is a retry's pause that is not told.
const defaultPause = time.Second

// MaxWait bounds what one request or one user waits for: a time limit, a pause between
// two requests. What is longer is a mistake of units, and far longer ends before it begins.
const MaxWait = 24 * time.Hour

// wait checks a time that is bounded by MaxWait.
func (b *builder) wait(told at[time.Duration], where string) {
	if told.OK && told.V > MaxWait {
		b.fault(told.N, fmt.Sprintf("%s is at most %v, not %v", where, MaxWait, told.V), "")
	}
}

// The limits of loads: those of the load generator.
const (
	minBurstiness, maxBurstiness = 0.01, 100
	maxFactor                    = 1000
	maxAttempts                  = 100
)

func (b *builder) load(r at[rawLoad], where string) Load {
	l := Load{
		Arrivals: or(r.V.Arrivals, ""), FPS: or(r.V.FPS, 0), Burstiness: or(r.V.Burstiness, 0), File: or(r.V.File, ""),
		Think: or(r.V.Think, 0), ThinkExponential: or(r.V.ThinkExponential, false),
	}
	words := ArrivalKinds()
	switch {
	case r.V.Arrivals.OK && !slices.Contains(words, l.Arrivals):
		b.fault(r.V.Arrivals.N, fmt.Sprintf("%s.arrivals %q is not known", where, cut(l.Arrivals)), kind.Known(l.Arrivals, words))
	case r.V.Arrivals.OK:
		b.loadKeys(r, l, where)
	}
	l.Shape = b.shape(r.V.Shape, where+".shape")
	if r.V.Levels.OK && len(r.V.Levels.V) == 0 {
		b.fault(r.V.Levels.N, where+".levels is empty", "name at least one level")
	}
	for _, level := range r.V.Levels.V {
		whole := l.Arrivals == Cameras || l.Arrivals == Closed
		switch {
		case !level.OK:
		case !(level.V > 0):
			b.fault(level.N, fmt.Sprintf("%s.levels are above 0, not %s", where, number(level.V)), "leave the service out to give it no load")
		case whole && (level.V != math.Trunc(level.V) || level.V > 1e6):
			b.fault(level.N, fmt.Sprintf("%s.levels are whole numbers of %s up to a million, not %s", where, l.Unit(), number(level.V)), "")
		}
		l.Levels = append(l.Levels, level.V)
	}
	return l
}

// loadKeys checks the keys that only some arrivals have.
func (b *builder) loadKeys(r at[rawLoad], l Load, where string) {
	v := r.V
	for _, k := range []struct {
		key, of, hint string
		n             *node
		ok            bool // decoded and within its range
		bounds        string
	}{
		{"fps", Cameras, "cameras need their frames a second: write fps: 5", v.FPS.N, !v.FPS.OK || l.FPS > 0, "is above 0"},
		{"burstiness", Gamma, "write burstiness: 0.5 for bursts; 1 is as poisson", v.Burstiness.N,
			!v.Burstiness.OK || l.Burstiness >= minBurstiness && l.Burstiness <= maxBurstiness, fmt.Sprintf("is %g to %d", minBurstiness, maxBurstiness)},
		{"file", Trace, "name the file of moments: write file: PATH", v.File.N, !v.File.OK || l.File != "", "is empty"},
	} {
		switch {
		case l.Arrivals == k.of && k.n == nil:
			b.fault(r.N, where+" has no "+k.key, k.hint)
		case l.Arrivals != k.of && k.n != nil:
			b.fault(k.n, fmt.Sprintf("%s.%s goes with %s, not %s", where, k.key, k.of, l.Arrivals), "")
		case !k.ok:
			b.fault(k.n, fmt.Sprintf("%s.%s %s", where, k.key, k.bounds), "")
		}
	}
	for _, n := range []*node{v.Think.N, v.ThinkExponential.N} {
		if n != nil && l.Arrivals != Closed {
			b.fault(n, fmt.Sprintf("%s: think times go with closed, not %s", where, l.Arrivals), "")
		}
	}
	if l.Think < 0 {
		b.fault(v.Think.N, where+".think is not negative", "")
	}
	b.wait(v.Think, where+".think")
	if v.Shape.N != nil && l.Arrivals == Closed {
		b.fault(v.Shape.N, where+".shape goes with open loops, not closed", "a closed loop's rate is what its users make of it")
	}
}

// shape checks how a rate rises and falls.
func (b *builder) shape(r at[[]at[rawRate]], where string) []RatePoint {
	if r.OK && len(r.V) == 0 {
		b.fault(r.N, where+" is empty", "leave the key out, or name points such as {at: 10s, factor: 5}")
	}
	var all []RatePoint
	most := 0.0
	for i, p := range r.V {
		at, factor := p.V.At, p.V.Factor
		switch {
		case !at.OK:
		case at.V < 0 || at.V > b.s.Window:
			b.fault(at.N, fmt.Sprintf("%s[%d].at is within the window, 0s to %v, not %v", where, i, b.s.Window, at.V), "")
		case len(all) > 0 && at.V < all[len(all)-1].At:
			b.fault(at.N, fmt.Sprintf("%s[%d].at is before the point before", where, i), "")
		}
		if factor.OK && !(factor.V >= 0 && factor.V <= maxFactor) {
			b.fault(factor.N, fmt.Sprintf("%s[%d].factor is 0 to %d, not %s", where, i, maxFactor, number(factor.V)), "")
		}
		all = append(all, RatePoint{at.V, factor.V})
		most = max(most, factor.V)
	}
	if r.OK && len(all) > 0 && most == 0 {
		b.fault(r.N, where+" has no factor above 0", "leave the service out to give it no load")
	}
	return all
}

// retry checks when a client asks again.
func (b *builder) retry(r at[rawRetry], where string) Retry {
	if r.N == nil {
		return Retry{}
	}
	v := r.V
	to := Retry{Attempts: or(v.Attempts, 0), Pause: or(v.Pause, defaultPause)}
	if v.Attempts.OK && (to.Attempts < 1 || to.Attempts > maxAttempts) {
		b.fault(v.Attempts.N, fmt.Sprintf("%s.attempts is 1 to %d, not %d", where, maxAttempts, to.Attempts), "leave retry out to ask once")
	}
	if to.Pause < 0 {
		b.fault(v.Pause.N, where+".pause is not negative", "")
	}
	b.wait(v.Pause, where+".pause")
	if v.On.OK && len(v.On.V) == 0 {
		b.fault(v.On.N, where+".on is empty", "leave retry out to ask once")
	}
	words := failures()
	for _, w := range v.On.V {
		var o results.Outcome
		switch {
		case !w.OK:
		case !slices.Contains(words, w.V):
			b.fault(w.N, fmt.Sprintf("%s.on does not know %q", where, cut(w.V)), kind.Known(w.V, words))
		case o.UnmarshalText([]byte(w.V)) != nil:
			panic("scenarios: no outcome " + w.V) // failures gave it
		case slices.Contains(to.On, o):
			b.fault(w.N, fmt.Sprintf("%s.on repeats %s", where, w.V), "")
		default:
			to.On = append(to.On, o)
		}
	}
	return to
}

// failures lists the outcomes after which one can ask again: not those that are
// no failure, and not those by which the client itself gave up.
func failures() []string {
	var all []string
	for _, o := range results.Outcomes() {
		if o != results.OK && o != results.Cancelled && o != results.NotSent {
			all = append(all, o.String())
		}
	}
	return all
}
