package none

import (
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backendtest"
)

func TestBackend(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) (partition.Backend, []string) {
		b, err := kind.Set[partition.Backend]{Kind}.Build(kind.Spec{Name: "none"})
		if err != nil {
			t.Fatal(err)
		}
		return b, []string{"0"}
	})
}
