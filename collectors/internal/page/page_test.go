package page

import (
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/trust"
)

func TestParse(t *testing.T) {
	p, err := Parse([]byte(`# TYPE h histogram
h_bucket{le="1"} 2
h_bucket{le="+Inf"} 3
h_sum 4.5
h_count 3
# TYPE half histogram
half_bucket{le="+Inf"} 3
# TYPE sumless histogram
sumless_count 3
# TYPE countless histogram
countless_sum{a="x"} 3
countless_count{a="y"} 3
# TYPE s summary
s{quantile="0.5"} 1
s_sum 2
s_count 2
untyped{a="x"} 1
untyped{a="y"} 2
# TYPE nan gauge
nan{a="x"} NaN
nan{a="y"} 1
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, by, group string
		mean            bool
		want            float64
		ok              bool
	}{
		{"h_sum", "", "", false, 4.5, true},
		{"h_count", "", "", false, 3, true},
		{"half_sum", "", "", false, 0, false}, // not told: not zero
		{"half_count", "", "", false, 0, false},
		{"sumless_count", "", "", false, 0, false},
		{"countless_sum", "", "", false, 0, false},
		{"countless_count", "", "", false, 0, false},
		{"s_sum", "", "", false, 2, true},
		{"untyped", "", "", false, 3, true},
		{"untyped", "", "", true, 1.5, true},
		{"untyped", "a", "y", false, 2, true},
		{"untyped", "a", "z", false, 0, false},
		{"nan", "", "", false, 0, false}, // one unknown makes the sum unknown
		{"nan", "a", "y", false, 1, true},
		{"nan", "a", "x", false, 0, false},
		{"absent", "", "", false, 0, false},
	} {
		got, ok := p.Values(c.name, c.by, c.mean)[c.group]
		if got != c.want || ok != c.ok {
			t.Errorf("%s by %q, group %q: got %v, %v, want %v, %v", c.name, c.by, c.group, got, ok, c.want, c.ok)
		}
	}
}

func TestCollectorURL(t *testing.T) {
	for url, want := range map[string]string{
		"http://h:1":             "http://h:1/metrics",
		"http://h:1/":            "http://h:1/metrics",
		"http://h:1/metrics":     "http://h:1/metrics",
		"http://h:1/metrics/":    "http://h:1/metrics",
		"http://h:1/v1":          "http://h:1/metrics",
		"https://h/engine-0/v1/": "https://h/engine-0/metrics",
	} {
		c, err := NewCollector(collectors.Target{URL: url}, trust.Access{}, nil, nil)
		if err != nil || c.Getter.base+c.Path != want {
			t.Errorf("%s: got %+v, %v, want %s", url, c, err, want)
		}
	}
}
