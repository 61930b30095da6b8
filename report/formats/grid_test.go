package formats

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/report"
)

// No line of a report is wider than the page, in either form, and the short
// form of a 2x2 is about a screen.
func TestTerminalKeepsItsWidth(t *testing.T) {
	for _, name := range []string{"summary.json", "sweep.json", "failover.json"} {
		s := read(t, name)
		for what, d := range map[string]*report.Document{"short": report.Brief(s), "whole": report.Build(s)} {
			for _, page := range []int{80, 100, 160} {
				lines := strings.Split(terminal(d, page), "\n")
				for _, line := range lines {
					if width(line) > page {
						t.Errorf("%s, %s form at %d columns: %d wide: %q", name, what, page, width(line), line)
					}
				}
				if what == "short" && page >= 100 && len(lines) > 65 {
					t.Errorf("%s, short form at %d columns: %d lines", name, page, len(lines))
				}
			}
		}
	}
}

// Whatever a table holds and however narrow the page: no line is too wide, and
// nothing is lost.
func TestGridsLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		page := rapid.IntRange(40, 200).Draw(t, "page")
		table := report.Table{Title: "T"}
		n := rapid.IntRange(1, 12).Draw(t, "columns")
		for i := range n {
			align := rapid.SampledFrom([]report.Align{report.Left, report.Right}).Draw(t, "align")
			table.Columns = append(table.Columns, report.Column{Name: fmt.Sprintf("column h%d.", i), Align: align})
		}
		for j := range rapid.IntRange(1, 4).Draw(t, "rows") {
			var row []report.Cell
			for i := range n {
				text := fmt.Sprintf("r%dc%d.", j, i)
				if table.Columns[i].Align == report.Left {
					text += strings.Repeat(" word", rapid.IntRange(0, 12).Draw(t, "words"))
				}
				row = append(row, report.Text(text))
			}
			table.Rows = append(table.Rows, row)
		}
		got := terminal(&report.Document{Title: "D", Sections: []report.Section{{Tables: []report.Table{table}}}}, page)
		for line := range strings.SplitSeq(got, "\n") {
			if width(line) > page {
				t.Fatalf("%d wide on a page of %d: %q", width(line), page, line)
			}
		}
		for i := range n {
			if !strings.Contains(got, fmt.Sprintf("h%d.", i)) {
				t.Fatalf("no heading %d in:\n%s", i, got)
			}
			for j := range table.Rows {
				if !strings.Contains(got, fmt.Sprintf("r%dc%d.", j, i)) {
					t.Fatalf("no cell %d of row %d in:\n%s", i, j, got)
				}
			}
		}
		most := 0
		for _, row := range table.Rows {
			most += strings.Count(fmt.Sprint(row), "word")
		}
		if has := strings.Count(got, "word"); has < most {
			t.Fatalf("%d words, want at least %d:\n%s", has, most, got)
		}
	})
}

func TestWrapped(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want []string
	}{
		{"", 5, []string{""}},
		{"one two", 7, []string{"one two"}},
		{"one two", 6, []string{"one", "two"}},
		{"a longest b", 4, []string{"a", "long", "est", "b"}},
		{"비전 x", 4, []string{"비전", "x"}},
	} {
		if got := wrapped(c.text, c.most); fmt.Sprint(got) != fmt.Sprint(c.want) || len(got) != len(c.want) {
			t.Errorf("wrapped(%q, %d) = %q, want %q", c.text, c.most, got, c.want)
		}
	}
}

// The same number reads the same on a terminal and in a workbook: a number
// that is a half beyond the last place is rounded alike, and to as many places.
func TestWorkbookAndTerminalShowTheSame(t *testing.T) {
	s := madeUp(t)
	half := 16.125
	for i := range s.Comparison[0].Rows {
		s.Comparison[0].Rows[i].Vision.Mean.Number = &half
	}
	text := written(t, "terminal", s)
	f := opened(t, written(t, "xlsx", s))
	rows, err := f.GetRows("Comparison") // as they are shown
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, row := range rows {
		if len(row) > 5 && row[1] == "X" && found == 0 { // the comparison itself
			found++
			for _, shown := range []string{row[3], row[5], row[6]} {
				if !bytes.Contains(text, []byte(" "+shown+" ")) {
					t.Errorf("the workbook shows %q, the terminal does not:\n%s", shown, text)
				}
			}
			if row[5] != "16.13" {
				t.Errorf("the workbook shows %q, want 16.13", row[5])
			}
		}
	}
	if found == 0 {
		t.Errorf("no row of a configuration without MIG in %q", rows)
	}
}
