package formats

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// The sizes of charts, in pixels, and the rows that one takes.
const (
	chartWide = 530
	chartHigh = 300
	chartRows = 16
	rowHigh   = 20
)

// chartSheet is the sheet that all charts are drawn from.
const chartSheet = "Chart data"

// chartData is that sheet: a row for each point, those of a series below each other.
type chartData struct {
	table report.Table
	spans map[string][]dataSpan // by the chart's ID
}

// A dataSpan is where a series' points stand: indices of rows, the last one included.
type dataSpan struct {
	name        string
	first, last int
	limit       bool
	right       bool
	pale        bool // bars that are not to be chosen by
}

// The columns of the chart data.
const (
	dataSeries = 1
	dataX      = 2
	dataY      = 4
	dataLow    = 6
	dataHigh   = 7
)

// chartDataOf lays out what the charts of the first level are drawn from.
func chartDataOf(d *report.Document) chartData {
	number := func(name string) report.Column { return report.Column{Name: name, Align: report.Right} }
	data := chartData{spans: map[string][]dataSpan{}, table: report.Table{ID: "chart-data", Title: "What the charts are drawn from", Columns: []report.Column{
		{Name: "Chart"}, {Name: "Series"}, number("X"), {Name: "X is"}, number("Y"), {Name: "Y is"}, number("Low"), number("High"), {Name: "Read with it"},
	}}}
	for _, c := range firstCharts(d) {
		data.chart(c)
	}
	return data
}

// plan is the data's sheet; none without charts.
func (d *chartData) plan() []sheetPlan {
	if len(d.table.Rows) == 0 {
		return nil
	}
	return []sheetPlan{{name: chartSheet, lookup: true, parts: []sheetPart{{tables: []report.Table{d.table}}}}}
}

func (d *chartData) chart(c report.Chart) {
	for _, s := range c.Series {
		if c.Kind == report.ChartBars {
			d.bars(c, s)
			continue
		}
		first := len(d.table.Rows)
		for _, p := range s.Points {
			d.row(c, s.Name, numberCell(&p.X), &p)
		}
		d.spans[c.ID] = append(d.spans[c.ID], dataSpan{name: s.Name, first: first, last: len(d.table.Rows) - 1, right: s.Right})
	}
	for _, l := range c.Limits {
		if l.Of != "y" {
			continue
		}
		first := len(d.table.Rows)
		if c.Kind == report.ChartBars {
			for _, name := range c.X.Names {
				d.row(c, "Limit: "+l.Name, report.Text(name), &report.Point{Y: l.At})
			}
		} else {
			low, high := reach(c)
			for _, x := range []float64{low, high} {
				d.row(c, "Limit: "+l.Name, numberCell(&x), &report.Point{Y: l.At})
			}
		}
		d.spans[c.ID] = append(d.spans[c.ID], dataSpan{name: "Limit: " + l.Name, first: first, last: len(d.table.Rows) - 1, limit: true})
	}
}

// bars has a row for each name, also where the series has no point, so that the names of
// all series are the same. Pale bars are a series of their own: the library gives bars of
// one series one colour.
func (d *chartData) bars(c report.Chart, s report.Series) {
	for _, pale := range []bool{false, true} {
		if !slices.ContainsFunc(s.Points, func(p report.Point) bool { return p.Pale == pale }) {
			continue
		}
		name := s.Name
		if pale {
			name += " (" + whyPale(s) + ")"
		}
		first := len(d.table.Rows)
		for x, at := range c.X.Names {
			var p *report.Point
			if i := slices.IndexFunc(s.Points, func(p report.Point) bool { return p.X == float64(x) && p.Pale == pale }); i >= 0 {
				p = &s.Points[i]
			}
			d.row(c, name, report.Text(at), p)
		}
		d.spans[c.ID] = append(d.spans[c.ID], dataSpan{name: name, first: first, last: len(d.table.Rows) - 1, right: s.Right, pale: pale})
	}
}

// whyPale is what the pale bars of a series are called.
func whyPale(s report.Series) string {
	var why []string
	for _, p := range s.Points {
		if p.Pale && !slices.Contains(why, p.Note) {
			why = append(why, p.Note)
		}
	}
	return strings.Join(why, ", or ")
}

func (d *chartData) row(c report.Chart, series string, x report.Cell, p *report.Point) {
	row := []report.Cell{report.Text(c.Title), report.Text(series), x, report.Text(axisName(c.X)), {}, report.Text(axisName(c.Y)), {}, {}, {}}
	if p != nil {
		row[dataY], row[dataLow], row[dataHigh], row[len(row)-1] = numberCell(&p.Y), numberCell(p.Low), numberCell(p.High), report.Text(p.Note)
	}
	d.table.Rows = append(d.table.Rows, row)
}

// numberCell is empty without a number.
func numberCell(v *float64) report.Cell {
	if v == nil {
		return report.Cell{}
	}
	n := *v
	return report.Cell{Value: &n}
}

// reach is from where to where the points of a chart go.
func reach(c report.Chart) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		for _, p := range s.Points {
			low, high = min(low, p.X), max(high, p.X)
		}
	}
	return low, high
}

// axisName is an axis' name with its unit.
func axisName(a report.Axis) string {
	if a.Unit == "" || a.Unit == "1" || a.Unit == "n" || a.Unit == "ratio" {
		return a.Name
	}
	return a.Name + " [" + a.Unit + "]"
}

// charts draws charts, two beside each other, from a row of a sheet on. The sheet's
// columns have their widths by then.
func (b *book) charts(sheet string, row int, list []report.Chart) error {
	// The right one begins with the first column beyond the left one.
	column, x := 1, 0
	for x < chartWide+10 {
		width, err := b.file.GetColWidth(sheet, must(excelize.ColumnNumberToName(column)))
		if err != nil {
			return err
		}
		x += int(width*7) + 5
		column++
	}
	for i, c := range list {
		at, err := excelize.CoordinatesToCellName(1+(i%2)*(column-1), row+1+i/2*chartRows)
		if err != nil {
			return err
		}
		if err := b.chart(sheet, at, c); err != nil {
			return fmt.Errorf("chart %s: %w", c.ID, err)
		}
	}
	const perPage = 2 // rows of charts
	for i := perPage; sheet == "Charts" && i < (len(list)+1)/2; i += perPage {
		if err := b.file.InsertPageBreak(sheet, fmt.Sprintf("A%d", row+1+i*chartRows)); err != nil {
			return err
		}
	}
	return nil
}

// must is for names of columns that are made of small numbers.
func must(name string, err error) string {
	if err != nil {
		panic(err)
	}
	return name
}

// seriesColours are told apart also by who sees no red or green.
var seriesColours = []string{"1F77B4", "FF7F0E", "2CA02C", "9467BD", "8C564B", "E377C2", "17BECF", "7F7F7F", "BCBD22", "003F5C"}

const (
	limitColour = "C00000"
	paleColour  = "C8CDD2"
)

func (b *book) chart(sheet, cell string, c report.Chart) error {
	first := b.dataTop()
	ref := func(s dataSpan, column int) string {
		name := must(excelize.ColumnNumberToName(column + 1))
		return fmt.Sprintf("%s!$%s$%d:$%s$%d", quotedSheet(chartSheet), name, first+s.first, name, first+s.last)
	}
	made := &excelize.Chart{Type: excelize.Scatter}
	lines := &excelize.Chart{Type: excelize.Line} // over bars
	if c.Kind == report.ChartBars {
		made.Type = excelize.Col
	}
	for i, s := range b.data.spans[c.ID] {
		name := fmt.Sprintf("%s!$%s$%d", quotedSheet(chartSheet), must(excelize.ColumnNumberToName(dataSeries+1)), first+s.first)
		series := excelize.ChartSeries{Name: name, Categories: ref(s, dataX), Values: ref(s, dataY)}
		colour := excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{seriesColours[i%len(seriesColours)]}}
		switch {
		case s.limit:
			colour.Color = []string{limitColour}
			series.Line = excelize.LineOptions{Type: excelize.LineSolid, Dash: excelize.LineDashDash, Width: 2, Fill: colour}
			series.Fill = colour
			series.Marker = excelize.ChartMarker{Symbol: "none"}
		case c.Kind == report.ChartBars:
			if s.pale {
				colour.Color = []string{paleColour}
			}
			series.Fill = colour
		default:
			series.Marker = excelize.ChartMarker{Symbol: "circle", Size: 6, Fill: colour}
			series.Line = excelize.LineOptions{Type: excelize.LineSolid, Width: 1.75, Fill: colour}
			if c.Kind == report.ChartScatter && s.name != "Frontier" {
				series.Line = excelize.LineOptions{Type: excelize.LineNone}
			}
		}
		if c.Kind == report.ChartBars && s.limit {
			lines.Series = append(lines.Series, series)
		} else {
			made.Series = append(made.Series, series)
		}
		if c.Kind == report.ChartBars && !s.limit && b.data.hasIntervals(s) {
			lines.Series = append(lines.Series, ends(s, ref, first-1)...)
		}
	}
	b.dress(made, c)
	if len(lines.Series) > 0 {
		b.dress(lines, c)
		return b.file.AddChart(sheet, cell, made, lines)
	}
	return b.file.AddChart(sheet, cell, made)
}

// ends are the two ends of a series' intervals, as marks without a line: workbooks that
// are written so have no bars of error.
func ends(s dataSpan, ref func(dataSpan, int) string, heading int) []excelize.ChartSeries {
	black := excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"000000"}}
	var made []excelize.ChartSeries
	for _, column := range []int{dataLow, dataHigh} {
		made = append(made, excelize.ChartSeries{
			Name: fmt.Sprintf("%s!$%s$%d", quotedSheet(chartSheet), must(excelize.ColumnNumberToName(column+1)), heading), Categories: ref(s, dataX), Values: ref(s, column),
			Line: excelize.LineOptions{Type: excelize.LineNone}, Marker: excelize.ChartMarker{Symbol: "dash", Size: 10, Fill: black},
		})
	}
	return made
}

func (d *chartData) hasIntervals(s dataSpan) bool {
	return slices.ContainsFunc(d.table.Rows[s.first:s.last+1], func(row []report.Cell) bool { return row[dataLow].Value != nil && row[dataHigh].Value != nil })
}

// dress gives a chart its title, axes and size.
func (b *book) dress(made *excelize.Chart, c report.Chart) {
	text := func(text string, size float64, bold bool) excelize.ChartTitle {
		return excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: text, Font: &excelize.Font{Family: fontFamily, Size: size, Bold: bold, Color: "404040"}}}}
	}
	made.Title = text(clipped(c.Title, 120), 12, true)
	made.Dimension = excelize.ChartDimension{Width: chartWide, Height: chartHigh}
	made.Format = excelize.GraphicOptions{Positioning: "oneCell", Name: c.ID, AltText: clipped(c.Title, 120) + ". " + c.Asks}
	made.Legend = excelize.ChartLegend{Position: "bottom"}
	made.ShowBlanksAs = "gap"
	if spans := b.data.spans[c.ID]; len(spans) == 1 && !spans[0].pale {
		made.Legend = excelize.ChartLegend{Position: "none"}
	}
	same := false // of bars of one series
	made.VaryColors = &same
	ticks := excelize.Font{Family: fontFamily, Size: 9, Color: "404040"}
	made.XAxis = excelize.ChartAxis{Title: text(clipped(axisName(c.X), 80), 9, false), Font: ticks}
	made.YAxis = excelize.ChartAxis{Title: text(clipped(axisName(c.Y), 80), 9, false), Font: ticks, MajorGridLines: true}
	switch {
	case c.Y.Unit == "ratio":
		made.YAxis.NumFmt = excelize.ChartNumFmt{CustomNumFmt: "0%"}
	case c.Y.Log:
		made.YAxis.LogBase = 10
	}
	if !c.Y.Log && c.Y.Unit != "ratio" {
		made.YAxis.NumFmt = excelize.ChartNumFmt{CustomNumFmt: "General"}
	}
	if c.Kind == report.ChartBars {
		if !c.Y.Log && !belowZero(c) { // else bars that are much alike lose what they have in common
			made.YAxis.Minimum = new(float64)
		}
		made.XAxis.Title = excelize.ChartTitle{}
		made.GapWidth = new(uint)
		*made.GapWidth = 60
		if len(c.Series) == 1 { // its pale bars stand where its others would
			over := 100
			made.Overlap = &over
		}
		return
	}
	made.XAxis.MajorGridLines = true
	made.XAxis.NumFmt = excelize.ChartNumFmt{CustomNumFmt: "General"}
}

// belowZero reports whether a chart has points there.
func belowZero(c report.Chart) bool {
	return slices.ContainsFunc(c.Series, func(s report.Series) bool {
		return slices.ContainsFunc(s.Points, func(p report.Point) bool { return p.Y < 0 || p.Low != nil && *p.Low < 0 })
	})
}

// dataTop is the row at which the points begin on their sheet: below its title, its
// banner, what it is for, an empty line, its table's title and its heading.
func (b *book) dataTop() int {
	top := 6
	if b.document.Banner != "" {
		top++
	}
	return top
}
