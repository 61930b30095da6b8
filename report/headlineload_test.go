package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// judged is a clause on seconds and what became of it.
func judged(text, op string, limit, value float64) analysis.ClauseValue {
	return analysis.ClauseValue{Clause: results.Clause{Text: text, Op: op, Limit: limit, Unit: "s"}, Value: known(value, "s"), Result: analysis.Met}
}

// Of two replicates the worse value stands, the clause with the least room first; that no
// error was seen where none is allowed is no room.
func TestMargins(t *testing.T) {
	none := judged("errors <= 0 %", "<=", 0, 0)
	unknown := analysis.ClauseValue{Clause: results.Clause{Text: "p99 < 9 s", Op: "<", Limit: 9}, Value: analysis.Value{Why: "need n ≥ 299, have 12"}, Result: analysis.Unknown}
	step := func(p95, tokens float64, more ...analysis.ClauseValue) analysis.Step {
		return analysis.Step{Services: []analysis.Service{
			{Name: "vision", SLO: []analysis.ClauseValue{judged("p95 < 15 s", "<", 15, p95), none}},
			{Name: "agent", SLO: append([]analysis.ClauseValue{judged("tokens_per_second >= 100", ">=", 100, tokens)}, more...)},
		}}
	}
	for _, c := range []struct {
		steps []analysis.Step
		want  string
	}{
		{nil, ""},
		{[]analysis.Step{step(6, 110), step(9, 120)}, "agent tokens_per_second 110.0 s of 100 needed, vision p95 9.000 s of 15 s allowed"},
		{[]analysis.Step{step(14.9, 120, unknown)}, "agent p99 < 9 s unknown (need n ≥ 299, have 12), vision p95 14.90 s of 15 s allowed, agent tokens_per_second 120.0 s of 100 needed"},
	} {
		if got := marginsText(c.steps); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A warning touches the configuration of its cell, and all of them if it is of no cell; not
// that of a cell that is missing.
func TestWarningsTouch(t *testing.T) {
	s := &analysis.Summary{Cells: []analysis.Cell{measuredAs("off", nil), measuredAs("off-mps", nil)}, Missing: []string{"002-off-r2"}}
	for where, want := range map[string][]string{
		"":                   {"off", "off-mps"},
		"environment.json":   {"off", "off-mps"},
		"000-off":            {"off"},
		"000-off-mps step 0": {"off-mps"},
		"cells/000-off/logs": {"off"},
		"002-off-r2":         nil,
	} {
		var got []string
		for _, config := range []string{"off", "off-mps"} {
			if (head{Summary: s}).touches(analysis.Warning{Where: where}, config) {
				got = append(got, config)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q touches %q, want %q", where, got, want)
		}
	}
}

// A bar is pale where an objective was missed or no step is valid, and says which.
func TestBarsThatAreNotToBeChosenArePale(t *testing.T) {
	valid := analysis.Step{Services: []analysis.Service{{Name: "vision", Verdict: analysis.Verdict{Is: analysis.Valid}}}}
	good, spoiled := measuredAs("good", nil), measuredAs("spoiled", nil)
	missed, open := measuredAs("missed", nil), measuredAs("open", nil)
	good.Steps, missed.Steps, open.Steps = []analysis.Step{valid}, []analysis.Step{valid}, []analysis.Step{valid}
	row := func(name string, unmet ...string) analysis.Row {
		return analysis.Row{Config: name, Vision: analysis.Aggregate{Mean: known(10, "1/s")}, Unmet: unmet, Objectives: 1}
	}
	d := &Document{Sections: []Section{{Title: "Comparison"}, {Title: "Steps"}}}
	c := charting{document: d, summary: &analysis.Summary{
		Cells:      []analysis.Cell{good, spoiled, missed, open},
		Comparison: []analysis.Comparison{{Rows: []analysis.Row{row("good"), row("spoiled"), row("missed", "vision r1: p95 < 1 s: not met"), row("open", "vision r1: p95 < 1 s: unknown")}}},
	}, ids: map[string]bool{}}
	c.comparisons()
	charts := d.Sections[0].Charts
	if len(charts) == 0 {
		t.Fatal("no chart")
	}
	var got []string
	for _, p := range charts[0].Series[0].Points {
		if p.Pale != (p.Note != "") {
			t.Errorf("pale %v with note %q", p.Pale, p.Note)
		}
		got = append(got, p.Note)
	}
	if !slices.Equal(got, []string{"", "no valid step", "objectives not met", "objectives not known to be met"}) {
		t.Errorf("notes %q", got)
	}
	if notes := charts[0].Notes; !slices.Contains(notes, "Grey: spoiled, missed, open; an objective was missed or is not known to be met, or no step is valid.") {
		t.Errorf("notes %q", notes)
	}
}

// The load is the largest at which every objective was met soundly, whatever the order of
// the levels, and what speaks against it is told.
func TestCarried(t *testing.T) {
	const (
		met      = ""
		missed   = "vision r1: p95 < 1 s: not met"
		unknown  = "vision r1: p95 < 1 s: unknown"
		unsteady = "vision r1: unsteady" // met
	)
	for name, c := range map[string]struct {
		levels []float64
		each   []string
		failed int
		says   string
		note   string
	}{
		"a ladder":                {[]float64{4, 8, 12}, []string{met, met, missed}, 0, "At least 8 users", "At 12 users it missed an objective."},
		"all met":                 {[]float64{4, 8}, []string{met, met}, 0, "At least 8 users", "The maximum was not searched: no larger load was tested."},
		"descending":              {[]float64{12, 8, 4}, []string{missed, met, met}, 0, "At least 8 users", "At 12 users it missed an objective."},
		"a smaller one missed":    {[]float64{4, 8, 12}, []string{met, missed, met}, 0, "?At least 12 users", "At 8 users it missed an objective."},
		"not known of the larger": {[]float64{4, 8}, []string{met, unknown}, 0, "At least 4 users", "Whether it met every objective at 8 users is not known."},
		"the larger not sound":    {[]float64{4, 8}, []string{met, unsteady}, 0, "At least 4 users", "It met every objective at 8 users, where its steps are not all sound."},
		"none sound":              {[]float64{4}, []string{unsteady}, 0, "?Perhaps 4 users", "But not valid there: vision r1: unsteady."},
		"a cell died":             {[]float64{4}, []string{met}, 2, "?Perhaps 4 users", "But 2 cells of it did not end as they should."},
		"none known":              {[]float64{4}, []string{unknown}, 0, "?Not known at 4 users", "Objectives not known to be met: vision r1: p95 < 1 s: unknown."},
	} {
		cell := measuredAs("a", nil)
		s := &analysis.Summary{}
		for i, level := range c.levels {
			cell.Steps = append(cell.Steps, analysis.Step{Index: i, Services: []analysis.Service{{Name: "vision", Level: results.Level{Value: level}, Verdict: analysis.Verdict{Is: analysis.Valid}}}})
			row := analysis.Row{Config: "a", Objectives: 1, Failed: c.failed}
			switch c.each[i] {
			case met:
			case unsteady:
				row.Verdicts = []string{unsteady}
			default:
				row.Unmet = []string{c.each[i]}
			}
			s.Comparison = append(s.Comparison, analysis.Comparison{Index: i, Step: fmt.Sprintf("%v users", level), Rows: []analysis.Row{row}})
		}
		s.Cells = []analysis.Cell{cell}
		a := head{s, nil, nil}.load("a")
		says := a.Says
		if a.Doubt {
			says = "?" + says
		}
		if says != c.says || !strings.Contains(strings.Join(a.Notes, " "), c.note) {
			t.Errorf("%s: %q with %q, want %q with %q", name, says, a.Notes, c.says, c.note)
		}
	}
}
