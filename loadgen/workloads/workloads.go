// Package workloads lists what services can be asked to do.
package workloads

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/workloads/agent"
	"github.com/evabench/evabench/loadgen/workloads/vision"
)

// Kinds are the known workloads. Building one draws or reads its frames.
var Kinds = kind.Set[loadgen.Workload]{
	agent.Kind,
	vision.Kind,
}
