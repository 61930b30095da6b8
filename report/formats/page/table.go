package page

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
	Packed    string // the rows of a table of more than packedRows, see [pack]
	Size      string // how many rows there are, for people
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

// packedRows is how many rows a table may have as markup. A browser takes a second and
// hundreds of megabytes for half a million cells, most of which nobody looks at.
const packedRows = 300

func tableOf(t report.Table) (table, error) {
	out := table{ID: t.ID, Title: t.Title, Notes: t.Notes, Size: units.Plural(len(t.Rows), "row")}
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
	if len(out.Rows) <= packedRows {
		return out, nil
	}
	packed, err := pack(out.Rows)
	if err != nil {
		return table{}, fmt.Errorf("table %s: %w", t.ID, err)
	}
	out.Rows, out.Packed = nil, packed
	return out, nil
}

// pack gives rows as JSON, compressed by gzip, in base64 of the alphabet for addresses,
// which needs no escaping. A cell is its text alone, or a list: the text, the exact value
// as [cell] has it or null without one, and the number of its note, 0 without one.
func pack(rows [][]cell) (string, error) {
	out := make([][]any, len(rows))
	for i, row := range rows {
		for _, c := range row {
			switch {
			case !c.Known && c.Mark == 0:
				out[i] = append(out[i], c.Text)
			case c.Known:
				out[i] = append(out[i], []any{c.Text, c.Value, c.Mark})
			default:
				out[i] = append(out[i], []any{c.Text, nil, c.Mark})
			}
		}
	}
	var b strings.Builder
	text := base64.NewEncoder(base64.URLEncoding, &b)
	z := gzip.NewWriter(text)
	if err := json.NewEncoder(z).Encode(out); err != nil {
		return "", err
	}
	if err := errors.Join(z.Close(), text.Close()); err != nil {
		return "", err
	}
	return b.String(), nil
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
