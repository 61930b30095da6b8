// Package report lays a Summary out as one document of sections and tables,
// which package formats writes in every format. It computes no figure of its own.
package report

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// A Document is a report before it has a format. It is data, and holds no
// control characters: names that came from outside are safe to print, though
// not yet escaped for any format.
type Document struct {
	Title string
	// Banner must stand on every page and sheet if it is not empty.
	Banner string
	// Headline is what a reader asks first, answered; in a [Brief] without notes,
	// and nil where nothing is recommended.
	Headline []Answer
	Sections []Section
	// Alerts are those of [Build], without groups where there is no capacity; nil in a
	// [Brief].
	Alerts *Alerts
	// Summary is what the document was made from. Of one that was made from Data it
	// holds the environment of the first run, or nothing.
	Summary *analysis.Summary
	// Data is what the document was made from where that is no Summary; else nil.
	Data any
}

// Mark is what headings say where there is a Banner: what stands before its colon,
// "SIMULATED" or "PUBLISHED", and that faults were injected; empty without one.
func (d *Document) Mark() string {
	mark, rest, _ := strings.Cut(d.Banner, ":")
	if strings.Contains(rest, faultsInjected) {
		mark += ", " + faultsInjected
	}
	return mark
}

// A Section is a part of a Document.
type Section struct {
	Title  string
	Notes  []string
	Tables []Table
	Charts []Chart
	// Together says that the tables belong on one sheet.
	Together bool
}

// A Table is a titled grid. Each row has one Cell for each column.
type Table struct {
	ID      string // stable, lower-case, hyphenated, unique in a Document
	Title   string
	Notes   []string
	Columns []Column
	Rows    [][]Cell
	// Detail says that the table is for looking things up: formats that are
	// read at a glance leave it out and say so.
	Detail bool
}

// An Align says on which side a column's cells stand.
type Align int

// The alignments. Numbers are Right.
const (
	Left Align = iota
	Right
)

// A Column is a table's column.
type Column struct {
	Name string
	// Unit is that of the cells' values, empty for text.
	Unit  string
	Align Align
	// Scaled says that the cells' texts carry a unit of their own ("12 ms"),
	// so that the heading should not.
	Scaled bool
}

// A Cell is a text and, if it is a number, its exact value in Unit.
type Cell struct {
	Text  string
	Value *float64
	Unit  string
	// Decimals is how many digits after the point Text has, if Even: then all
	// numbers of the column have as many.
	Decimals int
	Even     bool
	// Signed says that Value is a relative change, whose sign is told.
	Signed bool
	// Meaning says in words what the change is: better, worse, or no difference. Text has it,
	// too; empty where there is none.
	Meaning string
	// Note says what the text must not be read without: a spread, or why a
	// value is unknown.
	Note string
	// Change, if set, says how Value comes about; so does Reckoned.
	Change   *Change
	Reckoned *Reckoned
	// Key names a figure that people look for, such as "capacity vision 001-off-r1"; empty
	// of others.
	Key string
}

// A Change says that a value is, in a column of its table, the cell of a row ÷
// that of the row Base - 1. All are indices.
type Change struct{ Column, Row, Base int }

// A Reckoned says that a value is Factor x the product of the cells Times ÷ that of the
// cells Over, - Less.
type Reckoned struct {
	Factor, Less float64
	Times, Over  []CellAt
}

// A CellAt is a cell of a table by its indices: of the one with the ID Table, or of its
// own if that is empty.
type CellAt struct {
	Table       string
	Row, Column int
}

// per says that a cell is count ÷ span in seconds x factor, both of the same row and given by their
// columns.
func (c Cell) per(factor float64, row, count, span int) Cell {
	c.Reckoned = &Reckoned{Factor: factor, Times: []CellAt{{Row: row, Column: count}}, Over: []CellAt{{Row: row, Column: span}}}
	return c
}

// keyed gives a cell the name of a key figure.
func (c Cell) keyed(name ...string) Cell {
	c.Key = strings.Join(name, " ")
	return c
}

// NotApplicable is the text of a cell where there can be no number, which is
// not to be taken for one that nobody measured.
const NotApplicable = "n/a"

// Text makes a cell of words.
func Text(text string) Cell { return Cell{Text: text} }

// number makes a cell without a unit in its text. The unit "n" is for counts.
func number(v analysis.Value, unit string) Cell {
	if !v.Known() {
		return missing(v, unit)
	}
	if unit == "n" {
		return Cell{Text: units.Number(*v.Number), Value: v.Number, Unit: unit}
	}
	return Cell{Text: units.Measure(*v.Number), Value: v.Number, Unit: unit}
}

// scaled makes a cell whose text has a prefix and a unit.
func scaled(v analysis.Value) Cell {
	if !v.Known() {
		return missing(v, v.Unit)
	}
	return Cell{Text: units.Format(*v.Number, v.Unit), Value: v.Number, Unit: v.Unit}
}

// missing makes the cell of a value without a number.
func missing(v analysis.Value, unit string) Cell {
	if v.Inapplicable {
		return Cell{Text: NotApplicable, Unit: unit, Note: v.Why}
	}
	return Cell{Text: units.Unknown, Unit: unit, Note: v.Why}
}

// signed makes a cell of a relative change.
func signed(v analysis.Value) Cell {
	if !v.Known() {
		return missing(v, units.Ratio)
	}
	return Cell{Text: units.Change(*v.Number), Value: v.Number, Unit: units.Ratio, Signed: true}
}

// count makes a cell of a whole number.
func count[N int | int64](n N) Cell {
	value := float64(n)
	return Cell{Text: units.Number(value), Value: &value, Unit: units.One}
}

// seconds makes a cell of a span.
func seconds(s float64) Cell {
	return Cell{Text: units.Format(s, units.Seconds), Value: &s, Unit: units.Seconds}
}

// even gives the numbers of a column one number of digits after the point, so
// that they can be compared at a glance: four digits for the largest, and at
// least two for the smallest. A column of which the smallest would take more
// than six after the point is left as it is.
func (t *Table) even() {
	for i, column := range t.Columns {
		var largest, smallest float64
		var cells []*Cell
		whole := true
		for _, row := range t.Rows {
			c := &row[i]
			if c.Value == nil || column.Scaled || c.Signed || c.Unit == "n" || c.Unit == units.One && column.Unit == "n" {
				continue
			}
			size := math.Abs(*c.Value)
			largest = max(largest, size)
			if size > 0 && (smallest == 0 || size < smallest) {
				smallest = size
			}
			whole = whole && size == math.Trunc(size)
			cells = append(cells, c)
		}
		decimals := 0
		if !whole {
			decimals = max(units.Digits-digits(largest), 2-digits(smallest), 0)
		}
		for _, c := range cells {
			if decimals <= 6 {
				c.Text, c.Decimals, c.Even = units.Fixed(*c.Value, decimals), decimals, true
			}
		}
	}
}

// dropInapplicable leaves out the columns of which no row can have a value.
func (t *Table) dropInapplicable() {
	for i := len(t.Columns) - 1; i >= 0 && len(t.Rows) > 0; i-- {
		if slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[i].Text != NotApplicable }) {
			continue
		}
		t.Columns = slices.Delete(t.Columns, i, i+1)
		for j := range t.Rows {
			t.Rows[j] = slices.Delete(t.Rows[j], i, i+1)
		}
	}
}

// digits is how many digits a number has before the point; below 1, less by
// each zero after it: 1 for 5, 0 for 0.5, -1 for 0.05.
func digits(size float64) int {
	if size == 0 {
		return 1
	}
	return int(math.Floor(math.Log10(size))) + 1
}

// words, numbers, ratios and spans make columns.
func words(name string) Column { return Column{Name: name} }

func numbers(name, unit string) Column { return Column{Name: name, Unit: unit, Align: Right} }

func ratios(name string) Column {
	return Column{Name: name, Unit: units.Ratio, Align: Right, Scaled: true}
}
func spans(name string) Column {
	return Column{Name: name, Unit: units.Seconds, Align: Right, Scaled: true}
}

// clean makes every text of a document safe to print, and columns even.
func (d *Document) clean() {
	printable(&d.Title)
	printable(&d.Banner)
	for i := range d.Headline {
		a := &d.Headline[i]
		printable(&a.Asks)
		printable(&a.Says)
		printableAll(a.Notes)
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		printable(&s.Title)
		printableAll(s.Notes)
		for j := range s.Charts {
			s.Charts[j].clean()
		}
		for j := range s.Tables {
			s.Tables[j].clean()
		}
	}
}

func (t *Table) clean() {
	printable(&t.Title)
	printableAll(t.Notes)
	t.even()
	for i := range t.Columns {
		printable(&t.Columns[i].Name)
	}
	for _, row := range t.Rows {
		for i := range row {
			printable(&row[i].Text)
			printable(&row[i].Note)
			printable(&row[i].Key)
		}
	}
}

func printableAll(texts []string) {
	for i := range texts {
		printable(&texts[i])
	}
}

// printable puts a space for white space of any sort, and U+FFFD for what
// steers a terminal or the direction of writing.
func printable(text *string) {
	*text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, *text)
}
