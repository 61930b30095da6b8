package formats

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/report"
)

// A grid is a table's texts before they have widths.
type grid struct {
	columns []report.Column
	head    []string
	rows    [][]string
}

const (
	gap      = 2  // columns of the page before each of the table
	longWord = 24 // a column of words is narrowed to its longest word, or this
)

// split cuts a grid into parts that fit a page: the first, or as few as
// possible that each begin with the columns that say where a row belongs.
func (g grid) split(page int) []grid {
	least := g.least()
	if page <= 0 || total(least) <= page {
		return []grid{g}
	}
	keys := 0
	for keys < min(repeatable, len(g.columns)-1) && g.columns[keys].Align == report.Left {
		keys++
	}
	for keys > 1 && total(least[:keys]) > page/2 {
		keys--
	}
	var parts []grid
	for from := keys; from < len(g.columns); {
		to := from + 1
		for to < len(g.columns) && total(least[:keys])+total(least[from:to+1]) <= page {
			to++
		}
		parts = append(parts, g.cut(keys, from, to))
		from = to
	}
	return parts
}

// cut gives the first columns of a grid and those between two indices.
func (g grid) cut(keys, from, to int) grid {
	part := grid{
		columns: slices.Concat(g.columns[:keys], g.columns[from:to]),
		head:    slices.Concat(g.head[:keys], g.head[from:to]),
	}
	for _, row := range g.rows {
		part.rows = append(part.rows, slices.Concat(row[:keys], row[from:to]))
	}
	return part
}

func total(widths []int) int {
	sum := 0
	for _, w := range widths {
		sum += w + gap
	}
	return sum
}

// least gives the widths to which columns can be narrowed: numbers are whole,
// headings and texts are cut between words, and a word of text that is very
// long within.
func (g grid) least() []int {
	least := make([]int, len(g.columns))
	for i, c := range g.columns {
		for word := range strings.FieldsSeq(g.head[i]) {
			least[i] = max(least[i], width(word))
		}
		for _, row := range g.rows {
			if c.Align == report.Right {
				least[i] = max(least[i], width(row[i]))
				continue
			}
			for word := range strings.FieldsSeq(row[i]) {
				least[i] = max(least[i], min(width(word), longWord))
			}
		}
	}
	return least
}

// natural gives the widths at which nothing is wrapped.
func (g grid) natural() []int {
	widths := make([]int, len(g.columns))
	for _, line := range append([][]string{g.head}, g.rows...) {
		for i, text := range line {
			widths[i] = max(widths[i], width(text))
		}
	}
	return widths
}

// widths gives the columns' widths on a page. What narrowing leaves over goes
// to headings, so that they take two lines, and then to columns of words, the
// one that lacks least first, so that as few as possible are wrapped.
func (g grid) widths(page int) []int {
	natural := g.natural()
	if page <= 0 || total(natural) <= page {
		return natural
	}
	widths := g.least()
	over := page - total(widths)
	give := func(i, most int) {
		more := max(min(most-widths[i], over), 0)
		widths[i] += more
		over -= more
	}
	for i := range widths {
		two := widths[i]
		for two-widths[i] <= over && len(wrapped(g.head[i], two)) > 2 {
			two++
		}
		if two-widths[i] <= over {
			give(i, two)
		}
	}
	order := make([]int, len(widths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return natural[a] - widths[a] - (natural[b] - widths[b]) })
	for _, i := range order {
		if g.columns[i].Align == report.Left {
			give(i, natural[i])
		}
	}
	return widths
}

// write writes a grid that fits the page.
func (g grid) write(p *page) {
	widths := g.widths(p.width)
	if over := total(widths) - p.width; p.width > 0 && over > 0 { // a column alone is wider
		widths[len(widths)-1] = max(widths[len(widths)-1]-over, 1)
	}
	g.line(p, widths, g.head, true)
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	g.line(p, widths, rule, false)
	for _, row := range withoutRepeats(g.rows) {
		g.line(p, widths, row, false)
	}
}

// line writes a row, in as many lines as its longest text takes; a heading
// stands on the rule below it.
func (g grid) line(p *page, widths []int, texts []string, low bool) {
	lines := make([][]string, len(texts))
	high := 1
	for i, text := range texts {
		lines[i] = []string{text} // spaces within are kept where they may be
		if width(text) > widths[i] {
			lines[i] = wrapped(text, widths[i])
		}
		high = max(high, len(lines[i]))
	}
	for n := range high {
		var line strings.Builder
		for i, cell := range lines {
			k := n
			if low {
				k -= high - len(cell)
			}
			text := ""
			if k >= 0 && k < len(cell) {
				text = cell[k]
			}
			space := strings.Repeat(" ", max(widths[i]-width(text), 0))
			line.WriteString(strings.Repeat(" ", gap))
			if g.columns[i].Align == report.Right {
				line.WriteString(space + text)
			} else {
				line.WriteString(text + space)
			}
		}
		fmt.Fprintln(p, strings.TrimRight(line.String(), " "))
	}
}
