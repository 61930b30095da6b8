package formats

import (
	"archive/zip"
	"bytes"
	"io"
	"math"
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

func TestWorkbookSheets(t *testing.T) {
	f := opened(t, written(t, "xlsx", madeUp(t)))
	sheets := f.GetSheetList()
	if len(sheets) < 8 || sheets[0] != "Comparison" {
		t.Fatalf("sheets %v", sheets)
	}
	for _, sheet := range sheets {
		if text, err := f.GetCellValue(sheet, "A2"); err != nil || !strings.HasPrefix(text, "SIMULATED") {
			t.Errorf("sheet %s: A2 is %q (%v), want the banner", sheet, text, err)
		}
		if panes, err := f.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit < 2 {
			t.Errorf("sheet %s: panes %+v (%v)", sheet, panes, err)
		}
	}
}

// The changes are formulas whose result, reckoned from the cells that they
// name, is the value stored beside them.
func TestWorkbookChanges(t *testing.T) {
	f := opened(t, written(t, "xlsx", madeUp(t)))
	rows, err := f.GetRows("Comparison", excelize.Options{RawCellValue: true})
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
			formula, err := f.GetCellFormula("Comparison", name)
			if err != nil || formula == "" {
				continue
			}
			found++
			reckoned, err := f.CalcCellValue("Comparison", name, excelize.Options{RawCellValue: true})
			if err != nil {
				t.Fatal(err)
			}
			a, _ := strconv.ParseFloat(reckoned, 64)
			b, err := strconv.ParseFloat(rows[i][j], 64)
			if err != nil || math.Abs(a-b) > 1e-12 {
				t.Errorf("%s: =%s gives %v, stored is %q", name, formula, a, rows[i][j])
			}
			if kind, _ := f.GetCellType("Comparison", name); kind == excelize.CellTypeFormula || kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString {
				t.Errorf("%s: stored as text (type %v)", name, kind)
			}
		}
	}
	if found != 4 {
		t.Errorf("%d formulas, want 4", found)
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
	for _, sheet := range []string{"Capacity", "Capacity table", "Checklist"} {
		sum := 0.0
		for _, column := range "ABCDEFGHIJ" {
			w, err := f.GetColWidth(sheet, string(column))
			if err != nil {
				t.Fatal(err)
			}
			sum += w
		}
		if sum > pageWide+45 { // ten columns, of which up to five are no table's
			t.Errorf("sheet %s is %.0f characters wide", sheet, sum)
		}
	}
}
