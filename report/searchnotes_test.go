package report

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// Steps that look for the load at which objectives are missed say nothing against the
// server, and one that was ended before its window is no fault.
func TestBriefOfSearchingSteps(t *testing.T) {
	s := madeSearches()
	s.Cells, s.Environment.Search = s.Cells[:1], &results.Search{}
	steps := s.Cells[0].Steps
	miss := func(step *analysis.Step, verdict, stopped string) {
		step.Stopped = stopped
		v := &step.Services[0]
		v.Verdict.Is = verdict
		for i := range v.SLO {
			v.SLO[i].Result = analysis.NotMet
		}
	}
	notes := func() string { return strings.Join(briefNotes(s), "\n") }

	for i := range steps {
		steps[i].Purpose = results.PurposeProbe
	}
	miss(&steps[1], analysis.Void, "hopeless: 200 requests wait")
	if got := notes(); !strings.Contains(got, "Ended before there was a window, clearly too much: vision in found (1 of 5 steps).") ||
		strings.Contains(got, "Not valid: vision: void") || !strings.Contains(got, "Objectives: no load was run only to confirm it.") || strings.Contains(got, "not met") {
		t.Errorf("ended early:\n%s", got)
	}
	steps[1].Stopped = ""
	if got := notes(); !strings.Contains(got, "Not valid: vision: void in found (1 of 5 steps).") {
		t.Errorf("void:\n%s", got)
	}
	steps[1].Purpose = results.PurposeConfirm
	if got := notes(); !strings.Contains(got, "Objective vision p95 < 300 ms: not met in found (1 of 5 steps).") {
		t.Errorf("a confirmation that missed:\n%s", got)
	}
}

// A search that says at which loads it ended is not told them twice.
func TestStateSaysLoadsOnce(t *testing.T) {
	for _, c := range searches(madeSearches()) {
		switch c.capacity.State {
		case analysis.CapacityNever, analysis.CapacityAlways, analysis.CapacityCliff, analysis.CapacityNonMonotone:
		default:
			continue
		}
		bounds := c.bounds()
		if got := c.state(); bounds == "" || !strings.Contains(got, bounds) {
			t.Errorf("%s without a reason: %q, want %q in it", c.capacity.State, got, bounds)
		}
		c.capacity.Why = "the reason, with loads"
		if got := c.state(); strings.Contains(got, bounds) || !strings.Contains(got, c.capacity.Why) {
			t.Errorf("%s with a reason: %q", c.capacity.State, got)
		}
	}
}
