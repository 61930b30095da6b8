package backends

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends/nvidia"
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
	// Building asks nothing of the machine: a scenario is checked on a laptop.
	for _, name := range folders {
		if _, err := Kinds.Build(kind.Spec{Name: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoDriver: without NVIDIA's driver or without cgo, the first use is one clear error.
// Where there is a driver, the GPUs are listed and nothing is changed.
func TestNoDriver(t *testing.T) {
	b, err := Kinds.Build(kind.Spec{Name: "nvidia"})
	if err != nil {
		t.Fatal(err)
	}
	_, openErr := nvml.Open()
	_, err = b.Inspect(t.Context(), nil)
	if (openErr == nil) != (err == nil) {
		t.Fatalf("nvml.Open gave %v, Inspect %v", openErr, err)
	}
	if openErr == nil {
		return
	}
	if !strings.Contains(err.Error(), openErr.Error()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Inspect without a driver gave %q, want one line with %q", err, openErr)
	}
	if err := b.Restore(context.Background(), partition.State{GPUs: []partition.GPU{{UUID: "GPU-x"}}}); err == nil {
		t.Error("Restore without a driver succeeded")
	}
	t.Logf("without a driver: %v", err)
}

// TestMPSDir: a folder that cannot hold sockets is refused when the scenario is read.
func TestMPSDir(t *testing.T) {
	for _, dir := range []string{"", "run/mps", "/" + strings.Repeat("x", 80)} {
		_, err := Kinds.Build(kind.Spec{Name: "nvidia", Decode: func(into any) error {
			into.(*nvidia.Config).MPSDir = dir
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), "mps_dir") {
			t.Errorf("mps_dir %q gave %v, want an error that names it", dir, err)
		}
	}
}
