package nvidia

import (
	"os"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

func TestBackend(t *testing.T) {
	for _, cards := range [][]string{{pro6000}, {a100, pro6000}, {a30}, {"NVIDIA RTX PRO 5000 Blackwell 48GB"}} {
		t.Run(strings.Join(cards, ","), func(t *testing.T) {
			t.Parallel()
			backendtest.Run(t, func(t *testing.T) (partition.Backend, []string) {
				return newRig(t, cards...).Backend, []string{"0"}
			})
		})
	}
}

// The user whose clients MPS serves is named or numbered, and ours if nobody says.
func TestMPSUID(t *testing.T) {
	for name, want := range map[string]int{"": os.Geteuid(), "root": 0, "0": 0, "4711": 4711} {
		if got, err := (Config{MPSUser: name}).MPSUID(); err != nil || got != want {
			t.Errorf("MPSUID of %q = %d, %v, want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"no such user", "-1", "4294967295", "1.5"} {
		config := Config{MPSDir: "/run/mps", MPSUser: name}
		if got, err := config.MPSUID(); err == nil {
			t.Errorf("MPSUID of %q = %d, want an error", name, got)
		}
		if _, err := build(config); err == nil || !strings.Contains(err.Error(), "mps_user") {
			t.Errorf("build with user %q: %v, want a fault of mps_user", name, err)
		}
	}
}
