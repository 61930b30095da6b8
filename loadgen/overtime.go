package loadgen

import (
	"math"
	"time"

	"github.com/evabench/evabench/results"
)

// occupancyParts is how many parts the window is cut into to tell what was in
// flight.
const occupancyParts = 60

// An occupancy adds up what was in flight over time.
type occupancy struct {
	start, end, last results.Offset
	part             time.Duration
	area             [occupancyParts]float64 // calls × ns
	most             [occupancyParts]int64
}

func (o *occupancy) begin(start, end results.Offset) {
	o.start, o.end, o.last = start, end, start
	o.part = max(1, end.Sub(start)/occupancyParts)
}

// at gives the part of a moment within the window.
func (o *occupancy) at(m results.Offset) int {
	return min(int(m.Sub(o.start)/o.part), occupancyParts-1)
}

// until adds the time since the last change, during which n were in flight.
func (o *occupancy) until(now results.Offset, n int64) {
	now = min(now, o.end)
	for o.last < now {
		i := o.at(o.last)
		to := now
		if i < occupancyParts-1 {
			to = min(now, o.start.Add(time.Duration(i+1)*o.part))
		}
		o.area[i] += float64(to.Sub(o.last)) * float64(n)
		o.most[i] = max(o.most[i], n)
		o.last = to
	}
}

// now notes that n are in flight from the moment on.
func (o *occupancy) now(m results.Offset, n int64) {
	if m >= o.start && m < o.end {
		i := o.at(m)
		o.most[i] = max(o.most[i], n)
	}
}

// result gives the parts that the step reached.
func (o *occupancy) result() []results.Occupancy {
	var all []results.Occupancy
	for i := range occupancyParts {
		from := o.start.Add(time.Duration(i) * o.part)
		to := from.Add(o.part)
		if i == occupancyParts-1 {
			to = o.end
		}
		if to = min(to, o.last); to <= from {
			break
		}
		all = append(all, results.Occupancy{Mean: o.area[i] / float64(to.Sub(from)), Max: o.most[i]})
	}
	return all
}

// A dispersion counts arrivals in equal parts of the window.
type dispersion struct {
	part            time.Duration
	scheduled, sent counts
}

func newDispersion(part time.Duration, n int64) dispersion {
	return dispersion{part: part, scheduled: make(counts, n), sent: make(counts, n)}
}

// cut leaves the first n parts.
func (d *dispersion) cut(n int) { d.scheduled, d.sent = d.scheduled[:n], d.sent[:n] }

func (d *dispersion) result() results.Dispersion {
	return results.Dispersion{
		Part: d.part, N: int64(len(d.sent)), Scheduled: d.scheduled.index(), Sent: d.sent.index(),
	}
}

// counts holds a count for each part.
type counts []int64

// add counts an arrival so long after the window's start; one outside of the
// whole parts is not counted.
func (c counts) add(after, part time.Duration) {
	if i := int64(after / part); after >= 0 && i < int64(len(c)) {
		c[i]++
	}
}

// index is the index of dispersion: variance (n-1) over mean. It is 0 where
// nothing was counted.
func (c counts) index() float64 {
	var sum, squares float64
	for _, n := range c {
		sum += float64(n)
	}
	mean := sum / float64(len(c))
	for _, n := range c {
		squares += math.Pow(float64(n)-mean, 2)
	}
	if mean == 0 {
		return 0
	}
	return squares / float64(len(c)-1) / mean
}
