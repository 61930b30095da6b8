package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"
)

// readPage reads a metrics page with Prometheus' own reader: samples by
// name{label=value,…}, labels sorted and without the host's name.
func readPage(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	w := call(h, "GET", "/metrics", "", "")
	if w.Code != http.StatusOK {
		t.Fatalf("metrics: %d", w.Code)
	}
	parser := expfmt.NewTextParser(prom.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bufio.NewReader(bytes.NewReader(w.Body.Bytes())))
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Body)
	}
	samples := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.Metric {
			labels := labelText(m)
			switch {
			case m.Histogram != nil:
				samples[name+"_sum"+labels] = m.Histogram.GetSampleSum()
				samples[name+"_count"+labels] = float64(m.Histogram.GetSampleCount())
				samples[name+"_lowest"+labels] = m.Histogram.Bucket[0].GetUpperBound()
			case m.Counter != nil:
				samples[name+labels] = m.Counter.GetValue()
			default:
				samples[name+labels] = m.Gauge.GetValue()
			}
		}
	}
	return samples
}

func labelText(m *dto.Metric) string {
	var labels []string
	for _, l := range m.Label {
		if !strings.EqualFold(l.GetName(), "hostname") {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
	}
	if len(labels) == 0 {
		return ""
	}
	slices.Sort(labels)
	return fmt.Sprintf("{%s}", strings.Join(labels, ","))
}

// checkPage reads a page and compares some of its samples.
func checkPage(t *testing.T, h http.Handler, want map[string]float64) map[string]float64 {
	t.Helper()
	got := readPage(t, h)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[name]; !ok || math.Abs(v-want[name]) > 1e-9*max(1, math.Abs(want[name])) {
			t.Errorf("%s is %v (on the page: %v), want %v", name, v, ok, want[name])
		}
	}
	return got
}
