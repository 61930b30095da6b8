package formats

import (
	"errors"
	"fmt"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// A book is a workbook that is being made.
type book struct {
	file     *excelize.File
	document *report.Document
	names    map[string]bool // of sheets, lower-case
	defined  map[string]bool // of key figures
	data     chartData
	bookStyles
}

// A line is a row of a sheet before it is written.
type line struct {
	cells []any
	high  int // lines of text that it takes
	// prose says that the first cell reaches over the whole width.
	prose string
	// over is the column that the last cell reaches to, from 1; 0 is its own.
	over int
	// size is that of the prose's letters over the usual; 0 is 1.
	size float64
}

// add puts a cell at the end of a line, which is as high as its text then takes.
func (l *line) add(cell any, text string, widths []int) {
	l.high = max(l.high, len(wrapped(text, widths[len(l.cells)]+gap)))
	l.cells = append(l.cells, cell)
}

// reach puts a cell at the end of a line that reaches to the end of the sheet.
func (l *line) reach(cell any, text string, widths []int) {
	l.high = max(l.high, len(wrapped(text, total(widths[len(l.cells):]))))
	l.cells = append(l.cells, cell)
	l.over = len(widths)
}

const (
	widest    = 60 // of a column, in characters; what is longer is wrapped
	noteWide  = 45 // of the column of a table's notes
	narrowest = 8  // of a column
	// lookupLines is how high a row of a sheet is at most that is for looking up, in
	// lines of text.
	lookupLines = 3
	proseWide   = 120 // of a sheet's notes, at most
	proseThin   = 60  // of them at least
)

// sheet writes a sheet. The rows above the first row of its only table stay in view; with
// several tables, the title and the banner do.
func (b *book) sheet(p sheetPlan) error {
	name := b.sheetName(p.name)
	if err := b.newSheet(name); err != nil {
		return err
	}
	lines := []line{prose(b.document.Title, b.title)}
	if b.document.Banner != "" {
		lines = append(lines, prose(b.document.Banner, b.banner))
	}
	frozen := len(lines)
	if p.lookup {
		lines = append(lines, prose(fmt.Sprintf("%s: %s, to look things up. Of this sheet only these lines are printed.", name, units.Plural(p.rows(), "row")), b.wrapped))
	}
	printed := len(lines)
	decide, aside := b.answers(p.answers)
	lines = append(lines, decide...)
	widths := sheetWidths(p.tables(), p.lookup)
	charts := len(lines) + 1
	if len(p.charts) > 0 {
		lines = append(lines, make([]line, 1+chartRows*((len(p.charts)+1)/2))...)
	}
	lines = append(lines, aside...)
	drawn := func() error { return b.charts(name, charts, p.charts) }
	if first := len(lines) + 2; len(p.answers) > 0 && len(p.charts) > 0 {
		// The answers and their charts fill a page: no table's heading ends it.
		drawn = func() error {
			return errors.Join(b.charts(name, charts, p.charts), b.file.InsertPageBreak(name, fmt.Sprintf("A%d", first)))
		}
	}
	var tables []placed
	for _, part := range p.parts {
		if part.heading != "" && len(p.parts) > 1 {
			lines = append(lines, line{}, prose(part.heading, b.part))
			lines[len(lines)-1].size = 1.3
		}
		for _, note := range part.notes {
			lines = append(lines, prose(note, b.wrapped))
		}
		for _, t := range part.tables {
			tables = append(tables, placed{Table: t})
			if err := b.table(name, &lines, tables, widths, p.lookup); err != nil {
				return err
			}
		}
	}
	heading := 0 // that is repeated on each page
	if len(tables) == 1 && len(p.parts) == 1 {
		heading = tables[0].top - 1
		frozen = heading
	}
	if p.name == chartSheet && (name != chartSheet || tables[0].top != b.dataTop()) {
		return fmt.Errorf("its rows begin at %d of %q, and charts look for them at %d of %q", tables[0].top, name, b.dataTop(), chartSheet)
	}
	if err := b.filter(name, tables, p.lookup); err != nil { // it forgets how the sheet is printed
		return err
	}
	if err := b.printSetup(name, heading); err != nil {
		return err
	}
	if p.lookup {
		if err := b.printArea(name, printed); err != nil {
			return err
		}
	}
	for _, t := range tables {
		if err := b.verdicts(name, t); err != nil {
			return err
		}
	}
	return b.stream(name, lines, widths, frozen, drawn)
}

// answers are a document's headline: each question beside its answer in large letters. What
// is to be read beside them comes apart.
func (b *book) answers(list []report.Answer) (decide, aside []line) {
	for _, a := range list {
		if a.Aside {
			aside = append(aside, prose(a.Asks+" "+a.Says+".", b.wrapped))
			for _, note := range a.Notes {
				aside = append(aside, prose(note, b.asks))
			}
			continue
		}
		style := b.says
		if a.Doubt {
			style = b.doubts
		}
		asks := a.Asks + "  "
		says := prose(asks+a.Says, style)
		says.size = 1.6
		says.cells[0] = excelize.Cell{StyleID: style, Value: []excelize.RichTextRun{
			{Text: asks, Font: &excelize.Font{Family: fontFamily, Size: 11, Color: "595959"}},
			{Text: strings.TrimPrefix(says.prose, asks), Font: b.saysFont(a.Doubt)},
		}}
		decide = append(decide, says)
		for _, note := range a.Notes {
			decide = append(decide, prose(note, b.inset))
		}
	}
	return decide, aside
}

// prose is a line that reaches over the whole width.
func prose(text string, style int) line {
	text = fitting(text)
	return line{prose: text, cells: []any{excelize.Cell{Value: text, StyleID: style}}}
}

// stream writes the lines. What is drawn over them comes between the widths of columns,
// which it needs, and the rows: what is put on a sheet after its rows is lost.
func (b *book) stream(name string, lines []line, widths []int, frozen int, drawn func() error) error {
	w, err := b.file.NewStreamWriter(name)
	if err != nil {
		return err
	}
	for i := range widths {
		widths[i] += gap
		if err := w.SetColWidth(i+1, i+1, float64(widths[i])); err != nil {
			return err
		}
	}
	corner := fmt.Sprintf("A%d", frozen+1)
	if err := w.SetPanes(&excelize.Panes{Freeze: true, YSplit: frozen, TopLeftCell: corner, ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := drawn(); err != nil {
		return err
	}
	over, characters := proseColumns(widths)
	for i, l := range lines {
		size := max(l.size, 1)
		if l.prose != "" {
			l.high = len(wrapped(l.prose, int(float64(characters)/size)))
			last, err := excelize.CoordinatesToCellName(over, i+1)
			if err != nil {
				return err
			}
			if over > 1 {
				if err := w.MergeCell(fmt.Sprintf("A%d", i+1), last); err != nil {
					return err
				}
			}
		}
		if l.over > len(l.cells) {
			area, err := between(len(l.cells), i+1, l.over, i+1)
			if err != nil {
				return err
			}
			from, to, _ := strings.Cut(area, ":")
			if err := w.MergeCell(from, to); err != nil {
				return err
			}
		}
		var height excelize.RowOpts
		if l.high > 1 || size > 1 {
			height.Height = min(15*size*float64(l.high), excelize.MaxRowHeight)
		}
		if err := w.SetRow(fmt.Sprintf("A%d", i+1), l.cells, height); err != nil {
			return err
		}
	}
	return w.Flush()
}

// proseColumns gives the number of columns that a note reaches over, and the
// characters that it then has in a line: as wide as the tables, so that it
// does not make the printed page wider.
func proseColumns(widths []int) (columns, characters int) {
	const standard = 8 // of a column that no table uses
	for characters < proseWide && (columns < len(widths) || characters < proseThin) {
		if columns < len(widths) {
			characters += widths[columns]
		} else {
			characters += standard
		}
		columns++
	}
	return columns, characters
}

// table adds the lines of the last of the tables, and notes where its rows begin.
func (b *book) table(sheet string, lines *[]line, tables []placed, widths []int, lookup bool) error {
	t := &tables[len(tables)-1]
	var head line
	for i, c := range t.Columns {
		style := b.header
		switch {
		case c.Align == report.Right:
			style = b.headerAt
		case i > 0 && t.Columns[i-1].Align == report.Right:
			style = b.headerIn
		}
		text := fitting(sheetHeading(c))
		head.add(excelize.Cell{Value: text, StyleID: style}, text, widths)
	}
	far := reaches(t.Table, lookup)
	if far {
		head.over = len(widths)
	}
	if hasNotes(t.Table) {
		head.add(excelize.Cell{Value: "Notes", StyleID: b.header}, "", widths)
	}
	*lines = append(*lines, line{}, prose(t.Title, b.title), head)
	t.top = len(*lines) + 1
	formats := numberFormats(t.Table)
	notes, below := tableNotes(t.Table, lookup)
	for n, row := range t.Rows {
		var l line
		for i, c := range row {
			cell, err := b.cell(c, formats[i], tables)
			if err != nil {
				return err
			}
			text := ""
			if c.Value == nil {
				text = fitting(c.Text)
				cell = textCell(text, b.textStyle(t.Table, i))
			} else if c.Key != "" {
				at, err := excelize.CoordinatesToCellName(i+1, len(*lines)+1)
				if err == nil {
					err = b.name(c.Key, sheet, at)
				}
				if err != nil {
					return err
				}
			}
			if far && i == len(row)-1 {
				l.reach(cell, text, widths)
			} else {
				l.add(cell, text, widths)
			}
		}
		if notes[n] != "" {
			l.add(excelize.Cell{Value: notes[n], StyleID: b.wrapped}, notes[n], widths)
		}
		if lookup { // of long notes the begin is seen, and the cell has all
			l.high = min(l.high, lookupLines)
		}
		*lines = append(*lines, l)
	}
	for _, note := range append(below, t.Notes...) {
		*lines = append(*lines, prose(note, b.wrapped))
	}
	return nil
}

// textCell is a cell with a text, blank without one: charts draw an empty text as 0.
func textCell(text string, style int) excelize.Cell {
	if text == "" {
		return excelize.Cell{StyleID: style}
	}
	return excelize.Cell{Value: text, StyleID: style}
}

// textStyle is how a text of a column stands: away from numbers beside it.
func (b *book) textStyle(t report.Table, column int) int {
	switch {
	case t.Columns[column].Align == report.Right:
		return b.right
	case column > 0 && t.Columns[column-1].Align == report.Right:
		return b.inset
	}
	return b.wrapped
}

// cell gives a cell of the last of the tables, in the column's number format if that is
// not empty. What comes from other cells becomes a formula, with its value beside it for
// readers that do not reckon.
func (b *book) cell(c report.Cell, format string, tables []placed) (any, error) {
	if c.Value == nil {
		return c.Text, nil
	}
	if format == "" {
		format = numberFormat(c)
	}
	style, err := b.format(format)
	if err != nil {
		return nil, err
	}
	return excelize.Cell{Value: *c.Value, StyleID: style, Formula: formula(c, tables)}, nil
}

func hasNotes(t report.Table) bool {
	for _, row := range t.Rows {
		for _, c := range row {
			if c.Note != "" {
				return true
			}
		}
	}
	return false
}

// sheetName makes a name from a section's title, which is without the signs that a
// workbook forbids but may be long; one that is there already, in any case of letters,
// gets a number.
func (b *book) sheetName(text string) string {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]'`, r) {
			return ' '
		}
		return r
	}, text)
	if r := []rune(text); len(r) > longestSheet {
		text = strings.TrimSpace(string(r[:longestSheet]))
	}
	name := text
	for n := 2; b.names[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s %d", text, n)
	}
	b.names[strings.ToLower(name)] = true
	return name
}

// longestSheet leaves room in a sheet's name, of 31 characters, for a number.
const longestSheet = 27
