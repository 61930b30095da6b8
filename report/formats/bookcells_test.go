package formats

import (
	"archive/zip"
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// partsOf gives the parts of a workbook whose names begin so, as text.
func partsOf(t *testing.T, made []byte, prefix string) (list []string) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range archive.File {
		if !strings.HasPrefix(part.Name, prefix) {
			continue
		}
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	}
	if len(list) == 0 {
		t.Fatalf("no part %s", prefix)
	}
	return list
}

var emptyText = regexp.MustCompile(`<c [^>]*t="inlineStr"><is><t></t></is></c>`)

// A cell without a number or a text is blank. A spreadsheet draws an empty text, which is a
// text, as 0: an interval that is not known would stand at 0.
func TestWorkbookLeavesUnknownCellsBlank(t *testing.T) {
	for _, sheet := range partsOf(t, written(t, "xlsx", read(t, "capacity.json")), "xl/worksheets/sheet") {
		if all := emptyText.FindAllString(sheet, -1); len(all) > 0 {
			t.Errorf("%d cells hold an empty text, such as %s", len(all), all[0])
		}
	}
}

var barAxis = regexp.MustCompile(`<valAx>.*?</valAx>`)

// Bars begin at 0: a spreadsheet cuts off what bars that are much alike have in common.
func TestWorkbookBarsBeginAtZero(t *testing.T) {
	n := 0
	for _, chart := range partsOf(t, written(t, "xlsx", read(t, "capacity.json")), "xl/charts/chart") {
		if !strings.Contains(chart, "barChart>") {
			continue
		}
		for _, axis := range barAxis.FindAllString(chart, -1) {
			n++
			if !strings.Contains(axis, `min val="0"`) {
				t.Errorf("an axis of bars is %s", axis)
			}
		}
	}
	if n == 0 {
		t.Error("no axis of bars")
	}
}

// A share that is not 0 does not look like 0: one error of 30,000 arrivals breaks an objective.
func TestWorkbookShowsSmallShares(t *testing.T) {
	const small = "[=0]0.00%;[<0.0001]0.000000%;0.00%"
	for value, want := range map[float64]string{0: "0.00%", 0.5: "0.00%", 0.0001: "0.00%", 1.0 / 30000: small, 4e-8: small} {
		if got := numberFormat(report.Cell{Value: &value, Unit: "ratio"}); got != want {
			t.Errorf("%v is shown as %s, want %s", value, got, want)
		}
	}
}

var row = regexp.MustCompile(`[A-Z]+(\d+)`)

// What a reader can sort by the buttons of a filter has no formula of another row, which
// would then be reckoned from a wrong one.
func TestWorkbookFiltersWhatCanBeSorted(t *testing.T) {
	filtered := 0
	for _, file := range []string{"summary.json", "sweep.json", "capacity.json"} {
		f := opened(t, written(t, "xlsx", read(t, file)))
		for _, n := range f.GetDefinedName() {
			if n.Name != "_xlnm._FilterDatabase" {
				continue
			}
			filtered++
			_, area, _ := strings.Cut(strings.ReplaceAll(n.RefersTo, "$", ""), "!")
			from, to, _ := strings.Cut(area, ":")
			_, top, err := excelize.CellNameToCoordinates(from)
			right, bottom, bad := excelize.CellNameToCoordinates(to)
			if err != nil || bad != nil {
				t.Fatalf("%s: a filter over %s", file, n.RefersTo)
			}
			for r := top + 1; r <= bottom; r++ {
				for c := 1; c <= right; c++ {
					name, _ := excelize.CoordinatesToCellName(c, r)
					formula, err := f.GetCellFormula(n.Scope, name)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range row.FindAllStringSubmatch(formula, -1) {
						if m[1] != strconv.Itoa(r) {
							t.Errorf("%s: %s!%s, which can be sorted, is =%s", file, n.Scope, name, formula)
						}
					}
				}
			}
		}
	}
	if filtered == 0 {
		t.Error("nothing is filtered")
	}
}
