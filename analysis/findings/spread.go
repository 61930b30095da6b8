package findings

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/units"
)

// A spread is a figure over several places: its mean, with Student's 95 % interval from
// low to high where there are three or more.
type spread struct {
	n               int
	mean, low, high float64
}

// leastSpread is how many places an interval takes: of two, Student's t is 12.7.
const leastSpread = 3

// over makes the spread of values, whose order does not matter.
func over(values []float64) spread {
	values = slices.Sorted(slices.Values(values))
	s := spread{n: len(values), mean: stats.Mean(values), low: math.NaN(), high: math.NaN()}
	if s.n < leastSpread {
		return s
	}
	var squares float64
	for _, v := range values {
		squares += (v - s.mean) * (v - s.mean)
	}
	n := float64(s.n)
	half := stats.TQuantile(0.975, n-1) * math.Sqrt(squares/(n-1)/n)
	s.low, s.high = s.mean-half, s.mean+half
	return s
}

// overCells makes the spread of what was found in cells: figures of one cell share its steps
// and its deployment, so that together they count once.
func overCells(by map[*analysis.Cell][]float64) spread {
	var means []float64
	for _, values := range by {
		if x, ok := mean(slices.Sorted(slices.Values(values))); ok {
			means = append(means, x)
		}
	}
	return over(means)
}

// above says how sure it is that the figure is above a limit: strong if the interval is,
// weak if only the mean is, else empty.
func (s spread) above(limit float64) string {
	switch {
	case s.n > 0 && s.low > limit: // NaN is above nothing
		return strong
	case s.n > 0 && s.mean > limit:
		return weak
	}
	return ""
}

// below is the other way round.
func (s spread) below(limit float64) string {
	switch {
	case s.n > 0 && s.high < limit:
		return strong
	case s.n > 0 && s.mean < limit:
		return weak
	}
	return ""
}

// text writes a figure with its interval and n: "31.2 % [28, 35] (n = 5)".
func (s spread) text(unit string) string {
	if s.n == 0 {
		return units.Unknown
	}
	text := units.Format(s.mean, unit)
	if !math.IsNaN(s.low) {
		text += fmt.Sprintf(" [%s, %s]", units.Format(s.low, unit), units.Format(s.high, unit))
	}
	return fmt.Sprintf("%s (n = %d)", text, s.n)
}

// surer is the least of several degrees: strong if all are.
func surer(degrees ...string) string {
	if slices.Contains(degrees, "") {
		return ""
	}
	if slices.Contains(degrees, weak) {
		return weak
	}
	return strong
}
