// Package partition turns the GPUs of a server into the devices of a layout,
// and puts them back as they were.
//
// A [Layout] is what a scenario asks for; [MakePlan] is a pure function that
// gives the exact steps from a [State] to a layout, or says why not; a
// [Backend] carries the steps out. Plan, in this project, means that list.
package partition

import (
	"context"
	"errors"
	"time"

	"github.com/evabench/evabench/internal/device"
)

// A Backend changes how GPUs are shared out. One goroutine at a time uses it.
type Backend interface {
	// Inspect reads the present state of the named GPUs (indices or UUIDs), by
	// index. It changes nothing.
	Inspect(ctx context.Context, gpus []string) (State, error)
	// Apply carries out a plan, reads the result back, compares it with the
	// layout and gives the devices, by GPU index and then by placement. It
	// refuses if the GPUs changed since the plan was made. An error wraps
	// [ErrNothingChanged] if it refused before its first change: then Restore
	// must not be called, as it would undo what others made since the plan. On
	// any other error the server may be half changed: Restore puts it back.
	Apply(ctx context.Context, p Plan) ([]device.Device, error)
	// Restore brings the GPUs back to a state that Inspect gave, from whatever
	// state they are in, and verifies it by [State.Differences]. Instances
	// made anew have other UUIDs. It never ends a process.
	Restore(ctx context.Context, s State) error
}

// A Traced backend tells every change that it tries. Trace is called before
// Apply or Restore; f is called from within them, by one goroutine at a time.
type Traced interface{ Trace(f func(Event)) }

// An Event is one change that was tried, for the journal: one that is Begun is
// told before the change, and one that is not tells its outcome.
type Event struct {
	At     time.Time     `json:"at"`               // when it began, or ended
	Begun  bool          `json:"begun,omitempty"`  // the outcome is not known yet
	Doing  string        `json:"doing"`            // "apply" or "restore"
	Step   string        `json:"step"`             // as [Step.String]
	GPU    string        `json:"gpu,omitempty"`    // UUID
	Before string        `json:"before,omitempty"` // what was read before, in words
	After  string        `json:"after,omitempty"`  // and after
	Took   time.Duration `json:"took_ns"`
	Tries  int           `json:"tries"` // 1, or more where it was in use at first
	Error  string        `json:"error,omitempty"`
	// Warning tells, in words with what to do, what of the change will not last.
	Warning string `json:"warning,omitempty"`
}

// A Counter is a backend that can tell who shares a device, and how.
type Counter interface {
	// Count reads the processes of a device and the clients of its MPS daemon.
	// It changes nothing.
	Count(ctx context.Context, d device.Device) (Clients, error)
}

// Clients are the processes on a device at one moment.
type Clients struct {
	// Processes are the pids of compute processes, MPS clients included.
	Processes []int `json:"processes"`
	// MPS are the pids of those that are clients of the device's daemon: by
	// NVML's word or the daemon's.
	MPS []int `json:"mps"`
}

// ErrNothingChanged is what Apply's error wraps if it refused before its first
// change.
var ErrNothingChanged = errors.New("nothing was changed")

// ErrUnknownGPU is what Inspect's error wraps if a name names no GPU here.
var ErrUnknownGPU = errors.New("there is no GPU")
