package sim

import (
	"maps"
	"slices"

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
