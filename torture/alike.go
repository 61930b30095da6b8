package main

import (
	"fmt"
	"math"
)

// alike is by what share the times of cells that were done again may differ from those
// of cells that were not: the A/A tolerance below 50 requests a second.
const alike = 0.10

// add takes the times of a broken sweep's cells in relation to those of the whole one.
// Which cells were done again is known from the first look after a blow.
func (w *wholeSweep) add(b broken) {
	if b.last == nil {
		return
	}
	for key, p50 := range w.seen.p50 {
		now, ok := b.last.p50[key]
		if !ok {
			continue
		}
		again := true
		if b.first != nil {
			_, done := b.first.done[key.cell]
			again = !done
		}
		ratio := math.Log(now / p50)
		if again {
			w.redone = append(w.redone, ratio)
		} else {
			w.untouched = append(w.untouched, ratio)
		}
	}
}

// difference says that cells which were done again are otherwise than those that were
// not, if their times differ by more than alike for certain: three standard errors of
// the difference of two means (Welch). What this machine does meanwhile touches both.
func (w *wholeSweep) difference() string {
	if len(w.redone) < 2 || len(w.untouched) < 2 {
		return ""
	}
	m1, v1 := meanOf(w.redone)
	m2, v2 := meanOf(w.untouched)
	d, se := m1-m2, math.Sqrt(v1/float64(len(w.redone))+v2/float64(len(w.untouched)))
	if math.Abs(d)-3*se <= math.Log1p(alike) {
		return ""
	}
	return fmt.Sprintf("cells that were done again answer in %.2f of the time of those that were not (%d and %d medians, standard error %.2f), want within %.0f %%",
		math.Exp(d), len(w.redone), len(w.untouched), se, alike*100)
}

// meanOf gives the mean and the variance of two values or more.
func meanOf(all []float64) (mean, variance float64) {
	for _, v := range all {
		mean += v / float64(len(all))
	}
	for _, v := range all {
		variance += (v - mean) * (v - mean) / float64(len(all)-1)
	}
	return mean, variance
}
