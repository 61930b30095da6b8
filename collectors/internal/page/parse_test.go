package page

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// byExpfmt reads a page with Prometheus' own parser, as key → value.
func byExpfmt(text []byte) (found map[string]float64, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			found, err = nil, errors.New("it panicked")
		}
	}()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	found = make(map[string]float64)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			put(found, name, m)
		}
	}
	return found, nil
}

func put(found map[string]float64, name string, m *dto.Metric) {
	s := Sample{Labels: make(map[string]string)}
	for _, l := range m.GetLabel() {
		s.Labels[l.GetName()] = l.GetValue()
	}
	add := func(name string, value float64) { found[name+"{"+s.key()+"}"] = value }
	switch {
	case m.Counter != nil:
		add(name, m.GetCounter().GetValue())
	case m.Gauge != nil:
		add(name, m.GetGauge().GetValue())
	case m.Untyped != nil:
		add(name, m.GetUntyped().GetValue())
	case m.Histogram != nil && m.Histogram.SampleSum != nil && m.Histogram.SampleCount != nil:
		add(name+"_sum", m.GetHistogram().GetSampleSum())
		add(name+"_count", float64(m.GetHistogram().GetSampleCount()))
	case m.Summary != nil && m.Summary.SampleSum != nil && m.Summary.SampleCount != nil:
		add(name+"_sum", m.GetSummary().GetSampleSum())
		add(name+"_count", float64(m.GetSummary().GetSampleCount()))
	}
}

// byUs reads a page with our parser, as key → value.
func byUs(text []byte) (map[string]float64, error) {
	p, err := Parse(text)
	found := make(map[string]float64)
	for name, samples := range p {
		for _, s := range samples {
			found[name+"{"+s.key()+"}"] = s.Value
		}
	}
	return found, err
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func pages(t testing.TB) []string {
	t.Helper()
	files, _ := filepath.Glob("../../sources/*/testdata/*.txt")
	routers, _ := filepath.Glob("testdata/*.txt")
	files = append(files, routers...)
	if len(files) < 15 {
		t.Fatalf("only %d pages", len(files))
	}
	return files
}

// On every page of the tests, the two parsers find the same.
func TestAgainstExpfmt(t *testing.T) {
	samples := 0
	for _, file := range pages(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 {
			continue
		}
		got, err := byUs(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		want, err := byExpfmt(text)
		if err != nil {
			t.Errorf("%s: expfmt: %v", file, err)
		}
		if !maps.EqualFunc(got, want, same) {
			t.Errorf("%s: got %v\nwant %v", file, got, want)
		}
		samples += len(got)
	}
	t.Logf("%d pages, %d samples", len(pages(t)), samples)
}

// Lines that are no page's, each beside one that is.
func TestLines(t *testing.T) {
	for good, bad := range map[string][]string{
		"a 1\n":                               {"a\n", "a one\n", "1a 1\n", "a 1 2 3\n", "a 1 x\n", "a 1 1.5\n", "a 0x1p3\n", "a 1_000\n", "a 1", "-a 1\n"},
		"a{} 1\n":                             {"{} 1\n", "a{ 1\n", "a} 1\n", "a{b} 1\n", "a{,} 1\n"},
		"a{b=\"c\",} 1\n":                     {"a{b=\"c\",,} 1\n", "a{b=\"c\" d=\"e\"} 1\n", "a{b=\"c} 1\n", "a{b=c} 1\n", "a{b=\"c\\\"} 1\n", "a{b=\"\\t\"} 1\n"},
		"a{b=\"\\\\\\\"\\n\"} 1\n":            {"a{b=\"\\", "a{b=\"x", "a{b=\"1\",b=\"2\"} 1\n", "a{__name__=\"b\"} 1\n", "a{b=\"\xff\"} 1\n", "a{b:c=\"1\"} 1\n"},
		"# TYPE a gauge\na 1 1732104000000\n": {"# TYPE a gauges\na 1\n", "# TYPE a gauge\n# TYPE a gauge\na 1\n", "# TYPE 1 gauge\na 1\n", "# TYPE a\na 1\n", "# TYPE a\fgauge\na 1\n"},
		" a 1\na{b=\"1\"} +Inf\na{b=\"2\"} NaN\n": {"a 1\na 1\n", "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 1\n"},
	} {
		if _, err := Parse([]byte(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
		for _, text := range bad {
			if p, err := Parse([]byte(text)); err == nil {
				t.Errorf("%q: got %v", text, p)
			}
		}
	}
	p, err := Parse([]byte("a{b=\"\\\\\\\"\\n\"} 1\n"))
	if err != nil || p["a"][0].Labels["b"] != "\\\"\n" {
		t.Errorf("escapes: got %v, %v", p, err)
	}
}

// partsType is a line that gives a family a type of several parts. Blanks are not needed
// after the #, and there are no others than the space and the tab.
var partsType = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*TYPE[ \t]+[^ \t\n]+[ \t]+(histogram|summary)`)

// A page is refused, or what both parsers take they take alike, and sums are finite;
// nothing panics.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"a 1\n", "{}", "# TYPE a histogram\na_sum 1\na_count 2\n", "a{b=\"c\"} NaN\n", strings.Repeat("a 1\n", 2), "{\"a\"} 1\n",
		"# TYPE a summary\na{quantile=\"0.5\"} 1\na_sum{x=\"\\n\"} 1 5\na_count{x=\"\\n\"} 2\n", "a{b=\"c\",} +Inf 1\n",
		"#\fTYPE a histogram\nb 1\na_count 1\n", "#TYPE a counter\na 1\n", "#\t TYPE a\tgauge\na 1\n", "#TYPE a histogram\na_sum{le=\"1\"} 1\na_count{le=\"1\"} 2\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if len(p) == 0 {
			t.Fatal("no samples and no error")
		}
		for name := range p {
			for _, v := range p.Values(name, "", false) {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s: %v", name, v)
				}
			}
		}
		_ = RefuseRouter(p)
		got, _ := byUs(text)
		want, err := byExpfmt(text)
		if err != nil || partsType.Match(text) {
			return // what parts of histograms belong together is theirs to guess
		}
		if !maps.EqualFunc(got, want, same) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// What of a page's samples a series takes does not depend on the order of its lines.
func FuzzDistinct(f *testing.F) {
	f.Add("0,0,,1;1,0,,2;1,1,,2;0,0,5,1", uint8(1))
	f.Fuzz(func(t *testing.T, text string, turn uint8) {
		var samples []Sample
		for line := range strings.SplitSeq(text, ";") {
			part := strings.Split(line, ",")
			if len(part) != 4 || len(samples) > 20 {
				return
			}
			samples = append(samples, Sample{Labels: map[string]string{"dp": part[0], "tp": part[1], "priority": part[2]}, Value: float64(len(part[3]))})
		}
		if (Page{"a": samples}).once() != nil {
			return // a page has no line twice
		}
		s := Series{Names: []string{"a"}, Repeated: []string{"tp"}, Parts: "priority"}
		turned := slices.Clone(samples)
		slices.Reverse(turned)
		k := int(turn) % len(turned)
		turned = append(slices.Clone(turned[k:]), turned[:k]...)
		a, b := fmt.Sprint(values(s.distinct(samples), "dp", false)), fmt.Sprint(values(s.distinct(turned), "dp", false))
		if a != b {
			t.Errorf("got %v, turned %v", a, b)
		}
	})
}

// BenchmarkParse compares the two parsers on the newest vLLM page.
func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile("../../sources/vllm/testdata/transcribed-v029.txt")
	if err != nil {
		b.Fatal(err)
	}
	for name, parse := range map[string]func([]byte) (map[string]float64, error){
		"ours":   func(text []byte) (map[string]float64, error) { _, err := Parse(text); return nil, err },
		"expfmt": byExpfmt,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
