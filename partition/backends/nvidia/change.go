package nvidia

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// setMode changes the MIG mode and reads it back, again while the GPU is in use. If the
// change did not happen at once it takes the wish back, so that no reset brings it as a
// surprise.
func (b *backend) setMode(ctx context.Context, n *attempt, gpu string, on bool) error {
	pause := b.driver.limits.Pause
	for try := 1; ; try++ {
		n.tries, n.touched = try, true
		err := b.tryMode(ctx, gpu, on)
		if err == nil {
			return nil
		}
		// Under WithoutCancel: an interrupt must not leave the change pending.
		if back := b.takeBack(context.WithoutCancel(ctx), gpu); back != nil {
			return errors.Join(err, back)
		}
		if !errors.Is(err, nvml.ErrInUse) || try >= b.driver.limits.Tries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
		pause *= 2
	}
}

// tryMode asks for a mode once.
func (b *backend) tryMode(ctx context.Context, gpu string, on bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := b.askMode(gpu, on)
	if err != nil {
		return fmt.Errorf("set the MIG mode: %w", err)
	}
	mode, err := b.mode(context.WithoutCancel(ctx), gpu)
	if err != nil {
		return err
	}
	if mode.Current != on || mode.Pending != on {
		return fmt.Errorf("set the MIG mode: the call succeeded, but MIG reads back as %s", partition.Mode(mode))
	}
	return nil
}

// askMode makes the call and judges both of its values.
func (b *backend) askMode(gpu string, on bool) error {
	activation, err := ask(b.driver, b.driver.limits.Change, "set the MIG mode", func() (nvml.Return, error) {
		activation, ret := b.driver.api.SetMIGMode(gpu, on)
		return activation, ret.Err()
	})
	if err != nil {
		return fmt.Errorf("the call: %w", err)
	}
	if err := activation.Err(); err != nil {
		return fmt.Errorf("the change was taken, but its activation says: %w", err)
	}
	return nil
}

// takeBack sets the present mode again where another is pending.
func (b *backend) takeBack(ctx context.Context, gpu string) error {
	mode, err := b.mode(ctx, gpu)
	if err != nil || mode.Current == mode.Pending {
		return err
	}
	if err := b.askMode(gpu, mode.Current); err != nil {
		return fmt.Errorf("take back the pending MIG mode: %w", err)
	}
	if mode, err = b.mode(ctx, gpu); err != nil {
		return err
	}
	if mode.Current != mode.Pending {
		return fmt.Errorf("take back the pending MIG mode: MIG is still %s", partition.Mode(mode))
	}
	return nil
}

// mode reads the MIG mode of a GPU.
func (b *backend) mode(ctx context.Context, gpu string) (nvml.MIGMode, error) {
	return read(ctx, b.driver, "read the MIG mode", func() (nvml.MIGMode, error) { return b.driver.api.Mode(gpu) })
}

// create makes an instance with compute instances at places within it.
func (b *backend) create(ctx context.Context, n *attempt, gpu string, profile int, at partition.Placement, compute []partition.Placement) error {
	var gi int
	if err := b.driver.change(ctx, n, "create the GPU instance", func() error {
		made, err := b.driver.api.CreateGPUInstance(gpu, profile, nvml.Placement(at))
		gi = made.ID
		return err
	}); err != nil {
		return err
	}
	for _, c := range compute {
		if err := b.createCompute(ctx, n, gpu, gi, c); err != nil {
			return err
		}
	}
	return nil
}

// createCompute makes a compute instance at a place within an instance.
func (b *backend) createCompute(ctx context.Context, n *attempt, gpu string, gi int, at partition.Placement) error {
	what := fmt.Sprintf("create the compute instance at %s of GPU instance %d", at, gi)
	return b.driver.change(ctx, n, what, func() error {
		_, err := b.driver.api.CreateComputeInstance(gpu, gi, nvml.Placement(at))
		return err
	})
}
