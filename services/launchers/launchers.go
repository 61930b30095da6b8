// Package launchers lists the ways in which services are started.
package launchers

import (
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchers/docker"
	"github.com/evabench/evabench/services/launchers/external"
	"github.com/evabench/evabench/services/launchers/process"
)

// Kinds are the launchers, sorted by name.
var Kinds = kind.Set[services.Launcher]{
	docker.Kind,
	external.Kind,
	process.Kind,
}
