package nvidia

import (
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
