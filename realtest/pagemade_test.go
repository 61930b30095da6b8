//go:build real

package realtest

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

// sweepDocument is the report of a made-up sweep, with a chart of each kind.
func sweepDocument(t *testing.T) *report.Document {
	t.Helper()
	text, err := os.ReadFile("../analysis/testdata/sweep.json")
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	d := report.Build(&s)
	d.Sections[0].Charts = chartsOf("", 60)
	return d
}

// chartsOf makes a chart of each kind, of so many points a series.
func chartsOf(prefix string, points int) []report.Chart {
	curve := func(k float64) []report.Point {
		var list []report.Point
		for i := range points {
			x := float64(i + 1)
			y := k * (1 + math.Sin(x/7)) / 10
			low, high := y*0.9, y*1.1+0.001
			list = append(list, report.Point{X: x, Y: y + 0.001, Low: &low, High: &high})
		}
		return list
	}
	bounds := func(n int) []float64 {
		var list []float64
		for i := range n + 1 {
			list = append(list, 0.001*math.Pow(1.2, float64(i)))
		}
		return list
	}
	seconds, load := report.Axis{Name: "Latency", Unit: "s"}, report.Axis{Name: "Offered", Unit: "req/s"}
	heat := report.Heat{XBounds: bounds(points), YBounds: bounds(20)}
	for i := range points {
		for j := range 20 {
			if n := (i * j) % 17; n > 0 {
				heat.X, heat.Y, heat.Counts = append(heat.X, i), append(heat.Y, j), append(heat.Counts, int64(n*n))
			}
		}
	}
	series := []report.Series{{Name: "off", Config: "off", Points: curve(1)}, {Name: "off-mps", Config: "off-mps", Points: curve(2)}}
	limits := []report.Limit{{Name: "p95 < 200 ms", At: 0.2, Of: "y"}, {Name: "target", At: 20, Of: "x"}}
	return []report.Chart{
		{ID: prefix + "lines", Title: "Lines", Kind: report.ChartLines, X: load, Y: seconds, Series: series, Limits: limits},
		{ID: prefix + "scatter", Title: "Points", Kind: report.ChartScatter, X: load, Y: report.Axis{Name: "Latency", Unit: "s", Log: true}, Series: series},
		{ID: prefix + "heat", Title: "Heat", Kind: report.ChartHeat, X: report.Axis{Name: "Time", Unit: "s"}, Y: report.Axis{Name: "Latency", Unit: "s", Log: true}, Heat: &heat},
		{ID: prefix + "bars", Title: "Bars", Kind: report.ChartBars, X: report.Axis{Name: "Configuration", Names: []string{"off", "off-mps", "4x1g.24gb-mps"}}, Y: load,
			Series: []report.Series{{Name: "vision", Points: curve(3)[:3:3]}}, Limits: []report.Limit{{Name: "target", At: 0.1, Of: "y"}}},
		{ID: prefix + "course", Title: "Course", Kind: report.ChartCourse, X: report.Axis{Name: "Time", Unit: "s"}, Y: report.Axis{Name: "In flight", Unit: "1"},
			Series: append(slices.Clone(series), report.Series{Name: "Power", Right: true, Unit: "W", Points: curve(900)}), WarmupTo: 10, Detail: true},
	}
}
