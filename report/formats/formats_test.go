package formats

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

var update = flag.Bool("update", false, "write testdata anew")

// madeUp is the Summary of package analysis' made-up run, with hostile names.
func madeUp(t *testing.T) *analysis.Summary { return read(t, "summary.json") }

// read reads a Summary that package analysis' tests wrote.
func read(t rapid.TB, name string) *analysis.Summary {
	t.Helper()
	folder := "../../analysis/testdata/"
	if name == "capacity.json" { // package report's tests wrote it
		folder = "../testdata/"
	}
	text, err := os.ReadFile(folder + name)
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func written(t *testing.T, name string, s *analysis.Summary) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(name, &b, report.Build(s)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	short := func(name string, width int) []byte {
		var b bytes.Buffer
		if err := Terminal(&b, report.Brief(read(t, name)), width); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for file, got := range map[string][]byte{
		"testdata/made.txt":           written(t, "terminal", madeUp(t)),
		"testdata/made.md":            written(t, "markdown", madeUp(t)),
		"testdata/open.md":            written(t, "markdown", read(t, "open.json")),
		"testdata/sweep.md":           written(t, "markdown", read(t, "sweep.json")),
		"testdata/sweep.txt":          short("sweep.json", DefaultWidth),
		"testdata/sweep-80.txt":       short("sweep.json", 80),
		"testdata/queue.md":           written(t, "markdown", read(t, "queue.json")),
		"testdata/failover.md":        written(t, "markdown", read(t, "failover.json")),
		"testdata/failover.txt":       short("failover.json", DefaultWidth),
		"testdata/capacity.md":        written(t, "markdown", read(t, "capacity.json")),
		"testdata/capacity.txt":       written(t, "terminal", read(t, "capacity.json")),
		"testdata/capacity-short.txt": short("capacity.json", DefaultWidth),
		"testdata/alerts.yaml":        written(t, "alerts", read(t, "capacity.json")),
	} {
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("the report differs from %s; if that is meant, run with -update and read the difference", file)
		}
	}
}

func TestSameBytes(t *testing.T) {
	for _, name := range Names() {
		first := written(t, name, madeUp(t))
		for range 5 {
			if !bytes.Equal(first, written(t, name, madeUp(t))) {
				t.Errorf("%s: the same Summary gave other bytes", name)
				break
			}
		}
	}
}

func TestJSONIsTheSummary(t *testing.T) {
	s := madeUp(t)
	var back analysis.Summary
	if err := json.Unmarshal(written(t, "json", s), &back); err != nil {
		t.Fatal(err)
	}
	if again := written(t, "json", &back); !bytes.Equal(again, written(t, "json", s)) {
		t.Error("read back and written again, the Summary has other bytes")
	}
}

// A run that broke off within its first cell: its whole steps are shown, in
// every format.
func TestNoFinishedCell(t *testing.T) {
	s := madeUp(t)
	s.Comparison, s.Cells = nil, s.Cells[:1]
	s.Cells[0].Cell = analysis.Cell{}.Cell
	s.Cells[0].Cell.Folder = "001-off-r1"
	for _, name := range Names() {
		got := written(t, name, s)
		if name == "xlsx" || name == "alerts" {
			continue // packed, and of capacities only; that it was written at all is the case
		}
		if !bytes.Contains(got, []byte("001-off-r1")) {
			t.Errorf("%s does not show the step", name)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Write("pdf", &bytes.Buffer{}, report.Build(madeUp(t)))
	if err == nil || !strings.Contains(err.Error(), "alerts, csv, html, json, markdown, terminal, vllm-bench, xlsx") {
		t.Errorf("error %v", err)
	}
}

func TestNotSimulatedHasNoBanner(t *testing.T) {
	s := madeUp(t)
	s.Environment.Simulated = ""
	for _, name := range []string{"terminal", "markdown"} {
		if bytes.Contains(bytes.ToUpper(written(t, name, s)), []byte("SIMULATED")) {
			t.Errorf("%s of a real run says that it was simulated", name)
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a|b", `a\|b`},
		{"<script>", `\<script\>`},
		{"[x](y)", `\[x\](y)`},
		{"- item", `\- item`},
		{"-32.0 %", "-32.0 %"},
		{"qwen3_vl*", `qwen3\_vl\*`},
	} {
		if got := escape(c.text); got != c.want {
			t.Errorf("escape(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// Every row of a Markdown table has as many borders as its heading, whatever
// the names are.
func TestMarkdownTablesStayWhole(t *testing.T) {
	rows, want := 0, 0
	for line := range strings.Lines(string(written(t, "markdown", madeUp(t)))) {
		if !strings.HasPrefix(line, "|") {
			want = 0
			continue
		}
		got := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if want == 0 {
			want = got
		}
		rows++
		if got != want {
			t.Errorf("%d borders, want %d: %s", got, want, line)
		}
	}
	if rows == 0 {
		t.Error("there are no tables")
	}
}

func TestControlCharactersDoNotReachTheTerminal(t *testing.T) {
	s := madeUp(t)
	s.Cells[0].Cell.Config.Name = "\x1b[31mred\u202e\nline"
	s.Warnings[0].Text = "bell\a"
	for _, name := range []string{"terminal", "markdown"} {
		if got := string(written(t, name, s)); strings.ContainsAny(got, "\x1b\u202e\a") {
			t.Errorf("%s holds control characters", name)
		}
	}
}

// Wide characters take two columns: the column after them begins at the same
// place in every line.
func TestTerminalAlignsWideCharacters(t *testing.T) {
	d := &report.Document{Sections: []report.Section{{Title: "S", Tables: []report.Table{{
		Title: "T", Columns: []report.Column{{Name: "Name"}, {Name: "Value", Align: report.Right}},
		Rows: [][]report.Cell{{report.Text("비전"), report.Text("1")}, {report.Text("abcd"), report.Text("22")}},
	}}}}}
	got := terminal(d, DefaultWidth)
	for _, want := range []string{"  비전      1\n", "  abcd     22\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in:\n%s", want, got)
		}
	}
}
