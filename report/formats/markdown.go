package formats

import (
	"fmt"
	"strings"

	"github.com/evabench/evabench/report"
)

// markdown writes GitHub's flavour. Every text is escaped, so that none is
// markup. Tables without rows are left out.
func markdown(d *report.Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", escape(d.Title))
	markdownBanner(&b, d)
	for i, a := range d.Headline {
		if i == 0 {
			b.WriteString("\n")
		}
		says := "**" + escape(a.Says) + "**"
		if a.Aside {
			b.WriteString("\n")
			says = escape(a.Says)
		}
		fmt.Fprintf(&b, "- %s %s", escape(a.Asks), says)
		for i, note := range a.Notes {
			if i == 0 {
				b.WriteString(".")
			}
			b.WriteString(" " + escape(note))
		}
		b.WriteString("\n")
	}
	for _, s := range d.Sections {
		mark := d.Mark()
		if mark != "" {
			mark = " (" + escape(mark) + ")"
		}
		fmt.Fprintf(&b, "\n## %s%s\n", escape(s.Title), mark)
		for _, note := range s.Notes {
			fmt.Fprintf(&b, "\n%s\n", escape(note))
		}
		for _, t := range s.Tables {
			if len(t.Rows) > 0 {
				markdownTable(&b, t)
			}
		}
	}
	markdownBanner(&b, d)
	return b.String()
}

func markdownBanner(b *strings.Builder, d *report.Document) {
	if d.Banner != "" {
		fmt.Fprintf(b, "\n> **%s**\n", escape(d.Banner))
	}
}

func markdownTable(b *strings.Builder, t report.Table) {
	fmt.Fprintf(b, "\n### %s\n\n|", escape(t.Title))
	for _, c := range t.Columns {
		fmt.Fprintf(b, " %s |", escape(heading(c)))
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		if c.Align == report.Right {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	var notes footnotes
	for _, row := range t.Rows {
		b.WriteString("|")
		for _, cell := range row {
			fmt.Fprintf(b, " %s |", escape(notes.mark(cell)))
		}
		b.WriteString("\n")
	}
	for i, text := range notes.texts {
		fmt.Fprintf(b, "\n\\[%d\\] %s\n", i+1, escape(text))
	}
	for _, note := range t.Notes {
		fmt.Fprintf(b, "\n%s\n", escape(note))
	}
}

// escape makes plain text of a text: nothing in it is markup, HTML, a table's
// border or the beginning of a list.
func escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch r {
		case '\\', '`', '*', '_', '{', '}', '[', ']', '<', '>', '|', '~', '#', '&', '!':
			b.WriteByte('\\')
		case '+', '-', '=':
			if i == 0 && len(text) > 1 && text[1] == ' ' {
				b.WriteByte('\\')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
