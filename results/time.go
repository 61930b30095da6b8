package results

import (
	"math"
	"time"
)

// An Offset is a moment of a cell: the time since its [Origin]. Before the
// first step (launch, readiness, warm-up requests) it is negative.
type Offset time.Duration

// NoOffset is a moment that did not come: the First of a request that never
// got a byte. It is written as null, never as 0.
const NoOffset Offset = math.MinInt64

// Sub gives the span from earlier to o. Neither may be NoOffset.
func (o Offset) Sub(earlier Offset) time.Duration { return time.Duration(o - earlier) }

// Add gives the moment d after o.
func (o Offset) Add(d time.Duration) Offset { return o + Offset(d) }

// Seconds gives the offset in seconds, NaN for NoOffset.
func (o Offset) Seconds() float64 {
	if o == NoOffset {
		return math.NaN()
	}
	return time.Duration(o).Seconds()
}

// An Origin is the zero of a cell's Offsets, made once by the runner and
// passed down. It reads the monotonic clock, so a stepped wall clock does not
// move it. An Origin is a value; it is safe for concurrent use.
type Origin struct{ zero time.Time }

// NewOrigin makes an Origin at t, which must carry a monotonic reading
// (time.Now, not a parsed time).
func NewOrigin(t time.Time) Origin { return Origin{zero: t} }

// Now is the present moment.
func (o Origin) Now() Offset { return Offset(time.Since(o.zero)) }

// At is the moment t.
func (o Origin) At(t time.Time) Offset { return Offset(t.Sub(o.zero)) }

// Time is the wall and monotonic time of a moment.
func (o Origin) Time(at Offset) time.Time { return o.zero.Add(time.Duration(at)) }
