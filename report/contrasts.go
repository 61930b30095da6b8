package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// contrasts compares configurations in pairs; a Section without a title if there is nothing to tell.
func contrasts(s *analysis.Summary) Section {
	if len(s.Contrasts) == 0 {
		return Section{}
	}
	zone := s.Zone()
	section := Section{Title: "Comparison in pairs", Together: true, Notes: contrastNotes(s, zone)}
	for _, g := range contrastGroups(s) {
		section.Tables = append(section.Tables, g.table(zone))
	}
	section.Tables = append(section.Tables, smallPrint(s))
	return section
}

func contrastNotes(s *analysis.Summary, zone float64) []string {
	share := strings.TrimPrefix(units.Change(zone), "+")
	notes := []string{
		"A pair is one replicate of two configurations: two fresh deployments that met the same arrivals. Difference = geometric mean of the pairs' ratios - 1, with the 95 % interval of that mean.",
		fmt.Sprintf("Equivalent: the interval lies within the indifference zone of %s. Better, worse: it lies on one side of 0 %%. No difference shown: it holds 0 %% and reaches beyond the zone, which is not the same as no difference.", share),
		"Each configuration is set against the base and against the best. The ratios of VLM responses are those of Agent req/min. P: probability by Student's t with a flat prior. Needs: about how many more minutes of the server would decide it, if ratio and spread stay what they are.",
	}
	if slices.ContainsFunc(s.Contrasts, func(c analysis.Contrast) bool { return c.Basis == analysis.BasisWithin }) {
		notes = append(notes, "One deployment of each: the interval is from those of the two figures. What differs between deployments is not in it; replicates tell that.")
	}
	if s.Environment.Search != nil && s.Environment.Search.Race {
		notes = append(notes, "A race ends when enough is known: its intervals and p hold however often was looked. P(better) and Needs are as if the number of pairs had been fixed, and say a little too much.")
	}
	return append(notes, sentences(s)...)
}

// A contrastGroup is the contrasts that stand in one table.
type contrastGroup struct {
	id, title string
	list      []analysis.Contrast
}

// The groups of figures, and which they are in the words of Contrast.Figure.
const (
	groupCapacity  = "capacity"
	groupServices  = "services"
	groupModels    = "models"
	groupLatencies = "latencies"
)

// agentFigure is VLM responses by another unit, with the same ratios.
const agentFigure = "Agent"

func groupOf(c analysis.Contrast) string {
	switch {
	case c.Step < 0:
		return groupCapacity
	case c.Figure != "VLM latency" && c.Less:
		return groupLatencies
	case strings.HasPrefix(c.Figure, "Vision "):
		return groupModels
	}
	return groupServices
}

// contrastGroups has one for the capacities, and for each step one for the services'
// figures, one for the models' and one for the percentiles.
func contrastGroups(s *analysis.Summary) []contrastGroup {
	titles := map[string]string{
		groupCapacity: "Capacity", groupServices: "services", groupModels: "vision models, req/s", groupLatencies: "latencies at a common load",
	}
	var list []contrastGroup
	for _, c := range s.Contrasts {
		if c.Figure == agentFigure {
			continue
		}
		kind := groupOf(c)
		id, title := "contrasts-capacity", titles[groupCapacity]
		if c.Step >= 0 {
			id = fmt.Sprintf("contrasts-%d-%s", c.Step, kind)
			title = contrastStep(s, c.Step) + ": " + titles[kind]
		}
		i := slices.IndexFunc(list, func(g contrastGroup) bool { return g.id == id })
		if i < 0 {
			i, list = len(list), append(list, contrastGroup{id: id, title: title})
		}
		list[i].list = append(list[i].list, c)
	}
	return list
}

// contrastStep names the step of an index.
func contrastStep(s *analysis.Summary, index int) string {
	for _, c := range s.Comparison {
		if c.Index == index {
			return stepName(c.Step, index)
		}
	}
	return stepName("", index)
}

func (g contrastGroup) table(zone float64) Table {
	t := Table{
		ID: g.id, Title: g.title,
		Columns: []Column{
			words("Figure"), words("Configuration"), words("Against"), ratios("Difference"), ratios("95 % from"), ratios("to"),
			ratios("P(better)"), ratios("P(by > " + strings.TrimPrefix(units.Change(zone), "+") + ")"),
			words("Verdict"), numbers("Pairs", "n"), numbers("Needs", "min"), words("Interval from"),
		},
	}
	var loads []string
	plain := true // every interval is from replicates
	for _, c := range g.list {
		figure := c.Figure
		if c.Less {
			figure += " (less is better)"
		}
		t.Rows = append(t.Rows, []Cell{
			Text(figure), Text(c.Of), Text(c.Against), signed(lessOne(c.Ratio)), signed(lessOne(c.Low)), signed(lessOne(c.High)),
			probability(c.Better), probability(c.BetterByZone), Text(c.Verdict), count(c.Pairs), minutesCell(c.Needs), Text(c.Basis),
		})
		plain = plain && c.Basis != analysis.BasisWithin
		if c.Load != "" && !slices.Contains(loads, c.Load) {
			loads = append(loads, c.Load)
		}
	}
	if plain {
		last := len(t.Columns) - 1
		t.Columns = t.Columns[:last]
		for i := range t.Rows {
			t.Rows[i] = t.Rows[i][:last]
		}
		t.Notes = []string{"Intervals are from how the ratio varied over the pairs."}
	}
	t.dropInapplicable()
	if len(loads) > 0 {
		t.Notes = append(t.Notes, "Latencies are compared at a common load: "+strings.Join(loads, "; ")+".")
		if strings.Contains(strings.Join(loads, ", ")+",", " users,") {
			t.Notes = append(t.Notes, "Users of a closed loop are a common population, not a common rate: those of a slower server ask it less.")
		}
	}
	return t
}

// lessOne makes a ratio a relative change.
func lessOne(ratio analysis.Value) analysis.Value {
	if !ratio.Known() {
		return ratio
	}
	change := *ratio.Number - 1
	return analysis.Value{Number: &change, Unit: ratio.Unit}
}

// probability writes one to three digits; what would round to 0 or 1 is not said to be
// impossible or certain.
func probability(v analysis.Value) Cell {
	if !v.Known() {
		return missing(v, units.Ratio)
	}
	p := *v.Number
	text := strconv.FormatFloat(p, 'f', 3, 64)
	switch {
	case p <= 0.0005:
		text = "< 0.001"
	case p >= 0.9995:
		text = "> 0.999"
	}
	return Cell{Text: text, Value: v.Number, Unit: units.Ratio}
}

// minutesCell writes about how many minutes.
func minutesCell(v analysis.Value) Cell {
	if !v.Known() {
		return missing(v, "min")
	}
	return Cell{Text: units.Number(roundUp(*v.Number)), Value: v.Number, Unit: "min"}
}

// smallPrint has the p-values.
func smallPrint(s *analysis.Summary) Table {
	t := Table{
		ID: "contrasts-p", Title: "Small print: p of each pair of configurations",
		Columns: []Column{words("Step"), words("Figure"), words("Configuration"), words("Against"), ratios("p"), ratios("p after Holm")},
		Notes:   []string{"p: two-sided. After Holm: adjusted for the other contrasts of the same figure and step against the same configuration."},
	}
	for _, c := range s.Contrasts {
		step := "search"
		if c.Step >= 0 {
			step = contrastStep(s, c.Step)
		}
		t.Rows = append(t.Rows, []Cell{Text(step), Text(c.Figure), Text(c.Of), Text(c.Against), probability(c.P), probability(c.Adjusted)})
	}
	return detail(t)
}
