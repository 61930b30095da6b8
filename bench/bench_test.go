package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// TestSteady: a load's beginning, its end and what comes before do not count.
func TestSteady(t *testing.T) {
	// One request long before; 100 a part for 10 parts, with a slow first and last 3.
	parts := []int64{1, 0, 0, 50, 100, 100, 100, 100, 100, 100, 30, 20, 10}
	if got := steady(stub.Stats{Parts: parts}); got != 1000 {
		t.Errorf("100 each 100 ms: %v a second", got)
	}
	for _, parts := range [][]int64{nil, {0, 0}, {100, 100, 100, 100, 100, 100, 100, 100}} {
		if got := steady(stub.Stats{Parts: parts}); !math.IsNaN(got) {
			t.Errorf("%v: %v a second, want unknown", parts, got)
		}
	}
}

// TestOnGrid: arrivals each 1 ms, one in ten of them 0.3 ms late, from the second
// second on.
func TestOnGrid(t *testing.T) {
	var seen []stub.Arrival
	for i := range int64(3000) {
		at := 5_000_000_000 + i*1_000_000
		if i%10 == 0 {
			at += 300_000
		}
		seen = append(seen, stub.Arrival{First: at})
	}
	r := onGrid(seen, 1000)
	if r.N < 1990 || r.N > 2000 || r.P50 != 0 || r.P99 != 300*time.Microsecond || r.Max != 300*time.Microsecond || math.Abs(r.Achieved-1000) > 1 {
		t.Errorf("got %+v", r)
	}
	if r := onGrid(seen[:10], 1000); r.N != 0 {
		t.Errorf("10 arrivals give %+v", r)
	}
}

// TestTruth against figures made by hand: of 2000 arrivals in a period of 10 s,
// 400 fall into the stall and 4 just before it, so that their answer does. From the
// latest on, two each take 2.020, 2.015, 2.010 and 2.005 s (one before the stall,
// one in it), then one each 2.000, 1.995, … The quantile 0.999 is the 1998th, the 3rd
// from the end; 0.99 the 1980th, the 21st: 2.000 − 12 × 0.005 s.
func TestTruth(t *testing.T) {
	g := groups(false)[5]
	got := truth(g)
	want := map[float64]float64{0.5: 0.020, 0.99: 1.940, 0.999: 2.015}
	for q, w := range want {
		if math.Abs(got[q]-w) > 1e-6 {
			t.Errorf("quantile %v is %v, want %v", q, got[q], w)
		}
	}
}

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		in   []float64
		want string
	}{
		{nil, "–"}, {[]float64{nan}, "–"}, {[]float64{2}, "2.0"}, {[]float64{3, nan, 1, 2}, "2.0 [1.0–3.0]"}, {[]float64{4, 1, 2, 3}, "2.5 [1.0–4.0]"},
	} {
		if got := spreadOf(c.in).told("%.1f", 1); got != c.want {
			t.Errorf("%v: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestRatio(t *testing.T) {
	ours := []reading{{perSecond: 30}, {perSecond: 20}, {perSecond: 10}}
	theirs := []reading{{perSecond: 10}, {perSecond: 10}}
	if got := ratio(ours, theirs, perSecond); got != "2.50 [2.00–3.00]" {
		t.Errorf("got %q", got)
	}
}

// TestTables: each group has its table, and what went wrong stands in it.
func TestTables(t *testing.T) {
	b := &bench{clients: []client{{name: "evabench", version: "v1"}, {name: "wrk", version: "wrk 4"}}, groups: groups(false)}
	for i := range b.groups {
		b.groups[i].readings = map[string][]reading{
			"evabench": {{perSecond: 1234, cpu: 1e-5, lost: 3, streams: &results.StreamRoof{PerSecond: 99_000}}},
			"wrk":      {{perSecond: 617, cpu: 2e-5, fault: "it broke"}},
		}
	}
	got := b.tables(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for _, g := range b.groups {
		if !strings.Contains(got, "### "+g.title) {
			t.Errorf("there is no table of %q", g.title)
		}
	}
	for _, want := range []string{"evabench (v1); wrk (4)", "| wrk | 617 | 2.00 | 20.0 | 2.00 |", "| evabench | 99000 |", "wrk, repetition 1: it broke", "evabench, repetition 1: 3 requests without"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestPut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.md")
	b := &bench{options: options{write: file}}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("a\n%s\nold\n%s\nb\n", beginMark, endMark))
	if err := b.put("new\n"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if want := fmt.Sprintf("a\n%s\n\nnew\n\n%s\nb\n", beginMark, endMark); err != nil || string(text) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
	write("nothing")
	if b.put("new") == nil {
		t.Error("a file without the lines is written")
	}
}

func TestChoose(t *testing.T) {
	b := &bench{options: options{only: "get,stall"}}
	if err := b.choose(); err != nil || len(b.groups) != 2 || b.groups[0].name != "get" || b.groups[1].name != "stall" {
		t.Errorf("got %v, %v", b.groups, err)
	}
	if (&bench{options: options{only: "get,x"}}).choose() == nil {
		t.Error("an unknown group is taken")
	}
	if err := (&bench{}).choose(); err != nil {
		t.Error(err)
	}
}

// TestQuantilesOfOthers reads what the others write.
func TestQuantilesOfOthers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fortio.json": `{"DurationHistogram":{"Percentiles":[{"Percentile":50,"Value":0.001},{"Percentile":99,"Value":0.5},{"Percentile":99.9,"Value":1.5}]}}`,
		"k6.json":     `{"metrics":{"http_req_duration":{"p(50)":1,"p(99)":500,"p(99.9)":1500},"root":{"x":"y"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := map[float64]float64{0.5: 0.001, 0.99: 0.5, 0.999: 1.5}
	for name, read := range map[string]func(string, string) (map[float64]float64, error){"fortio": fortioQuantiles, "k6": k6Quantiles} {
		got, err := read("", dir)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}
