package sim

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/sim/parameters"
)

// ServerInfo tells what a simulated server is.
type ServerInfo struct {
	Name string // as users type it
	parameters.Server
}

// Servers lists the simulated servers, sorted by name. The caller owns it.
func Servers() []ServerInfo {
	known := parameters.Default().Servers
	var all []ServerInfo
	for _, name := range slices.Sorted(maps.Keys(known)) {
		all = append(all, ServerInfo{name, known[name]})
	}
	return all
}

func findServer(name string) (ServerInfo, error) {
	s, err := parameters.Default().Server(name)
	return ServerInfo{name, s}, err
}

// CheckModels says why a simulated instance of a role cannot serve models, on
// whichever server.
func CheckModels(role string, models []string) error {
	p := parameters.Default()
	var known []string
	switch role {
	case results.RoleVision:
		known = slices.Sorted(maps.Keys(p.Detectors))
	case results.RoleAgent:
		known = slices.Sorted(maps.Keys(p.Engines))
	default:
		return fmt.Errorf("no simulated instance has the role %q", role)
	}
	var faults []error
	if role == results.RoleAgent && len(models) > 1 {
		faults = append(faults, fmt.Errorf("a simulated instance of role agent serves one model, not %d", len(models)))
	}
	for _, m := range models {
		if !slices.Contains(known, m) {
			faults = append(faults, fmt.Errorf("unknown simulated model %q of role %s; %s", m, role, kind.Known(m, known)))
		}
	}
	return errors.Join(faults...)
}
