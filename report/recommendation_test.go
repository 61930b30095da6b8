package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

func advised(t *testing.T) *analysis.Summary {
	s := madeUp(t)
	s.Environment.Zone = 0.05
	s.Recommendation = &analysis.Recommendation{
		Environments: []analysis.OperatingEnvironment{
			{Name: "single-GPU server", Why: "one GPU", Rule: "consider MIG first", Measured: analysis.Agrees, Because: "MIG +20.0 %"},
			{Name: "server with many workers", Why: "6 workers", Rule: "consider applying MPS", Measured: analysis.Disagrees, Because: "MPS -10.0 %"},
		},
		Choices: []analysis.Choice{
			{Goal: analysis.GoalJoint, Figure: "capacity", Config: "b", Because: []string{"b: capacity 2", "a: capacity 1: -50.0 %"}, RunnerUp: "a", Costs: known(-0.5, "ratio"), Low: known(-0.55, "ratio"), High: known(-0.45, "ratio"), Sure: analysis.Shown},
			{Goal: analysis.GoalLatency, Figure: "tail latency (vision p99)", Config: "a", Equivalent: []string{"b", "a"}, Because: []string{"a: 1 s"}, RunnerUp: "b", Costs: known(-0.01, "ratio"), Low: untold("ratio", "one replicate"), High: untold("ratio", "one replicate"), Sure: "no difference shown against c"},
		},
		NotTested: []string{"heavy payloads", "real hardware"},
	}
	return s
}

// A choice among equals says so: of the next, which is one of them, it is not clear.
func TestChoiceAmongEquals(t *testing.T) {
	c := advised(t).Recommendation.Choices[1]
	c.Sure = analysis.Shown
	if got := choiceSentence(c, 0.05); !strings.HasSuffix(got, "(better). Those are as good; from any other the difference is clear.") {
		t.Error(got)
	}
}

func TestRecommendationStandsFirst(t *testing.T) {
	s := advised(t)
	d := Build(s)
	first := d.Sections[0]
	if first.Title != "Recommendation" {
		t.Fatalf("the first section is %q", first.Title)
	}
	for i, want := range []string{
		"For all services together: b; next a, -50.0 % (worse) [-55.0 %, -45.0 %]. The difference is clear.",
		"For the least tail latency none is shown to be best; by what was measured a, the simplest of 2 within 5.000 % of the best; next b, -1.0 % (better). No difference shown against c.",
		"Not tested: heavy payloads; real hardware.",
	} {
		if first.Notes[i] != want {
			t.Errorf("note %q, want %q", first.Notes[i], want)
		}
	}
	if _, rows := shown(t, d, "recommendation"); len(rows) != 2 || !slices.Equal(rows[0][:2], []string{"all services together", "b"}) || rows[1][3] != "b, a" || rows[1][6] != "unknown" {
		t.Errorf("rows %q", rows)
	}
	if _, rows := shown(t, d, "recommendation-evidence"); len(rows) != 3 {
		t.Errorf("evidence %q", rows)
	}
	if _, rows := shown(t, d, "operating-environments"); len(rows) != 2 || rows[1][3] != analysis.Disagrees {
		t.Errorf("environments %q", rows)
	}
	if has(d, "race") {
		t.Error("a race that nobody ran")
	}
	s.Recommendation = nil
	if Build(s).Sections[0].Title == "Recommendation" {
		t.Error("a recommendation of nothing")
	}
}

func TestRaceIsTold(t *testing.T) {
	s := advised(t)
	s.Race = &analysis.Race{
		State: analysis.RaceWon, Winner: "b", Spent: known(930, "s"), Zone: 0.03,
		Runners: []analysis.Runner{
			{Config: "b", Blocks: 3, Capacity: known(2, "ratio"), Below: untold("ratio", "it has a capacity"), Ratio: untold("ratio", "it is the best"), Low: untold("ratio", "it is the best"), High: untold("ratio", "it is the best"), Spent: known(600, "s")},
			{Config: "a", Blocks: 3, Capacity: known(1.8, "ratio"), Below: untold("ratio", "it has a capacity"), Ratio: known(0.9, "ratio"), Low: known(0.85, "ratio"), High: known(0.95, "ratio"), Spent: known(300, "s")},
			{Config: "c", Left: "it missed p99 at what b bears", After: 1, Capacity: untold("ratio", "left out"), Below: known(1.5, "ratio"), Ratio: untold("ratio", "left out"), Low: untold("ratio", "left out"), High: untold("ratio", "left out"), Spent: known(30, "s")},
		},
	}
	d := Build(s)
	_, rows := shown(t, d, "race")
	if len(rows) != 3 || !slices.Equal(rows[1][4:7], []string{"-10.0 % (worse)", "-15.0 %", "-5.0 %"}) || rows[0][4] != "unknown" || rows[2][8] != "after replicate 1: it missed p99 at what b bears" || rows[2][2] != "1.500" {
		t.Errorf("rows %q", rows)
	}
	for _, section := range d.Sections {
		for _, table := range section.Tables {
			if table.ID == "race" && table.Title != "Race: b won, 15.5 min under load in all" {
				t.Errorf("title %q", table.Title)
			}
		}
	}
}

// The short form has a line for the first goal, and one where the guide is contradicted.
func TestBriefRecommends(t *testing.T) {
	s := advised(t)
	notes := Brief(s).Sections[0].Notes
	if len(notes) != 2 || notes[0] != "Recommended for all services together: b; next a, -50.0 % (worse) [-55.0 %, -45.0 %]. The difference is clear." || !strings.HasSuffix(notes[1], "consider applying MPS. What was measured here disagrees.") {
		t.Errorf("notes %q", notes)
	}
	s.Recommendation.Environments[1].Measured = analysis.NotShown
	if notes := Brief(s).Sections[0].Notes; len(notes) != 1 {
		t.Errorf("notes %q", notes)
	}
	s.Recommendation.Choices[0].Sure = "only means to compare it with a"
	if notes := Brief(s).Sections[0].Notes; !strings.HasPrefix(notes[0], "For all services together none is shown to be best; by what was measured b;") {
		t.Errorf("notes %q", notes)
	}
	s.Recommendation = nil
	for _, section := range Brief(s).Sections {
		for _, note := range section.Notes {
			if strings.Contains(note, "Recommended") {
				t.Errorf("it recommends: %q", note)
			}
		}
	}
}
