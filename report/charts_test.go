package report

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// summaries reads every Summary that tests have written, by its file's name.
func summaries(t *testing.T) map[string]*analysis.Summary {
	t.Helper()
	files, err := filepath.Glob("../analysis/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*analysis.Summary{}
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s analysis.Summary
		if err := json.Unmarshal(text, &s); err != nil || len(s.Cells) == 0 {
			continue // of another kind
		}
		all[filepath.Base(file)] = &s
	}
	if len(all) < 3 || all["summary.json"] == nil {
		t.Fatalf("%d summaries", len(all))
	}
	all["summary.json"] = coupled(all["summary.json"])
	return all
}

// coupled adds a frontier and interference to a Summary, with numbers of their own.
func coupled(s *analysis.Summary) *analysis.Summary {
	value := func(v float64) analysis.Value { return analysis.Value{Number: &v, Unit: "1"} }
	s.Frontiers = []analysis.Frontier{
		{Config: "off", Points: []analysis.FrontierPoint{{Vision: value(3.25), Agent: value(70.5)}, {Vision: value(9.75), Agent: value(11.5), Best: true}}},
		{Config: "mps", Points: []analysis.FrontierPoint{{Vision: value(4.25), Agent: value(80.5), Best: true}, {Vision: value(5.25), Agent: analysis.Value{Why: "untold"}}}},
	}
	for _, config := range []string{"off", "mps"} {
		i := analysis.Interference{Config: config, Victim: "agent", Neighbour: "vision"}
		for _, load := range []float64{0, 21.5, 43.5} {
			effect := analysis.Effect{Value: value(load / 8), Low: value(load / 16), High: value(load / 4)}
			i.Points = append(i.Points, analysis.InterferencePoint{Load: value(load), Quantile: 0.9, Inflation: effect, Loss: analysis.Effect{Value: value(load / 32)}})
		}
		s.Interference = append(s.Interference, i)
	}
	return s
}

// numbersOf gives all numbers that a Summary's JSON holds.
func numbersOf(t *testing.T, s *analysis.Summary) map[float64]bool {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	all := map[float64]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case float64:
			all[v] = true
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(root)
	return all
}

func chartsOf(d *Document) []Chart {
	var all []Chart
	for _, s := range d.Sections {
		all = append(all, s.Charts...)
	}
	return all
}

// Every point is at numbers of the Summary; only a course's x is reckoned, of parts,
// a curve's, of shares, and a bar's, which is its place.
func TestChartsHoldNumbersOfTheSummary(t *testing.T) {
	kinds := map[string]int{}
	for file, s := range summaries(t) {
		known := numbersOf(t, s)
		shares := map[float64]bool{}
		for _, p := range places(s) {
			for _, c := range p.service.Curve {
				shares[1/(1-c.Share)] = true
			}
		}
		for _, c := range chartsOf(Build(s)) {
			kinds[c.Kind]++
			for _, series := range c.Series {
				for i, p := range series.Points {
					var ok bool
					switch {
					case c.X.Names != nil:
						ok = p.X >= 0 && p.X < float64(len(c.X.Names)) && p.X == math.Trunc(p.X)
					case c.Kind == ChartCourse:
						ok = i == 0 || math.Abs(p.X/series.Points[1].X-float64(i)) < 1e-9 && known[series.Points[1].X]
					default:
						ok = known[p.X] || strings.HasPrefix(c.ID, "chart-curve-") && shares[p.X]
					}
					for _, v := range []*float64{&p.Y, p.Low, p.High} {
						ok = ok && (v == nil || known[*v])
					}
					if !ok {
						t.Errorf("%s: %s, %s: point %+v is not of the Summary", file, c.ID, series.Name, p)
					}
					if c.X.Log && p.X <= 0 || c.Y.Log && p.Y <= 0 {
						t.Errorf("%s: %s: %+v has no logarithm", file, c.ID, p)
					}
				}
			}
			for _, l := range c.Limits {
				if !known[l.At] {
					t.Errorf("%s: %s: limit %+v is not of the Summary", file, c.ID, l)
				}
			}
			if c.Heat != nil {
				checkHeat(t, c, known)
			}
		}
	}
	for _, kind := range []string{ChartLines, ChartScatter, ChartHeat, ChartBars, ChartCourse} {
		if kinds[kind] == 0 {
			t.Errorf("no chart of kind %s in any Summary", kind)
		}
	}
}

func checkHeat(t *testing.T, c Chart, known map[float64]bool) {
	t.Helper()
	h := c.Heat
	if len(h.X) != len(h.Y) || len(h.X) != len(h.Counts) || len(h.X) == 0 {
		t.Fatalf("%s: %d x, %d y, %d counts", c.ID, len(h.X), len(h.Y), len(h.Counts))
	}
	for i := range h.X {
		if h.X[i] < 0 || h.X[i]+1 >= len(h.XBounds) || h.Y[i] < 0 || h.Y[i]+1 >= len(h.YBounds) || !known[float64(h.Counts[i])] {
			t.Errorf("%s: cell %d: %d, %d, %d", c.ID, i, h.X[i], h.Y[i], h.Counts[i])
		}
	}
	for _, b := range h.YBounds {
		if !known[b] {
			t.Errorf("%s: bound %v is not of the Summary", c.ID, b)
		}
	}
}

func TestChartsHaveNamesOfTheirOwn(t *testing.T) {
	for file, s := range summaries(t) {
		d := Build(s)
		seen := map[string]bool{}
		first := 0
		for _, section := range d.Sections {
			for _, table := range section.Tables {
				seen[table.ID] = true
			}
		}
		for _, c := range chartsOf(d) {
			if seen[c.ID] || c.ID == "" || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Errorf("%s: name %q", file, c.ID)
			}
			seen[c.ID] = true
			if !c.Detail {
				first++
			}
			if c.Title == "" || c.Asks == "" {
				t.Errorf("%s: %s asks nothing", file, c.ID)
			}
		}
		configs := len(d.Summary.Comparison) > 0 && len(d.Summary.Comparison[0].Rows) > 1
		if first == 0 && configs || first > chartsFirst {
			t.Errorf("%s: %d charts on the first level", file, first)
		}
		if again := chartsOf(Build(s)); !reflect.DeepEqual(again, chartsOf(d)) {
			t.Errorf("%s: other charts the second time", file)
		}
	}
}

// The made-up run: the lines across are the objectives', and an unknown value is no
// point.
func TestChartsLeaveUnknownOut(t *testing.T) {
	s := summaries(t)["summary.json"]
	count := func() (limits, points int) {
		for _, c := range chartsOf(Build(s)) {
			if strings.HasPrefix(c.ID, "chart-latency-p95-") {
				limits += len(c.Limits)
				for _, series := range c.Series {
					points += len(series.Points)
				}
			}
		}
		return limits, points
	}
	limits, before := count()
	if limits == 0 || before < 2 {
		t.Fatalf("%d limits and %d points", limits, before)
	}
	for i := range s.Cells {
		for j := range s.Cells[i].Steps {
			for k := range s.Cells[i].Steps[j].Services {
				d := &s.Cells[i].Steps[j].Services[k].Total.Latency
				at := slices.IndexFunc(d.Quantiles, func(q analysis.Quantile) bool { return q.Q == 0.95 && q.Known() })
				if at >= 0 {
					d.Quantiles[at].Value = analysis.Value{Unit: "s", Why: "too few"}
					if _, after := count(); after != before-1 {
						t.Errorf("%d points with one unknown, want %d", after, before-1)
					}
					return
				}
			}
		}
	}
}
