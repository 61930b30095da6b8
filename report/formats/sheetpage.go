package formats

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// The widths in characters to which a sheet is widened that is fitted to landscape A4:
// pageWide prints at about three quarters of its size, letters of 8 points; pageMost, so
// that no text takes more than fewLines, at two thirds.
const (
	pageWide = 175
	pageMost = 205
	fewLines = 3
)

// sheetHeading is a column's name with its unit.
func sheetHeading(c report.Column) string {
	if c.Unit == "" || c.Unit == "1" || c.Unit == "n" || c.Unit == "ratio" {
		return c.Name
	}
	return c.Name + " [" + c.Unit + "]"
}

// A room is the columns of a sheet that one text stands in.
type room struct {
	first, last int
	whole       int // characters that it takes on one line
}

func (r room) wide(widths []int) int { return total(widths[r.first:r.last+1]) - gap }

// sheetWidths gives the widths of a sheet's columns in characters, which its tables
// share. Numbers and single words are whole; what the page then has left goes to texts.
//
// Note: a grid's widths give whole columns what they lack, the least first, which on
// a page of many long texts leaves the last of them a word wide. The widest that each
// table would have alone made a sheet of several tables three pages wide.
func sheetWidths(tables []report.Table, lookup bool) []int {
	var widths, natural []int
	var texts []room
	for _, t := range tables {
		g := sheetGrid(t, lookup)
		least, whole := g.least(), g.natural()
		for i := range least {
			if i == len(widths) {
				widths, natural = append(widths, narrowest), append(natural, narrowest)
			}
			most := widest
			switch {
			case i == len(t.Columns):
				most = noteWide
			case i == len(least)-1 && reaches(t, lookup):
				texts = append(texts, room{first: i, whole: min(whole[i], proseWide)})
				continue
			}
			widths[i] = max(widths[i], min(least[i], most))
			natural[i] = max(natural[i], min(whole[i], most))
		}
	}
	for i := range texts {
		texts[i].last = len(widths) - 1
	}
	for i, whole := range natural {
		texts = append(texts, room{i, i, whole})
	}
	widen(widths, texts, pageMost, fewLines)
	widen(widths, texts, pageWide, 1)
	return widths
}

// widen gives what a page of some width has left, a character at a time, to the text that
// takes the most lines, until none takes more than so many.
func widen(widths []int, texts []room, page int, lines float64) {
	for over := page - total(widths); over > 0; over-- {
		worst, most := -1, lines
		for i, r := range texts {
			if n := float64(r.whole) / float64(r.wide(widths)); n > most {
				worst, most = i, n
			}
		}
		if worst < 0 {
			return
		}
		widths[texts[worst].last]++
	}
}

// reaches says whether the last column of a table is of long texts, which reach to the
// right end of its sheet: the columns beyond are other tables'. Not so where rows are
// looked up: cells that are merged cannot be sorted.
func reaches(t report.Table, lookup bool) bool {
	const long = 40 // characters
	last := len(t.Columns) - 1
	if lookup || last < 0 || hasNotes(t) || t.Columns[last].Align == report.Right {
		return false
	}
	for _, row := range t.Rows {
		if width(row[last].Text) > long {
			return true
		}
	}
	return false
}

// sheetGrid is a table as its sheet has it, with a column of its notes.
func sheetGrid(t report.Table, lookup bool) grid {
	g := grid{columns: t.Columns}
	for _, c := range t.Columns {
		g.head = append(g.head, sheetHeading(c))
	}
	if hasNotes(t) {
		g.columns = append(g.columns[:len(g.columns):len(g.columns)], report.Column{Name: "Notes"})
		g.head = append(g.head, "Notes")
	}
	notes, _ := tableNotes(t, lookup)
	for n, row := range t.Rows {
		line := make([]string, len(g.head))
		for i, c := range row {
			line[i] = fitting(c.Text)
		}
		if len(line) > len(row) {
			line[len(row)] = notes[n]
		}
		g.rows = append(g.rows, line)
	}
	return g
}

// printSetup makes a sheet print one page wide on landscape A4, with the heading of
// its table, if that is one line of the sheet, and the banner's mark on every page. It must
// come before the sheet is streamed.
func (b *book) printSetup(name string, heading int) error {
	fit := true
	if err := b.file.SetSheetProps(name, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return err
	}
	landscape, a4, wide, high := "landscape", 9, 1, 0 // 0: as many pages as it takes
	if err := b.file.SetPageLayout(name, &excelize.PageLayoutOptions{
		Orientation: &landscape, Size: &a4, FitToWidth: &wide, FitToHeight: &high,
	}); err != nil {
		return err
	}
	side, edge, line := 0.4, 0.55, 0.3 // inches
	if err := b.file.SetPageMargins(name, &excelize.PageLayoutMarginsOptions{Left: &side, Right: &side, Top: &edge, Bottom: &edge, Header: &line, Footer: &line}); err != nil {
		return err
	}
	if heading > 0 {
		err := b.file.SetDefinedName(&excelize.DefinedName{
			Name: "_xlnm.Print_Titles", RefersTo: fmt.Sprintf("%s!$%d:$%d", quotedSheet(name), heading, heading), Scope: name,
		})
		if err != nil {
			return err
		}
	}
	return b.file.SetHeaderFooter(name, &excelize.HeaderFooterOptions{
		OddHeader: "&C" + headerText(b.document.Mark(), 40), OddFooter: "&L" + headerText(b.document.Title, 50) + "&C&A&RPage &P of &N",
	})
}

// printArea says that only the first lines of a sheet are printed.
func (b *book) printArea(name string, lines int) error {
	const columns = 8
	return b.file.SetDefinedName(&excelize.DefinedName{
		Name: "_xlnm.Print_Area", RefersTo: fmt.Sprintf("%s!$A$1:$%s$%d", quotedSheet(name), string(rune('A'+columns-1)), lines), Scope: name,
	})
}

// headerText is the begin of a text as a page's header has it, whose codes begin with
// "&" and which holds 255 characters in all.
func headerText(text string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		if b.WriteRune(r); r == '&' {
			b.WriteRune(r)
		}
	}
	return b.String()
}
