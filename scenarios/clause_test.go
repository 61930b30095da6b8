package scenarios

import (
	"errors"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

func TestParseClause(t *testing.T) {
	for _, c := range []struct {
		text string
		want results.Clause
	}{
		{"p95 < 300 ms", results.Clause{Metric: "latency", Quantile: 0.95, Op: "<", Limit: 0.3, Unit: "s"}},
		{"latency p99.9<=1.5s", results.Clause{Metric: "latency", Quantile: 0.999, Op: "<=", Limit: 1.5, Unit: "s"}},
		{"p50 < 2 min", results.Clause{Metric: "latency", Quantile: 0.5, Op: "<", Limit: 120, Unit: "s"}},
		{"p50 < 700 us", results.Clause{Metric: "latency", Quantile: 0.5, Op: "<", Limit: 0.0007, Unit: "s"}},
		{"ttft p90 < 5 s", results.Clause{Metric: "ttft", Quantile: 0.9, Op: "<", Limit: 5, Unit: "s"}},
		{"errors <= 0 %", results.Clause{Metric: "errors", Op: "<=", Limit: 0, Unit: "ratio"}},
		{"errors < 0.7 %", results.Clause{Metric: "errors", Op: "<", Limit: 0.007, Unit: "ratio"}},
		{"queue <= 4", results.Clause{Metric: "queue", Op: "<=", Limit: 4, Unit: "1"}},
		{"tokens/s >= 100", results.Clause{Metric: "tokens_per_second", Op: ">=", Limit: 100, Unit: "1/s"}},
		{"rt-detrv2: p95 < 300 ms", results.Clause{Metric: "latency", Quantile: 0.95, Class: "rt-detrv2", Op: "<", Limit: 0.3, Unit: "s"}},
		{"qwen3:8b: ttft p90 < 5 s", results.Clause{Metric: "ttft", Quantile: 0.9, Class: "qwen3:8b", Op: "<", Limit: 5, Unit: "s"}},
		{"p99 < 60 s", results.Clause{Metric: "latency", Quantile: 0.99, Op: "<", Limit: 60, Unit: "s"}},
	} {
		c.want.Text = c.text
		if got, err := ParseClause(c.text); err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
}

func TestParseClauseRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		want   string
	}{
		{"", 1, `"" is no SLO clause`},
		{"fast", 1, `"fast" is no SLO clause`},
		{"p95 < 300", 10, "p95 needs a unit"},
		{"p95 < 300 mb", 11, `"mb" is the wrong unit for p95`},
		{"  p95 < 300 %", 13, `"%" is the wrong unit for p95`},
		{"ttft p90 < 5 min/s", 14, `"min/s" is the wrong unit for ttft p90`},
		{"ttft < 5 s", 1, "ttft needs a percentile"},
		{"queue <= 4 ms", 12, `queue takes no unit, not "ms"`},
		{"errors <= 0", 12, "errors needs a unit"},
		{"errors <= 100.1 %", 11, "a share of errors is at most 100 %"},
		{"errors >= 1 %", 8, "errors takes < or <=, not >="},
		{"tokens/s < 5", 10, "tokens/s takes > or >=, not <"},
		{"p95 = 300 ms", 5, "latency takes < or <=, not ="},
		{"p0 < 300 ms", 1, "p0 is no percentile between 0 and 100"},
		{"p95 < 0 ms", 7, "a limit on time is above 0"},
		{"errors < 0 %", 8, "nothing is less than 0: no load can meet it"},
		{"owl: latenzy < 3 s", 6, `unknown metric "latenzy"`},
		{"errors < 1e9 %", 11, ""},
	} {
		got, err := ParseClause(c.text)
		e, ok := errors.AsType[*ClauseError](err)
		if !ok {
			t.Errorf("%q: got %+v, %v, want %q", c.text, got, err, c.want)
		} else if c.want != "" && (e.Text != c.want || e.Column != c.column) {
			t.Errorf("%q: got %q at %d, want %q at %d", c.text, e.Text, e.Column, c.want, c.column)
		}
	}
}

// Each clause that is refused for its operator, unit or metric shows one that could be meant.
func TestClauseHints(t *testing.T) {
	for text, want := range map[string]string{
		"p95 < 300":            "write p95 < 300 ms; units that fit: s, ms, us, min",
		"errors <= 0":          "write errors <= 0 %",
		"queue <= 4 ms":        "write queue <= 4",
		"owl: tokens/s < 5":    "write owl: tokens/s > 5",
		"p99 > 1s":             "write p99 < 1s",
		"ttft p90 < 0 s":       "such as ttft p90 < 300 ms",
		"throughput >= 20":     "take it out: answers a second are what evabench finds, at the loads of levels or of a search; what can be limited, for example: p95 < 300 ms, ttft p90 < 5 s, errors <= 0 %, queue <= 4, tokens/s >= 100",
		"token/s >= 20":        "did you mean tokens/s? known: latency, ttft, errors, queue, tokens/s",
		"owl: req/s >= 20 1/s": "take it out: answers a second are what evabench finds, ",
	} {
		_, err := ParseClause(text)
		if e, ok := errors.AsType[*ClauseError](err); !ok || !strings.HasPrefix(e.Hint, want) {
			t.Errorf("%q: got %v with hint %q, want %q", text, err, e.Hint, want)
		}
	}
}

func FuzzParseClause(f *testing.F) {
	for _, text := range []string{"p95 < 300 ms", " rt: ttft p99.9 <= 0.1 min", "errors <= 0.007 %", "queue <= 4", "a: tokens/s >= 100", "p95 < 300 mb", "p5 < 123456789012.123456789us", "é: p95<1s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseClause(text)
		if err != nil {
			if e, ok := errors.AsType[*ClauseError](err); !ok || e.Column < 1 || e.Text == "" {
				t.Fatalf("%q: an error without a place: %v", text, err)
			}
			return
		}
		if again, err := ParseClause(c.Text); err != nil || again != c {
			t.Fatalf("%q: its Text gives %+v, %v, want %+v", text, again, err, c)
		}
		written := FormatClause(c)
		again, err := ParseClause(written)
		again.Text = c.Text
		if err != nil || again != c {
			t.Fatalf("%q is written %q, which gives %+v, %v, want %+v", text, written, again, err, c)
		}
	})
}
