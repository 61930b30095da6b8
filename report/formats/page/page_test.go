package page

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

var update = flag.Bool("update", false, "write testdata anew")

func written(t *testing.T, d *report.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// read gives the document of a Summary that package analysis' tests wrote.
func read(t *testing.T, name string) *report.Document {
	t.Helper()
	text, err := os.ReadFile("../../../analysis/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return report.Build(&s)
}

func pointer(v float64) *float64 { return &v }

// small has one of everything that a page can hold.
func small() *report.Document {
	return &report.Document{
		Title: "evabench: small", Banner: "SIMULATED: by hand.",
		Headline: []report.Answer{
			{Asks: "Which configuration?", Says: "off-mps", Notes: []string{"For all services together."}},
			{Asks: "How sure?", Says: "Not sure", Doubt: true},
		},
		Sections: []report.Section{{
			Title: "First", Notes: []string{"A note."},
			Tables: []report.Table{{
				ID: "one", Title: "One", Notes: []string{"Of the table."},
				Columns: []report.Column{{Name: "Name"}, {Name: "Load", Unit: "req/s", Align: report.Right}, {Name: "Latency", Unit: "s", Align: report.Right, Scaled: true}},
				Rows: [][]report.Cell{
					{report.Text("off-mps"), {Text: "1,043", Value: pointer(1043), Unit: "req/s"}, {Text: "12.30 ms", Value: pointer(0.0123), Unit: "s"}},
					{report.Text("off"), {Text: "unknown", Unit: "req/s", Note: "nobody asked"}, {Text: "n/a", Note: "nobody asked"}},
				},
			}, {
				ID: "two", Title: "Two", Detail: true, Columns: []report.Column{{Name: "What"}}, Rows: [][]report.Cell{{report.Text("this")}},
			}, {ID: "none", Title: "Without rows", Columns: []report.Column{{Name: "What"}}}},
			Charts: everyChart(),
		}, {Title: "First", Notes: []string{"Of the same name."}}},
	}
}

// everyChart has one chart of each kind.
func everyChart() []report.Chart {
	return []report.Chart{
		{
			ID: "lines", Title: "Latency against load", Asks: "Who sustains what?", Kind: report.ChartLines,
			X: report.Axis{Name: "Offered", Unit: "req/s"}, Y: report.Axis{Name: "p95", Unit: "s", Log: true},
			Series: []report.Series{
				{Name: "off", Config: "off", Points: []report.Point{{X: 10, Y: 0.02, Low: pointer(0.018), High: pointer(0.022)}, {X: 20, Y: 0.05, Note: "saturated"}}},
				{Name: "off-mps", Config: "off-mps", Points: []report.Point{{X: 10, Y: 0.01}, {X: 20, Y: math.NaN()}, {X: 30, Y: 0.04}}},
			},
			Limits: []report.Limit{{Name: "p95 < 30 ms", At: 0.03, Of: "y"}}, Notes: []string{"Of the chart."},
		},
		{
			ID: "scatter", Title: "Frontier", Kind: report.ChartScatter, X: report.Axis{Name: "Vision", Unit: "req/s"}, Y: report.Axis{Name: "Agent", Unit: "req/min"},
			Series: []report.Series{{Name: "off", Points: []report.Point{{X: 1, Y: 2}, {X: 2, Y: 1}}}},
		},
		{
			ID: "heat", Title: "Latency over time", Kind: report.ChartHeat, X: report.Axis{Name: "Time", Unit: "s"}, Y: report.Axis{Name: "Latency", Unit: "s", Log: true},
			Heat: &report.Heat{XBounds: []float64{0, 5, 10}, YBounds: []float64{0.001, 0.01, 0.1}, X: []int{0, 1, 1}, Y: []int{0, 0, 1}, Counts: []int64{100, 90, 3}},
		},
		{
			ID: "bars", Title: "Capacity", Kind: report.ChartBars, X: report.Axis{Name: "Configuration", Names: []string{"off", "off-mps"}}, Y: report.Axis{Name: "Capacity", Unit: "req/s"},
			Series: []report.Series{{Name: "vision", Points: []report.Point{{X: 0, Y: 90, Low: pointer(88), High: pointer(93)}, {X: 1, Y: 96}}}},
			Limits: []report.Limit{{Name: "target", At: 80, Of: "y"}},
		},
		{
			ID: "course", Title: "How a step went", Kind: report.ChartCourse, X: report.Axis{Name: "Time", Unit: "s"}, Y: report.Axis{Name: "In flight", Unit: "1"},
			Series: []report.Series{
				{Name: "vision", Points: []report.Point{{X: 0, Y: 1}, {X: 5, Y: 4}, {X: 10, Y: 3}}},
				{Name: "Power", Right: true, Unit: "W", Points: []report.Point{{X: 0, Y: 100}, {X: 10, Y: 300}}},
			},
			WarmupTo: 4, Detail: true,
		},
	}
}

// What a browser gets but for style, scripts and the policy of their hashes, which the
// repository holds as files.
func TestGolden(t *testing.T) {
	got := written(t, small())
	for _, asset := range []string{style, script, library, numbers + charts} {
		if !strings.Contains(got, asset) {
			t.Error("the page lacks a part of its style or scripts")
		}
		got = strings.Replace(got, asset, "…", 1)
	}
	for _, h := range []string{libraryHash, chartsHash, scriptHash, styleHash} {
		escaped := strings.NewReplacer("'", "&#39;", "+", "&#43;").Replace(h)
		if strings.Count(got, escaped) != 1 {
			t.Errorf("the policy has no %s", h)
		}
		got = strings.Replace(got, escaped, "HASH", 1)
	}
	const file = "testdata/small.html"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page differs from %s; if that is meant, run with -update and read the difference", file)
	}
}

// A script element ends at the first "</script", whatever its language thinks of it, and
// does not end there after "<!--" and "<script".
func TestScriptsEndWhereTheyEnd(t *testing.T) {
	for name, text := range map[string]string{"page.js": script, "numbers.js": numbers, "charts.js": charts, "echarts.js": library} {
		for _, bad := range []string{"</script", "<!--", "<script"} {
			if strings.Contains(strings.ToLower(text), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
	if strings.Contains(strings.ToLower(style), "</style") {
		t.Error("page.css ends its element")
	}
}

// A page without charts does not carry what draws them.
func TestWithoutChartsNoLibrary(t *testing.T) {
	d := small()
	d.Sections[0].Charts = nil
	got := written(t, d)
	if strings.Contains(got, library) || strings.Contains(got, charts) || !strings.Contains(got, script) {
		t.Error("it carries other scripts than its own")
	}
}

// A number comes out of the JSON as it went in; what is none is null.
func TestFiguresAreExact(t *testing.T) {
	for _, v := range []float64{0, -0.1, 1.0 / 3, 1e-300, 123456789.125, math.MaxFloat64, 5e-324} {
		text, err := number(v).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := strconv.ParseFloat(string(text), 64); err != nil || back != v {
			t.Errorf("%v was written as %s", v, text)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if text, err := number(v).MarshalJSON(); err != nil || string(text) != "null" {
			t.Errorf("%v was written as %s, %v", v, text, err)
		}
	}
}

// Points with and without intervals stand beside one another.
func TestIntervalsStayWithTheirPoints(t *testing.T) {
	got := seriesOf(report.Series{Points: []report.Point{{Y: 1}, {Y: 2, Low: pointer(1.5)}, {Y: 3}, {Y: 4, Low: pointer(3), High: pointer(5)}, {Y: 5}}})
	text, err := json.Marshal([][]number{got.Low, got.High})
	if err != nil {
		t.Fatal(err)
	}
	if want := "[[null,1.5,null,3,null],[null,null,null,5,null]]"; string(text) != want {
		t.Errorf("low and high %s, want %s", text, want)
	}
}

// Anchors are unlike one another, and unlike those of tables and charts.
func TestAnchorsAreUnique(t *testing.T) {
	d := read(t, "sweep.json")
	d.Sections = append(d.Sections, report.Section{Title: "Steps", Notes: []string{"again"}}, report.Section{Title: "!?", Notes: []string{"no letter"}}, report.Section{Title: "비전", Notes: []string{"letters"}})
	seen := map[string]bool{}
	text := written(t, d)
	for _, part := range strings.Split(text, ` id="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		if seen[id] {
			t.Errorf("two elements are called %q", id)
		}
		seen[id] = true
	}
	for _, want := range []string{"section-steps", "section-steps-2", "section-", "section-비전"} {
		if !seen[want] {
			t.Errorf("no element is called %q", want)
		}
	}
	for _, part := range strings.Split(text, `href="#`)[1:] {
		if id, _, _ := strings.Cut(part, `"`); !seen[strings.ReplaceAll(unescape(id), "&amp;", "&")] {
			t.Errorf("a link leads to %q, which is nowhere", id)
		}
	}
}
