package page

import (
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/report"
)

// A table is a report.Table with its notes numbered.
type table struct {
	ID, Title string
	Columns   []column
	Rows      [][]cell
	Marks     []mark // notes of cells, each text once
	Notes     []string
}

// A column's Unit is that of its cells' exact values, for who copies them.
type column struct {
	Head, Unit string
	Number     bool
}

// A cell's Value is its exact value as text, empty if Text is just that; only of
// a Known number. Mark is the number of its note, 0 without one.
type cell struct {
	Text, Value   string
	Known, Number bool
	Long          bool // scrolls, lest one cell should fill the screen
	Mark          int
	Row           bool // heads its row
}

// A mark is a note of cells.
type mark struct {
	N    int
	Text string
}

// longText is how many bytes of a text a cell shows without scrolling.
const longText = 400

// Size is how many rows there are, for people.
func (t table) Size() string { return units.Plural(len(t.Rows), "row") }

func tableOf(t report.Table) table {
	out := table{ID: t.ID, Title: t.Title, Notes: t.Notes}
	for _, c := range t.Columns {
		out.Columns = append(out.Columns, column{heading(c), valueUnit(c), c.Align == report.Right})
	}
	numbers := map[string]int{}
	for _, row := range t.Rows {
		cells := make([]cell, len(row))
		for i, c := range row {
			made := cell{Text: c.Text, Long: len(c.Text) > longText, Row: i == 0, Number: i < len(t.Columns) && t.Columns[i].Align == report.Right}
			if c.Value != nil {
				made.Known = true
				if exact := strconv.FormatFloat(*c.Value, 'g', -1, 64); strings.ReplaceAll(c.Text, ",", "") != exact {
					made.Value = exact
				}
			}
			if c.Note != "" {
				if numbers[c.Note] == 0 {
					numbers[c.Note] = len(numbers) + 1
					out.Marks = append(out.Marks, mark{len(numbers), c.Note})
				}
				made.Mark = numbers[c.Note]
			}
			cells[i] = made
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

// heading is a column's name with its unit, unless its cells tell their own.
func heading(c report.Column) string {
	if c.Unit == "" || c.Scaled || c.Unit == "1" || c.Unit == "n" {
		return c.Name
	}
	return c.Name + " (" + c.Unit + ")"
}

// valueUnit is the unit that the heading leaves out and the exact values have.
func valueUnit(c report.Column) string {
	if c.Scaled {
		return c.Unit
	}
	return ""
}
