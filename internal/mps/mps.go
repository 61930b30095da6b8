// Package mps runs and asks MPS control daemons, one for each device, through
// the program nvidia-cuda-mps-control and nothing else.
//
// A daemon has a pipe folder and a log folder of its own. It is ready when it has
// answered a question, not when its process exists; a client that starts before
// that runs without MPS and says nothing. (NVIDIA, Multi-Process Service.)
package mps

import "context"

// A Program is how nvidia-cuda-mps-control is run, asked and found: all talk to it
// goes through here. [Control] is the real one. It is safe for concurrent use.
type Program interface {
	// Start runs it as a daemon (-d) with an environment and as a user, and gives
	// an error if it ended with a fault. It does not wait until it answers.
	Start(ctx context.Context, env []string, uid int) error
	// Ask gives one command line to the daemon of a pipe folder, such as
	// "get_server_list", and gives what it says, without the last line end.
	Ask(ctx context.Context, pipe, command string) (string, error)
	// Find lists the control daemons of this host, whoever started them.
	Find(ctx context.Context) ([]Process, error)
}

// A Process is a running control daemon as the system shows it.
type Process struct {
	PID, UID int
	// Env is its environment; nil if we may not read it.
	Env map[string]string
}
