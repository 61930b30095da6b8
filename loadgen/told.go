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
// queue. What cannot be a time is refused, never bent into one. The last word
// counts.
func (a *Answer) ToldQueue(ms float64) { a.ServerQueue = a.told(ms) }

// ToldWork takes the milliseconds that the server says it computed the request, as
// ToldQueue does.
func (a *Answer) ToldWork(ms float64) { a.ServerWork = a.told(ms) }

// RefuseTold notes that the server told a time that could not be read.
func (a *Answer) RefuseTold() { a.ServerRefused = true }

func (a *Answer) told(ms float64) time.Duration {
	const most = float64(MaxServerTime / time.Millisecond)
	if !(ms >= 0 && ms <= most) { // NaN is neither
		a.ServerRefused = true
		return results.Untold
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}
