package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The bounds of how many charts a Document has.
const (
	chartsFirst  = 12  // that are not Detail
	chartsDetail = 120 // services of steps of which the course is drawn
)

// addCharts puts charts into the sections that have their numbers. A chart is drawn
// where there is something to see: unknown values are no points, and one without points
// is left out.
func addCharts(d *Document, s *analysis.Summary) {
	c := charting{document: d, summary: s, ids: map[string]bool{}}
	for _, section := range d.Sections {
		for _, t := range section.Tables {
			c.ids[t.ID] = true
		}
	}
	list := measuredLevels(s)
	c.capacities()
	c.comparisons()
	c.latencies(list)
	c.rates(list)
	c.couplings()
	c.queues(list)
	c.activities()
	c.curves(list)
	c.courses()
}

// A charting is charts on their way into a Document.
type charting struct {
	document *Document
	summary  *analysis.Summary
	ids      map[string]bool // that are taken
	first    int             // charts that are not Detail
}

// put adds a chart to the first section that is there of those titles; "Steps" always
// is. One without points is dropped.
func (c *charting) put(chart Chart, titles ...string) {
	chart.Series = slices.DeleteFunc(chart.Series, func(s Series) bool { return len(s.Points) == 0 })
	if len(chart.Series) == 0 && (chart.Heat == nil || len(chart.Heat.Counts) == 0) {
		return
	}
	chart.ID = c.id(chart.ID)
	if !chart.Detail {
		c.first++
		chart.Detail = c.first > chartsFirst
	}
	for _, title := range append(titles, "Steps") {
		if i := slices.IndexFunc(c.document.Sections, func(s Section) bool { return s.Title == title }); i >= 0 {
			c.document.Sections[i].Charts = append(c.document.Sections[i].Charts, chart)
			return
		}
	}
}

// id makes a name that is fit for a link, and that no table or chart has.
func (c *charting) id(text string) string {
	text = strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, text), "-")
	const longest = 60
	text = "chart-" + text[:min(len(text), longest)]
	id := text
	for n := 2; c.ids[id]; n++ {
		id = fmt.Sprintf("%s-%d", text, n)
	}
	c.ids[id] = true
	return id
}

// measuredLevels lists the services of steps that say how a server stands a load: none
// with heavy payloads, nor those in which an instance ended or a load rose.
func measuredLevels(s *analysis.Summary) []place {
	return slices.DeleteFunc(measured(s), place.special)
}

// special reports whether more was asked for in a step than its levels say: heavy payloads,
// or a load that rose.
func (p place) special() bool { return p.step.Heavy || p.step.Spikes() }

// configName is the configuration's name, or the folder's of a cell that was not finished.
func configName(c analysis.Cell) string { return cmp.Or(c.Cell.Config.Name, c.Cell.Folder) }

// cellName tells a cell from the others of its configuration.
func (c *charting) cellName(of analysis.Cell) string {
	n := 0
	for _, other := range c.summary.Cells {
		if configName(other) == configName(of) {
			n++
		}
	}
	if n > 1 {
		return fmt.Sprintf("%s r%d", configName(of), of.Cell.Replicate)
	}
	return configName(of)
}

// pointNote says what a point must be read with: of which replicate it is, and what
// speaks against it.
func (c *charting) pointNote(p place) string {
	var notes []string
	if name := c.cellName(p.cell); name != configName(p.cell) {
		notes = append(notes, fmt.Sprintf("replicate %d", p.cell.Cell.Replicate))
	}
	if v := p.service.Verdict.Is; v != "" && v != analysis.Valid {
		notes = append(notes, v)
	}
	for _, clause := range p.service.SLO {
		if clause.Result != analysis.Met {
			notes = append(notes, clause.Clause.Text+" "+clause.Result)
		}
	}
	return strings.Join(notes, "; ")
}

// A seriesList gathers points into series by name, in the order in which they come.
type seriesList []Series

func (l *seriesList) add(name, config string, p Point) {
	i := slices.IndexFunc(*l, func(s Series) bool { return s.Name == name })
	if i < 0 {
		i = len(*l)
		*l = append(*l, Series{Name: name, Config: config})
	}
	(*l)[i].Points = append((*l)[i].Points, p)
}

// sorted puts the points of each series in the order of x, and gives the kind that they
// are drawn as: lines, unless a series has two at one place.
func (l seriesList) sorted() string {
	kind := ChartLines
	for _, s := range l {
		slices.SortStableFunc(s.Points, func(a, b Point) int { return cmp.Compare(a.X, b.X) })
		for i := 1; i < len(s.Points); i++ {
			if s.Points[i].X == s.Points[i-1].X {
				kind = ChartScatter
			}
		}
	}
	return kind
}

// numberOf gives the number of a value, nil of one that is not known.
func numberOf(v analysis.Value) *float64 {
	if !v.Known() {
		return nil
	}
	n := *v.Number
	return &n
}

// levelText writes a load.
func levelText(of analysis.Service) string { return units.Number(of.Level.Value) + " " + of.Level.Unit }
