package analysis

import (
	"maps"
	"math"
	"slices"
)

// An Effect is a ratio less 1 of means, and how far it varied: N replicates
// have every configuration that it needs, Value is of the means over these
// alone, and the effects within single ones reach from Min to Max. One
// replicate has no spread, and then it is not known whether the effect is more
// than chance. With N = 0 no replicate has all, and Value is of the means over
// whatever each configuration has. A replicate with a step that does not measure the
// server is left out of all where two others are without one.
//
// Low and High are the 95 % interval, by Student's t on the logs of the ratios within
// the replicates that measure the server, in which every configuration met the same
// arrivals; it is about their geometric mean. With fewer than two there is none.
type Effect struct {
	Value Value `json:"effect"`
	N     int   `json:"n"`
	Min   Value `json:"min"`
	Max   Value `json:"max"`
	Low   Value `json:"low"`
	High  Value `json:"high"`
}

// effect is to/from - 1.
func effect(to, from Aggregate) Effect {
	return effectOf([]Aggregate{to, from}, func(v []float64) (float64, bool) {
		return v[0]/v[1] - 1, v[1] != 0
	})
}

// interaction is (both/mps) / (mig/neither) - 1.
func interaction(c Corners[Aggregate]) Effect {
	return effectOf([]Aggregate{c.Both, c.MPS, c.MIG, c.Neither}, func(v []float64) (float64, bool) {
		return (v[0]/v[1])/(v[2]/v[3]) - 1, v[1] != 0 && v[2] != 0 && v[3] != 0
	})
}

// effectOf gives a function of means over the replicates that have all of
// them, its range within these and its interval. Without any such replicate it is of
// the means of all. The function says false where it would divide by zero.
//
// Note: means over all replicates, of which some corners have more, can give an
// effect that lies outside the range of its own replicates.
func effectOf(of []Aggregate, f func([]float64) (float64, bool)) Effect {
	var all []float64
	for _, a := range of {
		if !a.Mean.Known() {
			none := Value{Unit: "ratio", Why: a.Mean.Why, Inapplicable: a.Mean.Inapplicable}
			return Effect{Value: none, Min: none, Max: none, Low: none, High: none}
		}
		all = append(all, *a.Mean.Number)
	}
	each := paired(of)
	if fit := slices.DeleteFunc(slices.Clone(each), func(r replicate) bool { return r.unfit }); len(fit) >= 2 {
		each = fit
	}
	means := all
	if len(each) > 0 {
		means = meansOf(each, len(of))
	}
	ratio, ok := f(means)
	if !ok {
		none := unknown("ratio", "it would be divided by zero")
		return Effect{Value: none, Min: none, Max: none, Low: none, High: none}
	}
	var ratios, fit []float64
	var grains float64
	for _, p := range each {
		if r, ok := f(p.values); ok {
			ratios = append(ratios, r)
			if !p.unfit {
				fit = append(fit, r)
				grains += p.grains
			}
		}
	}
	e := Effect{Value: known(ratio, "ratio"), N: len(ratios)}
	e.Min, e.Max = spread(ratios, "ratio")
	e.Low, e.High = effectInterval(fit, grains)
	return e
}

// effectInterval gives the 95 % interval of ratios less 1, one of each replicate, whose
// counts have grains of which these are the squares' sum.
func effectInterval(ratios []float64, grains float64) (low, high Value) {
	var logs []float64
	for _, r := range ratios {
		if r > -1 {
			logs = append(logs, math.Log1p(r))
		}
	}
	if len(logs) < 2 || len(logs) < len(ratios) {
		why := "an interval takes two replicates that measure the server"
		if len(logs) < len(ratios) {
			why = "in a replicate it is -100 %, of which there is no interval"
		}
		return unknown("ratio", why), unknown("ratio", why)
	}
	l, h := pairedCounts(logs, grains).Interval()
	return known(l-1, "ratio"), known(h-1, "ratio")
}

// A replicate has the values of several figures in one.
type replicate struct {
	values []float64
	grains float64 // squares of what one answer is of each, added up
	unfit  bool    // in any of them a step does not measure the server
}

// paired gives the values of each replicate that has all of them, in its order.
func paired(of []Aggregate) (each []replicate) {
	for _, number := range slices.Sorted(maps.Keys(of[0].by)) {
		var r replicate
		for _, a := range of {
			if v, has := a.by[number]; has {
				r.values = append(r.values, *v.value.Number)
				r.grains += v.grain * v.grain
				r.unfit = r.unfit || v.unfit
			}
		}
		if len(r.values) == len(of) {
			each = append(each, r)
		}
	}
	return each
}

// meansOf gives those of n values over replicates.
func meansOf(each []replicate, n int) []float64 {
	means := make([]float64, n)
	for _, r := range each {
		for i, v := range r.values {
			means[i] += v / float64(len(each))
		}
	}
	return means
}
