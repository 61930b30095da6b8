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

// Paged is a Launcher whose arguments tell where kinds of source find their pages.
type Paged interface {
	// Scrapes lists these kinds, sorted, each once.
	Scrapes() []string
}

// Ported is a Launcher whose instances may have given ports.
type Ported interface {
	// Ports are those of its instances if they are counted, else of the first; n is 0
	// where free ones are taken.
	Ports() (first, n int)
}

// Patient is a Launcher that says how long its instances may take.
type Patient interface {
	// Patience is the longest time from launch to an instance's first right
	// answer.
	Patience() time.Duration
}

// Adapting is a Launcher whose servers run already and are made to fit each
// configuration, by a command of the user's.
type Adapting interface {
	// Adapt is called once for a cell, on its applied layout and before the
	// first Launch of the service. It returns when the servers fit.
	Adapt(ctx context.Context, service string, c Configuration) error
}

// A Configuration is what a cell asks for, as far as services see it.
type Configuration struct {
	Name                       string // the configuration's, fit for a folder
	Layout, Sharing, Placement string
	Workers                    map[string]int    // by model
	Params                     map[string]string // of the service, without its name
	Devices                    []device.Device   // of the applied layout; empty if left as found
	LogDir                     string            // for logs; exists
}

// A Model is one model of a service.
type Model struct {
	Name    string
	Workers int    // processes of the model, at least 1; 1 for an Agent
	Memory  Memory // of the device that each of its processes needs
}

// A Memory is how much of a device's memory one process takes, its CUDA
// context included. The zero value is unknown.
type Memory struct {
	Bytes uint64  // 0 unless it is told in bytes
	Share float64 // of the device's whole memory, 0 to 1; 0 unless it is told so
}

// A Service is a running instance.
type Service interface {
	// Info tells the addresses. It does not change, but for what Identify learns.
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

// Gapped is a Service whose log may have gaps, as where a disk was full.
type Gapped interface {
	// LogFault tells, once Stop has returned, why the log has gaps; empty if it has
	// none.
	LogFault() string
}

// Identified is a Service that can tell whether it is what the configuration
// asks for: the right models, the right number of workers.
type Identified interface {
	// Identify asks it: nil is yes. It is asked when the instance is ready and
	// once more after the cell's last step.
	Identify(ctx context.Context) error
}

// How an instance is made to end while it is under load.
const (
	CrashKill  = "kill"  // its processes are killed at once
	CrashFault = "fault" // it is asked to make a fault of its own on its device, as a bad kernel does
)

// Mortal is a Service that can be ended as a fault would end it, and started
// again where it was.
type Mortal interface {
	// Crashes lists the ways, CrashKill and CrashFault, that it knows.
	Crashes() []string
	// Crash ends the instance in one of these ways and returns when it has
	// ended. Err tells of it from then on.
	Crash(ctx context.Context, how string) error
	// Revive starts an instance that has ended once more, at the same address
	// and on the same device, and returns as Launch does. Err is nil again.
	Revive(ctx context.Context) error
}

// Exhausted is a Service that counts what tells of memory that ran out, also
// where it goes on: a worker of it may have ended and been replaced.
type Exhausted interface {
	// OutOfMemory counts, since its launch, the lines of its log, and the ends
	// of its processes, that say so. It never falls.
	OutOfMemory() int64
}
