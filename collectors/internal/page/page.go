package page

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A Page is what a page in the Prometheus text format held: its samples by
// their exact names. A histogram or summary gives its _sum and _count only.
// A Page is read only.
type Page map[string][]Sample

// A Sample is one line of a Page.
type Sample struct {
	Labels map[string]string
	Value  float64 // may be NaN
}

// Parse reads a page. A page that is broken anywhere, that names one sample
// twice, or that has no sample at all is an error.
func Parse(text []byte) (Page, error) {
	families, err := families(text)
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	page := make(Page)
	for _, name := range slices.Sorted(maps.Keys(families)) {
		for _, m := range families[name].GetMetric() {
			page.add(name, m)
		}
	}
	if len(page) == 0 {
		return nil, errors.New("parse page: it has no samples: no evidence")
	}
	if err := page.once(); err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	return page, nil
}

// families parses the text. The library's parser panics on some broken pages,
// "{}" among them (expfmt 0.66): that is the page's fault.
func families(text []byte) (found map[string]*dto.MetricFamily, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			found, err = nil, errors.New("it is not in the Prometheus text format")
		}
	}()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(text))
}

func (p Page) add(name string, m *dto.Metric) {
	labels := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	put := func(name string, value float64) { p[name] = append(p[name], Sample{labels, value}) }
	switch {
	case m.Counter != nil:
		put(name, m.GetCounter().GetValue())
	case m.Gauge != nil:
		put(name, m.GetGauge().GetValue())
	case m.Untyped != nil:
		put(name, m.GetUntyped().GetValue())
	case m.Histogram != nil:
		h := m.GetHistogram()
		if h.SampleSum != nil && h.SampleCount != nil {
			put(name+"_sum", h.GetSampleSum())
			put(name+"_count", float64(h.GetSampleCount()))
		}
	case m.Summary != nil:
		s := m.GetSummary()
		if s.SampleSum != nil && s.SampleCount != nil {
			put(name+"_sum", s.GetSampleSum())
			put(name+"_count", float64(s.GetSampleCount()))
		}
	}
}

// once checks that no sample is there twice: a sum would count it twice.
func (p Page) once() error {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		seen := make(map[string]bool)
		for _, s := range p[name] {
			var key strings.Builder
			for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
				key.WriteString(strconv.Quote(label) + "=" + strconv.Quote(s.Labels[label]) + ",")
			}
			if seen[key.String()] {
				return fmt.Errorf("%s{%s} is there twice", name, key.String())
			}
			seen[key.String()] = true
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
	sums, counts := make(map[string]float64), make(map[string]float64)
	for _, s := range p[name] {
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
