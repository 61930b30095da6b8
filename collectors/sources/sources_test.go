package sources

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/prometheus"
	"github.com/evabench/evabench/internal/kind"
)

// Every folder is a kind of the list but those that the program reads itself.
// "llama-server" lives in a folder that Go can name.
func TestEveryFolderIsListed(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	given := []string{"client", "dcgm", "gpm", "host", "nvml"}
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(given, e.Name()) {
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
		spec := kind.Spec{Name: k.Name}
		if k.Name == prometheus.Kind.Name { // it knows no series of its own
			spec.Decode = func(into any) error {
				into.(*prometheus.Config).Series = []prometheus.Series{{Name: "queue", Unit: "1", Type: "gauge"}}
				return nil
			}
		}
		source, err := Kinds.Build(spec)
		if err != nil || source == nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		if _, err := source.Collector(collectors.Target{URL: "http://127.0.0.1:1"}); err != nil {
			t.Errorf("%s of a service's page: %v", k.Name, err)
		}
	}
	_, err := kind.Set[collectors.Source](Kinds).Build(kind.Spec{Name: "vlm"})
	if err == nil || !strings.Contains(err.Error(), strings.Join(Kinds.Names(), ", ")) {
		t.Errorf("an unknown kind: %v", err)
	}
}
