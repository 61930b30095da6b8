package sim

import (
	"os"
	"testing"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

// Simulated GPUs do what any backend's must, with MPS daemons that are processes
// and time slices in a file: of a card that MIG's mode resets, and of one that it
// does not.
func TestBackend(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"h100x1", "pro6000x1"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(t *testing.T) (partition.Backend, []string) {
				dir := t.TempDir()
				t.Cleanup(func() {
					if err := EndDaemons(dir); err != nil {
						t.Error(err)
					}
				})
				gpus, err := OpenGPUs(server, dir, exe)
				if err != nil {
					t.Fatal(err)
				}
				return gpus.Backend, []string{"0"}
			})
		})
	}
}
