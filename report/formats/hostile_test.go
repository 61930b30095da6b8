package formats

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/results"
)

// withText puts a text wherever a run takes one from outside.
func withText(s *analysis.Summary, text string) *analysis.Summary {
	s.Environment.Host.Name, s.Environment.Scenario, s.Environment.Command = text, text, []string{text, text}
	s.Warnings = append(s.Warnings, analysis.Warning{Where: text, Warning: results.Warning{Subject: text, Code: text, Text: text, Count: 1}})
	s.Cells[0].Cell.Fault, s.Cells[0].Cell.Folder, s.Cells[0].Cell.Config.Name = text, text, text
	step := &s.Cells[0].Steps[0]
	step.Name = text
	step.Services[0].Integrity.FirstErrors = map[string]string{text: text}
	step.Services[0].Verdict.Why = text
	step.Services[0].Total.Latency.Mean = analysis.Value{Unit: "s", Why: text}
	step.Purpose, step.Stopped, step.Heavy = text, text, true
	load := 3.0
	known := analysis.Value{Number: &load, Unit: text}
	s.Cells[0].Capacity = &analysis.Capacity{
		Raised: text, Arrivals: text, Unit: text, State: text, Why: text, Binding: text, Sentence: text, Estimate: known, Low: known, High: known, Signed: known,
		Above: known, Below: analysis.Value{Unit: text, Why: text}, Quoted: analysis.Value{Why: text},
		Confirmations: []analysis.Confirmation{{Step: step.Index, Met: true}, {Step: step.Index, Heavy: true, Why: text}},
		Loads:         []analysis.CapacityLoad{{Service: step.Services[0].Name, Unit: text, Estimate: known, Signed: known}, {Service: text, Unit: text, Signed: known}},
	}
	for i := range s.Cells[0].Cell.Instances {
		s.Cells[0].Cell.Instances[i].Version = text
		s.Cells[0].Cell.Instances[i].Scrapes = []results.Scrape{{Kind: text, URL: text}}
	}
	return s
}

// texts that are known to be hard: of more lines than a
// row can be high, of one word, of one line each, of signs that are nothing in XML,
// of halves of UTF-8, of what a workbook takes for an escape.
var texts = []string{
	"", strings.Repeat("a line of a log ", 400), strings.Repeat("x", 3000),
	strings.Repeat("비전 𝛑 ", 600), strings.Repeat("line\n", 3000),
	"\x00\x01\x1b[31m\ufffe\uffff\u202e", "half \xc3 of \xed\xa0\x80 a rune \xff", "_x0041_ _x000D_", "=1+1", "\u0301\u0301", "a\tb\rc",
	"]]>&amp;<c/>", `{{\|`,
}

// No format fails for a text, however long or strange, and each can be read back.
func TestNoTextSpoilsAReport(t *testing.T) {
	for _, text := range texts {
		checkText(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		checkText(t, text)
	})
}

func checkText(t rapid.TB, text string) {
	t.Helper()
	s := read(t, "summary.json")
	s.Comparison, s.Warnings, s.Cells = nil, nil, s.Cells[:1] // it is made a hundred times
	s.Cells[0].Steps = s.Cells[0].Steps[:1]
	withText(s, text)
	for _, name := range Names() {
		var b bytes.Buffer
		if err := Write(name, &b, report.Build(s)); err != nil {
			t.Fatalf("%s with %q: %v", name, short(text), err)
		}
		switch {
		case name == "xlsx":
			checkWorkbook(t, b.Bytes(), text)
		case !utf8.Valid(b.Bytes()):
			t.Errorf("%s with %q is no UTF-8", name, short(text))
		case name == "json" && !json.Valid(b.Bytes()):
			t.Errorf("json with %q is none", short(text))
		}
	}
}

func short(text string) string { return text[:min(len(text), 80)] }

// checkWorkbook reads a workbook: all of its parts are XML, no row is too high, and
// no text too long.
func checkWorkbook(t rapid.TB, made []byte, text string) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range archive.File {
		if ext := path.Ext(part.Name); ext != ".xml" && ext != ".rels" {
			continue
		}
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(r); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s with %q: %v", part.Name, short(text), err)
			}
		}
	}
	f, err := excelize.OpenReader(bytes.NewReader(made))
	if err != nil {
		t.Fatalf("read a workbook with %q: %v", short(text), err)
	}
	defer f.Close()
	for _, sheet := range f.GetSheetList() {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows {
			if h, err := f.GetRowHeight(sheet, i+1); err != nil || h > excelize.MaxRowHeight {
				t.Errorf("%s: row %d is %v high (%v)", sheet, i+1, h, err)
			}
			for _, cell := range row {
				if n := utf16Units(cell); n > excelize.TotalCellChars {
					t.Errorf("%s: a cell has %d characters", sheet, n)
				}
			}
		}
	}
}

// A text that a cell cannot hold says in the cell that it was cut, and where it is
// whole; one that just fits is as it was.
func TestWorkbookTellsOfCutTexts(t *testing.T) {
	for _, c := range []struct {
		text string
		cut  bool
	}{
		{strings.Repeat("x", excelize.TotalCellChars), false},
		{strings.Repeat("x", excelize.TotalCellChars+1), true},
		{strings.Repeat("𝛑", excelize.TotalCellChars/2), false}, // two characters each, as a workbook counts
		{strings.Repeat("𝛑", excelize.TotalCellChars/2+1), true},
	} {
		s := madeUp(t)
		s.Warnings[0].Text = c.text
		f := opened(t, written(t, "xlsx", s))
		rows, err := f.GetRows("Integrity")
		if err != nil {
			t.Fatal(err)
		}
		whole, cut := 0, 0
		for _, row := range rows {
			for _, cell := range row {
				switch {
				case cell == c.text:
					whole++
				case strings.HasPrefix(cell, c.text[:1000]) && strings.HasSuffix(cell, "the other formats have it whole"):
					cut++
				}
			}
		}
		if (cut > 0) != c.cut || (whole > 0) == c.cut {
			t.Errorf("%d bytes: %d cells hold the text, %d say that it is cut", len(c.text), whole, cut)
		}
	}
}
