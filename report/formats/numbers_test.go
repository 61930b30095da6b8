package formats

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

// numbers are all that stand somewhere.
type numbers map[float64]bool

// numbersOf takes those of a JSON text.
func numbersOf(text []byte) numbers {
	all := numbers{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err != nil {
			return all
		}
		if v, ok := token.(float64); ok {
			all[v] = true
		}
	}
}

// holds allows for the last digit, which going to another unit and back can cost.
func (n numbers) holds(v float64) bool {
	return n[v] || n[math.Nextafter(v, math.Inf(1))] || n[math.Nextafter(v, math.Inf(-1))]
}

// conversions are all that the report makes of the Summary's numbers, by where: table or
// chart, column or axis, unit. It computes nothing else. Each gives the Summary's number
// back.
var conversions = []struct {
	where *regexp.Regexp
	back  func(v float64, s *analysis.Summary) float64
}{
	{regexp.MustCompile(`/req/min$`), func(v float64, _ *analysis.Summary) float64 { return v / 60 }},                               // of 1/s
	{regexp.MustCompile(`/s$`), func(v float64, _ *analysis.Summary) float64 { return math.Round(v * 1e9) }},                        // of ns
	{regexp.MustCompile(`/GiB$`), func(v float64, _ *analysis.Summary) float64 { return math.Round(v * (1 << 30)) }},                // of B
	{regexp.MustCompile(`/MHz$`), func(v float64, _ *analysis.Summary) float64 { return math.Round(v * 1e6) }},                      // of Hz
	{regexp.MustCompile(`^contrasts-.*/(Difference|95 % from|to)/`), func(v float64, _ *analysis.Summary) float64 { return v + 1 }}, // of a ratio
	{regexp.MustCompile(`^client/Reads/`), reads},                                                                                   // of the two sorts of reads
	{regexp.MustCompile(`^chart-curve-.*/x/`), func(v float64, _ *analysis.Summary) float64 { return 1 - 1/v }},
	{regexp.MustCompile(`^chart-course-.*/x/`), part},
	{regexp.MustCompile(`^chart-.*/x/$`), func(float64, *analysis.Summary) float64 { return 0 }}, // the place of a name
}

// reads gives the reads with a stamp, of all of them.
func reads(v float64, s *analysis.Summary) float64 {
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			if step.Client != nil && float64(step.Client.Client.Stamped+step.Client.Unstamped) == v {
				return float64(step.Client.Client.Stamped)
			}
		}
	}
	return math.NaN()
}

// part gives the length of a part of a course, of where one begins.
func part(v float64, s *analysis.Summary) float64 {
	for _, c := range s.Cells {
		for _, step := range c.Steps {
			for _, service := range step.Services {
				if course := service.Course; course != nil {
					if at := v / course.Part; math.Abs(at-math.Round(at)) < 1e-9 {
						return course.Part
					}
				}
			}
		}
	}
	return math.NaN()
}

// A shown number is one of a Document.
type shown struct {
	where string
	value float64
}

// shownBy lists the numbers of a Document's tables and charts.
func shownBy(d *report.Document) []shown {
	var all []shown
	add := func(where string, v *float64) {
		if v != nil && !math.IsNaN(*v) {
			all = append(all, shown{where, *v})
		}
	}
	for _, section := range d.Sections {
		for _, t := range section.Tables {
			for _, row := range t.Rows {
				for i, c := range row {
					add(t.ID+"/"+t.Columns[i].Name+"/"+c.Unit, c.Value)
				}
			}
		}
		for _, c := range section.Charts {
			for _, s := range c.Series {
				for _, p := range s.Points {
					add(c.ID+"/x/"+c.X.Unit, &p.X)
					for _, v := range []*float64{&p.Y, p.Low, p.High} {
						add(c.ID+"/y/"+s.Unit, v)
					}
				}
			}
		}
	}
	return all
}

var numberedRuns = []string{"summary.json", "open.json", "sweep.json", "queue.json", "failover.json", "activity.json", "capacity.json"}

// Every number of every table and chart is one of summary.json's, or one of those in
// another unit.
func TestDocumentsHaveTheSummarysNumbers(t *testing.T) {
	for _, name := range numberedRuns {
		s := read(t, name)
		all := numbersOf(written(t, "json", s))
		list := shownBy(report.Build(s))
		for _, n := range list {
			if !all.holds(n.value) && !converted(n, s, all) {
				t.Errorf("%s: %s shows %v, which summary.json does not have", name, n.where, n.value)
			}
		}
		if len(list) < 50 {
			t.Errorf("%s: %d numbers were looked at", name, len(list))
		}
	}
}

func converted(n shown, s *analysis.Summary, all numbers) bool {
	for _, c := range conversions {
		if c.where.MatchString(n.where) && (all.holds(c.back(n.value, s)) || near(all, c.back(n.value, s))) {
			return true
		}
	}
	return false
}

// near is for what going there and back costs more than a digit.
func near(all numbers, v float64) bool {
	for n := range all {
		if math.Abs(n-v) <= 1e-12*math.Abs(n) {
			return true
		}
	}
	return false
}

// ours are the numbers that the workbook and the page may have: of the Document, and of
// Flat, which the workbook has as rows.
func ours(d *report.Document) numbers {
	all := numbers{}
	for _, n := range shownBy(d) {
		all[n.value] = true
	}
	for _, row := range report.Flat(d.Summary).Rows {
		for _, c := range row {
			if c.Value != nil {
				all[*c.Value] = true
			}
		}
	}
	return all
}

// Every number of the workbook and of the page's tables is one of the Document's, exactly;
// and not by chance: another run's Document does not have them.
func TestBooksAndPagesHaveTheDocumentsNumbers(t *testing.T) {
	other := ours(report.Build(read(t, "queue.json")))
	for _, name := range numberedRuns {
		d := report.Build(read(t, name))
		all := ours(d)
		for kind, list := range map[string][]shown{"xlsx": inWorkbook(t, written(t, "xlsx", d.Summary)), "html": inPage(t, written(t, "html", d.Summary))} {
			strange := 0
			for _, n := range list {
				if !all[n.value] {
					t.Errorf("%s: %s: %s is %v, which the document does not have", name, kind, n.where, n.value)
				}
				if !other[n.value] {
					strange++
				}
			}
			if len(list) < 50 || name != "queue.json" && strange < len(list)/10 {
				t.Errorf("%s: %s: %d numbers were looked at, %d are not another run's", name, kind, len(list), strange)
			}
		}
	}
}

// inWorkbook lists the numbers of all cells.
func inWorkbook(t *testing.T, made []byte) (list []shown) {
	t.Helper()
	f := opened(t, made)
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		for y, row := range rows {
			for x, text := range row {
				at, _ := excelize.CoordinatesToCellName(x+1, y+1)
				if kind, err := f.GetCellType(sheet, at); err != nil || kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber || text == "" {
					continue
				}
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Errorf("%s!%s is %q (%v)", sheet, at, text, err)
				}
				list = append(list, shown{sheet + "!" + at, v})
			}
		}
	}
	return list
}

// inPage lists the numbers of all cells.
func inPage(t *testing.T, made []byte) (list []shown) {
	t.Helper()
	page, err := html.Parse(bytes.NewReader(made))
	if err != nil {
		t.Fatal(err)
	}
	for n := range page.Descendants() {
		for _, a := range n.Attr {
			if a.Key != "data-v" {
				continue
			}
			text := a.Val
			if text == "" { // what stands there is the number
				text = strings.ReplaceAll(strings.TrimSpace(n.FirstChild.Data), ",", "")
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Errorf("a cell is %q (%v)", text, err)
			}
			list = append(list, shown{"a cell", v})
		}
	}
	return list
}
