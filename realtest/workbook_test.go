//go:build real

package realtest

import (
	"archive/zip"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
)

// LibreOffice opens the workbook, reckons every formula anew and comes to our values;
// keeps its charts and names, and prints it.
func TestWorkbookInLibreOffice(t *testing.T) {
	for _, file := range []string{"../analysis/testdata/summary.json", "../analysis/testdata/sweep.json", "../report/testdata/capacity.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s analysis.Summary
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		folder := t.TempDir()
		ours := filepath.Join(folder, "report.xlsx")
		w, err := os.Create(ours)
		if err != nil {
			t.Fatal(err)
		}
		if err := formats.Write("xlsx", w, report.Build(&s)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		reckonedAlike(t, ours, convertedTo(t, withoutResults(t, ours), "xlsx"))
		pdf, err := os.ReadFile(convertedTo(t, ours, "pdf"))
		if err != nil || !strings.HasPrefix(string(pdf), "%PDF") {
			t.Errorf("%s: no print (%v)", file, err)
		}
	}
}

var result = regexp.MustCompile(`(<f>[^<]*</f>)<v>[^<]*</v>`)

// withoutResults copies a workbook without the results of its formulas, which LibreOffice
// would else keep instead of reckoning them.
func withoutResults(t *testing.T, file string) string {
	t.Helper()
	from, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	bare := filepath.Join(t.TempDir(), "bare.xlsx")
	w, err := os.Create(bare)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	to := zip.NewWriter(w)
	for _, part := range from.File {
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out, err := to.Create(part.Name)
		if err == nil {
			_, err = out.Write(result.ReplaceAll(text, []byte("$1")))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return bare
}

// convertedTo has LibreOffice write a workbook anew.
func convertedTo(t *testing.T, file, kind string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), kind)
	profile := "-env:UserInstallation=file://" + filepath.Join(t.TempDir(), "profile")
	c := exec.CommandContext(t.Context(), env(t, "EVABENCH_SOFFICE"), "--headless", profile, "--convert-to", kind, "--outdir", out, file)
	if told, err := c.CombinedOutput(); err != nil {
		t.Fatalf("convert to %s: %v\n%s", kind, err, told)
	}
	return filepath.Join(out, strings.TrimSuffix(filepath.Base(file), ".xlsx")+"."+kind)
}

// reckonedAlike compares the values of all cells that are formulas of ours, and the names.
func reckonedAlike(t *testing.T, ours, theirs string) {
	t.Helper()
	a, err := excelize.OpenFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := excelize.OpenFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	raw, formulas := excelize.Options{RawCellValue: true}, 0
	for _, sheet := range a.GetSheetList() {
		rows, err := a.GetRows(sheet, raw)
		if err != nil {
			t.Fatal(err)
		}
		for y, row := range rows {
			for x, want := range row {
				at, err := excelize.CoordinatesToCellName(x+1, y+1)
				if err != nil {
					t.Fatal(err)
				}
				if formula, err := a.GetCellFormula(sheet, at); err != nil || formula == "" {
					continue
				}
				formulas++
				got, err := b.GetCellValue(sheet, at, raw)
				g, bad := strconv.ParseFloat(got, 64)
				w, worse := strconv.ParseFloat(want, 64)
				if err != nil || bad != nil || worse != nil || math.Abs(g-w) > 1e-9*max(1, math.Abs(w)) {
					t.Errorf("%s!%s is %q, ours %q (%v)", sheet, at, got, want, err)
				}
			}
		}
	}
	if formulas == 0 {
		t.Error("there are no formulas")
	}
	names := map[string]bool{}
	for _, n := range b.GetDefinedName() {
		names[strings.ToLower(n.Name)] = true
	}
	for _, n := range a.GetDefinedName() {
		if strings.HasPrefix(n.Name, "eva_") && !names[strings.ToLower(n.Name)] {
			t.Errorf("the name %s is gone", n.Name)
		}
	}
}
