package formats

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/evabench/evabench/report"
)

// terminal writes aligned text, to be read at a glance: tables without rows
// are left out, and so are those of detail, which it names at the end.
func terminal(d *report.Document) string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Title)
	banner(&b, d)
	var left []string
	for _, s := range d.Sections {
		var tables []report.Table
		for _, t := range s.Tables {
			switch {
			case len(t.Rows) == 0:
			case t.Detail:
				left = append(left, t.Title)
			default:
				tables = append(tables, t)
			}
		}
		if len(tables) > 0 {
			terminalSection(&b, d, s, tables)
		}
	}
	fmt.Fprintln(&b)
	if len(left) > 0 {
		wrap(&b, "", "Left out here, and in the other formats: "+strings.Join(left, "; ")+".")
	}
	banner(&b, d)
	return b.String()
}

func terminalSection(b *strings.Builder, d *report.Document, s report.Section, tables []report.Table) {
	title := s.Title
	if d.Banner != "" {
		title += "  [SIMULATED]"
	}
	fmt.Fprintf(b, "\n%s\n%s\n", title, strings.Repeat("=", width(title)))
	for _, note := range s.Notes {
		wrap(b, "", note)
	}
	for _, t := range tables {
		terminalTable(b, t)
	}
}

func banner(b *strings.Builder, d *report.Document) {
	if d.Banner != "" {
		fmt.Fprintln(b, d.Banner)
	}
}

func terminalTable(b *strings.Builder, t report.Table) {
	fmt.Fprintf(b, "\n%s\n", t.Title)
	var notes footnotes
	lines := [][]string{make([]string, len(t.Columns))}
	for i, c := range t.Columns {
		lines[0][i] = heading(c)
	}
	for _, row := range t.Rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = notes.mark(cell)
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(t.Columns))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], width(text))
		}
	}
	for i, line := range withoutRepeats(lines) {
		terminalLine(b, t.Columns, widths, line)
		if i == 0 {
			rule := make([]string, len(widths))
			for j, w := range widths {
				rule[j] = strings.Repeat("-", w)
			}
			terminalLine(b, t.Columns, widths, rule)
		}
	}
	for i, text := range notes.texts {
		wrap(b, "  ", fmt.Sprintf("[%d] %s", i+1, text))
	}
	for _, note := range t.Notes {
		wrap(b, "  ", note)
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

func terminalLine(b *strings.Builder, columns []report.Column, widths []int, texts []string) {
	var line strings.Builder
	for i, text := range texts {
		space := strings.Repeat(" ", widths[i]-width(text))
		line.WriteString("  ")
		if columns[i].Align == report.Right {
			line.WriteString(space + text)
		} else {
			line.WriteString(text + space)
		}
	}
	fmt.Fprintln(b, strings.TrimRight(line.String(), " "))
}

// width is how many columns of a terminal a text takes. It does not ask the
// locale, so that the same report has the same bytes everywhere.
func width(text string) int {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(text)
}

// wrap writes words in lines of at most 100 columns, as far as words allow.
func wrap(b *strings.Builder, indent, text string) {
	const most = 100
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && width(line)+1+width(word) > most {
			fmt.Fprintln(b, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(b, line)
}
