package routers

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"pgregory.net/rapid"
)

func build(t rapid.TB, name string) loadgen.Router {
	t.Helper()
	r, err := Kinds.Build(kind.Spec{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	var listed []string
	for _, n := range Kinds.Names() {
		listed = append(listed, strings.ReplaceAll(n, "-", ""))
	}
	if len(folders) == 0 || !slices.Equal(folders, listed) {
		t.Errorf("folders %v, listed %v", folders, listed)
	}
}

func TestPickIsInRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := build(t, rapid.SampledFrom(Kinds.Names()).Draw(t, "kind"))
		n := rapid.IntRange(1, 6).Draw(t, "instances")
		outstanding := make([]int64, n)
		picks := make([]int, n)
		for i := range 6 * n {
			p := r.Pick(int64(i), outstanding)
			if p < 0 || p >= n {
				t.Fatalf("picked %d of %d", p, n)
			}
			picks[p]++
		}
		// With equal load every kind spreads evenly.
		for _, c := range picks {
			if c != 6 {
				t.Fatalf("idle instances were picked %v times each, want 6", picks)
			}
		}
	})
}

func TestLeastOutstandingTakesTheSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := build(t, "least-outstanding")
		outstanding := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 8).Draw(t, "outstanding")
		for range 10 {
			if p := r.Pick(0, outstanding); outstanding[p] != slices.Min(outstanding) {
				t.Fatalf("picked %d of %v", p, outstanding)
			}
		}
	})
}
