package report

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// simulatedTimeOf gives the section of a document, and its notes as one text.
func simulatedTimeOf(d *Document) (*Section, string) {
	for i := range d.Sections {
		if d.Sections[i].Title == "Simulated time" {
			return &d.Sections[i], strings.Join(d.Sections[i].Notes, "\n")
		}
	}
	return nil, ""
}

func overheadOf(cost float64) *analysis.Overhead {
	value := func(v float64, unit string) analysis.Value { return analysis.Value{Number: &v, Unit: unit} }
	return &analysis.Overhead{
		Client: value(0.1, "s"), Server: value(0.1-cost, "s"), Cost: value(cost, "s"), Share: value(cost/0.1, "ratio"),
		ClientN: 1000, ServerN: 1001,
	}
}

func TestSimulatedTime(t *testing.T) {
	s := madeUp(t)
	late := 0.0012
	s.Environment.SimulatedScale, s.Environment.SimulatedAbout, s.Cells[0].Late = 60, "one card (fitted)", &late
	v := &s.Cells[0].Steps[0].Services[0]
	v.Overhead = overheadOf(0.004)
	v.Overheads = []analysis.Overhead{*overheadOf(0.004), *overheadOf(0.004)}
	v.Overheads[0].Instance, v.Overheads[1].Instance = "vision-0", "vision-1"

	d := Build(s)
	if !strings.Contains(d.Banner, "pro6000x1 at 60 times the clock's speed") {
		t.Errorf("banner %q", d.Banner)
	}
	section, notes := simulatedTimeOf(d)
	if section == nil || len(section.Tables) != 1 {
		t.Fatalf("section %+v", section)
	}
	for _, want := range []string{"Scale: 60 seconds", "one card (fitted)", "late by at most 1.200 ms of the clock"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
	if strings.Contains(notes, "WARNING") {
		t.Errorf("4 %% is warned of:\n%s", notes)
	}
	rows := section.Tables[0].Rows
	if len(rows) != 3 || rows[0][3].Text != "all" || rows[1][3].Text != "vision-0" || rows[2][3].Text != "vision-1" {
		t.Fatalf("rows %v", rows)
	}
	for i, want := range []float64{1000, 1001, 0.1, 0.096, 0.004, 0.04} {
		if c := rows[0][4+i]; c.Value == nil || *c.Value < want*0.999 || *c.Value > want*1.001 {
			t.Errorf("column %s is %v, want %v", section.Tables[0].Columns[4+i].Name, c.Value, want)
		}
	}

	v.Overhead, v.Overheads = overheadOf(0.006), v.Overheads[:1]
	section, notes = simulatedTimeOf(Build(s))
	if !strings.Contains(notes, "WARNING: HTTP cost is more than 5.000 % for 1 of") {
		t.Errorf("6 %% is not warned of:\n%s", notes)
	}
	if n := len(section.Tables[0].Rows); n != 1 {
		t.Errorf("%d rows for a service of one instance, want 1", n)
	}

	if !strings.Contains(notes, "a smaller scale has less of it") {
		t.Errorf("no advice at scale 60:\n%s", notes)
	}
	s.Environment.SimulatedScale = 1
	if _, notes = simulatedTimeOf(Build(s)); !strings.Contains(notes, "WARNING") || strings.Contains(notes, "smaller scale") {
		t.Errorf("at scale 1 there is no smaller one:\n%s", notes)
	}

	v.Overhead, v.Overheads = nil, nil
	if section, notes = simulatedTimeOf(Build(s)); len(section.Tables) != 0 || !strings.Contains(notes, "HTTP cost: unknown") {
		t.Errorf("nothing told, but there are %d tables; notes:\n%s", len(section.Tables), notes)
	}

	s.Environment.Simulated = ""
	if section, _ := simulatedTimeOf(Build(s)); section != nil {
		t.Error("a real run has simulated time")
	}
	if b := Build(s).Banner; b != "" {
		t.Errorf("a real run has the banner %q", b)
	}
}

// A run of before scales were recorded does not say one.
func TestScaleNotTold(t *testing.T) {
	s := madeUp(t)
	s.Environment.SimulatedScale = 0
	d := Build(s)
	if _, notes := simulatedTimeOf(d); strings.Contains(notes, "Scale:") || strings.Contains(d.Banner, "times") {
		t.Errorf("banner %q, notes %q", d.Banner, notes)
	}
}
