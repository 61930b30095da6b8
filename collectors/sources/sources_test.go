package sources

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/kind"
)

// Every folder is a kind of the list but nvml and gpm, which are given their devices
// by the program. "llama-server" lives in a folder that Go can name.
func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "nvml" && e.Name() != "gpm" {
			folders = append(folders, e.Name())
		}
	}
	var listed []string
	for _, name := range Kinds.Names() {
		listed = append(listed, strings.ReplaceAll(name, "-", ""))
	}
	if len(folders) == 0 || !slices.Equal(folders, listed) {
		t.Errorf("folders %q, listed %q", folders, listed)
	}
	if !slices.IsSorted(Kinds.Names()) {
		t.Errorf("not sorted: %q", Kinds.Names())
	}
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds {
		if k.Doc == "" || k.Config == nil {
			t.Errorf("%s has no help", k.Name)
		}
		source, err := Kinds.Build(kind.Spec{Name: k.Name})
		if err != nil || source == nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
	_, err := kind.Set[collectors.Source](Kinds).Build(kind.Spec{Name: "vlm"})
	if err == nil || !strings.Contains(err.Error(), "client, llama-server, torchserve, vllm") {
		t.Errorf("an unknown kind: %v", err)
	}
}
