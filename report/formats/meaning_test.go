package formats

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/evabench/evabench/report"
)

// Every format says what a change means, and a workbook's cell that is a number shows it
// with the word.
func TestChangesSayWhatTheyMean(t *testing.T) {
	s := read(t, "sweep.json")
	var want []string
	for _, section := range report.Build(s).Sections {
		for _, table := range section.Tables {
			for _, row := range table.Rows {
				for _, c := range row {
					if c.Meaning != "" {
						want = append(want, c.Text)
					}
				}
			}
		}
	}
	if len(want) < 20 {
		t.Fatalf("%d changes have a meaning: %q", len(want), want)
	}
	texts := map[string]string{}
	for _, name := range []string{"terminal", "markdown", "html"} {
		texts[name] = html.UnescapeString(string(written(t, name, s)))
	}
	f, err := excelize.OpenReader(bytes.NewReader(written(t, "xlsx", s)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			texts["xlsx"] += strings.Join(row, "\n") + "\n"
		}
	}
	for name, text := range texts {
		for _, w := range want {
			if name == "xlsx" {
				w = strings.ReplaceAll(w, " %", "%")
			}
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q", name, w)
			}
		}
	}
}
