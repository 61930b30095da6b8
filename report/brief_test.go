package report

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// sweep is the Summary of package analysis' made-up 2x2.
func sweep(t *testing.T) *analysis.Summary {
	t.Helper()
	text, err := os.ReadFile("../analysis/testdata/sweep.json")
	if err != nil {
		t.Fatal(err)
	}
	var s analysis.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// withoutAgent makes of a sweep one of vision services only, of which two
// configurations form no 2x2.
func withoutAgent(s *analysis.Summary) *analysis.Summary {
	c := &s.Comparison[0]
	none := analysis.Aggregate{Mean: analysis.Value{Why: "no agent service", Inapplicable: true}}
	for i := range c.Rows {
		r := &c.Rows[i]
		r.VLMResponses, r.VLMLatency, r.Agent, r.Answers = none, none, none, 0
	}
	for i := range c.Changes {
		ch := &c.Changes[i]
		ch.VLMResponses, ch.VLMLatency, ch.Agent = none.Mean, none.Mean, none.Mean
	}
	c.Rows, c.Changes, c.Factorials = c.Rows[:2], c.Changes[:1], nil
	return s
}

// shown gives a table as its headings and its texts, row by row.
func shown(t *testing.T, d *Document, id string) (heads []string, rows [][]string) {
	t.Helper()
	for _, section := range d.Sections {
		for _, table := range section.Tables {
			if table.ID != id {
				continue
			}
			for _, c := range table.Columns {
				heads = append(heads, c.Name)
			}
			for _, row := range table.Rows {
				var texts []string
				for _, c := range row {
					texts = append(texts, c.Text)
				}
				rows = append(rows, texts)
			}
			return heads, rows
		}
	}
	t.Fatalf("no table %s", id)
	return nil, nil
}

// Without an agent its columns are left out, and each model's change against
// the base is told. With 4x1g.24gb-ts all models gain 788/719 - 1.
func TestBriefOfVisionOnly(t *testing.T) {
	d := Brief(withoutAgent(sweep(t)))
	heads, _ := shown(t, d, "comparison-0")
	if want := []string{"Configuration", "MIG", "MPS", "Vision", "n"}; !slices.Equal(heads, want) {
		t.Errorf("comparison has %q, want %q", heads, want)
	}
	heads, rows := shown(t, d, "change-0")
	if want := []string{"Configuration", "Vision", "omdet", "owl-v2"}; !slices.Equal(heads, want) {
		t.Errorf("change has %q, want %q", heads, want)
	}
	if want := []string{"4x1g.24gb-ts", "+9.6 % (better)", "+9.6 % (better)", "+9.6 % (better)"}; len(rows) != 1 || !slices.Equal(rows[0], want) {
		t.Errorf("changes %q, want %q", rows, want)
	}
	_, rows = shown(t, d, "models-0")
	if want := []string{"  change", "+9.6 % (better)", "+9.6 % (better)", "+9.6 % (better)"}; len(rows) != 3 || !slices.Equal(rows[2], want) {
		t.Errorf("models %q, want the last to be %q", rows, want)
	}

	d = Brief(sweep(t))
	if heads, _ := shown(t, d, "comparison-0"); !slices.Contains(heads, "VLM answers") {
		t.Errorf("the comparison with an agent has %q", heads)
	}
	if _, rows := shown(t, d, "models-0"); len(rows) != 4 {
		t.Errorf("models with a 2x2: %q", rows)
	}
}

// What is unknown is not what cannot be: its column stays.
func TestBriefKeepsUnknown(t *testing.T) {
	s := sweep(t)
	for i := range s.Comparison[0].Rows {
		s.Comparison[0].Rows[i].VLMLatency.Mean = analysis.Value{Unit: "s", Why: "no call was ok"}
	}
	if heads, _ := shown(t, Brief(s), "comparison-0"); !slices.Contains(heads, "VLM latency") {
		t.Errorf("comparison has %q", heads)
	}
}

// notesOf gives the brief's notes.
func notesOf(s *analysis.Summary) []string { return Brief(s).Sections[1].Notes }

// The cost of HTTP is told of every simulated run, or why it is not known.
func TestBriefHTTP(t *testing.T) {
	line := func(change func(*analysis.Summary)) string {
		s := sweep(t)
		change(s)
		i := slices.IndexFunc(notesOf(s), func(n string) bool { return strings.HasPrefix(n, "HTTP cost") })
		if i < 0 {
			return ""
		}
		return notesOf(s)[i]
	}
	each := func(f func(*analysis.Service)) func(*analysis.Summary) {
		return func(s *analysis.Summary) {
			for _, c := range s.Cells {
				for i := range c.Steps[0].Services {
					f(&c.Steps[0].Services[i])
				}
			}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*analysis.Summary)
		want   string
	}{
		{"some unknown", func(*analysis.Summary) {},
			"HTTP cost, in server time, of the time from sending to answer: vision 2.0 to 8.0 %, agent 1.0 % (unknown in 4 of 8: fewer than two readings within the window)."},
		{"one service unknown", each(func(v *analysis.Service) {
			if v.Overhead = nil; v.Name == "vision" {
				v.Overhead = overheadOf(0.004)
			}
		}), "HTTP cost, in server time, of the time from sending to answer: vision 4.0 %, agent unknown (the server did not tell its own time for requests)."},
		{"all unknown", each(func(v *analysis.Service) {
			v.Overhead = &analysis.Overhead{Share: analysis.Value{Why: "readings cover 1 % of the window, need 80 %"}}
		}), "HTTP cost: unknown (readings cover 1 % of the window, need 80 %)."},
		{"not told", each(func(v *analysis.Service) { v.Overhead = nil }), "HTTP cost: unknown (the server did not tell its own time for requests)."},
		{"no step", func(s *analysis.Summary) { s.Cells = nil }, "HTTP cost: unknown (no step was measured)."},
		{"a real server", func(s *analysis.Summary) { s.Environment.Simulated = "" }, ""},
	} {
		if got := line(c.change); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Warnings are one line for each kind, the most important first, with what it
// means; of a kind that is not known, with its own words.
func TestBriefWarnings(t *testing.T) {
	s := sweep(t)
	add := func(code, text string, n int) {
		for range n {
			w := analysis.Warning{}
			w.Code, w.Text = code, text
			s.Warnings = append(s.Warnings, w)
		}
	}
	s.Warnings = nil
	if lines := briefWarnings(s); !slices.Equal(lines, []string{"Warnings: none."}) {
		t.Errorf("no warnings: %q", lines)
	}
	add("collector-slow", "x", 10)
	add("of-tomorrow", "its own words", 2)
	add("arrivals-lost", "x", 1)
	add("http-cost", "x", 7)
	add("think-time", "users paused 250 ms where 200 ms was asked (n = 12)", 2)
	lines := briefWarnings(s)
	if len(lines) != 6 || !strings.HasPrefix(lines[0], "Warnings: 22 of 5 kinds") {
		t.Fatalf("lines %q", lines)
	}
	for i, want := range []string{"- arrivals-lost, once: requests are unaccounted for", "- http-cost, 7 times: HTTP took", "- think-time, 2 times: users paused 250 ms where 200 ms was asked (n = 12).", "- collector-slow, 10 times: pages", "- of-tomorrow, 2 times: its own words."} {
		if !strings.HasPrefix(lines[i+1], want) {
			t.Errorf("line %d is %q, want %q", i+1, lines[i+1], want)
		}
	}
	for _, m := range meanings {
		if line := "- " + m.code + ", 1,000 times: " + m.text + "."; len(line) > 105 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	for _, code := range []string{"a", "b"} {
		add(code, code, 1)
	}
	if lines := briefWarnings(s); len(lines) != 2+briefLines || lines[1+briefLines] != "And 1 kind more." {
		t.Errorf("seven kinds: %q", lines)
	}
}
