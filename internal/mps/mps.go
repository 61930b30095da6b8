// Package mps runs and asks MPS control daemons, one for each device, through
// the program nvidia-cuda-mps-control and nothing else.
//
// A daemon has a pipe folder and a log folder of its own. It is ready when it has
// answered a question, not when its process exists; a client that starts before
// that runs without MPS and says nothing. (NVIDIA, Multi-Process Service.)
package mps

import (
	"context"
	"errors"
	"syscall"
)

// Name is the file name of the control program.
const Name = "nvidia-cuda-mps-control"

// The variables by which daemons and clients find each other.
const (
	PipeVariable    = "CUDA_MPS_PIPE_DIRECTORY"
	LogVariable     = "CUDA_MPS_LOG_DIRECTORY"
	DeviceVariable  = "CUDA_VISIBLE_DEVICES"
	PercentVariable = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
	MemoryVariable  = "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"
)

// What daemons use when their environment names no folder.
const (
	DefaultPipe = "/tmp/nvidia-mps"
	DefaultLog  = "/var/log/nvidia-mps"
)

// What the errors of a [Program] wrap where a caller may have to act on it.
var (
	// ErrNoProgram says that nvidia-cuda-mps-control is not there.
	ErrNoProgram = errors.New("no " + Name + " here: it comes with NVIDIA's driver (package nvidia-compute-utils)")
	// ErrNoDaemon says that no control daemon answers at a pipe folder.
	ErrNoDaemon = errors.New("no MPS control daemon answers")
)

// A Program is how nvidia-cuda-mps-control is run, asked and found: all talk to it
// goes through here. [Control] is the real one. It is safe for concurrent use.
type Program interface {
	// Start runs it as a daemon (-d) with an environment and as a user, and gives
	// an error if it ended with a fault. It does not wait until it answers.
	Start(ctx context.Context, env []string, uid int) error
	// Ask gives one command line to the daemon of a pipe folder, such as
	// "get_server_list", and gives what it says, without the last line end. The
	// error wraps [ErrNoDaemon] if none is there.
	Ask(ctx context.Context, pipe, command string) (string, error)
	// Find lists the control daemons of this host, whoever started them.
	Find(ctx context.Context) ([]Process, error)
}

// A Signaller is a [Program] that can also send a signal to a daemon. It sends
// none, and gives an error, if the process is not the one that Find showed.
type Signaller interface {
	Signal(ctx context.Context, p Process, signal syscall.Signal) error
}

// A Process is a running control daemon as the system shows it.
type Process struct {
	PID int `json:"pid"`
	UID int `json:"uid"`
	// Started is when it started, in clock ticks since the host did: with PID it
	// names one process for ever.
	Started uint64 `json:"started,omitempty"`
	// Args are its arguments, without the program.
	Args []string `json:"args,omitempty"`
	// Env is its environment; nil if we may not read it.
	Env map[string]string `json:"env,omitempty"`
	// Elsewhere says why its paths and users are not ours: it runs in a container,
	// or that cannot be told. It is empty if they are. Such a daemon is listed, and
	// never asked or ended.
	Elsewhere string `json:"elsewhere,omitempty"`
	// Deaf says why it is not known to be the one that answers at its pipe folder; it
	// is empty if it is. Such a daemon is not asked, unless it is ours.
	Deaf string `json:"deaf,omitempty"`
	// Unit is the systemd unit ("x.service", "--user x.service", "x.scope") or the
	// container ("container …") that it belongs to; empty if none. UnitOurs says that
	// we do too.
	Unit     string `json:"unit,omitempty"`
	UnitOurs bool   `json:"unit_ours,omitempty"`
}

// same reports whether two are one process, not just one number.
func (p Process) same(q Process) bool { return p.PID == q.PID && p.Started == q.Started }
