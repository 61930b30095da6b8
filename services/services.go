// Package services starts, pins and stops the services of a configuration. A
// launcher gets a device and gives addresses; it knows nothing of requests.
package services

import (
	"context"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A Launcher starts instances of services. It is safe for concurrent use.
type Launcher interface {
	// Launch starts one instance and returns when its process runs or is
	// accepted; readiness is asked for apart, by a real request. What it
	// started is ended by the Service's Stop, and by the launcher itself if
	// Launch fails or ctx ends first.
	Launch(ctx context.Context, i Instance) (Service, error)
}

// An Instance is what a launcher is asked to start.
type Instance struct {
	Service string            // the service's name in the scenario
	Role    string            // results.RoleVision or results.RoleAgent
	Name    string            // unique within the cell: "agent-0"
	Index   int               // its number among its service's instances, from 0
	Device  device.Device     // what it is pinned to; zero if the layout is left as found
	Models  []Model           // what it serves, in order
	Params  map[string]string // named service parameters of the configuration
	LogDir  string            // for its logs; exists
}

// Fixed is a Launcher whose number of instances does not follow from the
// devices, because the instances run already.
type Fixed interface {
	// Instances is how many there are, at least 1.
	Instances() int
}

// Probed is a Launcher that can tell, before anything is changed, whether what
// it stands for is there.
type Probed interface {
	// Probe gives nil if every instance accepts connections.
	Probe(ctx context.Context) error
}

// A Model is one model of a service.
type Model struct {
	Name    string
	Workers int // processes of the model, at least 1; 1 for an Agent
}

// A Service is a running instance.
type Service interface {
	// Info tells the addresses. It does not change.
	Info() results.Instance
	// Stop ends the instance and waits until it is gone.
	Stop(ctx context.Context) error
	// Err tells why the instance ended by itself, nil while it runs.
	Err() error
}
