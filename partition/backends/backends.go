// Package backends lists the kinds of partition backend.
package backends

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/backends/none"
	"github.com/evabench/evabench/partition/backends/nvidia"
)

// Kinds holds every backend that a scenario can name, sorted by name.
var Kinds = kind.Set[partition.Backend]{
	none.Kind,
	nvidia.Kind,
}
