package formats

import (
	"slices"

	"github.com/evabench/evabench/report"
)

// A sheetPlan is what a sheet has, from its top down.
type sheetPlan struct {
	name    string
	answers []report.Answer
	charts  []report.Chart
	parts   []sheetPart
	// lookup says that the sheet is for looking things up: of it only the begin, which
	// says so, is printed.
	lookup bool
}

// A sheetPart is a heading with what stands below it.
type sheetPart struct {
	heading string
	notes   []string
	tables  []report.Table
}

// rows counts those of all tables.
func (p sheetPlan) rows() int {
	n := 0
	for _, part := range p.parts {
		for _, t := range part.tables {
			n += len(t.Rows)
		}
	}
	return n
}

// tables lists those of all parts.
func (p sheetPlan) tables() []report.Table {
	var all []report.Table
	for _, part := range p.parts {
		all = append(all, part.tables...)
	}
	return all
}

// mostPrinted is how many rows of tables a sheet may have to be printed in full: with
// more it is for looking things up.
const mostPrinted = 120

// planned is the order of the sheets that reviewers look for, and which sections have
// what is on them.
var planned = []struct {
	sheet    string
	sections []string
}{
	{"Capacity", []string{"Capacity", "Capacity table", "How the capacity was found"}},
	{"Comparison", []string{"Comparison", "Comparison in pairs", "MIG x MPS"}},
	{"Per model", []string{"Vision models"}},
	{"Placement", []string{"Placement"}},
	{"Steps", []string{"Steps"}},
	{"Instances", []string{"Devices"}},
	{"Integrity", []string{"Integrity", "Little's law", "Warnings"}},
	{"Environment", []string{"Environment", "Simulated time"}},
	{"Checklist", []string{"Checklist"}},
}

// instanceTables are those of the steps that tell of instances.
var instanceTables = []string{"per-instance", "imbalance"}

// plan deals a document to sheets: those in planned, then Raw, then the sections that
// planned does not name. Detail tables come after all that is read, a sheet for each of
// their sections.
func plan(d *report.Document) []sheetPlan {
	var sheets, details []sheetPlan
	if first := summaryPlan(d); len(first.answers) > 0 {
		sheets = append(sheets, first)
	}
	taken := map[string]bool{}
	deal := func(name string, titles []string) {
		p, detail := sheetPlan{name: name}, sheetPlan{name: name + " details", lookup: true}
		for _, title := range titles {
			taken[title] = true
			for _, s := range d.Sections {
				if s.Title == title {
					p.deal(&detail, s)
				}
			}
		}
		if p.name == "Instances" {
			p.instances(d)
		}
		p.lookup = p.rows() > mostPrinted
		if len(p.parts) > 0 {
			sheets = append(sheets, p)
		}
		if detail.rows() > 0 {
			details = append(details, detail)
		}
	}
	for _, s := range planned {
		deal(s.sheet, s.sections)
	}
	if charts := firstCharts(d); len(charts) > 0 {
		sheets = append(sheets, sheetPlan{name: "Charts", charts: charts})
	}
	if d.Data == nil && len(d.Summary.Cells) > 0 {
		raw := report.Flat(d.Summary)
		raw.Title = "Raw: a row for each service of each step"
		raw.Notes = nil
		if len(raw.Rows) > 0 {
			sheets = append(sheets, sheetPlan{name: "Raw", lookup: true, parts: []sheetPart{{tables: []report.Table{rawFormulas(raw)}}}})
		}
	}
	for _, s := range d.Sections {
		if !taken[s.Title] {
			deal(s.Title, []string{s.Title})
		}
	}
	return append(sheets, details...)
}

// deal puts a section's tables on the sheet, and those that are Detail on the other.
func (p *sheetPlan) deal(detail *sheetPlan, s report.Section) {
	part := sheetPart{heading: s.Title, notes: s.Notes}
	var more []report.Table
	for _, t := range s.Tables {
		switch {
		case len(t.Rows) == 0 || s.Title == "Steps" && slices.Contains(instanceTables, t.ID):
		case t.Detail && s.Title != "Environment": // whose tables are all Detail
			more = append(more, t)
		default:
			part.tables = append(part.tables, t)
		}
	}
	if len(part.tables)+len(part.notes) > 0 {
		p.parts = append(p.parts, part)
	}
	if len(more) > 0 {
		detail.parts = append(detail.parts, sheetPart{heading: s.Title, tables: more})
	}
}

// instances adds what the steps tell of instances.
func (p *sheetPlan) instances(d *report.Document) {
	for _, s := range d.Sections {
		if s.Title != "Steps" {
			continue
		}
		part := sheetPart{heading: "Load over instances"}
		for _, t := range s.Tables {
			if slices.Contains(instanceTables, t.ID) && len(t.Rows) > 0 {
				part.tables = append(part.tables, t)
			}
		}
		if len(part.tables) > 0 {
			p.parts = append(p.parts, part)
		}
	}
}

// summaryCharts is how many charts the first sheet has.
const summaryCharts = 2

// summaryPlan is the sheet that is read if only one is: the answers, two charts, what may
// be signed, and the documents' tables.
func summaryPlan(d *report.Document) sheetPlan {
	p := sheetPlan{name: "Summary", answers: d.Headline}
	charts := firstCharts(d)
	p.charts = charts[:min(len(charts), summaryCharts)]
	for _, title := range []string{"Capacity", "Comparison", "MIG x MPS", "Recommendation"} {
		for _, s := range d.Sections {
			if s.Title != title || len(s.Tables) == 0 {
				continue
			}
			part := sheetPart{heading: s.Title, tables: withoutRanges(s.Tables)}
			switch title {
			case "Capacity":
				part.heading, part.notes = "What may be signed", s.Notes
			case "Recommendation":
				part.tables = s.Tables[:1]
			}
			p.parts = append(p.parts, part)
		}
	}
	return p
}

// withoutRanges leaves out the tables that tell how far others' figures vary.
func withoutRanges(tables []report.Table) []report.Table {
	return slices.DeleteFunc(slices.Clone(tables), func(t report.Table) bool {
		return len(t.Rows) == 0 || hasPrefix(t.ID, "spread-", "effect-ranges-")
	})
}

// firstCharts lists the charts that are on the first level.
func firstCharts(d *report.Document) []report.Chart {
	var all []report.Chart
	for _, s := range d.Sections {
		for _, c := range s.Charts {
			if !c.Detail && c.Heat == nil && len(c.Series) > 0 {
				all = append(all, c)
			}
		}
	}
	return all
}

// rawFormulas has the rates of Flat reckoned from its counts.
func rawFormulas(t report.Table) report.Table {
	column := func(name string) int {
		return slices.IndexFunc(t.Columns, func(c report.Column) bool { return c.Name == name })
	}
	window := column("window_seconds")
	for _, f := range []struct {
		of, count string
		factor    float64
	}{{"throughput_per_second", "completed", 1}, {"completed_per_hour", "completed", 3600}, {"answered_per_second", "outcome_ok", 1}} {
		of, count := column(f.of), column(f.count)
		if of < 0 || count < 0 || window < 0 {
			continue
		}
		for i, row := range t.Rows {
			row[of].Reckoned = &report.Reckoned{Factor: f.factor, Times: []report.CellAt{{Row: i, Column: count}}, Over: []report.CellAt{{Row: i, Column: window}}}
		}
	}
	return t
}
