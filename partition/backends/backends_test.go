package backends

import (
	"os"
	"slices"
	"testing"

	"github.com/evabench/evabench/internal/kind"
)

// TestKinds: every folder is in the list, which is sorted.
func TestKinds(t *testing.T) {
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
	if got := Kinds.Names(); len(folders) == 0 || !slices.Equal(got, folders) {
		t.Errorf("the list names %q, the folders are %q", got, folders)
	}
	if _, err := Kinds.Build(kind.Spec{Name: "none"}); err != nil {
		t.Error(err)
	}
	if _, err := Kinds.Build(kind.Spec{Name: "nvidia"}); err == nil {
		t.Error("nvidia was built, but there is no NVML in this version")
	}
}
