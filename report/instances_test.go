package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// has reports whether a document has a table with rows.
func has(d *Document, id string) bool {
	for _, s := range d.Sections {
		for _, t := range s.Tables {
			if t.ID == id && len(t.Rows) > 0 {
				return true
			}
		}
	}
	return false
}

func value(v float64) analysis.Value { return analysis.Value{Number: &v, Unit: "1"} }

// A service of several instances has a row for each, and its imbalance; one of
// a single instance has neither.
func TestInstancesAreShown(t *testing.T) {
	s := madeUp(t)
	if d := Build(s); has(d, "per-instance") || has(d, "imbalance") {
		t.Error("services of one instance have a table of instances")
	}
	v := &s.Cells[0].Steps[0].Services[0]
	idle := v.Instances[0]
	idle.Name, idle.Due, idle.Outcomes, idle.InFlight = "vision-1", 0, nil, value(0)
	v.Instances = append(v.Instances, idle)
	v.Imbalances = []analysis.Imbalance{{Of: "completed", Instances: 2, MaxToMean: value(2), Jain: value(0.5)}}
	d := Build(s)
	heads, rows := shown(t, d, "per-instance")
	for _, want := range []string{"Routing", "Instance", "Due", "ok", "shed", "Completed", "Mean in flight", "p95"} {
		if !slices.Contains(heads, want) {
			t.Errorf("columns %q lack %q", heads, want)
		}
	}
	column := func(name string) int { return slices.Index(heads, name) }
	if len(rows) != 2 || rows[1][column("Instance")] != "vision-1" || rows[1][column("Due")] != "0" || rows[1][column("ok")] != "0" ||
		rows[0][column("ok")] != "1,999" || rows[0][column("shed")] != "1" || rows[0][column("Routing")] != "round-robin" {
		t.Errorf("rows %q", rows)
	}
	if _, rows := shown(t, d, "imbalance"); len(rows) != 1 || !slices.Equal(rows[0][4:], []string{"completed", "2", "2", "0.5000"}) {
		t.Errorf("imbalance %q", rows)
	}
}

// Retries have a column where there were any.
func TestRetriesAreShown(t *testing.T) {
	s := madeUp(t)
	heads, _ := shown(t, Build(s), "arrivals")
	if slices.Contains(heads, "of them retries") {
		t.Errorf("no retries, and columns %q", heads)
	}
	s.Cells[0].Steps[0].Services[1].Total.Retries = 7
	heads, rows := shown(t, Build(s), "arrivals")
	if i := slices.Index(heads, "of them retries"); i != 5 || rows[0][i] != "0" || rows[1][i] != "7" || rows[1][4] != "67" || rows[1][6] != "67" {
		t.Errorf("columns %q, rows %q", heads, rows)
	}
}

// What the load generator tells of the load and of itself is shown, and what it
// does not tell is unknown.
func TestIntegrityIsShown(t *testing.T) {
	s := madeUp(t)
	v := &s.Cells[0].Steps[0].Services[0]
	v.Stimulus = analysis.Stimulus{Requested: value(20), Scheduled: value(20.5), Achieved: value(19), SlotWait: analysis.Value{Unit: "s", Why: "nothing was sent"}}
	v.Integrity.Sent = 1990
	v.Integrity.Dispersions = []results.Dispersion{{Part: 1e9, N: 100, Scheduled: 1.25, Sent: 1}}
	s.Cells[1].Steps[0].Client = nil
	d := Build(s)
	if _, rows := shown(t, d, "stimulus"); len(rows) != 4 || !slices.Equal(rows[0][3:], []string{"20", "20.50", "19.00", "unknown", "1,990", "10"}) {
		t.Errorf("stimulus %q", rows)
	}
	if _, rows := shown(t, d, "dispersion"); len(rows) != 1 || !slices.Equal(rows[0][3:], []string{"1.000 s", "100", "1.250", "1"}) {
		t.Errorf("dispersion %q", rows)
	}
	_, rows := shown(t, d, "client")
	if len(rows) != 2 || rows[0][4] != "3.000 %" || rows[0][5] != "4" || rows[0][8] != "99.92 %" || !slices.Equal(rows[1][2:], slices.Repeat([]string{"unknown"}, 8)) {
		t.Errorf("client %q", rows)
	}
	if _, rows := shown(t, d, "in-flight"); len(rows) != 4 || !slices.Equal(rows[1][3:], []string{"2", "0.7000", "1"}) {
		t.Errorf("in flight %q", rows)
	}
	v.Integrity.InFlight = nil
	for i := range 61 {
		v.Integrity.InFlight = append(v.Integrity.InFlight, results.Occupancy{Mean: float64(i), Max: int64(2 * i)})
	}
	// Nine rows of seven parts, the last of five: 56 to 60 have a mean of 58.
	if _, rows := shown(t, Build(s), "in-flight"); len(rows) != 9+4 || !slices.Equal(rows[8][3:], []string{"57 to 61", "58.00", "120"}) {
		t.Errorf("61 parts in flight %q", rows)
	}
	s.Cells[0].Steps[0].Client = nil
	if has(Build(s), "client") {
		t.Error("nothing tells of the client, and there is a table")
	}
}

// The warnings of a step are shown with where they belong, in the brief too.
func TestStepWarningsAreShown(t *testing.T) {
	s := madeUp(t)
	s.Warnings = append(s.Warnings, analysis.Warning{Where: "001-off-r1 step 0", Warning: results.Warning{
		Code: "roofline", Subject: "vision", Text: "20,000/s is more than half of what this client can do", Count: 1}})
	_, rows := shown(t, Build(s), "warnings")
	if last := rows[len(rows)-1]; !slices.Equal(last, []string{"001-off-r1 step 0", "vision", "roofline", "1", "20,000/s is more than half of what this client can do"}) {
		t.Errorf("the last warning is %q", last)
	}
	if notes := strings.Join(notesOf(s), "\n"); !strings.Contains(notes, "- roofline, once: ") {
		t.Errorf("the brief says %q", notes)
	}
}
