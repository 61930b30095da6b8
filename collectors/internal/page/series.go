package page

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/collectors"
)

// A Series is one series to take from a page.
type Series struct {
	// Names are the series' exact names on pages, newest first; the first that
	// a page has is taken.
	Names []string
	// As is the name to record it under; empty for the newest.
	As   string
	Unit string
	// Scale is what a page's value is multiplied by to be of the Unit; 0 for 1.
	Scale float64
	// By is the label to keep apart, told in the subject's Detail; over all
	// other labels the values are summed, or averaged if Mean.
	By   string
	Mean bool
	// Repeated are labels over which a server tells one value again and again,
	// such as a tensor-parallel rank: of lines that differ only in them, that of the
	// lowest is taken.
	Repeated []string
	// Parts is a label that breaks a total down: of lines that differ only in it,
	// the one where it is empty or absent is the total, and the others are left out.
	Parts string
	// Needed makes a page without the series an error; Wanted makes it a warning.
	Needed, Wanted bool
}

// name is what the series is recorded under.
func (s Series) name() string {
	if s.As != "" {
		return s.As
	}
	return s.Names[0]
}

// found gives the name under which the page has the series, and its samples.
func (s Series) found(p Page) (name string, samples []Sample) {
	for _, name := range s.Names {
		if len(p[name]) > 0 {
			return name, s.distinct(p[name])
		}
	}
	return "", nil
}

// readings gives the samples as readings, sorted by detail.
func (s Series) readings(samples []Sample, target collectors.Target) []collectors.Reading {
	scale := s.Scale
	if scale == 0 {
		scale = 1
	}
	groups := values(samples, s.By, s.Mean)
	list := make([]collectors.Reading, 0, len(groups))
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		subject := target.Subject
		if s.By != "" {
			subject.Detail = group
		}
		list = append(list, collectors.Reading{Subject: subject, Series: s.name(), Value: groups[group] * scale, Unit: s.Unit})
	}
	return list
}

// distinct leaves out the samples that tell again what another tells.
func (s Series) distinct(samples []Sample) []Sample {
	if len(samples) < 2 || len(s.Repeated) == 0 && s.Parts == "" {
		return samples
	}
	samples = slices.Clone(samples)
	slices.SortStableFunc(samples, func(a, b Sample) int {
		for _, label := range s.Repeated {
			if c := compareRanks(a.Labels[label], b.Labels[label]); c != 0 {
				return c
			}
		}
		return 0
	})
	// What is the total is decided among the lines of one rank.
	taken := make(map[string]bool)
	var kept []Sample
	for _, sample := range samples {
		if key := sample.without(s.Repeated); !taken[key] {
			taken[key] = true
			kept = append(kept, sample)
		}
	}
	if s.Parts == "" {
		return kept
	}
	totals := make(map[string]bool)
	for _, sample := range kept {
		if sample.Labels[s.Parts] == "" {
			totals[sample.without([]string{s.Parts})] = true
		}
	}
	return slices.DeleteFunc(kept, func(sample Sample) bool {
		return sample.Labels[s.Parts] != "" && totals[sample.without([]string{s.Parts})]
	})
}

// compareRanks orders ranks as numbers, and before what is no number.
func compareRanks(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	switch {
	case errX == nil && errY == nil:
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// without is the sample's key but for some labels.
func (s Sample) without(labels []string) string {
	rest := maps.Clone(s.Labels)
	for _, label := range labels {
		delete(rest, label)
	}
	return strings.Join(Sample{Labels: rest}.sorted(), ",")
}

// oldest gives the earliest moment that samples tell; zero if none does.
func oldest(samples []Sample) time.Time {
	var at time.Time
	for _, s := range samples {
		if !s.At.IsZero() && (at.IsZero() || s.At.Before(at)) {
			at = s.At
		}
	}
	return at
}
