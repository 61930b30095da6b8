package formats

import (
	"archive/zip"
	"bytes"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

func opened(t *testing.T, made []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(made))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The sheets that reviewers look for come in their order; those that a run has nothing
// for are left out.
func TestWorkbookSheets(t *testing.T) {
	order := []string{"Summary", "Capacity", "Comparison", "Per model", "Placement", "Steps", "Instances", "Integrity", "Environment", "Checklist", "Charts", "Raw"}
	seen := map[string]bool{}
	for _, name := range []string{"summary.json", "capacity.json", "activity.json", "sweep.json"} {
		f := opened(t, written(t, "xlsx", read(t, name)))
		sheets := f.GetSheetList()
		last := -1
		for _, sheet := range sheets {
			if at := slices.Index(order, sheet); at >= 0 {
				if seen[sheet] = true; at < last {
					t.Errorf("%s: %s comes after %s", name, sheet, order[last])
				}
				last = at
			}
			if name == "activity.json" {
				continue // a real one
			}
			if text, err := f.GetCellValue(sheet, "A2"); err != nil || !strings.HasPrefix(text, "SIMULATED") {
				t.Errorf("sheet %s: A2 is %q (%v), want the banner", sheet, text, err)
			}
			if panes, err := f.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit < 2 {
				t.Errorf("sheet %s: panes %+v (%v)", sheet, panes, err)
			}
		}
		if sheets[0] != "Summary" || sheets[len(sheets)-1] != chartSheet {
			t.Errorf("%s: sheets %v", name, sheets)
		}
	}
	for _, sheet := range order {
		if !seen[sheet] {
			t.Errorf("no run has a sheet %s", sheet)
		}
	}
}

// What reviewers would reckon again are formulas, whose result, reckoned from the cells
// that they name, is the value stored beside them.
func TestWorkbookFormulas(t *testing.T) {
	for file, want := range map[string]map[string]int{
		// The made-up run: two changes of four figures, on two sheets; throughput of four
		// places a second and a minute; three rates of each in Raw, none of them unknown.
		"summary.json": {"Summary": 4, "Comparison": 4, "Steps": 8, "Raw": 12},
		// Three changes of four figures; six effects of as many figures.
		"sweep.json": {"Summary": 48, "Comparison": 48},
	} {
		f := opened(t, written(t, "xlsx", read(t, file)))
		for sheet, n := range want {
			rows, err := f.GetRows(sheet, excelize.Options{RawCellValue: true})
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for i := range rows {
				for j := range rows[i] {
					name, err := excelize.CoordinatesToCellName(j+1, i+1)
					if err != nil {
						t.Fatal(err)
					}
					formula, err := f.GetCellFormula(sheet, name)
					if err != nil || formula == "" {
						continue
					}
					found++
					reckoned, err := f.CalcCellValue(sheet, name, excelize.Options{RawCellValue: true})
					if err != nil {
						t.Fatal(err)
					}
					a, _ := strconv.ParseFloat(reckoned, 64)
					b, err := strconv.ParseFloat(rows[i][j], 64)
					if err != nil || math.Abs(a-b) > 1e-9*max(1, math.Abs(b)) {
						t.Errorf("%s!%s: =%s gives %v, stored is %q", sheet, name, formula, a, rows[i][j])
					}
					if kind, _ := f.GetCellType(sheet, name); kind == excelize.CellTypeFormula || kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString {
						t.Errorf("%s!%s: stored as text (type %v)", sheet, name, kind)
					}
				}
			}
			if found != n {
				t.Errorf("%s: sheet %s: %d formulas, want %d", file, sheet, found, n)
			}
		}
	}
}

func TestWorkbookNumbersAreNumbers(t *testing.T) {
	f := opened(t, written(t, "xlsx", madeUp(t)))
	rows, err := f.GetRows("Comparison", excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if len(row) > 5 && row[0] == "off" && row[1] == "X" {
			// The made-up run: 67 calls in 100 s, 1,999 requests in 100 s.
			if row[3] != "2412" || row[5] != "19.99" {
				t.Errorf("row %v, want 2412 responses and 19.99 req/s", row)
			}
			if kind, _ := f.GetCellType("Comparison", "D"+strconv.Itoa(i+1)); kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber {
				t.Errorf("D%d has type %v, want a number", i+1, kind)
			}
			return
		}
	}
	t.Errorf("no row of configuration off in %v", rows)
}

func TestWorkbookKeepsHostileNamesAsText(t *testing.T) {
	f := opened(t, written(t, "xlsx", madeUp(t)))
	const hostile = "=cmd|' /C calc'!A0" // the made-up run's host name
	found := false
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			for j, text := range row {
				name, _ := excelize.CoordinatesToCellName(j+1, i+1)
				formula, _ := f.GetCellFormula(sheet, name)
				if strings.Contains(formula, "cmd") {
					t.Errorf("%s!%s is a formula: %s", sheet, name, formula)
				}
				found = found || text == hostile
			}
		}
	}
	if !found {
		t.Errorf("%q is on no sheet", hostile)
	}
}

func TestWorkbookPartsAreSortedAndUndated(t *testing.T) {
	made := written(t, "xlsx", madeUp(t))
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, part := range archive.File {
		if part.Name < last {
			t.Errorf("%s comes after %s", part.Name, last)
		}
		last = part.Name
		if part.ModifiedDate != 0 || part.ModifiedTime != 0 {
			t.Errorf("%s is dated", part.Name)
		}
		if part.Name == "docProps/core.xml" {
			r, err := part.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(r)
			if !bytes.Contains(text, []byte("2026-01-02T03:04:05Z")) {
				t.Errorf("core properties without the run's date: %s", text)
			}
		}
	}
}

// Notes reach over the width of their table and are wrapped, so that a printed
// page is no wider for them; and each column of numbers has one unit.
func TestWorkbookNotesKeepTheWidth(t *testing.T) {
	for _, name := range []string{"summary.json", "sweep.json", "failover.json"} {
		f := opened(t, written(t, "xlsx", read(t, name)))
		for _, sheet := range f.GetSheetList() {
			merged := map[string]bool{}
			cells, err := f.GetMergeCells(sheet)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range cells {
				merged[c.GetStartAxis()] = true
			}
			rows, err := f.GetRows(sheet)
			if err != nil {
				t.Fatal(err)
			}
			long := 0
			for i, row := range rows {
				for j, text := range row {
					if width(text) <= widest {
						continue
					}
					long++
					at, _ := excelize.CoordinatesToCellName(j+1, i+1)
					style, err := f.GetCellStyle(sheet, at)
					if err != nil {
						t.Fatal(err)
					}
					s, err := f.GetStyle(style)
					if err != nil {
						t.Fatal(err)
					}
					if s.Alignment == nil || !s.Alignment.WrapText {
						t.Errorf("%s: %s!%s is not wrapped: %q", name, sheet, at, text)
					}
					if j == 0 && !merged[at] && len(row) == 1 {
						t.Errorf("%s: %s!%s stands in one column: %q", name, sheet, at, text)
					}
				}
			}
			if long == 0 {
				t.Errorf("%s: sheet %s has not even a long banner", name, sheet)
			}
		}
	}
}

// Every printed page says that it was simulated, and the sheets of a capacity are no
// wider than a page.
func TestWorkbookPrints(t *testing.T) {
	f := opened(t, written(t, "xlsx", read(t, "capacity.json")))
	for _, sheet := range f.GetSheetList() {
		h, err := f.GetHeaderFooter(sheet)
		if err != nil || h == nil || !strings.HasPrefix(h.OddHeader, "&CSIMULATED") || len(h.OddHeader) > 255 {
			t.Errorf("sheet %s: header %+v (%v)", sheet, h, err)
		}
	}
	for _, sheet := range []string{"Summary", "Capacity", "Checklist"} {
		sum := 0.0
		for _, column := range "ABCDEFGHIJKLMN" {
			w, err := f.GetColWidth(sheet, string(column))
			if err != nil {
				t.Fatal(err)
			}
			if w > 9.5 || w < 9 { // 9.14 is of columns that no table uses
				sum += w
			}
		}
		if sum > pageWide+40 || sum < pageWide/2 {
			t.Errorf("sheet %s is %.0f characters wide", sheet, sum)
		}
	}
}
