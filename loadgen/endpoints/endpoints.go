// Package endpoints lists the protocols in which services can be asked.
package endpoints

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpoints/detecthttp"
	"github.com/evabench/evabench/loadgen/endpoints/kservev2"
	"github.com/evabench/evabench/loadgen/endpoints/openaichat"
	"github.com/evabench/evabench/loadgen/endpoints/torchserve"
)

// Kinds are the known endpoints.
var Kinds = kind.Set[loadgen.Dialer]{
	detecthttp.Kind,
	kservev2.Kind,
	openaichat.Kind,
	torchserve.Kind,
}
