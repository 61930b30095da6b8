package formats

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/evabench/evabench/report"
)

// DefaultWidth is the width of a text that is not written to a terminal.
const DefaultWidth = 100

// Terminal writes d as aligned text of at most so many columns: what is too
// wide is wrapped, and a table that is too wide even so goes on below. A width
// of 0 sets no limit.
func Terminal(w io.Writer, d *report.Document, width int) error {
	if _, err := io.WriteString(w, terminal(d, width)); err != nil {
		return fmt.Errorf("write terminal report: %w", err)
	}
	return nil
}

// A page is a text that is being written, of a width.
type page struct {
	strings.Builder
	width int // 0: no limit
}

// terminal writes aligned text, to be read at a glance: tables without rows
// are left out, and so are those of detail, which it names at the end.
func terminal(d *report.Document, width int) string {
	p := &page{width: width}
	p.wrap("", d.Title)
	p.banner(d)
	p.headline(d.Headline)
	var left []string
	for _, s := range d.Sections {
		var tables []report.Table
		elsewhere := false
		for _, t := range s.Tables {
			switch {
			case len(t.Rows) == 0:
			case t.Detail:
				left, elsewhere = append(left, t.Title), true
			default:
				tables = append(tables, t)
			}
		}
		if len(tables) > 0 || !elsewhere && len(s.Notes) > 0 { // what the notes are of is here, or is none
			p.section(d, s, tables)
		}
	}
	fmt.Fprintln(p)
	if len(left) > 0 {
		p.wrap("", "Left out here, and in the other formats: "+strings.Join(left, "; ")+".")
	}
	p.banner(d)
	return p.String()
}

// headline writes each answer beside its question, and what must be read with it below.
func (p *page) headline(answers []report.Answer) {
	if len(answers) == 0 {
		return
	}
	fmt.Fprintln(p)
	for _, a := range answers {
		if a.Aside {
			fmt.Fprintln(p)
		}
		p.wrap("", a.Asks+" "+a.Says)
		for _, note := range a.Notes {
			p.wrap("  ", note)
		}
	}
}

// section writes a section; one without a title has no heading.
func (p *page) section(d *report.Document, s report.Section, tables []report.Table) {
	if s.Title != "" {
		title := s.Title
		if mark := d.Mark(); mark != "" {
			title += "  [" + mark + "]"
		}
		fmt.Fprintf(p, "\n%s\n%s\n", title, strings.Repeat("=", width(title)))
	} else if len(s.Notes) > 0 {
		fmt.Fprintln(p)
	}
	for _, note := range s.Notes {
		p.wrap("", note)
	}
	for _, t := range tables {
		p.table(t)
	}
}

func (p *page) banner(d *report.Document) {
	if d.Banner != "" {
		p.wrap("", d.Banner)
	}
}

func (p *page) table(t report.Table) {
	fmt.Fprintln(p)
	p.wrap("", t.Title)
	var notes footnotes
	g := grid{columns: t.Columns}
	for _, c := range t.Columns {
		g.head = append(g.head, heading(c))
	}
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = notes.mark(cell)
		}
		g.rows = append(g.rows, line)
	}
	for i, part := range g.split(p.width) {
		if i > 0 {
			fmt.Fprintln(p)
		}
		part.write(p)
	}
	for i, text := range notes.texts {
		p.wrap("  ", fmt.Sprintf("[%d] %s", i+1, text))
	}
	for _, note := range t.Notes {
		p.wrap("  ", note)
	}
}

// repeatable is how many leading columns are left blank where they repeat the
// line above: those that say where a row belongs.
const repeatable = 3

// withoutRepeats blanks what a line has in common with the one above, from the
// left.
func withoutRepeats(lines [][]string) [][]string {
	out := make([][]string, len(lines))
	for i, line := range lines {
		out[i] = slices.Clone(line)
		for j := 0; i > 0 && j < min(repeatable, len(line)-1) && line[j] == lines[i-1][j]; j++ {
			out[i][j] = ""
		}
	}
	return out
}

// width is how many columns of a terminal a text takes. It does not ask the
// locale, so that the same report has the same bytes everywhere.
func width(text string) int {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(text)
}

// wrap writes words in lines of at most the page's width, and of at most 100
// columns, which are read well.
func (p *page) wrap(indent, text string) {
	most := DefaultWidth
	if p.width > 0 {
		most = min(most, p.width)
	}
	for _, line := range wrapped(text, max(most-width(indent), 1)) {
		fmt.Fprintln(p, indent+line)
	}
}

// wrapped cuts a text between words, or within those that are wider than a
// line, into lines of at most so many columns. An empty text is one line.
func wrapped(text string, most int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		if *last != "" && width(*last)+1+width(word) > most {
			lines = append(lines, "")
			last = &lines[len(lines)-1]
		}
		if *last != "" {
			*last += " "
		}
		if width(*last)+width(word) <= most { // it fits: most do
			*last += word
			continue
		}
		for _, r := range word {
			if width(*last)+width(string(r)) > most && *last != "" {
				lines = append(lines, "")
				last = &lines[len(lines)-1]
			}
			*last += string(r)
		}
	}
	return lines
}
