package formats

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// A book is a workbook that is being made.
type book struct {
	file     *excelize.File
	document *report.Document
	names    map[string]bool // of sheets, lower-case
	title    int             // styles
	banner   int
	header   int
	headerAt int            // of numbers: on their side
	wrapped  int            // texts of more than one line
	inset    int            // texts beside a column of numbers
	right    int            // texts in one
	headerIn int            // of texts beside numbers
	formats  map[string]int // by number format
}

func (b *book) makeStyles() error {
	var err error
	if b.title, err = b.file.NewStyle(&excelize.Style{
		Font: &excelize.Font{Bold: true, Size: 13}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
	}); err != nil {
		return err
	}
	if b.banner, err = b.file.NewStyle(&excelize.Style{
		Font: &excelize.Font{Bold: true, Color: "FFFFFF"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"B00020"}},
		Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
	}); err != nil {
		return err
	}
	header := excelize.Style{
		Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDE3EA"}},
		Border:    []excelize.Border{{Type: "bottom", Color: "000000", Style: 1}},
		Alignment: &excelize.Alignment{WrapText: true},
	}
	if b.header, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	header.Alignment = &excelize.Alignment{Horizontal: "right", WrapText: true}
	if b.headerAt, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	header.Alignment = &excelize.Alignment{Horizontal: "left", Indent: 1, WrapText: true}
	if b.headerIn, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	if b.inset, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{Horizontal: "left", Indent: 1, Vertical: "top", WrapText: true}}); err != nil {
		return err
	}
	if b.right, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}); err != nil {
		return err
	}
	b.wrapped, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	b.formats = map[string]int{}
	return err
}

// format gives the style of a number format, made when it is first asked for.
func (b *book) format(code string) (int, error) {
	if style, ok := b.formats[code]; ok {
		return style, nil
	}
	style, err := b.file.NewStyle(&excelize.Style{CustomNumFmt: &code, Alignment: &excelize.Alignment{Vertical: "top"}})
	if err == nil {
		b.formats[code] = style
	}
	return style, err
}

// A line is a row of a sheet before it is written.
type line struct {
	cells []any
	high  int // lines of text that it takes
	// prose says that the first cell reaches over the whole width.
	prose string
}

// add puts a cell at the end of a line, which is as high as its text then takes.
func (l *line) add(cell any, text string, widths []int) {
	l.high = max(l.high, len(wrapped(text, widths[len(l.cells)]+gap)))
	l.cells = append(l.cells, cell)
}

const (
	widest    = 60  // of a column, in characters; what is longer is wrapped
	noteWide  = 45  // of the column of a table's notes
	narrowest = 8   // of a column
	proseWide = 120 // of a sheet's notes, at most
	proseThin = 60  // of them at least
)

// sheet writes tables below each other. The rows above the first table's
// first row stay in view; with several tables, those above the first title.
func (b *book) sheet(name string, notes []string, tables []report.Table) error {
	name = b.sheetName(name)
	if _, err := b.file.NewSheet(name); err != nil {
		return err
	}
	lines := []line{prose(b.document.Title, b.title)}
	if b.document.Banner != "" {
		lines = append(lines, prose(b.document.Banner, b.banner))
	}
	frozen := len(lines)
	for _, note := range notes {
		lines = append(lines, prose(note, b.wrapped))
	}
	widths := sheetWidths(tables)
	last := 0 // the line of the last heading
	for _, t := range tables {
		top, err := b.table(&lines, t, widths)
		if err != nil {
			return err
		}
		last = top
		if len(tables) == 1 {
			frozen = top
		}
	}
	if len(tables) > 1 {
		last = 0 // no heading is that of all rows
	}
	if err := b.printSetup(name, last); err != nil {
		return err
	}
	return b.stream(name, lines, widths, frozen)
}

// prose is a line that reaches over the whole width.
func prose(text string, style int) line {
	text = fitting(text)
	return line{prose: text, cells: []any{excelize.Cell{Value: text, StyleID: style}}}
}

func (b *book) stream(name string, lines []line, widths []int, frozen int) error {
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
	over, characters := proseColumns(widths)
	for i, l := range lines {
		if l.prose != "" {
			l.high = len(wrapped(l.prose, characters))
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
		var height excelize.RowOpts
		if l.high > 1 {
			height.Height = min(float64(15*l.high), excelize.MaxRowHeight)
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

// table adds a table's lines and gives the number of the line of its heading,
// counted from 1.
func (b *book) table(lines *[]line, t report.Table, widths []int) (int, error) {
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
	if hasNotes(t) {
		head.add(excelize.Cell{Value: "Notes", StyleID: b.header}, "", widths)
	}
	*lines = append(*lines, line{}, prose(t.Title, b.title), head)
	top := len(*lines)
	formats := numberFormats(t)
	for _, row := range t.Rows {
		var l line
		for i, c := range row {
			cell, err := b.cell(c, formats[i], top+1)
			if err != nil {
				return 0, err
			}
			text := ""
			if c.Value == nil {
				text = fitting(c.Text)
				cell = excelize.Cell{Value: text, StyleID: b.textStyle(t, i)}
			}
			l.add(cell, text, widths)
		}
		if text := fitting(rowNotes(t, row)); text != "" {
			l.add(excelize.Cell{Value: text, StyleID: b.wrapped}, text, widths)
		}
		*lines = append(*lines, l)
	}
	for _, note := range t.Notes {
		*lines = append(*lines, prose(note, b.wrapped))
	}
	return top, nil
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

// cell gives a cell of a table whose rows begin at the sheet's row top, in the
// column's number format if that is not empty. A change becomes a formula, with
// its value beside it for readers that do not reckon.
func (b *book) cell(c report.Cell, format string, top int) (any, error) {
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
	cell := excelize.Cell{Value: *c.Value, StyleID: style}
	if c.Change != nil {
		from, err := excelize.CoordinatesToCellName(c.Change.Column+1, top+c.Change.Base)
		if err != nil {
			return nil, err
		}
		to, err := excelize.CoordinatesToCellName(c.Change.Column+1, top+c.Change.Row)
		if err != nil {
			return nil, err
		}
		cell.Formula = to + "/" + from + "-1"
	}
	return cell, nil
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

// fitting is a text as a cell can hold it. One that is too long is cut, and says
// so: a spreadsheet would cut it in silence.
func fitting(text string) string {
	has := utf16Units(text)
	if has <= excelize.TotalCellChars {
		return text
	}
	told := fmt.Sprintf(" … CUT HERE: the text has %d characters, and a cell holds %d; the other formats have it whole", has, excelize.TotalCellChars)
	left := excelize.TotalCellChars - utf16Units(told)
	for i, r := range text {
		if left -= utf16.RuneLen(r); left < 0 {
			return text[:i] + told
		}
	}
	return text
}

// utf16Units is how long a text is for a workbook.
func utf16Units(text string) int { return len(utf16.Encode([]rune(text))) }

// rowNotes joins the notes of a row's cells, each with the names of its columns.
func rowNotes(t report.Table, row []report.Cell) string {
	var notes []string
	of := map[string]string{}
	for i, c := range row {
		switch names, seen := of[c.Note]; {
		case c.Note == "":
		case seen:
			of[c.Note] = names + ", " + t.Columns[i].Name
		default:
			notes = append(notes, c.Note)
			of[c.Note] = t.Columns[i].Name
		}
	}
	for i, note := range notes {
		notes[i] = of[note] + ": " + note
	}
	return strings.Join(notes, "; ")
}

// sheetName makes a name from a section's title or a table's ID, which are
// ours, short and without the signs that a workbook forbids; one that is there
// already, in any case of letters, gets a number.
func (b *book) sheetName(text string) string {
	text = strings.ReplaceAll(strings.ToUpper(text[:1])+text[1:], "-", " ")
	name := text
	for n := 2; b.names[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s %d", text, n)
	}
	b.names[strings.ToLower(name)] = true
	return name
}
