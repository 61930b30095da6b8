package nvidia

import (
	"errors"
	"fmt"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// setMode changes the MIG mode and reads it back. If the change did not happen
// at once it takes the wish back, so that no reset brings it as a surprise.
func (b *backend) setMode(gpu string, on bool) error {
	activation, ret := b.api.SetMIGMode(gpu, on)
	err := errors.Join(ret.Err(), activation.Err())
	if err == nil {
		mode, read := b.mode(gpu)
		if read != nil {
			return read
		}
		if mode.Current == on && mode.Pending == on {
			return nil
		}
		err = fmt.Errorf("the call succeeded, but MIG reads back as %s", partition.Mode(mode))
	} else {
		err = fmt.Errorf("set the MIG mode (return: %v, activation: %v): %w", ret, activation, err)
	}
	return errors.Join(err, b.takeBack(gpu))
}

// takeBack sets the present mode again where another is pending.
func (b *backend) takeBack(gpu string) error {
	mode, err := b.mode(gpu)
	if err != nil || mode.Current == mode.Pending {
		return err
	}
	activation, ret := b.api.SetMIGMode(gpu, mode.Current)
	if err := errors.Join(ret.Err(), activation.Err()); err != nil {
		return fmt.Errorf("take back the pending MIG mode: %w", err)
	}
	if mode, err = b.mode(gpu); err != nil {
		return err
	}
	if mode.Current != mode.Pending {
		return fmt.Errorf("MIG is still %s", partition.Mode(mode))
	}
	return nil
}

func (b *backend) mode(gpu string) (nvml.MIGMode, error) {
	devices, err := b.api.Devices()
	if err != nil {
		return nvml.MIGMode{}, fmt.Errorf("read back the MIG mode: %w", err)
	}
	for _, d := range devices {
		if d.UUID == gpu {
			return d.MIG, nil
		}
	}
	return nvml.MIGMode{}, fmt.Errorf("read back the MIG mode of %s: %w", gpu, nvml.ErrNotFound)
}

// destroy removes an instance and what is in it.
func (b *backend) destroy(gpu string, i partition.Instance) error {
	for _, c := range i.Compute {
		if err := b.api.DestroyComputeInstance(gpu, i.GI, c.CI); err != nil {
			return fmt.Errorf("destroy compute instance %d of GPU instance %d: %w", c.CI, i.GI, err)
		}
	}
	if err := b.api.DestroyGPUInstance(gpu, i.GI); err != nil {
		return fmt.Errorf("destroy GPU instance %d: %w", i.GI, err)
	}
	return nil
}

// create makes an instance with compute instances at places within it.
func (b *backend) create(gpu string, p partition.Profile, at nvml.Placement, compute []nvml.Placement) error {
	made, err := b.api.CreateGPUInstance(gpu, p.ID, at)
	if err != nil {
		return fmt.Errorf("create GPU instance: %w", err)
	}
	for _, c := range compute {
		if _, err := b.api.CreateComputeInstance(gpu, made.ID, c); err != nil {
			return fmt.Errorf("create compute instance in GPU instance %d: %w", made.ID, err)
		}
	}
	return nil
}
