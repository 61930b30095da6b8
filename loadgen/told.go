package loadgen

import (
	"math"
	"time"

	"github.com/evabench/evabench/results"
)

// MaxServerTime bounds what a server can tell of one request. What is above it, as
// what is below 0 or no number, is no time but a fault of the server.
const MaxServerTime = 24 * time.Hour

// ToldQueue takes the milliseconds that the server says the request waited in its
// queue. What cannot be a time is refused, never bent into one. Of several the last
// counts.
func (a *Answer) ToldQueue(ms float64) { a.told(ms, &a.ServerQueue) }

// ToldWork takes the milliseconds that the server says it computed the request, as
// ToldQueue does.
func (a *Answer) ToldWork(ms float64) { a.told(ms, &a.ServerWork) }

// RefuseTold notes that the server told what is no time. Nothing that it tells of the
// request is believed then, before or after.
func (a *Answer) RefuseTold() {
	a.ServerRefused, a.ServerQueue, a.ServerWork = true, results.Untold, results.Untold
}

func (a *Answer) told(ms float64, into *time.Duration) {
	const most = float64(MaxServerTime / time.Millisecond)
	switch {
	case a.ServerRefused:
	case ms >= 0 && ms <= most: // NaN is neither
		*into = time.Duration(math.Round(ms * float64(time.Millisecond)))
	default:
		a.RefuseTold()
	}
}
