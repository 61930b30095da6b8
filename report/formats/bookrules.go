package formats

import (
	"slices"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// judged are the columns whose words are verdicts.
var judged = []string{
	"Validity", "Result", "Objectives", "Answer", "Verdict", "Verified", "Due = sum", "Status", "State", "Measured", "How sure", "Holds", "Judged",
}

// A verdictColour is how words look; the first that has one of them wins.
type verdictColour struct {
	words      []string
	font, fill string
}

var verdictColours = []verdictColour{
	{[]string{"not met", "no:", "fail", "invalid", "client-limited", "void", "disagree", "never", "missing"}, "9C0006", "FFC7CE"},
	{[]string{"unknown", "unsteady", "saturated", "not ", "unfinished", "drift", "cliff", "no difference", "too few"}, "7F6000", "FFEB9C"},
	{[]string{"met", "yes", "valid", "pass", "found", "shown", "done", "agrees"}, "006100", "C6EFCE"},
}

// verdicts colours the verdicts of a table: a rule, and not a fixed colour, so that what
// a reviewer writes over them is coloured too.
func (b *book) verdicts(sheet string, t placed) error {
	for i, c := range t.Columns {
		if c.Align == report.Right || !slices.Contains(judged, c.Name) || len(t.Rows) == 0 {
			continue
		}
		area, err := between(i+1, t.top, i+1, t.top+len(t.Rows)-1)
		if err != nil {
			return err
		}
		first, _, _ := strings.Cut(area, ":")
		var rules []excelize.ConditionalFormatOptions
		for _, v := range verdictColours {
			style, err := b.verdictStyle(v)
			if err != nil {
				return err
			}
			var tests []string
			for _, word := range v.words {
				tests = append(tests, `ISNUMBER(SEARCH("`+word+`",`+first+`))`)
			}
			if v.fill == "FFC7CE" {
				tests = append(tests, `LOWER(`+first+`)="no"`)
			}
			rules = append(rules, excelize.ConditionalFormatOptions{Type: "formula", Criteria: "OR(" + strings.Join(tests, ",") + ")", Format: &style, StopIfTrue: true})
		}
		if err := b.file.SetConditionalFormat(sheet, area, rules); err != nil {
			return err
		}
	}
	return b.bars(sheet, t)
}

func (b *book) verdictStyle(v verdictColour) (int, error) {
	if style, ok := b.verdict[v.fill]; ok {
		return style, nil
	}
	style, err := b.file.NewConditionalStyle(&excelize.Style{
		Font: &excelize.Font{Color: v.font}, Fill: excelize.Fill{Type: "pattern", Color: []string{v.fill}, Pattern: 1},
	})
	if err == nil {
		b.verdict[v.fill] = style
	}
	return style, err
}

// bars draws shares of what devices did within their cells.
func (b *book) bars(sheet string, t placed) error {
	if t.ID != "device-activity" || len(t.Rows) == 0 {
		return nil
	}
	for i, c := range t.Columns {
		if c.Unit != "ratio" {
			continue
		}
		area, err := between(i+1, t.top, i+1, t.top+len(t.Rows)-1)
		if err != nil {
			return err
		}
		err = b.file.SetConditionalFormat(sheet, area, []excelize.ConditionalFormatOptions{{
			Type: "data_bar", Criteria: "=", MinType: "num", MinValue: "0", MaxType: "num", MaxValue: "1", BarColor: "#9DC3E6", BarSolid: true,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// filter puts a filter on the longest table of a sheet that can be sorted: a sheet has one
// at most. Merged cells cannot.
func (b *book) filter(sheet string, tables []placed, lookup bool) error {
	const least = 3 // rows that are worth it
	longest := -1
	for i, t := range tables {
		if len(t.Rows) >= least && !reaches(t.Table, lookup) && !mixes(t.Table) && (longest < 0 || len(t.Rows) > len(tables[longest].Rows)) {
			longest = i
		}
	}
	if longest < 0 {
		return nil
	}
	t := tables[longest]
	columns := len(t.Columns)
	if hasNotes(t.Table) {
		columns++
	}
	area, err := between(1, t.top-1, columns, t.top+len(t.Rows)-1)
	if err != nil {
		return err
	}
	return b.file.AutoFilter(sheet, area, nil)
}

// mixes reports whether a cell of a table is reckoned from other rows: its formula, sorted to
// another row, would name others than those.
func mixes(t report.Table) bool {
	for i, row := range t.Rows {
		other := func(at report.CellAt) bool { return at.Table != "" || at.Row != i }
		for _, c := range row {
			if c.Change != nil || c.Reckoned != nil && slices.ContainsFunc(slices.Concat(c.Reckoned.Times, c.Reckoned.Over), other) {
				return true
			}
		}
	}
	return false
}
