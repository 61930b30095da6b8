package prometheus

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/results"
)

// A unit is a base unit and how many of it one of the page's is.
type unit struct {
	base  string
	scale float64
}

func units() map[string]unit {
	return map[string]unit{
		"1": {"1", 1}, "ratio": {"ratio", 1}, "percent": {"ratio", 1e-2},
		"s": {"s", 1}, "ms": {"s", 1e-3}, "us": {"s", 1e-6}, "ns": {"s", 1e-9},
		"B": {"B", 1}, "KiB": {"B", 1 << 10}, "MiB": {"B", 1 << 20}, "GiB": {"B", 1 << 30}, "B/s": {"B/s", 1},
		"W": {"W", 1}, "mW": {"W", 1e-3}, "J": {"J", 1}, "mJ": {"J", 1e-3},
		"Hz": {"Hz", 1}, "MHz": {"Hz", 1e6}, "°C": {"°C", 1},
	}
}

func unitNames() []string { return slices.Sorted(maps.Keys(units())) }

// declarations gives what a page declares its families to be, by name, from its
// "# TYPE" lines.
func declarations(text []byte) map[string]string {
	declared := make(map[string]string)
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) == 4 && words[0] == "#" && words[1] == "TYPE" {
			declared[words[2]] = words[3]
		}
	}
	return declared
}

// typeOf is what a page declares a series to be; empty if it declares nothing.
func typeOf(declared map[string]string, name string) string {
	if t := declared[name]; t != "" {
		return t
	}
	for _, suffix := range []string{"_sum", "_count"} {
		if family, ok := strings.CutSuffix(name, suffix); ok && (declared[family] == "histogram" || declared[family] == "summary") {
			return counter
		}
	}
	return ""
}

// take gives what a page tells of a series, in the order of the values of By.
func (s Series) take(p page.Page, declared map[string]string, subject results.Subject) ([]collectors.Reading, error) {
	samples := p[s.Name]
	if len(samples) == 0 {
		if s.Optional {
			return nil, nil
		}
		return nil, fmt.Errorf("the page does not tell %s", s.Name)
	}
	if t := typeOf(declared, s.Name); t != s.Type && (t == counter || t == gauge) {
		return nil, fmt.Errorf("%s is a %s by the page's word and a %s by the scenario's: nothing of it was taken", s.Name, t, s.Type)
	}
	groups := make(map[string][]float64)
	for _, one := range samples {
		if s.matches(one) {
			groups[one.Labels[s.By]] = append(groups[one.Labels[s.By]], one.Value)
		}
	}
	if len(groups) == 0 && !s.Optional {
		return nil, fmt.Errorf("no line of %s has the labels %v", s.Name, s.Labels)
	}
	var readings []collectors.Reading
	var wrong []string
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		reading := collectors.Reading{Subject: subject, Series: s.as(), Unit: units()[s.Unit].base, Value: s.fold(groups[group])}
		if s.By != "" {
			reading.Subject.Detail = group
		}
		if !s.possible(reading) {
			wrong = append(wrong, fmt.Sprint(reading.Value))
			continue
		}
		readings = append(readings, reading)
	}
	if len(wrong) > 0 {
		return readings, fmt.Errorf("%s (%s, %s) cannot be %s", s.Name, s.Type, s.Unit, strings.Join(wrong, ", "))
	}
	return readings, nil
}

func (s Series) matches(one page.Sample) bool {
	for name, value := range s.Labels {
		if one.Labels[name] != value {
			return false
		}
	}
	return true
}

// fold gives the sum or mean of lines, in the base unit.
func (s Series) fold(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	if s.Mean {
		sum /= float64(len(values))
	}
	return sum * units()[s.Unit].scale
}

// possible reports whether a series can have a value at all.
func (s Series) possible(r collectors.Reading) bool {
	switch {
	case math.IsNaN(r.Value), math.IsInf(r.Value, 0), s.Type == counter && r.Value < 0:
		return false
	case r.Unit == "ratio" && s.Type == gauge: // a counter of shares has no end
		return r.Value >= 0 && r.Value <= 1
	}
	return true
}
