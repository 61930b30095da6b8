package search

import (
	"cmp"
	"fmt"
	"math"
	"strconv"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/boundary"
)

// finish ends the probing with the estimate there is, and goes on to the load that is
// to be signed. why tells what falls short.
func (c *Capacity) finish(why string) {
	c.state, c.why = analysis.CapacityFound, why
	c.stage = confirming
	c.next = c.down(c.estimate.Low)
	if !(c.next > 0) {
		c.end(analysis.CapacityFound, join(why, fmt.Sprintf("no load could be signed: the interval reaches down to %.3g %s, below the least load", c.estimate.Low, c.ray.words())))
		return
	}
	if _, cannot := c.confirmation(c.next); cannot != "" && !c.short {
		c.end(analysis.CapacityFound, join(why, "no load could be signed: "+cannot))
	}
}

// down rounds a load down to what is asked for: whole users, or three digits.
func (c *Capacity) down(load float64) float64 {
	if !(load > 0) {
		return 0
	}
	if p := c.ray.parts(); p > 0 {
		return math.Floor(load*p+1e-9) / p
	}
	return floorTo(load, 3)
}

// mostConfirmations is how many loads are tried one below the other.
const mostConfirmations = 3

// confirmedAt goes on from a confirmation.
func (c *Capacity) confirmedAt(l look) {
	known := l.unknown == ""
	c.confirmed = append(c.confirmed, analysis.Confirmation{Step: l.index, Load: l.load, Heavy: l.heavy, Met: l.met && known, Why: cmp.Or(l.why, l.unknown)})
	if c.state == "" {
		c.confirmedMost(l)
		if c.stage != confirming {
			return
		}
	} else if !l.heavy {
		if !l.met && c.drifts(doubtLevel) {
			return
		}
		c.withConfirmation(l)
	}
	switch {
	case l.heavy:
		c.stage = ended
	case l.met && !known:
		c.stillUnknown(l)
	case l.met:
		c.signed = l.load
		if c.search.Heavy {
			c.heavy = true
			return
		}
		c.stage = ended
	case len(c.confirmed) >= mostConfirmations:
		c.why = join(c.why, fmt.Sprintf("no load could be signed: %d confirmations missed the SLO, the last at %g %s: %s", len(c.confirmed), l.load, c.ray.words(), l.why))
		c.stage = ended
	default:
		c.next = c.down(math.Min(l.load*(1-c.tolerance()/2), l.load-c.ray.grain()))
		if !(c.next > 0) {
			c.why = join(c.why, fmt.Sprintf("no load could be signed: %g %s, the least, missed the SLO: %s", l.load, c.ray.words(), l.why))
			c.stage = ended
			return
		}
		if _, cannot := c.confirmation(c.next); cannot != "" {
			c.why = join(c.why, fmt.Sprintf("no load could be signed: %g %s missed the SLO (%s), and of less load %s", l.load, c.ray.words(), l.why, cannot))
			c.stage = ended
		}
	}
}

// confirmedMost goes on from a confirmation of the largest load that may be asked for. If it
// missed, the boundary is near.
func (c *Capacity) confirmedMost(l look) {
	switch {
	case !l.met:
		c.begin(l.load)
	case l.unknown == "":
		c.state, c.above = analysis.CapacityAlways, l.load
		c.why = c.metAtMost(l.load) + ", as confirmed for " + seconds(l.probe.Seconds).String()
	}
}

// withConfirmation brings what a confirmation counted into the estimate: it is a long
// probe whose load was chosen before it was run.
func (c *Capacity) withConfirmation(l look) {
	if l.ended {
		return
	}
	c.probes = append(c.probes, l.probe)
	if e, ok := boundary.Fit(c.shares(), c.probes, c.center, c.ray.grain()); ok && !math.IsInf(e.High, 1) {
		c.estimate = e
	}
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// floorTo rounds a load down to so many digits, as a person would write it.
func floorTo(load float64, digits int) float64 {
	places := digits - 1 - int(math.Floor(math.Log10(load)))
	scale := math.Pow(10, float64(places))
	if places < 0 {
		return math.Floor(load*scale+1e-9) / scale
	}
	text := strconv.FormatFloat(math.Floor(load*scale+1e-9)/scale, 'f', places, 64)
	v, _ := strconv.ParseFloat(text, 64) // what was just written is read again
	return v
}
