package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

func found3() *analysis.Findings {
	one := func(config, rule string) analysis.Finding {
		return analysis.Finding{
			Rule: rule, Config: config, Service: "vision", Diagnosis: "diagnosis of " + rule, Because: []string{"first figure", "second figure"},
			Steps: []int{0, 1, 2, 5}, Confidence: "weak", Try: "try " + rule, Refute: "refute " + rule, Class: 4,
		}
	}
	return &analysis.Findings{
		Top:      []analysis.Finding{one("off", "clock-drop"), one("off", "jitter"), one("mig|mps", "clock-drop")},
		Fired:    map[string][]string{"off": {"clock-drop", "jitter", "batch-cap"}, "mig|mps": {"clock-drop"}},
		Unjudged: map[string]string{"pcie-contention": "nobody told"},
		Apart:    []string{"the tail depends"},
		Playbook: []string{"1. Limit", "2. Batches"},
	}
}

func TestFindings(t *testing.T) {
	s := sweep(t)
	s.Findings = found3()
	d := Build(s)
	heads, rows := shown(t, d, "findings")
	if len(rows) != 3 || !slices.Equal(heads[5:8], []string{"Because", "Try", "Would be refuted by"}) {
		t.Fatalf("%v: %v", heads, rows)
	}
	want := []string{"off", "vision", "clock-drop", "weak", "diagnosis of clock-drop", "first figure; second figure", "try clock-drop", "refute clock-drop", "0-2, 5"}
	if !slices.Equal(rows[0], want) {
		t.Errorf("got  %q\nwant %q", rows[0], want)
	}
	for id, text := range map[string]string{"stop-sharing": "the tail depends", "playbook": "1. Limit", "rules-unjudged": "nobody told", "rules-fired": "clock-drop"} {
		_, rows := shown(t, d, id)
		if len(rows) == 0 || !slices.ContainsFunc(rows, func(row []string) bool { return strings.Contains(strings.Join(row, " "), text) }) {
			t.Errorf("%s: %q, want %q in it", id, rows, text)
		}
	}
	lines := strings.Join(briefFindings(s), "\n")
	if want := "Finding on mig|mps, off: clock-drop (vision, weak): diagnosis of clock-drop.\nStop sharing? the tail depends."; lines != want {
		t.Errorf("short form %q, want %q", lines, want)
	}
}

// Nothing that fired is told in words; a summary that nobody judged has no section.
func TestSilentFindings(t *testing.T) {
	s := sweep(t)
	s.Findings = &analysis.Findings{Silent: true, Playbook: []string{"1. Limit"}}
	section := findingsOf(s)
	if !slices.Contains(section.Notes, "No rule fired.") || len(section.Tables) != 1 {
		t.Errorf("%+v", section)
	}
	s.Findings = nil
	if section := findingsOf(s); section.Title != "" || briefFindings(s) != nil {
		t.Errorf("without findings: %+v", section)
	}
}

// The checklist has a playbook where there are findings, and only there.
func TestChecklistHasPlaybook(t *testing.T) {
	var c searched
	c.summary, c.capacity = &analysis.Summary{}, &analysis.Capacity{}
	if k := c.playbook(); k.answer != notShown {
		t.Errorf("without findings: %+v", k)
	}
	c.summary.Findings = found3()
	if k := c.playbook(); k.answer != checkedYes || !strings.Contains(k.where, "Findings") {
		t.Errorf("with a playbook: %+v", k)
	}
}
