package main

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/evabench/evabench/scenarios"
)

// No line of a plan is wider than a terminal of 100 columns, in any built-in scenario.
func TestPlansFitTheTerminal(t *testing.T) {
	for _, p := range scenarios.Presets() {
		t.Run(p.Name, func(t *testing.T) {
			plan, err := exec.Command("evabench", "sweep", p.Name, "--dry-run").CombinedOutput()
			if err != nil || !strings.Contains(string(plan), "\nlayout ") {
				t.Fatalf("there is no plan: %v\n%s", err, plan)
			}
			for line := range strings.Lines(string(plan)) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > lineWidth {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}
