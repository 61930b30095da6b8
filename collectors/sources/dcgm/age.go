package dcgm

import (
	"fmt"
	"time"

	"github.com/evabench/evabench/collectors/internal/page"
)

// staleAfter is how long a page may stand still that cannot: twice dcgm-exporter's
// longest usual interval, its default of 30 s, and a little.
const staleAfter = 65 * time.Second

// An age is how long a page's values have been the same, as far as we saw it: they
// are at least so old. The page has no time of its own. The zero value has seen no page.
type age struct {
	print    uint64        // of the values
	since    time.Time     // when they were first seen
	changes  int           // since the first page
	interval time.Duration // between the last two changes
}

// see takes note of a page's values that were read at a moment, and gives how long
// they have stood.
func (a *age) see(print uint64, at time.Time) time.Duration {
	switch {
	case a.since.IsZero():
		a.print, a.since = print, at
	case print != a.print:
		if a.changes++; a.changes > 1 { // until the first change we do not know since when they stood
			a.interval = at.Sub(a.since)
		}
		a.print, a.since = print, at
	}
	return at.Sub(a.since)
}

// stale says what is wrong with values that stood for so long. Those of GPUs that
// tell of their energy never stand; others may, on idle GPUs.
func stale(stood time.Duration, energy bool) error {
	if !energy || stood <= staleAfter {
		return nil
	}
	return fmt.Errorf("%w: it has been the same for %v, its energy counters too, and nothing of it was taken; "+
		"see whether dcgm-exporter still collects (its default is every 30s; for measuring start it with --collect-interval=1000)",
		page.ErrStale, stood.Round(time.Second))
}
