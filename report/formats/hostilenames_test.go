package formats

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"
	"golang.org/x/net/html"

	"github.com/evabench/evabench/analysis"
)

// hostileNames are known to be run, to end what they stand in, or to hide: by spreadsheets,
// browsers, tables of text, terminals, and readers who trust their eyes.
var hostileNames = []string{
	"=cmd|' /C calc'!A0", "@SUM(1+1)*cmd|' /C calc'!A0", "+1+1", "-2+3", "\t=1+1", "\r=1+1", "＝1+1",
	"</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "{{ .Title }} ${x} #{y}",
	"a|b|c", "`code` **bold** [link](javascript:alert(1))", "line\nbreak", "two\r\n| a | b |", "\"quoted\",\"fields\"\n1,2", "'apostrophe",
	"right\u202eto left\u202c", "zero\u200bwidth\ufeff", "\x1b[31mred\x1b]0;title\a", "null\x00sign", "비전 서비스 𝛑", "a: b # c\n- d", "%s%d%n", "\u0085\u2028\u2029",
	strings.Repeat("x", 40000), strings.Repeat("=<|>\u202e\n", 500),
}

// named gives a run in which everything that has a name has this one.
func named(t *testing.T, name string) *analysis.Summary {
	t.Helper()
	s := read(t, "summary.json")
	s.Comparison, s.Cells = nil, s.Cells[:1]
	s.Cells[0].Steps = s.Cells[0].Steps[:1]
	withText(s, name)
	c := &s.Cells[0]
	c.Layout.Applied, c.Cell.Config.Layout, c.Cell.Config.Sharing, c.Cell.Config.Placement, c.Cell.Config.Routing = name, name, name, name, name
	for i := range c.Cell.Instances {
		c.Cell.Instances[i].Name, c.Cell.Instances[i].URL = name, name
	}
	for i := range c.Steps[0].Services {
		service := &c.Steps[0].Services[i]
		service.Name, service.Level.Service = name, name
		for _, cut := range [][]analysis.Group{service.Classes, service.Models, service.Instances} {
			for j := range cut {
				cut[j].Name = name
			}
		}
		for j := range service.SLO {
			service.SLO[j].Clause.Text, service.SLO[j].Clause.Class = name, name
		}
	}
	return s
}

// A name is a text in every format, whatever it is: it comes through, and nothing else is
// different for it.
func TestHostileNames(t *testing.T) {
	checks := map[string]func(t *testing.T, name string, made, plain []byte){
		"alerts": hostileAlerts, "csv": hostileCSV, "html": hostilePage, "json": hostileJSON, "markdown": hostileMarkdown,
		"terminal": hostileTerminal, "vllm-bench": hostileVLLM, "xlsx": hostileWorkbook,
	}
	plain := map[string][]byte{}
	for _, format := range Names() {
		plain[format] = written(t, format, named(t, "plain"))
	}
	for _, name := range hostileNames {
		s := named(t, name)
		for _, format := range Names() {
			check := checks[format]
			if check == nil {
				t.Fatalf("what would a name do to %s?", format)
			}
			check(t, name, written(t, format, s), plain[format])
		}
	}
}

// visible is what formats for people show of a text.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func hostileAlerts(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	var got, want any
	if err := yaml.Unmarshal(made, &got); err != nil {
		t.Errorf("alerts with %q: %v", short(name), err)
		return
	}
	if err := yaml.Unmarshal(plain, &want); err != nil {
		t.Fatal(err)
	}
	if a, b := shape(got), shape(want); a != b {
		t.Errorf("alerts with %q have the form %.200s, want %.200s", short(name), a, b)
	}
}

// shape is what a value is made of, without its texts.
func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var list []string
		for key, value := range v {
			list = append(list, key+":"+shape(value))
		}
		slices.Sort(list)
		return "{" + strings.Join(list, " ") + "}"
	case []any:
		var list []string
		for _, value := range v {
			list = append(list, shape(value))
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return "-"
}

func hostileCSV(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	heading, rows := readCSV(t, made)
	_, want := readCSV(t, plain)
	if lines := bytes.Count(made, []byte("\n")); len(rows) != len(want) || lines != len(rows)+1 {
		t.Fatalf("csv with %q: %d rows in %d lines, want %d", short(name), len(rows), lines, len(want))
	}
	for i, row := range rows {
		for _, column := range heading {
			got, was := row[column], want[i][column]
			if was == "plain" && strings.TrimPrefix(got, "'") != visible(name) {
				t.Errorf("csv with %q: %s is %q", short(name), column, short(got))
			}
			// A number is one, or the same as ever; of texts none begins as a formula does.
			if begin := strings.TrimLeft(got, " "); begin != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(begin)[0]) && got != was {
				t.Errorf("csv with %q: %s is %q", short(name), column, short(got))
			}
		}
	}
}

func hostileJSON(t *testing.T, name string, made, _ []byte) {
	t.Helper()
	var got analysis.Summary
	if err := json.Unmarshal(made, &got); err != nil {
		t.Fatalf("json with %q: %v", short(name), err)
	}
	if got.Environment.Scenario != name || got.Cells[0].Cell.Config.Name != name || got.Cells[0].Steps[0].Services[0].Models[0].Name != name {
		t.Errorf("json with %q: the scenario is %q", short(name), short(got.Environment.Scenario))
	}
}

func hostileVLLM(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(made)); ; {
		var got map[string]any
		if err := d.Decode(&got); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("vllm-bench with %q: %v", short(name), err)
		}
		if got["label"] != name || got["model_id"] != nil && got["model_id"] != name {
			t.Errorf("vllm-bench with %q: the label is %q", short(name), got["label"])
		}
	}
	if a, b := bytes.Count(made, []byte("\n")), bytes.Count(plain, []byte("\n")); a != b || a == 0 {
		t.Errorf("vllm-bench with %q: %d lines, want %d", short(name), a, b)
	}
}

func hostilePage(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	shows := false
	elements := func(made []byte) string {
		page, err := html.Parse(bytes.NewReader(made))
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for n := range page.Descendants() {
			shows = shows || n.Type == html.TextNode && strings.TrimSpace(n.Data) == strings.TrimSpace(visible(name))
			class := ""
			for _, a := range n.Attr {
				if a.Key == "class" {
					class = a.Val
				}
			}
			if n.Type == html.ElementNode && class != "long" {
				list = append(list, n.Data)
			}
		}
		slices.Sort(list) // where a text stands can depend on how it sorts
		return strings.Join(list, " ")
	}
	if a, b := elements(made), elements(plain); a != b {
		t.Errorf("html with %q has %d bytes of elements' names, want %d", short(name), len(a), len(b))
	}
	if !shows {
		t.Errorf("html with %q does not show it", short(name))
	}
}

func hostileMarkdown(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	for _, line := range strings.Split(string(made), "\n") {
		for _, code := range []string{"<script", "<img", "<svg", "](javascript"} {
			if at := strings.Index(line, code); at >= 0 && (at == 0 || line[at-1] != '\\') {
				t.Errorf("markdown with %q: %.200s", short(name), line[at:])
			}
		}
	}
	// tables have as many columns in every row as they have without the name
	a, b := columnsOf(made), columnsOf(plain)
	if !slices.Equal(a, b) {
		t.Errorf("markdown with %q: tables of %v columns, want %v", short(name), a, b)
	}
}

// columnsOf counts the columns of each row of each table.
func columnsOf(made []byte) []int {
	var all []int
	for _, line := range strings.Split(string(made), "\n") {
		if strings.HasPrefix(line, "|") {
			all = append(all, strings.Count(strings.ReplaceAll(strings.ReplaceAll(line, `\\`, ""), `\|`, ""), "|"))
		}
	}
	return all
}

func hostileTerminal(t *testing.T, name string, made, _ []byte) {
	t.Helper()
	for _, r := range string(made) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("terminal with %q: %U", short(name), r)
		}
	}
}

func hostileWorkbook(t *testing.T, name string, made, plain []byte) {
	t.Helper()
	f, without := opened(t, made), opened(t, plain)
	if a, b := len(f.GetSheetList()), len(without.GetSheetList()); a != b {
		t.Fatalf("xlsx with %q: %d sheets, want %d", short(name), a, b)
	}
	found := 0
	for _, sheet := range without.GetSheetList() {
		rows, err := f.GetRows(sheet)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, text := range row {
				if text == visible(name) || len(name) > 20000 && strings.Contains(text, visible(name)[:100]) {
					found++
				}
			}
		}
	}
	if found < 5 {
		t.Errorf("xlsx with %q: %d cells show it", short(name), found)
	}
	if a, b := formulasIn(t, made), formulasIn(t, plain); a != b {
		t.Errorf("xlsx with %q: %d formulas, want %d", short(name), a, b)
	}
}

// formulasIn counts the formulas of all sheets.
func formulasIn(t *testing.T, made []byte) (n int) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(made), int64(len(made)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range archive.File {
		if !strings.HasPrefix(part.Name, "xl/worksheets/sheet") {
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
		n += bytes.Count(text, []byte("<f>")) + bytes.Count(text, []byte("<f "))
	}
	return n
}
