// Package none is the partition backend that touches no GPU: the server is
// measured as found.
package none

import (
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/partition"
)

// Config has no arguments.
type Config struct{}

// Kind is the backend as scenarios name it.
var Kind = kind.New("none", "leaves the GPUs as they are; layout off only", Config{},
	func(Config) (partition.Backend, error) { return Backend{}, nil })

// A Backend knows no GPU. The zero value works.
type Backend struct{}

// Inspect gives the empty state, whatever GPUs are named, from which
// [partition.MakePlan] refuses every layout but a plain off.
func (Backend) Inspect(ctx context.Context, _ []string) (partition.State, error) {
	return partition.State{}, ctx.Err()
}

// Apply gives no devices. It refuses a plan that changes anything, which no
// plan of the empty state does.
func (Backend) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	if !p.Empty() || len(p.Before.GPUs) > 0 {
		return nil, fmt.Errorf("%w: backend none cannot change GPUs: the plan was made for another backend", partition.ErrNothingChanged)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", partition.ErrNothingChanged, err)
	}
	return nil, nil
}

// Restore has nothing to do. It refuses the state of another backend.
func (Backend) Restore(ctx context.Context, s partition.State) error {
	if len(s.GPUs) > 0 {
		return errors.New("backend none cannot restore GPUs: the state is another backend's")
	}
	return ctx.Err()
}
