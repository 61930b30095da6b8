package formats

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

// readCSV reads what was written, by heading.
func readCSV(t testing.TB, text []byte) (heading []string, rows []map[string]string) {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return records[0], rows
}

// Of each service there is a row, with the figures of the Summary to the last digit;
// what is not known is empty and has its reason, what cannot be known has none.
func TestCSV(t *testing.T) {
	for _, name := range []string{"summary.json", "open.json", "sweep.json", "queue.json", "failover.json", "activity.json"} {
		s := read(t, name)
		heading, rows := readCSV(t, written(t, "csv", s))
		if len(slices.Compact(slices.Sorted(slices.Values(heading)))) != len(heading) || len(heading) < 100 {
			t.Errorf("%s: %d columns", name, len(heading))
		}
		at := 0
		for _, c := range s.Cells {
			for _, step := range c.Steps {
				for _, service := range step.Services {
					checkRow(t, name, rows[at], c, step, service)
					at++
				}
			}
		}
		if at != len(rows) || at == 0 {
			t.Errorf("%s: %d rows of %d services", name, len(rows), at)
		}
	}
}

func checkRow(t *testing.T, name string, row map[string]string, c analysis.Cell, step analysis.Step, service analysis.Service) {
	t.Helper()
	texts := map[string]string{"cell": c.Cell.Folder, "configuration": c.Cell.Config.Name, "service": service.Name, "verdict": service.Verdict.Is}
	for column, want := range texts {
		if row[column] != want {
			t.Errorf("%s: %s is %q, want %q", name, column, row[column], want)
		}
	}
	number := func(v float64) analysis.Value { return analysis.Value{Number: &v} }
	g := service.Total
	values := map[string]analysis.Value{
		"step_index": number(float64(step.Index)), "window_seconds": number(step.Window), "due": number(float64(g.Due)), "outcome_ok": number(float64(g.OK)),
		"throughput_per_second": g.Throughput, "latency_mean_seconds": g.Latency.Mean, "ttft_mean_seconds": g.TTFT.Mean, "output_tokens_per_second": g.Output.PerSecond,
	}
	for _, q := range g.Latency.Quantiles {
		values["latency_"+percentile(q.Q)+"_seconds"] = q.Value
		values["latency_"+percentile(q.Q)+"_low_seconds"] = analysis.Value{Number: q.Low}
	}
	for column, want := range values {
		text, there := row[column]
		unknown, inapplicable := strings.Contains("; "+row["unknown"], "; "+column+": "), slices.Contains(strings.Fields(row["not_applicable"]), column)
		switch got, err := strconv.ParseFloat(text, 64); {
		case !there:
			t.Errorf("%s: there is no column %s", name, column)
		case want.Known() && (err != nil || got != *want.Number || unknown || inapplicable):
			t.Errorf("%s: %s is %q, want %v", name, column, text, *want.Number)
		case !want.Known() && (text != "" || unknown == inapplicable):
			t.Errorf("%s: %s is %q, unknown: %v, not applicable: %v", name, column, text, unknown, inapplicable)
		}
	}
	due := 0.0
	for column, text := range row {
		if n, err := strconv.ParseFloat(text, 64); err == nil && strings.HasPrefix(column, "outcome_") {
			due += n
		}
	}
	if due != float64(g.Due) {
		t.Errorf("%s: the outcomes' sum is %v, want %d", name, due, g.Due)
	}
}

func percentile(q float64) string {
	return "p" + strings.ReplaceAll(strconv.FormatFloat(q*100, 'g', 9, 64), ".", "_")
}

func TestPlainNumbers(t *testing.T) {
	for _, v := range []float64{0, 1, -1, 1e6, 123456789012, 0.1, 1.0 / 3, 1e-6, 9.9e-7, 5e-324, 999999999999999, 1e15, math.MaxFloat64, -0.000123} {
		text := plain(v)
		got, err := strconv.ParseFloat(text, 64)
		if err != nil || got != v || len(text) > 25 {
			t.Errorf("%v became %s (%v)", v, text, err)
		}
	}
}

// A text that a spreadsheet would run has an apostrophe before it, and only such a text and
// one that has an apostrophe itself, so that it can be had back.
func TestFormulasAreHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠a": "'＠a",
		"  =1": "'  =1", "'=1": "''=1", "'": "''", "": "", " ": " ", "a=1": "a=1", "1-1": "1-1", "비전": "비전",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

const columnsHead = "| column | type | what it is |\n| --- | --- | --- |\n"

// The page's table of columns is that of the program.
func TestCSVColumnsAreDescribed(t *testing.T) {
	path := filepath.FromSlash("../../docs/schema/README.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(columnsHead)
	for _, c := range report.FlatColumns(0.95) {
		kind := "text"
		if c.Number {
			kind = "number"
		}
		b.WriteString("| `" + c.Name + "` | " + kind + " | " + c.About + " |\n")
	}
	table := regexp.MustCompile(regexp.QuoteMeta(columnsHead) + `(\|.*\n)*`)
	if *update {
		page = table.ReplaceAllLiteral(page, []byte(b.String()))
		if err := os.WriteFile(path, page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := table.Find(page); string(got) != b.String() {
		t.Errorf("%s does not describe the columns; write it with go test ./report/formats -run Described -update", path)
	}
}

// A column that tells a unit ends with it; texts and numbers do not change places.
func TestCSVHeadings(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range report.FlatColumns(0.5, 0.999) {
		if seen[c.Name] || !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(c.Name) || c.About == "" {
			t.Errorf("column %q (%q)", c.Name, c.About)
		}
		seen[c.Name] = true
	}
	if !seen["latency_p99_9_seconds"] || !seen["tpot_p50_high_seconds"] {
		t.Error("a percentile has no column")
	}
}

// What is of several runs, or of none, is refused and not half told.
func TestOneRun(t *testing.T) {
	for _, name := range OneRun() {
		if name == "alerts" {
			continue // it has its own
		}
		for _, d := range []*report.Document{{}, {Summary: madeUp(t), Data: 1}} {
			if err := Write(name, &bytes.Buffer{}, d); err == nil || !strings.Contains(err.Error(), "one run") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
