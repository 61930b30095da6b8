package analysis

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis/stats"
)

// What a recovery is read off.
const (
	perPart     = 5 // arrivals that a part has before the spike, in the mean
	leastBefore = 4 // parts
	leastAfter  = 3 // parts that are to stay back
	// within is by what share of the range's upper end a part may pass it: less is nothing
	// that anyone would call slower.
	within = 0.05
	// mostOut is the share of the parts after a recovery that may be out of the range.
	mostOut = 0.1
)

// partLengths are those that a window may be cut into, in seconds.
var partLengths = []float64{1, 2, 5, 10, 20, 30, 60}

// recoveryOf tells how long after a spike's end latency and requests in flight were back
// in the range that they had before it, and stayed there.
//
// The time before and after is cut into parts, of the least of partLengths in which perPart
// arrivals were due before. Of each part there are the median latency x of what was due in
// it, a failure counting as longer than any, and the mean number in flight. A part is out
// of the range if x is above
//
//	max(greatest x before, Q3 + 3·(Q3 - Q1) of those before)
//
// by more than 5 %. The second is Tukey's outer fence, where it lies higher: with few parts
// the greatest would be passed by chance. After the spike each x but the first one is
// replaced by the median of itself and its two neighbours, so that one odd part neither hides
// nor makes a recovery. Recovery is the begin of the first part, since the spike's end, that is in both
// ranges as the leastAfter - 1 after it are, and from which on at most a tenth of all parts
// is out. 0 says that the very first part was back.
//
// Note: that no part at all was to be out afterwards called 12 of 100 servers that had no
// spike slow to recover, since queues wander and the time after is longer than that before.
//
// Fences and running medians of three: J. W. Tukey, "Exploratory Data Analysis" (1977),
// chapters 2 and 7.
func recoveryOf(calls []spikeCall, f flight, from, to, end float64) (Value, float64) {
	before := 0
	for _, c := range calls {
		if c.due >= 0 && c.due < from {
			before++
		}
	}
	length := 0.0
	for _, l := range partLengths {
		if length == 0 && float64(before)/from*l >= perPart {
			length = l
		}
	}
	none := func(format string, args ...any) (Value, float64) {
		return unknown("s", fmt.Sprintf(format, args...)), length
	}
	if !(end > to) {
		return none("the step ended before the spike did")
	}
	if length == 0 {
		return none("fewer than %d arrivals a minute before the spike: too few to tell a range", perPart)
	}
	first, last := int(from/length), int((end-to)/length)
	if first < leastBefore {
		return none("too short before the spike: a range takes %d parts of %g s, and there are %d", leastBefore, length, first)
	}
	if last < leastAfter {
		return none("too short after the spike: it takes %d parts of %g s, and there are %d", leastAfter, length, last)
	}
	was, is := partsOf(calls, f, from-float64(first)*length, length, first), partsOf(calls, f, to, length, last)
	slow, many := rangeOf(was.latency), rangeOf(was.inFlight)
	if math.IsInf(slow, 1) {
		return none("most requests of a part failed before the spike")
	}
	latency, inFlight := smooth(is.latency), smooth(is.inFlight)
	out := make([]int, last+1) // how many parts from each on
	for i := last - 1; i >= 0; i-- {
		if out[i] = out[i+1]; latency[i] > slow*(1+within) || inFlight[i] > many*(1+within) {
			out[i]++
		}
	}
	for i := 0; i+leastAfter <= last; i++ {
		if out[i] == out[i+leastAfter] && float64(out[i]) <= mostOut*float64(last-i) {
			return known(float64(i)*length, "s"), length
		}
	}
	return none("not back within %.0f s: at the end the median latency was %s (before, at most %.3g s) and %.3g were in flight (before, at most %.3g)",
		end-to, spanOrFailed(latency[last-1]), slow, inFlight[last-1], many)
}

func spanOrFailed(s float64) string {
	switch {
	case math.IsInf(s, 1):
		return "none, since most failed"
	case math.IsNaN(s):
		return "of no request"
	}
	return fmt.Sprintf("%.3g s", s)
}

// parts have one value for each part: NaN of a latency where nothing was due.
type parts struct{ latency, inFlight []float64 }

// partsOf cuts the time from a moment on into n parts. Calls are in the order of due.
func partsOf(calls []spikeCall, f flight, from, length float64, n int) parts {
	var p parts
	at := 0
	for i := range n {
		begin := from + float64(i)*length
		var took []float64
		for ; at < len(calls) && calls[at].due < begin+length; at++ {
			switch c := calls[at]; {
			case c.due < begin:
			case c.ok:
				took = append(took, c.done-c.due)
			default:
				took = append(took, math.Inf(1))
			}
		}
		median := math.NaN()
		if len(took) > 0 {
			median = medianOf(took)
		}
		p.latency, p.inFlight = append(p.latency, median), append(p.inFlight, f.mean(begin, begin+length))
	}
	return p
}

// rangeOf is the highest value that counts as in the range of those before.
func rangeOf(list []float64) float64 {
	told := slices.DeleteFunc(slices.Clone(list), math.IsNaN)
	if len(told) == 0 {
		return math.Inf(1)
	}
	slices.Sort(told)
	low, high := stats.Quantile(told, 0.25), stats.Quantile(told, 0.75)
	if math.IsInf(high, 1) {
		return high
	}
	return max(told[len(told)-1], high+3*(high-low))
}

// smooth gives the running median of three: the first as it is, and at the end the lesser of
// two; NaN where there is no value at all.
func smooth(list []float64) []float64 {
	out := make([]float64, len(list))
	for i := range list {
		near := slices.DeleteFunc(slices.Clone(list[max(0, i-1):min(len(list), i+2)]), math.IsNaN)
		out[i] = math.NaN()
		if i == 0 {
			out[i] = list[i]
		} else if len(near) > 0 {
			out[i] = medianOf(near)
		}
	}
	return out
}
