package formats

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

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

// tableNotes gives the notes of a table's rows as the column of notes has them, and
// what stands below the table. Where rows are looked up and filtered, the column has
// the texts. On paper it has the marks of texts below: texts made rows of a dozen lines
// in the little room that a wide table leaves, four rows on a page.
func tableNotes(t report.Table, lookup bool) (column, below []string) {
	var notes footnotes
	for _, row := range t.Rows {
		text := rowNotes(t, row)
		if !lookup {
			text = strings.TrimSpace(notes.mark(report.Cell{Note: text}))
		}
		column = append(column, fitting(text))
	}
	return column, notes.lines()
}

// clipped is the begin of a text, where there is no room for more.
func clipped(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
