package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// found tells how the capacities were found: every step of their searches, in the
// order of running, a row for each service.
func found(list []searched) Section {
	section := Section{Title: "How the capacity was found"}
	unit := map[string]string{} // by clause
	for _, c := range list {
		section.Notes = append(section.Notes, c.price())
		for _, p := range c.places() {
			for _, v := range p.service.SLO {
				unit[clauseText(v.Clause.Class, v.Clause.Text)] = v.Clause.Unit
			}
		}
	}
	clauses := slices.Sorted(maps.Keys(unit))
	t := Table{
		ID: "capacity-steps", Title: "Steps of the search",
		Notes:   []string{"climb: looks for a load that is too much. probe: near the boundary, what the estimate rests on. confirm: at the load to be allowed. A column of a clause has the value that was measured; empty: the service has no such clause."},
		Columns: []Column{words("Cell"), words("Step"), words("Service"), words("Purpose"), numbers("Load", ""), words("Unit"), spans("Window"), numbers("Requests", "n")},
	}
	for _, text := range clauses {
		t.Columns = append(t.Columns, Column{Name: text, Unit: unit[text], Align: Right, Scaled: true})
	}
	t.Columns = append(t.Columns, words("Not met"), words("Verdict"), words("Ended early"))
	for _, c := range list {
		for _, p := range c.places() {
			t.Rows = append(t.Rows, p.probe(clauses))
		}
	}
	section.Tables = []Table{t}
	return section
}

// places lists the services of all steps of a search.
func (c searched) places() []place {
	var list []place
	for _, step := range c.cell.Steps {
		for _, service := range step.Services {
			if step.Failover == nil {
				list = append(list, place{c.cell, step, service})
			}
		}
	}
	return list
}

// probe is a place's row: the value of each clause, and those that were not met.
func (p place) probe(clauses []string) []Cell {
	purpose := cmp.Or(p.step.Purpose, "level of the ladder")
	if p.step.Heavy {
		purpose += ", heavy"
	}
	level := p.service.Level
	row := []Cell{
		Text(p.cell.Cell.Folder), Text(stepName("", p.step.Index)), Text(p.service.Name), Text(purpose),
		number(analysis.Value{Number: &level.Value}, ""), Text(level.Unit), seconds(p.step.Window), count(p.service.Total.Due),
	}
	var unmet []string
	for _, text := range clauses {
		cell := Text("")
		for _, v := range p.service.SLO {
			if clauseText(v.Clause.Class, v.Clause.Text) != text {
				continue
			}
			cell = scaled(v.Value)
			if v.Result != analysis.Met {
				unmet = append(unmet, text+" ("+v.Result+")")
			}
		}
		row = append(row, cell)
	}
	verdict := p.service.Verdict.Is
	if verdict != analysis.Valid {
		verdict += ": " + p.service.Verdict.Why
	}
	return append(row, Text(strings.Join(unmet, "; ")), Text(verdict), Text(p.step.Stopped))
}

// price tells what a search cost and was said to cost.
func (c searched) price() string {
	a := c.capacity
	text := fmt.Sprintf("%s: %s", c.cell.Cell.Folder, units.Plural(a.Probes, "probe"))
	text += fmt.Sprintf(" with %s requests; load time quoted %s, spent %s", units.Number(float64(a.Requests)), textOf(a.Quoted), textOf(a.Spent))
	if a.Tolerance > 0 {
		text += "; half of the interval was to be at most " + units.Format(a.Tolerance, units.Ratio) + " of the estimate"
	}
	return text + "."
}
