package search

import (
	"slices"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// A race that broke off after any of its cells says nothing that going on would take back:
// what it has decided stays, who it has left out stays out, and what is not decided is open
// though the rule for when no replicate is left would decide it.
func TestRaceBrokenOffSaysNothingFinal(t *testing.T) {
	open, decided := 0, 0
	for seed := range uint64(8) {
		m := meeting(100, 97, 99, 60)
		m.refuses = func(e Entry) bool { return e.Config == "c" && e.Replicate == int(2+seed%3) }
		whole := m.run(t, 12, seed)
		var planned []string
		for _, e := range m.entries(12) {
			planned = append(planned, e.Folder)
		}
		for n := 1; n < len(m.cells); n++ {
			s := &analysis.Summary{Environment: m.env, Cells: slices.Clone(m.cells[:n])}
			s.Environment.Planned = planned
			if err := Complete(s); err != nil {
				t.Fatal(err)
			}
			if got := s.Race; got.State == analysis.RaceOpen {
				open++
			} else if decided++; got.State != whole.State || got.Winner != whole.Winner || !slices.Equal(got.Equivalent, whole.Equivalent) {
				t.Errorf("seed %d, after %d of %d cells: %s %s %v (%s); in the end %s %s %v", seed, n, len(m.cells), got.State, got.Winner, got.Equivalent, got.Why, whole.State, whole.Winner, whole.Equivalent)
			}
			for i, x := range s.Race.Runners {
				if w := whole.Runners[i]; x.Left != "" && w.Left != x.Left {
					t.Errorf("seed %d, after %d of %d cells: %s was left out (%s), in the end not so (%s)", seed, n, len(m.cells), x.Config, x.Left, w.Left)
				}
			}
		}
	}
	if open == 0 || decided == 0 {
		t.Errorf("%d open, %d decided: the property has seen one kind only", open, decided)
	}
}
