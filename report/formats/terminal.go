package formats

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/report"
	"github.com/mattn/go-runewidth"
)

// terminal writes aligned text. Tables without rows are left out.
func terminal(d *report.Document) string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Title)
	banner(&b, d)
	for _, s := range d.Sections {
		title := s.Title
		if d.Banner != "" {
			title += "  [SIMULATED]"
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", title, strings.Repeat("=", width(title)))
		for _, note := range s.Notes {
			wrap(&b, "", note)
		}
		for _, t := range s.Tables {
			if len(t.Rows) > 0 {
				terminalTable(&b, t)
			}
		}
	}
	fmt.Fprintln(&b)
	banner(&b, d)
	return b.String()
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
	for i, line := range lines {
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
