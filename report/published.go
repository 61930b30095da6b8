package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/published"
)

// publishedBanner is what every page of published rows says.
const publishedBanner = "PUBLISHED: every figure is as the guide prints it, none was measured by evabench."

// Published lays the tables of the EVA GPU MIG/MPS Optimization Guide out as a run's are.
// Their cells are texts, letter by letter: nothing is calculated from them.
func Published() *Document {
	all := published.Read()
	d := &Document{Title: "evabench: published figures", Banner: publishedBanner, Data: all, Summary: &analysis.Summary{}}
	source := []string{"Source: " + all.Source + ".", all.Note}
	comparison := Section{Title: "Comparison", Together: true, Notes: append(source,
		"O: used; X: not. A change is the guide's own, of MIG and MPS together against neither.")}
	models := Section{Title: "Vision models", Together: true}
	for _, t := range all.Tables {
		if _, ok := t.Cell(0, publishedResponses); !ok {
			models.Tables = append(models.Tables, publishedModels(t))
			continue
		}
		comparison.Tables = append(comparison.Tables, publishedComparison(t))
		if len(t.Change.Rows) > 0 {
			comparison.Tables = append(comparison.Tables, publishedChange(t))
		}
	}
	d.Sections = []Section{comparison, models, {Title: "Placement", Tables: []Table{publishedPlacement(all.Placement)}}}
	d.clean()
	return d
}

// The guide's names of what it measures.
const (
	publishedResponses = "VLM responses"
	publishedLatency   = "VLM Latency"
	publishedVision    = "Vision Throughput (req/s)"
	publishedAgent     = "Agent Throughput (req/min)"
)

// publishedTitle names a table and where it is from.
func publishedTitle(t published.Table) string {
	return fmt.Sprintf("Published, section %s: %s, %s", t.ID, t.Title, t.Server)
}

// publishedMark marks a row, with the guide's section that it is from.
func publishedMark(section string) Cell { return Text("published " + section) }

// publishedComparison is the table of a step's comparison.
func publishedComparison(t published.Table) Table {
	out := Table{
		ID: "published-" + publishedID(t), Title: publishedTitle(t),
		Columns: []Column{words("Source"), words("MIG"), words("MPS"), texts("VLM responses"), texts("VLM latency"), texts("Vision (req/s)"), texts("Agent (req/min)")},
	}
	for i := range t.Rows {
		row := []Cell{publishedMark(t.ID)}
		for _, column := range []string{"MIG", "MPS", publishedResponses, publishedLatency, publishedVision, publishedAgent} {
			row = append(row, publishedCell(t, i, column))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// texts makes a column of numbers that are texts.
func texts(name string) Column { return Column{Name: name, Align: Right} }

func publishedCell(t published.Table, row int, column string) Cell {
	text, ok := t.Cell(row, column)
	if !ok {
		return Cell{Text: NotApplicable, Note: "not published"}
	}
	return Text(text)
}

func publishedID(t published.Table) string { return strings.ReplaceAll(t.ID, ".", "-") }

// publishedChange is the guide's own table of changes.
func publishedChange(t published.Table) Table {
	out := Table{ID: "published-change-" + publishedID(t), Title: "Published change, section " + t.ID + ": MIG and MPS against neither", Columns: []Column{words("Source")}}
	for i, name := range t.Change.Columns {
		column := texts(name)
		if i == 0 {
			column = words(name)
		}
		out.Columns = append(out.Columns, column)
	}
	for _, cells := range t.Change.Rows {
		row := []Cell{publishedMark(t.ID)}
		for _, text := range cells {
			row = append(row, Text(text))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// publishedModels is the table of Vision models.
func publishedModels(t published.Table) Table {
	out := Table{ID: "published-models-" + publishedID(t), Title: publishedTitle(t), Columns: []Column{words("Source")}}
	for _, name := range t.Columns {
		column := texts(name)
		if name == "MIG" || name == "MPS" {
			column = words(name)
		}
		out.Columns = append(out.Columns, column)
	}
	for i, r := range t.Rows {
		row := []Cell{Text(fmt.Sprintf("published %s, row %d", t.ID, i+1))} // formats leave out what repeats the row above
		for _, text := range r.Cells {
			row = append(row, Text(text))
		}
		out.Rows = append(out.Rows, row)
	}
	if t.Sentence != "" {
		out.Notes = append(out.Notes, "Published: "+t.Sentence)
	}
	if t.WindowNote != "" {
		out.Notes = append(out.Notes, "The window is not published; "+t.WindowNote+".")
	}
	return out
}

func publishedPlacement(g published.Grid) Table {
	out := Table{ID: "published-placement", Title: "Published: which service runs where", Columns: []Column{words("Source")}}
	for _, name := range g.Columns {
		out.Columns = append(out.Columns, words(name))
	}
	for _, cells := range g.Rows {
		row := []Cell{publishedMark("2.2")}
		for _, text := range cells {
			row = append(row, Text(text))
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// AddPublished puts a section with the published rows beside the run's own into a
// Document of [Build] or [Brief]. They are for looking at: no mean, no change and no
// contrast knows them.
func AddPublished(d *Document) {
	all := published.Read()
	section := Section{Title: "Beside the published figures", Together: true, Notes: []string{
		"Rows marked published are as the guide prints them, from its own servers, models and load. They were not measured by evabench, and no mean, change or contrast of this report has them in it.",
		"Source: " + all.Source + ".",
	}}
	for _, c := range d.Summary.Comparison {
		section.Tables = append(section.Tables, besideTable(c, all))
	}
	if len(d.Summary.Comparison) == 0 {
		for _, t := range all.Tables {
			if _, ok := t.Cell(0, publishedResponses); ok {
				section.Tables = append(section.Tables, publishedComparison(t))
			}
		}
	}
	for _, t := range all.Tables {
		if len(t.Change.Rows) > 0 {
			section.Tables = append(section.Tables, publishedChange(t))
		}
		if _, ok := t.Cell(0, publishedResponses); !ok {
			section.Tables = append(section.Tables, publishedModels(t))
		}
	}
	at := slices.IndexFunc(d.Sections, func(s Section) bool { return s.Title == "Comparison" }) + 1
	if at == 0 { // a Brief, which ends with its notes
		at = max(len(d.Sections)-1, 0)
	}
	d.Sections = slices.Insert(d.Sections, at, section)
	d.clean()
}

// besideTable has a step's rows and then the published ones.
func besideTable(c analysis.Comparison, all published.Tables) Table {
	t := Table{
		ID: fmt.Sprintf("beside-published-%d", c.Index), Title: stepName(c.Step, c.Index) + ", and the published rows",
		Columns: []Column{
			words("Source"), words("Configuration or server"), words("MIG"), words("MPS"),
			numbers("VLM responses", "1/h"), spans("VLM latency"), numbers("Vision", "req/s"), numbers("Agent", "req/min"),
		},
	}
	for _, r := range c.Rows {
		t.Rows = append(t.Rows, []Cell{
			Text("this run"), Text(r.Config), mark(r.MIG), mark(r.MPS),
			aggregate(r.VLMResponses, "1/h", false), aggregate(r.VLMLatency, "s", true),
			aggregate(r.Vision, "req/s", false), aggregate(r.Agent, "req/min", false),
		})
	}
	for _, p := range all.Tables {
		if _, ok := p.Cell(0, publishedResponses); !ok {
			continue
		}
		for i := range p.Rows {
			row := []Cell{publishedMark(p.ID), Text(cmp.Or(p.Server, "unknown"))}
			for _, column := range []string{"MIG", "MPS", publishedResponses, publishedLatency, publishedVision, publishedAgent} {
				row = append(row, publishedCell(p, i, column))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}
