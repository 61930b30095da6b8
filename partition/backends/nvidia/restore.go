package nvidia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// Restore changes only what differs from s. It goes on with the other GPUs
// when one fails, and reports every fault and what still differs.
func (b *backend) Restore(ctx context.Context, s partition.State) error {
	now, err := b.inspectPresent(ctx, s)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if len(s.Differences(now)) == 0 {
		return nil
	}
	errs := []error{b.stopMPS(ctx, s, now)}
	if errs[0] == nil { // a daemon holds its device
		for _, want := range s.GPUs {
			if err := ctx.Err(); err != nil {
				errs = append(errs, err)
				break
			}
			k := slices.IndexFunc(now.GPUs, func(g partition.GPU) bool { return g.UUID == want.UUID })
			if k < 0 {
				continue // it is gone, as Differences tells below
			}
			if err := b.restoreGPU(want, now.GPUs[k]); err != nil {
				errs = append(errs, fmt.Errorf("restore GPU %d: %w", want.Index, err))
			}
		}
	}
	if now, err = b.inspectPresent(ctx, s); err != nil {
		return errors.Join(append(errs, fmt.Errorf("restore: read back: %w", err))...)
	}
	if err := b.restartMPS(ctx, s, now); err != nil {
		errs = append(errs, err)
	}
	if now, err = b.inspectPresent(ctx, s); err != nil {
		return errors.Join(append(errs, fmt.Errorf("restore: read back: %w", err))...)
	}
	if faults := s.Differences(now); len(faults) > 0 {
		errs = append(errs, fmt.Errorf("not restored: %s", strings.Join(faults, "; ")))
	}
	return errors.Join(errs...)
}

// inspectPresent reads those GPUs of a state that are still there: one that has
// dropped off the bus must not keep the others as they are.
func (b *backend) inspectPresent(ctx context.Context, s partition.State) (partition.State, error) {
	all, err := b.api.Devices()
	if err != nil {
		return partition.State{}, fmt.Errorf("list GPUs: %w", err)
	}
	var present []string
	for _, uuid := range uuids(s) {
		if slices.ContainsFunc(all, func(d nvml.Device) bool { return d.UUID == uuid }) {
			present = append(present, uuid)
		}
	}
	return b.Inspect(ctx, present)
}

// stopMPS stops the daemons that did not run before.
func (b *backend) stopMPS(ctx context.Context, s, now partition.State) error {
	var errs []error
	for _, uuid := range now.MPS {
		if slices.Contains(s.MPS, uuid) {
			continue
		}
		if err := b.mps.Stop(ctx, uuid); err != nil {
			errs = append(errs, fmt.Errorf("restore: stop the MPS daemon of %s: %w", uuid, err))
		}
	}
	return errors.Join(errs...)
}

// restartMPS starts daemons that ran before and were stopped: on the device at
// the same place, which may have another UUID now.
func (b *backend) restartMPS(ctx context.Context, s, now partition.State) error {
	for _, uuid := range s.MPS {
		at, ok := now.Again(s, uuid)
		if !ok || slices.Contains(now.MPS, at) {
			continue // Differences tells of a device that is gone
		}
		g, _ := now.Owner(at)
		if _, err := b.mps.Start(ctx, device.Device{UUID: at, GPU: g.UUID, Name: at, Model: g.Name, Sharing: device.Sharing{Mode: device.MPS}}); err != nil {
			return fmt.Errorf("restore: start the MPS daemon of %s again: %w", at, err)
		}
	}
	return nil
}

// restoreGPU brings one GPU from now to want.
func (b *backend) restoreGPU(want, now partition.GPU) error {
	wanted := func(i partition.Instance) bool { return slices.ContainsFunc(want.Instances, i.Same) }
	for _, i := range now.Instances {
		if wanted(i) {
			continue
		}
		if err := b.destroy(now.UUID, i); err != nil {
			return err
		}
	}
	if now.MIG.Current != want.MIG.Current {
		if err := b.setMode(now.UUID, want.MIG.Current); err != nil {
			return err
		}
	} else if err := b.takeBack(now.UUID); err != nil {
		return err
	}
	for _, i := range want.Instances {
		if slices.ContainsFunc(now.Instances, i.Same) {
			continue
		}
		k := slices.IndexFunc(now.Profiles, func(p partition.Profile) bool { return p.Name == i.Profile })
		if k < 0 {
			return fmt.Errorf("the GPU has no profile %s any more", i.Profile)
		}
		var compute []nvml.Placement
		for _, c := range i.Compute {
			compute = append(compute, nvml.Placement(c.Placement))
		}
		if err := b.create(now.UUID, now.Profiles[k], nvml.Placement(i.Placement), compute); err != nil {
			return err
		}
	}
	return nil
}
