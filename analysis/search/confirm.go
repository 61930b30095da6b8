package search

import (
	"fmt"
	"math"

	"github.com/evabench/evabench/analysis"
)

// finish ends the probing with the estimate there is, and goes on to the load that is
// to be signed. why tells what falls short.
func (c *Capacity) finish(why string) {
	c.state, c.why = analysis.CapacityFound, why
	c.stage = confirming
	c.next = c.down(c.estimate.Low)
	if !(c.next > 0) {
		c.end(analysis.CapacityFound, "no load could be signed: the interval reaches to 0")
	}
}

// down rounds a load down to what is asked for: whole users, or three digits.
func (c *Capacity) down(load float64) float64 {
	if !(load > 0) {
		return 0
	}
	if g := c.ray.grain(); g > 0 {
		return math.Floor(load/g+1e-9) * g
	}
	unit := math.Pow(10, math.Floor(math.Log10(load))-2)
	return math.Floor(load/unit+1e-9) * unit
}

// mostConfirmations is how many loads are tried one below the other.
const mostConfirmations = 3

// confirmedAt goes on from a confirmation.
func (c *Capacity) confirmedAt(l look) {
	c.confirmed = append(c.confirmed, analysis.Confirmation{Step: l.index, Load: l.load, Heavy: l.heavy, Met: l.met, Why: l.why})
	switch {
	case l.heavy:
		c.stage = ended
	case l.met:
		c.signed = l.load
		if c.search.Heavy {
			c.heavy = true
			return
		}
		c.stage = ended
	case len(c.confirmed) >= mostConfirmations:
		c.why = join(c.why, fmt.Sprintf("no load could be signed: %d confirmations missed the SLO, the last at %g %s: %s", len(c.confirmed), l.load, c.ray.unit(), l.why))
		c.stage = ended
	default:
		c.next = c.down(math.Min(l.load*(1-c.tolerance()/2), l.load-c.ray.grain()))
		if !(c.next > 0) {
			c.stage = ended
		}
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
