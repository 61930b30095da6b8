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
		n.tries = try
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
	devices, err := read(ctx, b.driver, "read the MIG mode", b.driver.api.Devices)
	if err != nil {
		return nvml.MIGMode{}, err
	}
	for _, d := range devices {
		if d.UUID == gpu {
			return d.MIG, nil
		}
	}
	return nvml.MIGMode{}, fmt.Errorf("read the MIG mode of %s: %w", gpu, nvml.ErrNotFound)
}

// destroy removes an instance and what is in it.
func (b *backend) destroy(ctx context.Context, n *attempt, gpu string, i partition.Instance) error {
	for _, c := range i.Compute {
		what := fmt.Sprintf("destroy compute instance %d of GPU instance %d", c.CI, i.GI)
		if err := b.driver.change(ctx, n, what, func() error {
			return b.driver.api.DestroyComputeInstance(gpu, i.GI, c.CI)
		}); err != nil {
			return err
		}
	}
	return b.driver.change(ctx, n, fmt.Sprintf("destroy GPU instance %d", i.GI), func() error {
		return b.driver.api.DestroyGPUInstance(gpu, i.GI)
	})
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
		what := fmt.Sprintf("create the compute instance at %s of GPU instance %d", c, gi)
		if err := b.driver.change(ctx, n, what, func() error {
			_, err := b.driver.api.CreateComputeInstance(gpu, gi, nvml.Placement(c))
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
