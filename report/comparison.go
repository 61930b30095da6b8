package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// comparison has, for each step, the published guide's table and the changes
// against the base row.
func comparison(s *analysis.Summary) Section {
	section := Section{Title: "Comparison", Together: true, Notes: []string{
		"O: used on every device of the layout; X: on none (ts in a name: time-slicing).",
		"VLM responses: completed agent calls in the window x 3600 s / window.",
		"Vision req/s and agent req/min: requests completed in the window / window.",
		"VLM latency: mean over ok calls, from when each was due.",
	}}
	if n := len(s.Warnings); n > 0 {
		section.Notes = append(section.Notes, fmt.Sprintf("Warnings: %d; see there before relying on a number.", n))
	}
	for _, c := range s.Comparison {
		section.Tables = append(section.Tables, comparisonTable(c), changeTable(s, c))
		if t := spreadTable(c); len(t.Rows) > 0 {
			section.Tables = append(section.Tables, t)
		}
	}
	if len(s.Comparison) == 0 && len(measured(s)) == 0 {
		section.Notes = append(section.Notes, "No step was measured.")
	}
	return section
}

func comparisonTable(c analysis.Comparison) Table {
	t := Table{
		ID:    fmt.Sprintf("comparison-%d", c.Index),
		Title: fmt.Sprintf("%s (window %s)", stepName(c.Step, c.Index), units.Format(c.Window, units.Seconds)),
		Columns: []Column{
			words("Configuration"), words("MIG"), words("MPS"),
			numbers("VLM responses", "1/h"), spans("VLM latency"), numbers("Vision", "req/s"), numbers("Agent", "req/min"),
			numbers("VLM answers", "n"), numbers("Replicates", "n"), words("Objectives"), words("Validity"),
		},
	}
	for _, r := range c.Rows {
		row := []Cell{
			Text(r.Config), mark(r.MIG), mark(r.MPS),
			keyFigure(c, r, aggregate(r.VLMResponses, "1/h", false), "VLM responses"), keyFigure(c, r, aggregate(r.VLMLatency, "s", true), "VLM latency"),
			keyFigure(c, r, aggregate(r.Vision, "req/s", false), "Vision"), keyFigure(c, r, aggregate(r.Agent, "req/min", false), "Agent"),
			answers(r), count(r.Replicates), objectivesOf(r), Text(cmp.Or(strings.Join(r.Verdicts, ", "), "valid")),
		}
		if r.Failed > 0 {
			row[8].Note = fmt.Sprintf("%d not done", r.Failed)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// keyFigure names a figure of the documents' table.
func keyFigure(c analysis.Comparison, r analysis.Row, cell Cell, name string) Cell {
	return cell.keyed(name, r.Config, stepName(c.Step, c.Index))
}

// objectivesOf tells whether a configuration met what the scenario asks.
func objectivesOf(r analysis.Row) Cell {
	switch {
	case r.Objectives == 0:
		return Text("none asked")
	case len(r.Unmet) == 0:
		return Text("met")
	}
	missed := 0
	for _, u := range r.Unmet {
		if wasMissed(u) {
			missed++
		}
	}
	text, open := fmt.Sprintf("%d of %d not met", missed, r.Objectives), len(r.Unmet)-missed
	switch {
	case missed == 0:
		text = fmt.Sprintf("%d of %d not known", open, r.Objectives)
	case open > 0:
		text += fmt.Sprintf(", %d not known", open)
	}
	return Cell{Text: text, Note: strings.Join(r.Unmet, "; ")}
}

// answers counts the VLM responses, if there can be any.
func answers(r analysis.Row) Cell {
	if !r.VLMResponses.Mean.Known() {
		return missing(r.VLMResponses.Mean, "n")
	}
	return count(r.Answers)
}

// mark writes a Use as the published tables do.
func mark(u analysis.Use) Cell {
	switch u {
	case analysis.UseAll:
		return Text("O")
	case analysis.UseNone:
		return Text("X")
	case analysis.UseSome:
		return Cell{Text: "O", Note: "some devices"}
	}
	return Cell{Text: "?", Note: "the layout is not known"}
}

// aggregate shows the mean over replicates.
func aggregate(a analysis.Aggregate, unit string, scale bool) Cell {
	c := number(a.Mean, unit)
	if scale {
		c = scaled(a.Mean)
	}
	c.Unit = unit
	return c
}

// changeTable sets each figure beside its change against the base, a row for
// each configuration.
func changeTable(s *analysis.Summary, c analysis.Comparison) Table {
	t := Table{ID: fmt.Sprintf("change-%d", c.Index), Columns: []Column{words("Configuration"), words("MIG"), words("MPS")}}
	if len(c.Rows) == 0 {
		return t
	}
	base := c.Rows[c.Base]
	t.Title = "Change against " + base.Config
	t.Notes = changeNotes(c)
	for _, m := range metrics(base) {
		t.Columns = append(t.Columns, numbers(m.name, m.unit), ratios("Change"))
	}
	for i, r := range c.Rows {
		row := []Cell{Text(r.Config), mark(r.MIG), mark(r.MPS)}
		changes := changesOf(c, i)
		for k, m := range metrics(r) {
			row = append(row, number(m.Mean, m.unit))
			cell := Text("base")
			if i != c.Base {
				cell = change(changes[k], m.less(), verdictOf(s, r.Config, base.Config, m.name, c.Index))
				cell.Change = &Change{Column: len(row) - 1, Row: i, Base: c.Base}
				cell = cell.keyed("change", m.name, r.Config, stepName(c.Step, c.Index))
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func changeNotes(c analysis.Comparison) []string {
	notes := []string{"Change = this / base - 1, of the means; better or worse: of a latency less is better, of the others more. How sure it is: see Comparison in pairs."}
	if !slices.ContainsFunc(c.Rows, func(r analysis.Row) bool { return r.Replicates > 1 }) {
		notes = append(notes, "One replicate: the spread from run to run is unknown, and a change of this size may be chance.")
	}
	return notes
}

// changesOf gives a row's changes in the order of metrics; none of the base.
func changesOf(c analysis.Comparison, row int) []analysis.Value {
	if row == c.Base {
		return nil
	}
	ch := c.Changes[changeIndex(c, row)]
	return []analysis.Value{ch.VLMResponses, ch.VLMLatency, ch.Vision, ch.Agent}
}

// changeIndex gives where a row's Change is: the base has none.
func changeIndex(c analysis.Comparison, row int) int {
	if row > c.Base {
		return row - 1
	}
	return row
}

// A metric is one figure of a row, with its name in the published tables.
type metric struct {
	name, unit string
	analysis.Aggregate
}

func (m metric) less() bool { return lessIsBetter(m.unit) }

// metrics lists a row's figures, always in one order.
func metrics(r analysis.Row) []metric {
	return []metric{
		{"VLM responses", "1/h", r.VLMResponses},
		{"VLM latency", "s", r.VLMLatency},
		{"Vision", "req/s", r.Vision},
		{"Agent", "req/min", r.Agent},
	}
}

// spreadTable tells the range over replicates of what has more than one.
func spreadTable(c analysis.Comparison) Table {
	t := Table{ID: fmt.Sprintf("spread-%d", c.Index), Title: "Range over replicates", Columns: []Column{words("Configuration"), numbers("Replicates", "n")}}
	if len(c.Rows) == 0 {
		return t
	}
	for _, m := range metrics(c.Rows[0]) {
		t.Columns = append(t.Columns, numbers(m.name+" min", m.unit), numbers("max", m.unit))
	}
	for _, r := range c.Rows {
		row := []Cell{Text(r.Config), count(r.Replicates)}
		more := false
		for _, m := range metrics(r) {
			more = more || m.N > 1
			row = append(row, number(m.Min, m.unit), number(m.Max, m.unit))
		}
		if more {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// perModel is the guide's table of vision models.
func perModel(s *analysis.Summary) Section {
	section := Section{Title: "Vision models", Together: true}
	for _, c := range s.Comparison {
		if t := modelTable(s, c); len(t.Rows) > 0 {
			section.Tables = append(section.Tables, t)
		}
	}
	if len(section.Tables) == 0 {
		section.Notes = []string{"No vision service was measured."}
	}
	return section
}

// modelsOf lists the models of any row, sorted.
func modelsOf(c analysis.Comparison) []string {
	var models []string
	for _, r := range c.Rows {
		for _, m := range r.Models {
			models = append(models, m.Model)
		}
	}
	slices.Sort(models)
	return slices.Compact(models)
}

func modelRate(r analysis.Row, model string) Cell {
	for _, m := range r.Models {
		if m.Model == model {
			return aggregate(m.Rate, "req/s", false)
		}
	}
	return Cell{Text: units.Unknown, Unit: "req/s", Note: "not measured"}
}

// modelChange gives how much a row's rate of a model differs from the base's.
func modelChange(c analysis.Comparison, row int, model string) analysis.Value {
	for _, m := range c.Changes[changeIndex(c, row)].Models {
		if m.Model == model {
			return m.PerSecond
		}
	}
	return analysis.Value{Unit: units.Ratio, Why: "not measured"}
}

// modelCell is that change, of a row that is not the base.
func modelCell(s *analysis.Summary, c analysis.Comparison, row int, model string) Cell {
	of, base := c.Rows[row].Config, c.Rows[c.Base].Config
	return change(modelChange(c, row, model), false, verdictOf(s, of, base, "Vision "+model, c.Index))
}

// modelTable sets each rate beside its change against the base.
func modelTable(s *analysis.Summary, c analysis.Comparison) Table {
	models := modelsOf(c)
	t := Table{
		ID: fmt.Sprintf("models-%d", c.Index), Title: stepName(c.Step, c.Index),
		Columns: []Column{words("Configuration"), words("MIG"), words("MPS"), numbers("Total requests", "n"), numbers("Total", "req/s")},
	}
	if len(models) == 0 {
		return t
	}
	if len(c.Rows) > 1 {
		t.Notes = []string{"Change: against " + c.Rows[c.Base].Config + "."}
	}
	for _, m := range models {
		t.Columns = append(t.Columns, numbers(m, "req/s"))
		if len(c.Rows) > 1 {
			t.Columns = append(t.Columns, ratios("Change"))
		}
	}
	for i, r := range c.Rows {
		row := []Cell{Text(r.Config), mark(r.MIG), mark(r.MPS), aggregate(r.VisionRequests, "n", false), aggregate(r.Vision, "req/s", false)}
		for _, m := range models {
			row = append(row, modelRate(r, m))
			if len(c.Rows) < 2 {
				continue
			}
			cell := Text("base")
			if i != c.Base {
				cell = modelCell(s, c, i, m)
				cell.Change = &Change{Column: len(row) - 1, Row: i, Base: c.Base}
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
