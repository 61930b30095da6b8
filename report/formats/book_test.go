package formats

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/report"
	"github.com/xuri/excelize/v2"
)

// Key figures have names, each of which is one cell with a number; other names are the
// workbook's own.
func TestWorkbookNames(t *testing.T) {
	found := map[string]float64{}
	for _, file := range []string{"summary.json", "capacity.json"} {
		f := opened(t, written(t, "xlsx", read(t, file)))
		for _, n := range f.GetDefinedName() {
			if !strings.HasPrefix(n.Name, "eva_") {
				if !strings.HasPrefix(n.Name, "_xlnm.") {
					t.Errorf("%s: name %s", file, n.Name)
				}
				continue
			}
			sheet, cell, ok := strings.Cut(n.RefersTo, "!")
			text, err := f.GetCellValue(strings.Trim(sheet, "'"), strings.ReplaceAll(cell, "$", ""), excelize.Options{RawCellValue: true})
			v, bad := strconv.ParseFloat(text, 64)
			if !ok || err != nil || bad != nil {
				t.Errorf("%s: %s is %s, which holds %q (%v)", file, n.Name, n.RefersTo, text, err)
			}
			found[n.Name] = v
		}
	}
	// The made-up run's, see TestWorkbookNumbersAreNumbers; and what the made-up search allowed.
	if v := found["eva_vision_off_8_users_4_agents"]; v != 19.99 {
		t.Errorf("Vision of off is %v, want 19.99, in %v", v, found)
	}
	for _, kind := range []string{"eva_capacity_", "eva_capacity_low_", "eva_allowed_", "eva_change_vision_"} {
		n := 0
		for name := range found {
			if strings.HasPrefix(name, kind) {
				n++
			}
		}
		if n == 0 {
			t.Errorf("no name begins with %s: %v", kind, found)
		}
	}
}

func TestDefinedName(t *testing.T) {
	for key, want := range map[string]string{
		"change Vision 4x1g.24gb-mps": "eva_change_vision_4x1g_24gb_mps",
		"=cmd|' /C calc'!A0":          "eva_cmd_c_calc_a0",
		"비전":                          "",
		"":                            "",
	} {
		if got := definedName(key); got != want {
			t.Errorf("definedName(%q) = %q, want %q", key, got, want)
		}
	}
	if n := len(definedName(strings.Repeat("x", 40000))); n > 255 {
		t.Errorf("a name of %d characters", n)
	}
}

// Each chart of a workbook, as its drawing has it.
type drawnChart struct {
	Texts []string // references to cells
}

// drawn reads the charts of a workbook's parts.
func drawn(t *testing.T, made []byte) []drawnChart {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	var all []drawnChart
	for _, part := range archive.File {
		if !strings.HasPrefix(part.Name, "xl/charts/chart") {
			continue
		}
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		var c drawnChart
		for d := xml.NewDecoder(r); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", part.Name, err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "f" {
				var text string
				if err := d.DecodeElement(&text, &start); err != nil {
					t.Fatal(err)
				}
				c.Texts = append(c.Texts, text)
			}
		}
		all = append(all, c)
	}
	return all
}

var reference = regexp.MustCompile(`^'Chart data'!\$([A-I])\$(\d+)(?::\$([A-I])\$(\d+))?$`)

// Every chart of the first level is on the sheet of charts, and the first of them are on
// the summary too; what they are drawn from are cells of the workbook, and those have the
// chart's points.
func TestWorkbookChartsAreDrawnFromCells(t *testing.T) {
	for _, file := range []string{"summary.json", "capacity.json", "activity.json"} {
		d := report.Build(read(t, file))
		made := written(t, "xlsx", read(t, file))
		f := opened(t, made)
		rows, err := f.GetRows(chartSheet, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		charts, first := drawn(t, made), firstCharts(d)
		if want := len(first) + min(len(first), summaryCharts); len(charts) != want || want < 3 {
			t.Errorf("%s: %d charts, want %d", file, len(charts), want)
		}
		for _, c := range charts {
			for _, ref := range c.Texts {
				m := reference.FindStringSubmatch(ref)
				if m == nil {
					t.Errorf("%s: a chart is drawn from %s", file, ref)
					continue
				}
				if last, _ := strconv.Atoi(m[2] + m[4][len(m[4]):]); last < 1 || last > len(rows) {
					t.Errorf("%s: %s is beyond the %d rows", file, ref, len(rows))
				}
			}
		}
		has := map[string]int{} // by series of a chart, its numbers in the cells
		for _, row := range rows {
			if len(row) > dataY && row[dataY] != "" {
				has[row[0]+"|"+row[dataSeries]+"|"+row[dataX]+"|"+row[dataY]]++
			}
		}
		points, pale := 0, 0
		for _, c := range first {
			for _, s := range c.Series {
				for _, p := range s.Points {
					points++
					x := strconv.FormatFloat(p.X, 'f', -1, 64)
					if c.X.Names != nil {
						x = c.X.Names[int(p.X)]
					}
					name := s.Name
					if p.Pale {
						name += " (" + whyPale(s) + ")"
						pale++
					}
					if key := c.Title + "|" + name + "|" + x + "|" + strconv.FormatFloat(p.Y, 'f', -1, 64); has[key] == 0 {
						t.Errorf("%s: no row %s", file, key)
					}
				}
			}
		}
		if points == 0 || pale == 0 {
			t.Errorf("%s: %d points, %d of them pale", file, points, pale)
		}
	}
}

// Verdicts are coloured by rules, the longest table of a sheet has a filter, and what is
// for looking up is printed only with its begin.
func TestWorkbookRules(t *testing.T) {
	f := opened(t, written(t, "xlsx", madeUp(t)))
	for _, sheet := range []string{"Summary", "Steps", "Integrity"} {
		if rules, err := f.GetConditionalFormats(sheet); err != nil || len(rules) == 0 {
			t.Errorf("sheet %s: rules %v (%v)", sheet, rules, err)
		}
	}
	filters, printed := map[string]bool{}, map[string]string{}
	for _, n := range f.GetDefinedName() {
		switch n.Name {
		case "_xlnm._FilterDatabase":
			filters[n.Scope] = true
		case "_xlnm.Print_Area":
			printed[n.Scope] = n.RefersTo
		}
	}
	if !filters["Raw"] || !filters["Steps"] {
		t.Errorf("filters on %v", filters)
	}
	if printed["Raw"] != "'Raw'!$A$1:$H$3" || printed[chartSheet] == "" || printed["Summary"] != "" {
		t.Errorf("printed are of %v", printed)
	}
	if text, err := f.GetCellValue("Raw", "A3"); err != nil || !strings.Contains(text, "only these lines are printed") {
		t.Errorf("Raw says %q (%v)", text, err)
	}
}

// No row is a column of single words, and on paper the notes of a table's rows stand
// below it, each once.
func TestWorkbookIsReadOnPaper(t *testing.T) {
	const most = 7 // lines of a row
	for _, file := range []string{"sweep.json", "capacity.json", "open.json", "failover.json"} {
		f := opened(t, written(t, "xlsx", read(t, file)))
		for _, sheet := range f.GetSheetList() {
			rows, err := f.GetRows(sheet)
			if err != nil {
				t.Fatal(err)
			}
			lookup := false
			for i, row := range rows {
				high, err := f.GetRowHeight(sheet, i+1)
				if err != nil {
					t.Fatal(err)
				}
				lookup = lookup || len(row) > 0 && strings.Contains(row[0], "only these lines are printed")
				if high > 15*most {
					t.Errorf("%s: %s, row %d is %.0f points high: %q", file, sheet, i+1, high, row)
				}
				for n, text := range row {
					if n > 0 && len(row) > 3 && !lookup && strings.Contains(text, ": one pair has no spread") {
						t.Errorf("%s: %s, row %d: the note %q stands in its column", file, sheet, i+1, text)
					}
				}
			}
		}
	}
}
