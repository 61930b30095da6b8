package report

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// What is said of replicates fits each effect that is printed.
func TestReplicateNotes(t *testing.T) {
	value := 0.1
	known := func(n int) analysis.Effect { return analysis.Effect{Value: analysis.Value{Number: &value}, N: n} }
	of := func(mig, migWithMPS, mps int) analysis.Factorial {
		return analysis.Factorial{Metrics: []analysis.FactorialMetric{{Name: "Vision", MIG: known(mig), MIGWithMPS: known(migWithMPS), MPS: known(mps)}}}
	}
	for _, c := range []struct {
		name      string
		of        analysis.Factorial
		want, not []string
	}{
		{"no common replicate", of(0, 0, 0), []string{"n = 0", "nothing is known of chance"}, []string{"95 %"}},
		{"one", of(1, 1, 1), []string{"n = 1:", "no interval is claimed"}, []string{"n = 1 to"}},
		{"three", of(3, 3, 3), []string{"n = 3 replicates;", "intervals are of 95 %", "holds 0 %: no difference shown"}, []string{"no effect", "3 to"}},
		{"three and one", of(3, 1, 3), []string{"n = 1 to 3 replicates (MIG alone 3, MIG with MPS 1, MPS alone 3)", "Where n is 1"}, []string{"n = 3 replicates"}},
		{"two and none", of(2, 0, 2), []string{"n = 0 to 2", "MIG with MPS 0", "Where n is 0"}, nil},
	} {
		text := strings.Join(replicateNotes(c.of), " ")
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %q", c.name, want, text)
			}
		}
		for _, not := range c.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q in %q", c.name, not, text)
			}
		}
	}
	if notes := replicateNotes(analysis.Factorial{Metrics: []analysis.FactorialMetric{{}}}); len(notes) > 0 {
		t.Errorf("a 2x2 without any effect has the notes %q", notes)
	}
}
