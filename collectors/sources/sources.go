// Package sources lists the kinds of source that a service of a scenario can name. The
// sources of devices (dcgm, gpm, nvml), of the host and of evabench itself are not among
// them: the program reads those in every cell.
package sources

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/llamaserver"
	"github.com/evabench/evabench/collectors/sources/prometheus"
	"github.com/evabench/evabench/collectors/sources/sglang"
	"github.com/evabench/evabench/collectors/sources/torchserve"
	"github.com/evabench/evabench/collectors/sources/torchservemetrics"
	"github.com/evabench/evabench/collectors/sources/triton"
	"github.com/evabench/evabench/collectors/sources/vllm"
	"github.com/evabench/evabench/collectors/sources/vllmload"
	"github.com/evabench/evabench/internal/kind"
)

// Kinds is every kind of source, sorted by name.
var Kinds = kind.Set[collectors.Source]{
	llamaserver.Kind,
	prometheus.Kind,
	sglang.Kind,
	torchserve.Kind,
	torchservemetrics.Kind,
	triton.Kind,
	vllm.Kind,
	vllmload.Kind,
}
