package workloads

import (
	"os"
	"slices"
	"testing"

	"github.com/evabench/evabench/internal/kind"
)

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
	if len(folders) == 0 || !slices.Equal(folders, Kinds.Names()) {
		t.Errorf("folders %v, listed %v", folders, Kinds.Names())
	}
}

func TestDefaultsLackOnlyWhatMustBeSaid(t *testing.T) {
	for name, want := range map[string]string{
		"agent":  "workload agent: there is no model",
		"vision": "workload vision: there is no class; give one for each model: classes: [{model: NAME}]",
	} {
		if _, err := Kinds.Build(kind.Spec{Name: name}); err == nil || err.Error() != want {
			t.Errorf("%s without arguments: %v, want %s", name, err, want)
		}
	}
}
