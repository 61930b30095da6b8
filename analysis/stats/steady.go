package stats

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// A Call is when a request fell due and when it was done, in seconds.
type Call struct {
	Due, Done float64
	OK        bool // its time counts; others are in flight only
	Follows   bool // it was due because of another: a later call, or asked again
}

// A Drift is the verdict on whether calls took as long at the end of a window as at
// its begin.
type Drift struct {
	// Judged is false where there was too little to judge by; then Drifts is false and
	// Why says what is missing.
	Judged bool
	Drifts bool
	Why    string
	// Change is how much longer a call took at the window's end than at its begin, as
	// a share, at equal numbers in flight, and P the two-sided p-value of a trend; NaN
	// if not judged.
	Change, P float64
	// Settled is the moment from which on MSER-5 takes the calls for settled, in
	// seconds, not before the window's begin.
	Settled float64
}

// The rule of Steady: a change of less than 5 % is none, and chance must not be able
// to explain it.
const (
	driftFloor = 0.05
	driftP     = 0.001
	mostParts  = 20
	fewestPart = 10
	partCalls  = 5
	leastPart  = 1.0 // s; machines hiccup for tenths of a second
	// transientErrors is how many times what stretches of the rest differ by a begin
	// has to differ from it.
	transientErrors = 5
	// transientBias is how much it has to move the window's mean, as a share.
	transientBias = 0.01
)

// Steady judges the calls of a step, of its warm-up too, which ascend in Due; those
// due in from ≤ Due < to are the window's. A window drifts if, of its calls' times
// divided by the mean time of calls that found as many others in flight,
//
//   - the means of up to 20 equal parts of it show a trend (Mann and Kendall, p <
//     0.001 on both sides together), and Theil and Sen's slope comes to more than 5 %
//     of change over the window, or
//   - what MSER-5 cuts off reaches into it, with a mean that is more than 5 % away from
//     the mean of the rest, moves the window's mean by more than 1 %, and is further
//     away than 5 times the standard deviation of means of
//     stretches of the rest that are as long, or a tenth of it if that is less.
//
// It needs 10 parts of 5 calls, of 1 s and of twice the median time each.
//
// Note: the times themselves follow the queue, which wanders for minutes near
// capacity: MSER-5 of them, with the same 5 %, called 15 to 32 of 100 steady minutes
// at 0.95 of saturation not settled, and a trend of them up to 7. At equal numbers in
// flight what is left is the server.
func Steady(calls []Call, from, to float64) Drift {
	d := Drift{Change: math.NaN(), P: math.NaN(), Settled: from}
	within := func(c Call) bool { return c.OK && c.Due >= from && c.Due < to }
	var took []float64
	for _, c := range calls {
		if within(c) {
			took = append(took, c.Done-c.Due)
		}
	}
	Sort(took)
	parts := min(mostParts, len(took)/partCalls, int(min((to-from)/leastPart, mostParts)))
	if median := Quantile(took, 0.5); median > 0 {
		parts = min(parts, int(min((to-from)/(2*median), mostParts)))
	}
	if parts < fewestPart {
		d.Why = fmt.Sprintf("%d answers of %.3g s each in %.3g s are too few to tell drift by", len(took), max(0, Mean(append(took, 0))), to-from)
		return d
	}
	d.Judged = true
	ratios := atEqualLoad(calls, inFlight(calls), within)
	var okays []Call
	values := ratios[:0]
	for i, c := range calls {
		if c.OK && c.Due < to {
			okays, values = append(okays, c), append(values, ratios[i])
		}
	}
	d.trend(okays, values, from, to, parts)
	d.settle(okays, values, from)
	return d
}

// inFlight gives, for each call, how many others had fallen due and were not done.
func inFlight(calls []Call) []float64 {
	done := make([]float64, len(calls))
	for i, c := range calls {
		done[i] = c.Done
	}
	Sort(done)
	found := make([]float64, len(calls))
	ended := 0 // how many were done before the call fell due; calls ascend in that
	for i, c := range calls {
		for ended < len(done) && done[ended] < c.Due {
			ended++
		}
		found[i] = float64(i - ended)
	}
	return found
}

// trend looks for a trend in the window's parts.
func (d *Drift) trend(calls []Call, ratios []float64, from, to float64, parts int) {
	length := (to - from) / float64(parts)
	var points []Point
	var means []float64
	at := sort.Search(len(calls), func(i int) bool { return calls[i].Due >= from })
	for k := range parts {
		end := at
		for end < len(calls) && calls[end].Due < from+float64(k+1)*length {
			end++
		}
		if end > at {
			m := Mean(ratios[at:end])
			means, points = append(means, m), append(points, Point{float64(k) * length, m})
		}
		at = end
	}
	t := MannKendall(means)
	d.P = min(1, 2*min(t.Up, t.Down))
	d.Change = TheilSen(points) * (to - from)
	if d.P < driftP && math.Abs(d.Change) > driftFloor {
		d.Drifts = true
		d.Why = fmt.Sprintf("requests took %+.0f %% longer at the window's end than at its begin, at equal numbers in flight (p = %.1g)", d.Change*100, d.P)
	}
}

// settle looks for a begin that is unlike the rest.
func (d *Drift) settle(calls []Call, ratios []float64, from float64) {
	cut := MSER5(ratios)
	first := sort.Search(len(calls), func(i int) bool { return calls[i].Due >= from })
	if cut <= first || cut >= len(calls) {
		return
	}
	begin, rest := ratios[first:cut], ratios[cut:]
	difference := Mean(begin)/Mean(rest) - 1
	weight := float64(len(begin)) / float64(len(begin)+len(rest))
	if !(math.Abs(difference)*weight > transientBias) || !(math.Abs(difference) > max(driftFloor, transientErrors*spreadOf(rest, len(begin))/Mean(rest))) {
		return
	}
	d.Settled = calls[cut].Due
	d.Drifts = true
	d.Why = fmt.Sprintf("the warm-up was too short: requests of the window's first %.3g s took %+.0f %% longer than the rest", d.Settled-from, difference*100)
}

// spreadOf gives the standard deviation of the means of a series' stretches of n
// values, or of its tenths if those are shorter; +Inf of fewer than 10 values.
func spreadOf(values []float64, n int) float64 {
	n = max(1, min(n, len(values)/10))
	var means []float64
	for ; len(values) >= n; values = values[n:] {
		means = append(means, Mean(values[:n]))
	}
	if len(means) < 10 {
		return math.Inf(1)
	}
	return math.Sqrt(variance(means))
}

// atEqualLoad divides each call's time by the mean time, over the calls that reckon,
// of those that found about as many others in flight: by one of up to 16 classes of
// in-flight counts of about one size.
func atEqualLoad(calls []Call, found []float64, reckon func(Call) bool) []float64 {
	var edges []float64
	sorted := slices.Clone(found)
	Sort(sorted)
	for k := 1; k < 16; k++ {
		if e := sorted[k*len(sorted)/16]; len(edges) == 0 || e > edges[len(edges)-1] {
			edges = append(edges, e)
		}
	}
	classes := make([]uint8, len(calls))
	sums, counts := make([]float64, len(edges)+1), make([]float64, len(edges)+1)
	for i, c := range calls {
		k := 0
		for k < len(edges) && edges[k] <= found[i] {
			k++
		}
		classes[i] = uint8(k)
		if reckon(c) {
			sums[k] += c.Done - c.Due
			counts[k]++
		}
	}
	ratios := make([]float64, len(calls))
	for i, c := range calls {
		ratios[i] = 1
		if k := classes[i]; sums[k] > 0 {
			ratios[i] = (c.Done - c.Due) / (sums[k] / counts[k])
		}
	}
	return ratios
}
