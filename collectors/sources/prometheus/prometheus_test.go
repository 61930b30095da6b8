package prometheus

import (
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/results"
)

// pageText is a page that was made for these tests, as no one server's page has all of
// these traps. None is recorded and none transcribed.
func pageText(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/made.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func made(t testing.TB, series ...Series) collectors.Source {
	t.Helper()
	s, err := build(Config{Path: "/metrics", Series: series})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readText(t testing.TB, text string, series ...Series) (map[string]float64, error) {
	t.Helper()
	c, err := made(t, series...).Collector(collectors.Target{URL: "http://127.0.0.1:1", Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0"}})
	if err != nil {
		t.Fatal(err)
	}
	readings, err := c.(*collector).read([]byte(text), time.UnixMilli(1000_000))
	return sourcetest.Values(readings), err
}

func TestSeries(t *testing.T) {
	text := pageText(t)
	queued := Series{Name: "proxy_queued_requests", Unit: "1", Type: gauge}
	with := func(f func(*Series)) Series {
		s := queued
		f(&s)
		return s
	}
	latency := Series{Name: "proxy_latency_ms_sum", Unit: "ms", Type: counter}
	for _, c := range []struct {
		name   string
		series Series
		want   map[string]float64
		fault  string
	}{
		{"summed over all labels", queued, map[string]float64{"proxy_queued_requests": 3 + 4 + 5}, ""},
		{"averaged", with(func(s *Series) { s.Mean = true }), map[string]float64{"proxy_queued_requests": 4}, ""},
		{"one label's values apart", with(func(s *Series) { s.By = "deployment" }),
			map[string]float64{"proxy_queued_requests[Detector]": 7, "proxy_queued_requests[Captioner]": 5}, ""},
		{"filtered and renamed", with(func(s *Series) { s.Labels = map[string]string{"handle": "b"}; s.As = "queue:b" }),
			map[string]float64{"queue:b": 4}, ""},
		{"a filter that nothing passes", with(func(s *Series) { s.Labels = map[string]string{"handle": "z"} }), nil, "no line of proxy_queued_requests has the labels map[handle:z]"},
		{"a filter on a label that no line has", with(func(s *Series) { s.Labels = map[string]string{"pod": "z"} }), nil, "no line of"},
		{"such a filter, optional", with(func(s *Series) { s.Labels = map[string]string{"handle": "z"}; s.Optional = true }), nil, ""},
		{"a unit of its own", latency, map[string]float64{latency.Name: 12.5}, ""},
		{"no such series", Series{Name: "queue", Unit: "1", Type: gauge}, nil, "does not tell queue"},
		{"no such series, optional", Series{Name: "queue", Unit: "1", Type: gauge, Optional: true}, nil, ""},
		{"a gauge taken for a counter", with(func(s *Series) { s.Type = counter }), nil, "is a gauge by the page's word and a counter by the scenario's"},
		{"a histogram's sum taken for a gauge", with(func(s *Series) { *s = latency; s.Type = gauge }), nil, "is a counter by the page's word"},
		{"undeclared", Series{Name: "undeclared", Unit: "percent", Type: gauge}, map[string]float64{"undeclared": 0.25}, ""},
		{"a share above one", Series{Name: "undeclared", Unit: "ratio", Type: gauge}, nil, "undeclared (gauge, ratio) cannot be 25"},
		{"no number", Series{Name: "no_number", Unit: "1", Type: gauge}, nil, "cannot be NaN"},
		{"a negative counter", Series{Name: "negative", Unit: "1", Type: counter}, nil, "cannot be -1"},
		{"a negative gauge", Series{Name: "negative", Unit: "1", Type: gauge}, map[string]float64{"negative": -1}, ""},
	} {
		got, err := readText(t, text, c.series)
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.fault)
		}
	}
	// A series that is missing hides no other.
	got, err := readText(t, text, Series{Name: "queue", Unit: "1", Type: gauge}, queued)
	if err == nil || got[queued.Name] != 12 {
		t.Errorf("one missing beside one that is there: got %v, %v", got, err)
	}
}

// A page that tells the moments of its values tells its age; above page.MaxAge, 10 s, it is
// stale, and a moment that is yet to come tells nothing. Only what is taken counts.
func TestAge(t *testing.T) {
	const ages = "evabench:page_age_seconds"
	for _, c := range []struct {
		line  string
		want  map[string]float64
		stale bool
	}{
		{"a 1\n", map[string]float64{"a": 1}, false},
		{"a 1 990000\nb 1 1\n", map[string]float64{"a": 1, ages: 10}, false},
		{"a 1 989999\n", map[string]float64{ages: 10.001}, true},
		{"a{x=\"1\"} 1 999000\na{x=\"2\"} 1 995000\n", map[string]float64{"a": 2, ages: 5}, false},
		{"a 1 1000500\n", map[string]float64{"a": 1, ages: 0}, false},
		{"a 1 1001000\n", map[string]float64{"a": 1}, false},
	} {
		got, err := readText(t, c.line, Series{Name: "a", Unit: "1", Type: gauge})
		if !maps.Equal(got, c.want) || (err != nil) != c.stale || c.stale && !strings.Contains(err.Error(), "the page is stale") {
			t.Errorf("%q: got %v, %v, want %v, stale %v", c.line, got, err, c.want, c.stale)
		}
	}
}

func TestRefused(t *testing.T) {
	good := Series{Name: "a", Unit: "1", Type: gauge}
	for name, c := range map[string]struct {
		config Config
		fault  string
	}{
		"nothing":          {Config{Path: "/metrics"}, "names nothing"},
		"path":             {Config{Path: "metrics", Series: []Series{good}}, "begins with /"},
		"another host":     {Config{Path: "//host/x", Series: []Series{good}}, "no path of a page"},
		"no name":          {Config{Path: "/", Series: []Series{{Unit: "1", Type: gauge}}}, "no name"},
		"unit":             {Config{Path: "/", Series: []Series{{Name: "a", Unit: "minutes", Type: gauge}}}, "known: 1, B, B/s"},
		"type":             {Config{Path: "/", Series: []Series{{Name: "a", Unit: "1"}}}, "counter or gauge"},
		"mean of counters": {Config{Path: "/", Series: []Series{{Name: "a", Unit: "1", Type: counter, Mean: true}}}, "means nothing"},
		"buckets":          {Config{Path: "/", Series: []Series{{Name: "a_bucket", Unit: "1", Type: counter}}}, "_sum and _count"},
		"by a fixed label": {Config{Path: "/", Series: []Series{{Name: "a", Unit: "1", Type: gauge, By: "x", Labels: map[string]string{"x": "1"}}}}, "keeps nothing apart"},
		"twice":            {Config{Path: "/", Series: []Series{good, good}}, "recorded already"},
	} {
		if _, err := build(c.config); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q", name, err, c.fault)
		}
	}
}

func TestConformance(t *testing.T) {
	text := pageText(t)
	sourcetest.Page(t, made(t, Series{Name: "proxy_queued_requests", Unit: "1", Type: gauge, By: "deployment"}),
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metrics" {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, text)
		}))
}

// Whatever a page says, it is refused or gives readings that can be.
func FuzzRead(f *testing.F) {
	f.Add([]byte(pageText(f)))
	for _, text := range []string{"", "{}", "a NaN\n", "# TYPE a counter\na -1\n", "# TYPE a histogram\na_sum 1\na_count 1\n", "# TYPE a\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := made(t, Series{Name: "a", Unit: "percent", Type: gauge, By: "x"}, Series{Name: "a_sum", Unit: "ms", Type: counter, Optional: true}).
			Collector(collectors.Target{URL: "http://127.0.0.1:1", Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "agent-0"}})
		if err != nil {
			t.Fatal(err)
		}
		readings, err := c.(*collector).read(text, time.UnixMilli(1000_000))
		if err == nil && len(readings) == 0 {
			t.Error("neither readings nor an error, though a is needed")
		}
		if len(readings) > 0 {
			sourcetest.Readings(t, readings)
		}
	})
}
