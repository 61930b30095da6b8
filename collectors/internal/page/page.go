package page

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// A Page is what a page in the Prometheus text format held: its samples by
// their exact names. A histogram or summary gives its _sum and _count only.
// A Page is read only.
type Page map[string][]Sample

// A Sample is one line of a Page.
type Sample struct {
	Labels map[string]string
	Value  float64   // may be NaN
	At     time.Time // the server's moment of the value; zero if the line does not tell it
}

// sorted gives the labels as name="value", sorted.
func (s Sample) sorted() []string {
	list := make([]string, 0, len(s.Labels))
	for name, value := range s.Labels {
		list = append(list, name+"="+strconv.Quote(value))
	}
	slices.Sort(list)
	return list
}

// once checks that no sample is there twice: a sum would count it twice.
func (p Page) once() error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if len(p[name]) < 2 {
			continue
		}
		seen := make(map[string]bool, len(p[name]))
		for _, s := range p[name] {
			key := s.key()
			if seen[key] {
				return fmt.Errorf("%s{%s} is there twice", name, key)
			}
			seen[key] = true
		}
	}
	return nil
}

// Labelled reports whether a sample of that name carries the label.
func (p Page) Labelled(name, label string) bool {
	return slices.ContainsFunc(p[name], func(s Sample) bool { _, ok := s.Labels[label]; return ok })
}

// Values gives the samples of a name, grouped by the value of a label (all in
// the group "" for the label ""), each group summed or averaged. A group with
// a value that is no finite number is left out: it is unknown.
func (p Page) Values(name, by string, mean bool) map[string]float64 {
	return values(p[name], by, mean)
}

func values(samples []Sample, by string, mean bool) map[string]float64 {
	sums, counts := make(map[string]float64), make(map[string]float64)
	for _, s := range samples {
		sums[s.Labels[by]] += s.Value
		counts[s.Labels[by]]++
	}
	for group, sum := range sums {
		if math.IsNaN(sum) || math.IsInf(sum, 0) {
			delete(sums, group)
		} else if mean {
			sums[group] = sum / counts[group]
		}
	}
	return sums
}
