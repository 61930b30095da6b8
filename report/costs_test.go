package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// priced is a summary with the cost of two configurations: one that is known, and one of
// which power, switch and cost are not.
func priced(t *testing.T) *analysis.Summary {
	s := madeUp(t)
	s.Environment.CostPerHour, s.Environment.Currency = 36, "EUR"
	none := untold("W", "the device does not tell it")
	s.Costs = []analysis.Cost{
		{
			Config: "off", At: "capacity", GPUs: known(3, "1"), Slices: known(3, "1"), Unused: known(0, "1"), UnusedMemory: known(0, "ratio"),
			Vision: analysis.CostRates{PerSecond: known(30, "1/s"), PerGPU: known(10, "1/s"), PerSlice: known(10, "1/s"), PerJoule: known(0.05, "1/J"), Energy: known(20, "J"), PerCost: known(3000, "1/EUR")},
			Agent:  analysis.CostRates{PerSecond: known(0.5, "1/s"), PerGPU: known(0.25, "1/s"), PerSlice: known(0.25, "1/s"), PerJoule: known(0.00125, "1/J"), Energy: known(800, "J"), PerCost: known(50, "1/EUR")},
			Power:  known(600, "W"), Idle: known(90, "W"), Switch: known(12.5, "s"), Start: known(75, "s"),
		},
		{
			Config: "slices", At: "step 1", GPUs: known(3, "1"), Slices: known(5, "1"), Unused: known(1, "1"), UnusedMemory: known(0.125, "ratio"),
			Vision: analysis.CostRates{PerSecond: known(25, "1/s"), PerGPU: known(8, "1/s"), PerSlice: known(5, "1/s"), PerJoule: none, Energy: none, PerCost: known(2500, "1/EUR")},
			Agent:  analysis.CostRates{PerSecond: known(0.4, "1/s"), PerGPU: known(0.2, "1/s"), PerSlice: known(0.08, "1/s"), PerJoule: none, Energy: none, PerCost: known(40, "1/EUR")},
			Power:  none, Idle: none, Switch: untold("s", "not read"), Start: known(75, "s"),
		},
	}
	s.Spent = &analysis.Spent{Switching: known(5400, "s"), Loaded: known(5400, "s"), Share: known(0.5, "ratio"), Cost: known(54, "EUR")}
	return s
}

// Every column says in which direction it counts, and what is not known is not 0.
func TestCostTables(t *testing.T) {
	d := Build(priced(t))
	heads, rows := shown(t, d, "cost-vision")
	want := []string{"Configuration", "Rate", "Per GPU", "Per slice", "Each takes", "Requests per kJ", "Requests per EUR", "At"}
	if !slices.Equal(heads, want) {
		t.Errorf("columns %q, want %q", heads, want)
	}
	if want := []string{"off", "30", "10", "10", "20", "50", "3,000", "capacity"}; !slices.Equal(rows[0], want) {
		t.Errorf("row %q, want %q", rows[0], want)
	}
	if rows[1][4] != "unknown" || rows[1][5] != "unknown" {
		t.Errorf("row %q has joules", rows[1])
	}
	// The agent's rates are told by the minute, as the tables above do; 0.00125 by joule
	// are 1.25 by kJ.
	_, rows = shown(t, d, "cost-agent")
	if want := []string{"off", "30", "15", "15.00", "800", "1.250", "50", "capacity"}; !slices.Equal(rows[0], want) {
		t.Errorf("row %q, want %q", rows[0], want)
	}
	_, rows = shown(t, d, "cost-server")
	if want := []string{"slices", "3", "5", "1", "12.50 %", "unknown", "unknown", "unknown", "75.00 s"}; !slices.Equal(rows[1], want) {
		t.Errorf("row %q, want %q", rows[1], want)
	}
}

func TestCostOfSwitchingIsTold(t *testing.T) {
	s := priced(t)
	told := func() string { return strings.Join(costTable(s).Notes, " ") }
	if got, want := told(), "Switching, starting and stopping took 90.0 min of the server, 50.00 % of its time, which is 54.00 EUR at 36.00 EUR an hour."; !strings.Contains(got, want) {
		t.Errorf("%q does not say %q", got, want)
	}
	s.Spent.Cost = analysis.Value{Unit: "1", Inapplicable: true, Why: "nobody said"}
	if got := told(); strings.Contains(got, "which is") || !strings.Contains(got, "50.00 % of its time.") {
		t.Errorf("%q", got)
	}
	s.Spent.Switching = untold("s", "not modelled")
	if got := told(); strings.Contains(got, "Switching, starting") {
		t.Errorf("%q tells an unknown time", got)
	}
}

// A role that nothing serves has no table, and a run without a price no column for it.
func TestCostLeavesOutWhatDoesNotApply(t *testing.T) {
	s := priced(t)
	for i := range s.Costs {
		v := func(unit string) analysis.Value {
			return analysis.Value{Unit: unit, Inapplicable: true, Why: "no agent service"}
		}
		s.Costs[i].Agent = analysis.CostRates{PerSecond: v("1/s"), PerGPU: v("1/s"), PerSlice: v("1/s"), PerJoule: v("1/J"), Energy: v("J"), PerCost: v("1")}
		s.Costs[i].Vision.PerCost = v("1")
	}
	d := Build(s)
	if has(d, "cost-agent") {
		t.Error("a table of an agent without one")
	}
	if heads, _ := shown(t, d, "cost-vision"); slices.ContainsFunc(heads, func(h string) bool { return strings.HasSuffix(h, "EUR") }) {
		t.Errorf("columns %q", heads)
	}
	s.Costs = nil
	if d := Build(s); slices.ContainsFunc(d.Sections, func(s Section) bool { return s.Title == "Cost" }) {
		t.Error("a section without a cost")
	}
}
