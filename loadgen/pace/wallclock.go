package pace

import (
	"time"

	"github.com/evabench/evabench/results"
)

const (
	// fresh is how long the wall clock's place on the monotonic one holds: NTP slews
	// it by at most 500 µs a second, so it is off by half a microsecond then.
	fresh = time.Millisecond
	// steady is how far apart the two clocks may be read.
	steady = 2 * time.Microsecond
	// tolerance is how much later than the read a stamp may seem: the error of the
	// measured place.
	tolerance = 3 * time.Microsecond
)

// A wallClock places moments of the wall clock, in which the kernel stamps, on
// the Origin's monotonic clock. It is used by one goroutine.
type wallClock struct {
	origin results.Origin
	zero   int64 // the wall clock's ns at Offset 0
	taken  results.Offset
	known  bool
}

// measure reads both clocks, again where something came in between.
func (w *wallClock) measure() {
	best := time.Duration(1<<63 - 1)
	for range 4 {
		before := w.origin.Now()
		wall := time.Now().UnixNano()
		after := w.origin.Now()
		if d := after.Sub(before); d < best {
			best = d
			w.zero = wall - int64(before) - int64(d)/2
			w.taken, w.known = after, true
		}
		if best <= steady {
			return
		}
	}
}

// moment is when the kernel's stamp was, in ns of the wall clock, and true; or
// now and false where there is none or it is not from earliest to now, as when
// the wall clock was set. Now is when the bytes were read.
func (w *wallClock) moment(stamp int64, earliest, now results.Offset) (results.Offset, bool) {
	if stamp == 0 {
		return now, false
	}
	if !w.known || now.Sub(w.taken) > fresh {
		w.measure()
	}
	at := results.Offset(stamp - w.zero)
	if at > now && at.Sub(now) <= tolerance {
		at = now
	}
	if at < earliest && earliest.Sub(at) <= tolerance {
		at = earliest
	}
	if at < earliest || at > now {
		w.known = false
		return max(now, earliest), false
	}
	return at, true
}
