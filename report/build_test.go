package report

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

func madeUp(t *testing.T) *analysis.Summary {
	t.Helper()
	return read(t, "summary.json")
}

// read reads a Summary that package analysis' tests wrote.
func read(t *testing.T, name string) *analysis.Summary {
	t.Helper()
	text, err := os.ReadFile("../analysis/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// Whatever the Summary, every row fits its heading, every table has its own
// ID, and what is unknown is never a number.
func TestDocumentsAreWhole(t *testing.T) {
	broken := madeUp(t)
	broken.Cells[0].Layout.Devices = nil
	broken.Cells[1].Cell.Status, broken.Cells[1].Cell.Instances = "", nil
	for name, s := range map[string]*analysis.Summary{"made": madeUp(t), "broken": broken, "empty": {}, "failover": read(t, "failover.json")} {
		ids := map[string]bool{}
		for _, section := range Build(s).Sections {
			for _, table := range section.Tables {
				if table.ID == "" || ids[table.ID] {
					t.Errorf("%s: ID %q of table %q is empty or there twice", name, table.ID, table.Title)
				}
				ids[table.ID] = true
				for _, row := range table.Rows {
					if len(row) != len(table.Columns) {
						t.Errorf("%s: table %s has a row of %d cells under %d columns: %v", name, table.ID, len(row), len(table.Columns), row)
					}
					for _, cell := range row {
						if cell.Text == "unknown" && cell.Value != nil {
							t.Errorf("%s: table %s: unknown with the value %v", name, table.ID, *cell.Value)
						}
					}
				}
			}
		}
		if len(ids) == 0 {
			t.Errorf("%s: no tables", name)
		}
	}
}

func TestBanner(t *testing.T) {
	s := madeUp(t)
	if d := Build(s); !strings.HasPrefix(d.Banner, "SIMULATED") || !strings.Contains(d.Banner, "pro6000x1") {
		t.Errorf("banner %q", d.Banner)
	}
	s.Environment.Simulated = ""
	if d := Build(s); d.Banner != "" {
		t.Errorf("banner %q of a real run", d.Banner)
	}
}

// Due and the sum of outcomes stand side by side for every step, and a broken
// identity cannot be overlooked.
func TestIdentityIsPrinted(t *testing.T) {
	s := madeUp(t)
	s.Cells[0].Steps[0].Services[0].Identity.Holds = false
	var rows [][]Cell
	for _, section := range Build(s).Sections {
		for _, table := range section.Tables {
			if table.ID == "arrivals" {
				rows = table.Rows
			}
		}
	}
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4: two cells with two services", len(rows))
	}
	for i, row := range rows {
		due, sum, holds := row[4], row[len(row)-2], row[len(row)-1].Text
		if due.Value == nil || sum.Value == nil || *due.Value != *sum.Value {
			t.Errorf("row %d: due %v, sum %v", i, due, sum)
		}
		if want := map[bool]string{true: "NO: ARRIVALS UNACCOUNTED FOR", false: "yes"}[i == 0]; holds != want {
			t.Errorf("row %d says %q, want %q", i, holds, want)
		}
	}
}

// An objective that is not known was not missed.
func TestObjectivesInWords(t *testing.T) {
	const missed, open = "vision r1: p95 < 1 s: not met", "vision r2: p95 < 1 s: unknown"
	for want, unmet := range map[string][]string{
		"met": nil, "1 of 4 not met": {missed}, "1 of 4 not known": {open}, "2 of 4 not met, 1 not known": {missed, open, missed},
	} {
		if got := objectivesOf(analysis.Row{Objectives: 4, Unmet: unmet}); got.Text != want {
			t.Errorf("%q: %q, want %q", unmet, got.Text, want)
		}
	}
}
