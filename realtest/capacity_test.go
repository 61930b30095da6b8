//go:build real

package realtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/evabench/evabench/analysis"
)

// TestCapacityRepeats searches the capacity of a real llama-server five times, each time
// of a server that was started anew. Each interval must hold a capacity that all five
// have in common. It takes a quarter of an hour: a target of its own runs it.
func TestCapacityRepeats(t *testing.T) {
	s := newStack(t)
	scenario, err := os.ReadFile("testdata/capacity.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "scenario.yaml"), scenario, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, code := s.sweep(t, s.path, func(string, *os.Process) {}); code != 0 {
		t.Fatalf("the sweep ended with %d", code)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "run", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var summary analysis.Summary
	if err := json.Unmarshal(data, &summary); err != nil {
		t.Fatal(err)
	}
	const repeats = 5
	if len(summary.Cells) != repeats {
		t.Fatalf("%d cells, want %d", len(summary.Cells), repeats)
	}
	low, high := 0.0, 0.0
	for i, c := range summary.Cells {
		found := c.Capacity
		if found == nil || found.State != analysis.CapacityFound {
			t.Fatalf("cell %s has no capacity: %+v", c.Cell.Folder, found)
		}
		t.Logf("%s\n%.3g load-minutes, quoted %.3g", found.Sentence, *found.Spent.Number/60, *found.Quoted.Number/60)
		low = max(low, *found.Low.Number)
		if i == 0 || *found.High.Number < high {
			high = *found.High.Number
		}
	}
	if low > high {
		t.Errorf("the intervals have no load in common: the largest low end is %.4g, the smallest high end %.4g", low, high)
	}
}
