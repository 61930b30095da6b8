// Package services starts, pins and stops the services of a configuration. A
// launcher gets a device and gives addresses; it knows nothing of requests.
package services

import (
	"context"
	"time"

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
// devices: the instances run already, or are counted in its arguments. They are
// placed on no device.
type Fixed interface {
	// Instances is how many there are, at least 1.
	Instances() int
}

// Probed is a Launcher that can tell, before anything is changed, whether what
// it stands for is there.
type Probed interface {
	// Probe gives nil if nothing is missing: what runs already accepts
	// connections; what is to be started has its program, folder and ports.
	Probe(ctx context.Context) error
}

// Patient is a Launcher that says how long its instances may take.
type Patient interface {
	// Patience is the longest time from launch to an instance's first right
	// answer.
	Patience() time.Duration
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
	// Err tells why the instance ended by itself, nil while it runs and once
	// Stop was called before that. It is an [ExitError] where it was a process
	// of ours.
	Err() error
}

// Checked is a Service with a page that tells whether it is up. It is asked
// before the first real request: such a request may count as a fault while a
// model loads.
type Checked interface {
	// Check asks the page once; nil is up.
	Check(ctx context.Context) error
}

// Warned is a Service with something to say that does not stop a run.
type Warned interface {
	// Warnings is what was seen when the instance was launched.
	Warnings() []results.Warning
}

// Logged is a Service whose log we keep.
type Logged interface {
	// LogTail gives the log's file and its last lines, a few KiB at most.
	LogTail() (file string, last []string)
}
