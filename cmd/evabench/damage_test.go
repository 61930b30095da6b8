package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// TestLostEnvironment: the flags of a run stand in the place of the scenario's words also
// where environment.json is lost, and where they are lost too that is told.
func TestLostEnvironment(t *testing.T) {
	small, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const on = "backend: {kind: sim, server: pro6000x1}"
	searching := strings.NewReplacer("levels: [5]}", "levels: [5]}\n    slo: [\"p95 <= 1s\"]", "steps:", "search: {kind: capacity, raise: vision}\nsteps:").Replace(string(small))
	for _, c := range []struct {
		name, scenario string
		flags          *results.Flags // nil where they are lost
		server         string
		scale          float64
		search         bool
	}{
		{"as it was", string(small), &results.Flags{}, "pro6000x1", 1, false},
		{"another speed", string(small), &results.Flags{SimScale: 20}, "pro6000x1", 20, false},
		{"another server", string(small), &results.Flags{Sim: "pro5000x1"}, "pro5000x1", 1, false},
		{"a real server's", strings.Replace(string(small), on, "backend: nvidia", 1), &results.Flags{Sim: "pro6000x1"}, "pro6000x1", 1, false},
		{"a search", searching, &results.Flags{}, "pro6000x1", 1, true},
		{"a race", searching, &results.Flags{Mode: "race"}, "pro6000x1", 1, false},
		{"lost", string(small), nil, "pro6000x1", 1, false},
		{"perhaps a race", searching, nil, "pro6000x1", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			w, err := results.Create(dir, results.Environment{}, []byte(c.scenario))
			if err != nil {
				t.Fatal(err)
			}
			if c.flags != nil {
				if err := w.Before(keptState(stateBefore()), nil, *c.flags); err != nil {
					t.Fatal(err)
				}
			}
			run := &results.Run{Dir: dir, Scenario: []byte(c.scenario), Environment: results.Environment{Lost: "for a test"}}
			fillLost(run)
			if e := run.Environment; e.Simulated != c.server || e.SimulatedScale != c.scale || (e.Search != nil) != c.search {
				t.Errorf("simulated by %q at %v, search %v; want %q at %v, search: %t; %v", e.Simulated, e.SimulatedScale, e.Search, c.server, c.scale, c.search, run.Problems)
			}
			if told := len(run.Problems) > 0 && strings.Contains(run.Problems[0].Text, "--sim-scale"); told != (c.flags == nil) || len(run.Problems) > 1 {
				t.Errorf("it tells of %v", run.Problems)
			}
		})
	}
}
