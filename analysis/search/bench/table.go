package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
)

// A row is what many searches of one subject came to, beside bisections.
type row struct {
	subject    subject
	trials     []trial
	bisections []trial
}

// quantile of values, by the nearest rank; NaN of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// share is a count of n with its 95 % interval after Wilson.
type share struct{ hits, n int }

func (s share) value() float64 { return float64(s.hits) / float64(s.n) }

// interval is Wilson's score interval: (p + z²/2n ± z√(p(1−p)/n + z²/4n²))/(1 + z²/n),
// z = 1.96.
func (s share) interval() (low, high float64) {
	const z = 1.959964
	n, p := float64(s.n), s.value()
	middle := p + z*z/2/n
	half := z * math.Sqrt(p*(1-p)/n+z*z/4/n/n)
	return (middle - half) / (1 + z*z/n), (middle + half) / (1 + z*z/n)
}

func (s share) String() string {
	if s.n == 0 {
		return "–"
	}
	low, high := s.interval()
	return fmt.Sprintf("%.1f [%.1f, %.1f]", 100*s.value(), 100*low, 100*high)
}

// countOf counts the trials that a condition holds of.
func countOf(trials []trial, holds func(trial) bool) share {
	s := share{n: len(trials)}
	for _, t := range trials {
		if holds(t) {
			s.hits++
		}
	}
	return s
}

// gather collects a figure of the trials, but NaN.
func gather(trials []trial, of func(trial) float64) []float64 {
	var all []float64
	for _, t := range trials {
		if x := of(t); !math.IsNaN(x) {
			all = append(all, x)
		}
	}
	return all
}

// number is a Value's number, NaN if it is unknown.
func number(v analysis.Value) float64 {
	if !v.Known() {
		return math.NaN()
	}
	return *v.Number
}

func within(t trial) bool { return math.Abs(t.relative) <= t.capacity.Tolerance }

// covers says whether the printed interval holds the truth.
func (r row) covers(t trial) bool {
	return number(t.capacity.Low) <= r.subject.truth.Load && r.subject.truth.Load <= number(t.capacity.High)
}

// withEstimate leaves the trials that printed an interval: only they can be honest
// or not. Those that found none count against accuracy.
func withEstimate(trials []trial) []trial {
	return slices.DeleteFunc(slices.Clone(trials), func(t trial) bool { return math.IsNaN(t.relative) })
}

func inPrice(t trial) bool { return t.seconds <= 1.5*number(t.capacity.Quoted) }

func halfWidth(t trial) float64 {
	return (number(t.capacity.High) - number(t.capacity.Low)) / 2 / number(t.capacity.Estimate)
}

func size(t trial) float64 { return math.Abs(t.relative) }

func minutes(t trial) float64 { return t.seconds / 60 }

// accuracy is the table of the subjects whose capacity is to be found.
func accuracy(rows []row) string {
	var b strings.Builder
	b.WriteString("| system | true capacity | n | within tolerance, % | without an estimate | median bias, % | interval covers, % | half-width, % | spent ≤ 1.5 × quoted, % | load minutes, median (p90) | p95 of error, % | bisection: n, minutes, p95 of error, % | cost of bisection, times |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if !r.subject.found() {
			continue
		}
		found, spent := withEstimate(r.trials), gather(r.trials, minutes)
		fmt.Fprintf(&b, "| %s | %.4g %s ± %.2f %% | %d | %s of ±%s | %s | %+.2f | %s | %.1f | %s | %.1f (%.1f) | %.1f |",
			r.subject.name, r.subject.truth.Load, r.subject.unit, 100*r.subject.truth.Error, len(r.trials),
			countOf(r.trials, within), tolerances(r.trials), others(r), 100*quantile(gather(found, func(t trial) float64 { return t.relative }), 0.5),
			countOf(found, r.covers), 100*quantile(gather(found, halfWidth), 0.5),
			countOf(r.trials, inPrice), quantile(spent, 0.5), quantile(spent, 0.9), 100*errorOf(r.trials))
		if len(r.bisections) == 0 {
			b.WriteString(" not run | – |\n")
			continue
		}
		cost := quantile(gather(r.bisections, minutes), 0.5)
		fmt.Fprintf(&b, " %d, %.0f, %.1f | %.1f |\n", len(r.bisections), cost, 100*errorOf(r.bisections), cost/quantile(spent, 0.5))
	}
	return b.String()
}

// errorOf is the 95th percentile of the size of the error; a search that found
// nothing is infinitely wrong.
func errorOf(trials []trial) float64 {
	return quantile(gather(trials, func(t trial) float64 {
		if math.IsNaN(t.relative) {
			return math.Inf(1)
		}
		return size(t)
	}), 0.95)
}

func tolerances(trials []trial) string {
	seen := map[string]bool{}
	for _, t := range trials {
		seen[fmt.Sprintf("%g %%", 100*t.capacity.Tolerance)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ±")
}

// refusals is the table of the subjects that have none, and of what a search said
// of them.
func refusals(rows []row) string {
	var b strings.Builder
	b.WriteString("| system | right state | n | ended in it, % | other ends | load minutes, median (p90) |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if r.subject.found() {
			continue
		}
		spent := gather(r.trials, minutes)
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %.1f (%.1f) |\n", r.subject.name, r.subject.truth.State, len(r.trials),
			countOf(r.trials, func(t trial) bool { return t.capacity.State == r.subject.truth.State }), others(r), quantile(spent, 0.5), quantile(spent, 0.9))
	}
	return b.String()
}

// others lists the ends that were not right, the most frequent first.
func others(r row) string {
	n := map[string]int{}
	for _, t := range r.trials {
		if t.capacity.State != r.subject.truth.State {
			n[t.capacity.State]++
		}
	}
	if len(n) == 0 {
		return "none"
	}
	states := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], strings.Compare(a, b)) })
	var all []string
	for _, s := range states {
		all = append(all, fmt.Sprintf("%s (%d)", s, n[s]))
	}
	return strings.Join(all, ", ")
}

// verdicts says in words which of the demands hold, over the subjects with a
// capacity.
func verdicts(rows []row) string {
	var accurate, honest, unbiased, priced, cheap, compared, n int
	for _, r := range rows {
		if !r.subject.found() || len(r.trials) == 0 {
			continue
		}
		n++
		found := withEstimate(r.trials)
		add := func(to *int, holds bool) {
			if holds {
				*to++
			}
		}
		add(&accurate, countOf(r.trials, within).value() >= 0.90)
		add(&unbiased, math.Abs(quantile(gather(found, func(t trial) float64 { return t.relative }), 0.5)) <= 0.01)
		c := countOf(found, r.covers).value()
		add(&honest, c >= 0.92 && c <= 0.98)
		add(&priced, countOf(r.trials, inPrice).value() >= 0.90)
		if len(r.bisections) > 0 {
			compared++
			ratio := quantile(gather(r.bisections, minutes), 0.5) / quantile(gather(r.trials, minutes), 0.5)
			add(&cheap, ratio >= 8 && errorOf(r.trials) <= errorOf(r.bisections))
		}
	}
	return fmt.Sprintf(`- Within the tolerance in at least 90 %% of runs: %d of %d systems; median bias at most 1 %%: %d.
- The interval covers the truth in 92–98 %% of runs: %d of %d.
- At most 1.5 times the quoted price in at least 90 %% of runs: %d of %d.
- At most an eighth of the bisection's price with no larger error (p95): %d of %d that were compared.
`, accurate, n, unbiased, honest, n, priced, n, cheap, compared)
}
