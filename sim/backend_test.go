package sim

import (
	"os"
	"testing"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

// Simulated GPUs do what any backend's must, with MPS daemons that are processes
// and time slices in a file: of one card in everything, of the other, whose first
// layout takes other profiles, in what its profiles matter for.
func TestBackend(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for server, only := range map[string][]string{"h100x1": {"Splits", "Events", "Stale"}, "pro6000x1": nil} {
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
			}, only...)
		})
	}
}
