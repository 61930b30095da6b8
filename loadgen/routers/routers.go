// Package routers lists the ways in which a service's requests are spread over
// its instances.
package routers

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/routers/leastoutstanding"
	"github.com/evabench/evabench/loadgen/routers/prefixhash"
	"github.com/evabench/evabench/loadgen/routers/roundrobin"
	"github.com/evabench/evabench/loadgen/routers/sticky"
	"github.com/evabench/evabench/loadgen/routers/weighted"
)

// Kinds are the known routers. A router may keep a position, so one is built
// for each load of each step.
var Kinds = kind.Set[loadgen.Router]{
	leastoutstanding.Kind,
	prefixhash.Kind,
	roundrobin.Kind,
	sticky.Kind,
	weighted.Kind,
}
