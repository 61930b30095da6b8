package page

import (
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/report"
)

// A chart is a report.Chart with its figures as JSON and in words.
type chart struct {
	ID, Title, Asks string
	Notes           []string
	Height          int    // of the drawing, in pixels
	Described       string // for who cannot see it
	Figures         template.JS
}

// figures is what the script draws from. Columns of numbers are shorter than a
// list of points; null is no number.
type figures struct {
	Kind   string   `json:"kind"`
	X      axis     `json:"x"`
	Y      axis     `json:"y"`
	Series []series `json:"series,omitempty"`
	Limits []limit  `json:"limits,omitempty"`
	Heat   *heat    `json:"heat,omitempty"`
	Warmup *number  `json:"warmup,omitempty"`
}

type limit struct {
	Name string `json:"name"`
	At   number `json:"at"`
	Of   string `json:"of"`
}

type axis struct {
	Name  string   `json:"name"`
	Unit  string   `json:"unit,omitempty"`
	Log   bool     `json:"log,omitempty"`
	Names []string `json:"names,omitempty"`
}

type series struct {
	Name   string         `json:"name"`
	Config string         `json:"config,omitempty"`
	Right  bool           `json:"right,omitempty"`
	Unit   string         `json:"unit,omitempty"`
	X      []number       `json:"x,omitempty"` // left out if it is that of the series before
	Y      []number       `json:"y"`
	Low    []number       `json:"low,omitempty"`
	High   []number       `json:"high,omitempty"`
	Notes  map[int]string `json:"notes,omitempty"` // by index of the point
	Pale   []int          `json:"pale,omitempty"`  // indices of points
}

type heat struct {
	XBounds []number `json:"xb"`
	YBounds []number `json:"yb"`
	X       []int    `json:"x"`
	Y       []int    `json:"y"`
	N       []int64  `json:"n"`
}

// A number is written in full; NaN and the infinities are null.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'g', -1, 64), nil
}

// Heights of drawings, in pixels.
const (
	chartHeight = 340
	barHeight   = 24
	barsMost    = 1200
)

func chartOf(c report.Chart) (chart, error) {
	f := figures{Kind: c.Kind, X: axis(c.X), Y: axis(c.Y)}
	if c.Kind == report.ChartCourse && c.WarmupTo != 0 {
		to := number(c.WarmupTo)
		f.Warmup = &to
	}
	for _, l := range c.Limits {
		f.Limits = append(f.Limits, limit{l.Name, number(l.At), l.Of})
	}
	for i, s := range c.Series {
		made := seriesOf(s)
		if i > 0 && slices.EqualFunc(s.Points, c.Series[i-1].Points, func(a, b report.Point) bool { return a.X == b.X }) {
			made.X = nil
		}
		f.Series = append(f.Series, made)
	}
	if h := c.Heat; h != nil {
		f.Heat = &heat{asNumbers(h.XBounds), asNumbers(h.YBounds), h.X, h.Y, h.Counts}
	}
	data, err := json.Marshal(f) // < and > are escaped, so that it ends where it ends
	if err != nil {
		return chart{}, fmt.Errorf("chart %s: %w", c.ID, err)
	}
	out := chart{ID: c.ID, Title: c.Title, Asks: c.Asks, Notes: c.Notes, Height: chartHeight, Described: described(c), Figures: template.JS(data)}
	if c.Kind == report.ChartBars {
		bars := 0
		for _, s := range c.Series {
			bars += max(len(s.Points), 1)
		}
		out.Height = min(max(90+barHeight*max(bars, len(c.X.Names)), 180), barsMost)
	}
	return out, nil
}

func seriesOf(s report.Series) series {
	out := series{Name: s.Name, Config: s.Config, Right: s.Right, Unit: s.Unit, X: []number{}, Y: []number{}}
	for i, p := range s.Points {
		out.X, out.Y = append(out.X, number(p.X)), append(out.Y, number(p.Y))
		if p.Low != nil || p.High != nil {
			out.Low, out.High = padded(out.Low, i), padded(out.High, i)
			out.Low, out.High = append(out.Low, orNaN(p.Low)), append(out.High, orNaN(p.High))
		}
		if p.Pale {
			out.Pale = append(out.Pale, i)
		}
		if p.Note != "" {
			if out.Notes == nil {
				out.Notes = map[int]string{}
			}
			out.Notes[i] = p.Note
		}
	}
	if out.Low != nil {
		out.Low, out.High = padded(out.Low, len(s.Points)), padded(out.High, len(s.Points))
	}
	return out
}

// padded makes a list n long.
func padded(list []number, n int) []number {
	for len(list) < n {
		list = append(list, number(math.NaN()))
	}
	return list
}

func orNaN(v *float64) number {
	if v == nil {
		return number(math.NaN())
	}
	return number(*v)
}

func asNumbers(list []float64) []number {
	out := make([]number, len(list))
	for i, v := range list {
		out[i] = number(v)
	}
	return out
}

// sorts say what a kind of chart is.
var sorts = map[string]string{
	report.ChartLines: "Lines", report.ChartScatter: "Points", report.ChartHeat: "Heat map",
	report.ChartBars: "Bars", report.ChartCourse: "Course over time",
}

// Limits of a description, which is heard and not skimmed.
const (
	describedSeries = 6
	describedName   = 80
)

// described says in words what a chart shows: its axes, and from where to where each
// series goes.
func described(c report.Chart) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s. %s: %s, against %s.", c.Title, sorts[c.Kind], axisText(c.Y), axisText(c.X))
	for i, s := range c.Series {
		if i == describedSeries {
			fmt.Fprintf(&b, " And %d more.", len(c.Series)-i)
			break
		}
		unit := c.Y.Unit
		if s.Right && s.Unit != "" {
			unit = s.Unit
		}
		low, high, n := math.Inf(1), math.Inf(-1), 0
		for _, p := range s.Points {
			if !math.IsNaN(p.Y) && !math.IsInf(p.Y, 0) {
				low, high, n = min(low, p.Y), max(high, p.Y), n+1
			}
		}
		switch n {
		case 0:
			fmt.Fprintf(&b, " %s: no points.", short(s.Name))
		case 1:
			fmt.Fprintf(&b, " %s: %s.", short(s.Name), units.Format(low, unit))
		default:
			fmt.Fprintf(&b, " %s: %s, from %s to %s.", short(s.Name), units.Plural(n, "point"), units.Format(low, unit), units.Format(high, unit))
		}
	}
	if c.Heat != nil {
		var sum int64
		for _, n := range c.Heat.Counts {
			sum += n
		}
		fmt.Fprintf(&b, " %s in %s.", units.Plural(int(sum), "sample"), units.Plural(len(c.Heat.Counts), "field"))
	}
	for _, l := range c.Limits {
		unit := c.Y.Unit
		if l.Of == "x" {
			unit = c.X.Unit
		}
		fmt.Fprintf(&b, " Limit %s: %s.", short(l.Name), units.Format(l.At, unit))
	}
	b.WriteString(" The button Numbers shows it as a table.")
	return b.String()
}

func axisText(a report.Axis) string {
	if a.Unit == "" || a.Unit == "1" || a.Unit == "n" {
		return short(a.Name)
	}
	return short(a.Name) + " in " + a.Unit
}

func short(name string) string {
	if r := []rune(name); len(r) > describedName {
		return string(r[:describedName]) + "…"
	}
	return name
}
