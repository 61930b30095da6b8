package analysis

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/evabench/evabench/results"
)

// A Course is how a step went, in equal parts of time from its begin to its window's end,
// for one service. It is for looking at: what is judged rests on the samples themselves.
//
// There are about 40 parts, and the window begins with one: it is cut into a whole number
// of them, and the warm-up before it into parts as long, the first of which may have begun
// before the load. What was due before that is in the first part; what was due after the
// window is in none, and there is nothing such in a whole step. So the sums over the
// window's parts are the [Group]'s: of Due its Due, of OK and of Heat its OK, of Done its
// Completed. A window that is shorter than a fortieth of all is one part, and ends before
// it does. Of a step that was stopped before its window all parts are of the warm-up.
type Course struct {
	// Part is the length of a part in seconds, Warmup how many of them the warm-up has:
	// the window begins with a part.
	Part   float64 `json:"part_seconds"`
	Warmup int     `json:"warmup_parts"`
	// Due, OK and Failed count, by part, arrivals that were due, those that ended ok, and
	// those that ended otherwise, by when they were due. Done counts ok answers by when
	// they came; those after the window's end are in no part.
	Due    []int64 `json:"due"`
	OK     []int64 `json:"ok"`
	Failed []int64 `json:"failed"`
	Done   []int64 `json:"done"`
	// Bounds are those of the bins of latency in seconds, ascending, one more than bins,
	// each 10^(1/8) of the one before; none if nothing was ok. A bin holds what is not
	// less than its lower bound and less than its upper one. They start at the bin of the
	// least latency; one below 1 ns is in the bin that begins there.
	Bounds []float64 `json:"latency_bounds_seconds"`
	// Heat counts the ok arrivals by the part that they were due in and by latency.
	Heat Heat `json:"latency_counts"`
}

// A Heat lists, by part and then by bin, the bins of a [Course] that are not empty: part,
// bin, count. In JSON it is shorter, a list for each part: its first bin that is not
// empty, and the counts from there to the last; a part with none is an empty list, and
// those at the end are left out.
type Heat [][3]int64

// MarshalJSON writes the rows of parts.
func (h Heat) MarshalJSON() ([]byte, error) {
	rows := [][]int64{}
	for _, c := range h {
		part, bin, n := c[0], c[1], c[2]
		if part < 0 || part > 1<<20 || bin < 0 || bin > 1<<20 {
			return nil, fmt.Errorf("heat: no part %d or bin %d", part, bin)
		}
		for int64(len(rows)) <= part {
			rows = append(rows, []int64{})
		}
		row := rows[part]
		if len(row) == 0 {
			row = append(row, bin)
		}
		for row[0]+int64(len(row))-1 < bin {
			row = append(row, 0)
		}
		if row[0]+int64(len(row))-1 != bin {
			return nil, fmt.Errorf("heat: bin %d of part %d stands after a later one", bin, part)
		}
		rows[part] = append(row, n)
	}
	return json.Marshal(rows)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Heat) UnmarshalJSON(text []byte) error {
	var rows [][]int64
	if err := json.Unmarshal(text, &rows); err != nil {
		return err
	}
	*h = Heat{}
	for part, row := range rows {
		for i := 1; i < len(row); i++ {
			if row[i] != 0 {
				*h = append(*h, [3]int64{int64(part), row[0] + int64(i) - 1, row[i]})
			}
		}
	}
	return nil
}

// courseParts is about how many parts a course has.
const courseParts = 40

// A courseGrid cuts a step's time into parts.
type courseGrid struct {
	// One part begins at base, and count parts take span; there are warmup parts of the
	// same length before base, or all are of the warm-up if base is not the window's begin.
	base, end     results.Offset
	span          uint64 // ns
	count, before int
	warmup        int
}

// courseGridOf cuts a step; ok is false if it has no time.
func courseGridOf(s results.Step) (g courseGrid, ok bool) {
	warm, window := max(0, s.WindowStart.Sub(s.Start)), max(0, s.WindowEnd.Sub(s.WindowStart))
	all := warm + window
	switch {
	case all <= 0: // nothing, or more than there is
		return courseGrid{}, false
	case window == 0:
		return courseGrid{base: s.Start, end: s.WindowEnd, span: uint64(warm), count: courseParts, warmup: courseParts}, true
	}
	g = courseGrid{base: s.WindowStart, end: s.WindowEnd, span: uint64(window)}
	if least := (all + courseParts - 1) / courseParts; window < least {
		g.span, g.count = uint64(least), 1
	} else {
		g.count = max(1, int(math.Round(courseParts*float64(window)/float64(all))))
	}
	if warm > 0 {
		g.before = int(g.floor(uint64(warm)-1)) + 1 // the least that reach back to the begin
	}
	g.warmup = g.before
	return g, true
}

// floor gives how many whole parts a span of ns has.
func (g courseGrid) floor(ns uint64) uint64 {
	high, low := bits.Mul64(ns, uint64(g.count))
	if high >= g.span {
		return math.MaxInt32 // more than there is
	}
	n, _ := bits.Div64(high, low, g.span)
	return min(n, math.MaxInt32)
}

// n is how many parts there are.
func (g courseGrid) n() int { return g.before + g.count }

// at gives the part of a moment, or -1 if it is in none.
func (g courseGrid) at(o results.Offset) int {
	if o == results.NoOffset || o >= g.end {
		return -1
	}
	part := g.before
	if o >= g.base {
		part += int(g.floor(uint64(o - g.base)))
	} else {
		part -= 1 + int(g.floor(uint64(g.base-o)-1))
	}
	if part < 0 && g.warmup > 0 {
		return 0
	}
	if part >= g.n() {
		return -1
	}
	return max(part, -1)
}

// A courseTally gathers one service's samples by part.
type courseTally struct {
	courseGrid
	ok, failed, done []int64
	heat             []int64 // by part, and then by bin of latency
}

// courseOf starts the course of a step; nil if the step has no time.
func courseOf(s results.Step) *courseTally {
	g, ok := courseGridOf(s)
	if !ok {
		return nil
	}
	n := g.n()
	return &courseTally{
		courseGrid: g, ok: make([]int64, n), failed: make([]int64, n), done: make([]int64, n),
		heat: make([]int64, n*len(latencyBounds)),
	}
}

// add takes a sample of the step.
func (c *courseTally) add(s *results.Sample) {
	if c == nil {
		return
	}
	part := c.at(s.Due)
	if s.Outcome != results.OK {
		if part >= 0 {
			c.failed[part]++
		}
		return
	}
	if part >= 0 {
		c.ok[part]++
		c.heat[part*len(latencyBounds)+latencyBin(s.Done.Sub(s.Due))]++
	}
	if done := c.at(s.Done); done >= 0 {
		c.done[done]++
	}
}

// course tells of the tally, which it keeps.
func (c *courseTally) course() *Course {
	if c == nil {
		return nil
	}
	out := &Course{
		Part: float64(c.span) / float64(c.count) / 1e9, Warmup: c.warmup,
		Due: make([]int64, c.n()), OK: c.ok, Failed: c.failed, Done: c.done, Bounds: []float64{}, Heat: Heat{},
	}
	bins := len(latencyBounds)
	low, high := bins, -1
	for i, n := range c.heat {
		if n > 0 {
			low, high = min(low, i%bins), max(high, i%bins)
		}
	}
	for i := range out.Due {
		out.Due[i] = c.ok[i] + c.failed[i]
		for bin := low; bin <= high; bin++ {
			if n := c.heat[i*bins+bin]; n > 0 {
				out.Heat = append(out.Heat, [3]int64{int64(i), int64(bin - low), n})
			}
		}
	}
	for bin := low; bin <= high+1 && high >= 0; bin++ {
		out.Bounds = append(out.Bounds, latencyBound(bin, -9))
	}
	return out
}

// The bins of latency: perDecade to a power of ten, from 1 ns on.
const perDecade = 8

// latencyBound is the lower bound of a bin, in 10^unit ns.
func latencyBound(bin, unit int) float64 {
	return math.Pow(10, float64(bin%perDecade)/perDecade) * math.Pow10(bin/perDecade+unit)
}

var (
	// latencyBounds are the bins' lower bounds in ns, rounded up: spans are whole.
	latencyBounds = makeLatencyBounds()
	// firstBins has, by its number of bits, the bin of the least number that has so many.
	firstBins = makeFirstBins()
)

func makeLatencyBounds() []time.Duration {
	var list []time.Duration
	for bin := 0; latencyBound(bin, 0) < math.MaxInt64; bin++ {
		list = append(list, time.Duration(math.Ceil(latencyBound(bin, 0))))
	}
	return list
}

func makeFirstBins() (first [65]uint8) {
	for n := 1; n < 64; n++ {
		least := time.Duration(1) << (n - 1)
		for int(first[n])+1 < len(latencyBounds) && latencyBounds[first[n]+1] <= least {
			first[n]++
		}
	}
	return first
}

// latencyBin gives the bin of a span; what is below 1 ns is in the first.
func latencyBin(d time.Duration) int {
	if d < 1 {
		return 0
	}
	bin := int(firstBins[bits.Len64(uint64(d))])
	for bin+1 < len(latencyBounds) && latencyBounds[bin+1] <= d {
		bin++
	}
	return bin
}
