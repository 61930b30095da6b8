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

	"github.com/evabench/evabench/internal/device"
)

// A Backend changes how GPUs are shared out. One goroutine at a time uses it.
type Backend interface {
	// Inspect reads the present state of the named GPUs (indices or UUIDs), by
	// index. It changes nothing.
	Inspect(ctx context.Context, gpus []string) (State, error)
	// Apply carries out a plan, reads the result back, compares it with the
	// layout and gives the devices, by GPU index and then by placement. It
	// refuses if the GPUs changed since the plan was made. On an error the
	// server may be half changed: Restore puts it back.
	Apply(ctx context.Context, p Plan) ([]device.Device, error)
	// Restore brings the GPUs back to a state that Inspect gave, from whatever
	// state they are in, and verifies it by [State.Differences]. Instances
	// made anew have other UUIDs. It never ends a process.
	Restore(ctx context.Context, s State) error
}

// ErrUnknownGPU is what Inspect's error wraps if a name names no GPU here.
var ErrUnknownGPU = errors.New("there is no GPU")
