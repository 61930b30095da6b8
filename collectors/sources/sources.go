// Package sources lists the kinds of source that a scenario can name. The
// sources of NVML and its GPM are not among them: the program gives them the devices
// itself.
package sources

import (
	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/client"
	"github.com/evabench/evabench/collectors/sources/llamaserver"
	"github.com/evabench/evabench/collectors/sources/torchserve"
	"github.com/evabench/evabench/collectors/sources/vllm"
	"github.com/evabench/evabench/internal/kind"
)

// Kinds is every kind of source, sorted by name.
var Kinds = kind.Set[collectors.Source]{
	client.Kind,
	llamaserver.Kind,
	torchserve.Kind,
	vllm.Kind,
}
