package report

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// A load that not every replicate confirmed says so.
func TestFrontierSaysHowManyConfirmed(t *testing.T) {
	s := &analysis.Summary{Frontiers: []analysis.Frontier{{Config: "off", Points: []analysis.FrontierPoint{
		{Vision: known(30, "1/s"), Agent: known(6, "1/min"), N: 2, Of: 3}, {Vision: known(40, "1/s"), Agent: known(5, "1/min"), N: 3, Of: 3, Best: true},
	}}}}
	rows := frontierTable(s).Rows
	const n = 6
	if some, all := rows[0][n], rows[1][n]; some.Text != "2" || !strings.HasPrefix(some.Note, "of 3: ") || all.Text != "3" || all.Note != "" {
		t.Errorf("%+v and %+v", some, all)
	}
}

// The sentence names both loads of the neighbour, and what is not ranked.
func TestIsolationSentence(t *testing.T) {
	rank := func(config string, inflation, tail float64) analysis.IsolationRank {
		return analysis.IsolationRank{Config: config, Inflation: analysis.Effect{Value: known(inflation, "ratio")}, Tail: known(tail, "s")}
	}
	s := &analysis.Summary{Isolations: []analysis.Isolation{{
		Victim: "vision", Neighbour: "agent", Load: known(15, "users"), From: known(5, "users"), Quantile: 0.99,
		Ranks: []analysis.IsolationRank{rank("mig", 0.02, 0.3), rank("mps", 0.4, 0.4)}, Unranked: []string{"off-ts"},
	}}}
	got := isolationNotes(s)[0]
	for _, want := range []string{"mig isolates vision best: with agent at 15 users in place of 5 users, its p99 changes by +2.0 %, to 300.0 ms", "Not ranked, since it is not known there: off-ts."} {
		if !strings.Contains(got, want) {
			t.Errorf("%q, want %q in it", got, want)
		}
	}
}
