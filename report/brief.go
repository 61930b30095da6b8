package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// Limits of a Brief, beyond which it says how much it leaves out.
const (
	briefSquares = 2 // 2x2s of MIG and MPS
	briefLines   = 6 // of a list
)

// Brief lays a Summary out on about one screen: the answers without their notes, what is
// recommended, the comparison, the effects of MIG and MPS, the models, where everything
// sat, and what speaks against the numbers. Of several steps, the last has all tables and the others the first.
// The Document keeps s; nobody may change it after.
func Brief(s *analysis.Summary) *Document {
	d := newDocument(s)
	if lines := briefRecommendation(s); len(lines) > 0 { // else the answers are that there is none
		for _, a := range headline(s)[:3] {
			d.Headline = append(d.Headline, Answer{Asks: a.Asks, Says: a.Says, Doubt: a.Doubt})
		}
	}
	tables := Section{}
	for i, c := range s.Comparison {
		tables.Tables = append(tables.Tables, briefComparison(c))
		if i == len(s.Comparison)-1 {
			tables.Tables = append(tables.Tables, briefChanges(s, c))
			tables.Tables = append(tables.Tables, briefEffects(c)...)
			tables.Tables = append(tables.Tables, briefModels(s, c))
		}
	}
	tables.Tables = append(tables.Tables, briefFailovers(s)...)
	tables.Tables = append(tables.Tables, briefPlacement(s))
	d.Sections = []Section{tables, {Notes: append(briefFindings(s), briefNotes(s)...)}}
	if beside := briefCouplings(s); len(beside.Tables)+len(beside.Notes) > 0 {
		d.Sections = slices.Insert(d.Sections, min(len(s.Comparison), 1), beside)
	}
	if list := searches(s); len(list) > 0 {
		d.Sections = slices.Insert(d.Sections, 0, briefCapacities(list))
	}
	if lines := briefRecommendation(s); len(lines) > 0 {
		d.Sections = slices.Insert(d.Sections, 0, Section{Notes: lines})
	}
	d.clean()
	return d
}

// briefCapacities are the sentences, and the table without the services that were
// held.
func briefCapacities(list []searched) Section {
	section := capacities(list)
	if more := len(section.Notes) - briefLines; more > 0 {
		section.Notes = append(section.Notes[:briefLines], fmt.Sprintf("And %s more: see the full report.", units.Plural(more, "sentence")))
	}
	t := &section.Tables[0]
	t.Notes = nil
	t.Rows = slices.DeleteFunc(t.Rows, func(row []Cell) bool {
		return !slices.ContainsFunc(list, func(c searched) bool { return row[0].Text == c.cell.Cell.Folder && c.rayRow(row[1].Text) })
	})
	return section
}

// briefComparison is the published guide's table.
func briefComparison(c analysis.Comparison) Table {
	t := Table{
		ID: fmt.Sprintf("comparison-%d", c.Index),
		Title: fmt.Sprintf("%s, window %s (O: on every device, X: on none; n: replicates)",
			stepName(c.Step, c.Index), units.Format(c.Window, units.Seconds)),
		Columns: []Column{
			words("Configuration"), words("MIG"), words("MPS"), numbers("VLM responses", "1/h"), spans("VLM latency"),
			numbers("Vision", "req/s"), numbers("Agent", "req/min"), numbers("VLM answers", "n"), numbers("n", "n"),
		},
	}
	for _, r := range c.Rows {
		row := []Cell{
			Text(r.Config), mark(r.MIG), mark(r.MPS), aggregate(r.VLMResponses, "1/h", false), aggregate(r.VLMLatency, "s", true),
			aggregate(r.Vision, "req/s", false), aggregate(r.Agent, "req/min", false), answers(r), count(r.Replicates),
		}
		if r.Failed > 0 {
			row[8].Note = fmt.Sprintf("%d not done", r.Failed)
		}
		t.Rows = append(t.Rows, row)
	}
	t.dropInapplicable()
	return t
}

// briefChanges has a column for each figure; without a 2x2, of which the
// effects tell more, also for each model.
func briefChanges(s *analysis.Summary, c analysis.Comparison) Table {
	t := Table{ID: fmt.Sprintf("change-%d", c.Index), Columns: []Column{words("Configuration")}}
	if len(c.Rows) < 2 {
		return t
	}
	t.Title = "Change against " + c.Rows[c.Base].Config
	for _, m := range metrics(c.Rows[c.Base]) {
		t.Columns = append(t.Columns, ratios(m.name))
	}
	models := modelsOf(c)
	if len(c.Factorials) > 0 || len(models) < 2 {
		models = nil
	}
	for _, m := range models {
		t.Columns = append(t.Columns, ratios(m))
	}
	for i, r := range c.Rows {
		if i == c.Base {
			continue
		}
		row := []Cell{Text(r.Config)}
		changes := changesOf(c, i)
		for k, m := range metrics(r) {
			row = append(row, change(changes[k], m.less(), verdictOf(s, r.Config, c.Rows[c.Base].Config, m.name, c.Index)))
		}
		for _, m := range models {
			row = append(row, modelCell(s, c, i, m))
		}
		t.Rows = append(t.Rows, row)
	}
	t.dropInapplicable()
	if len(c.Factorials) == 0 { // else it is told there
		t.Notes = changeNotes(c)[1:]
	}
	return t
}

// briefEffects has a row for each figure, and with replicates one of intervals
// below it.
func briefEffects(c analysis.Comparison) []Table {
	var tables []Table
	for i, f := range c.Factorials {
		if i == briefSquares {
			last := &tables[i-1]
			last.Notes = append(last.Notes, fmt.Sprintf("%s of MIG and MPS more: see the full report.", units.Plural(len(c.Factorials)-i, "table")))
			break
		}
		t := effectTable(c, f, i)
		t.Title, t.Rows = briefEffectTitle(f), nil
		for _, m := range f.Metrics {
			row, intervals, any := []Cell{Text(m.Name)}, []Cell{Text("  95 %")}, false
			for _, e := range effectsOf(m) {
				text := intervalText(e.Effect)
				any = any || text != ""
				row, intervals = append(row, signed(e.Value)), append(intervals, Text(text))
			}
			t.Rows = append(t.Rows, row)
			if any {
				t.Rows = append(t.Rows, intervals)
			}
		}
		t.Notes = append(slices.Clone(t.Notes), effectNotes[1])
		tables = append(tables, t)
	}
	return tables
}

// briefEffectTitle says of which figures less is better: there is no room for a word beside
// each effect.
func briefEffectTitle(f analysis.Factorial) string {
	var less []string
	for _, m := range f.Metrics {
		if lessIsBetter(m.Unit) {
			less = append(less, m.Name)
		}
	}
	if len(less) == 0 {
		return effectTitle + ": " + factorialName(f)
	}
	return effectTitle + " (of " + and(less) + " less is better): " + factorialName(f)
}

// briefModels is the table of vision models without what the comparison has.
// Without a 2x2, of which the effects tell more, each configuration's changes
// against the base stand below it.
func briefModels(s *analysis.Summary, c analysis.Comparison) Table {
	models := modelsOf(c)
	t := Table{
		ID: fmt.Sprintf("models-%d", c.Index), Title: "Vision models, requests completed in a second",
		Columns: []Column{words("Configuration"), numbers("Total", "")},
	}
	if len(models) == 0 {
		return t
	}
	for _, m := range models {
		t.Columns = append(t.Columns, numbers(m, ""))
	}
	for i, r := range c.Rows {
		row := []Cell{Text(r.Config), aggregate(r.Vision, "req/s", false)}
		for _, m := range models {
			row = append(row, modelRate(r, m))
		}
		t.Rows = append(t.Rows, row)
		if i == c.Base || len(c.Factorials) > 0 {
			continue
		}
		changes := []Cell{Text("  change"), change(changesOf(c, i)[2], false, verdictOf(s, r.Config, c.Rows[c.Base].Config, "Vision", c.Index))}
		for _, m := range models {
			changes = append(changes, modelCell(s, c, i, m))
		}
		t.Rows = append(t.Rows, changes)
	}
	return t
}

// briefPlacement has a row for each device, once for all configurations that
// sit alike.
func briefPlacement(s *analysis.Summary) Table {
	t := Table{ID: "placement", Title: "Placement", Columns: []Column{
		words("Configurations"), words("Device"), numbers("SMs", "1"), numbers("Memory", "GiB"), words("Instances"),
	}}
	var seats [][][]Cell // of each placement: its rows without the first cell
	var names [][]string
	var seen []string
	for _, c := range s.Cells {
		name := c.Cell.Config.Name
		if name == "" || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		rows := seatsOf(c)
		i := slices.IndexFunc(seats, func(other [][]Cell) bool {
			return slices.EqualFunc(rows, other, func(a, b []Cell) bool {
				return slices.EqualFunc(a, b, func(a, b Cell) bool { return a.Text == b.Text })
			})
		})
		if i < 0 {
			i = len(seats)
			seats, names = append(seats, rows), append(names, nil)
		}
		names[i] = append(names[i], name)
	}
	for i, rows := range seats {
		for _, row := range rows {
			t.Rows = append(t.Rows, append([]Cell{Text(strings.Join(names[i], ", "))}, row...))
		}
	}
	return t
}

// seatsOf lists the devices of a cell on which something runs, and what is on
// none that is known.
func seatsOf(c analysis.Cell) [][]Cell {
	var rows [][]Cell
	seated := map[string]bool{}
	for _, d := range c.Layout.Devices {
		var here []string
		for _, i := range c.Cell.Instances {
			if i.Device == d.UUID {
				here = append(here, i.Name)
				seated[i.Name] = true
			}
		}
		if len(here) > 0 {
			rows = append(rows, []Cell{Text(d.Name), smCount(d.SMs), gibibytes(d.MemoryBytes), Text(strings.Join(here, ", "))})
		}
	}
	var others []string
	for _, i := range c.Cell.Instances {
		if !seated[i.Name] {
			others = append(others, i.Name)
		}
	}
	if len(others) > 0 {
		rows = append(rows, []Cell{Text(units.Unknown), Text(units.Unknown), Text(units.Unknown), Text(strings.Join(others, ", "))})
	}
	return rows
}
