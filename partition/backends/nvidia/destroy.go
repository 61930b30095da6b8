package nvidia

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// destroy removes an instance and what is in it, all or nothing: the driver refuses for
// the one compute instance that somebody uses, and by then the others may be gone. So
// nothing is begun while anybody is inside, and what was taken is made again if somebody
// came meanwhile.
func (b *backend) destroy(ctx context.Context, n *attempt, gpu string, i partition.Instance) error {
	if err := b.mayDestroy(ctx, n, gpu, i); err != nil {
		return err
	}
	for k, c := range i.Compute {
		what := fmt.Sprintf("destroy compute instance %d of GPU instance %d", c.CI, i.GI)
		if err := b.driver.change(ctx, n, what, func() error {
			return b.driver.api.DestroyComputeInstance(gpu, i.GI, c.CI)
		}); err != nil {
			return b.remake(ctx, n, gpu, i.GI, i.Compute[:k], err)
		}
	}
	if err := b.driver.change(ctx, n, fmt.Sprintf("destroy GPU instance %d", i.GI), func() error {
		return b.driver.api.DestroyGPUInstance(gpu, i.GI)
	}); err != nil {
		return b.remake(ctx, n, gpu, i.GI, i.Compute, err)
	}
	return nil
}

// mayDestroy refuses if the instance is not as it was read, has a compute instance that
// could not be made again as it is, or if somebody is inside. It waits a while for the
// latter, as a change does.
func (b *backend) mayDestroy(ctx context.Context, n *attempt, gpu string, i partition.Instance) error {
	compute, err := b.insideOf(ctx, gpu, i)
	if err != nil {
		return err
	}
	for _, c := range compute {
		if c.Special != "" {
			return fmt.Errorf("compute instance %d of GPU instance %d could not be made again as it is: %s; remove it by hand if nobody needs it", c.ID, i.GI, c.Special)
		}
	}
	return b.driver.again(ctx, n, fmt.Sprintf("look into GPU instance %d", i.GI), func() error {
		all, err := b.driver.api.Processes(gpu)
		if err != nil {
			return err
		}
		for _, p := range all {
			inside := slices.ContainsFunc(compute, func(c nvml.ComputeInstance) bool { return c.UUID == p.Device })
			if inside && !isServer(p.Name) { // a server that ends with its daemon is nobody's work
				return fmt.Errorf("process %d (%s) is on %s, and nothing of the instance was touched: %w", p.PID, p.Name, p.Device, nvml.ErrInUse)
			}
		}
		return nil
	})
}

// insideOf reads the compute instances of an instance, which must be those that i has.
func (b *backend) insideOf(ctx context.Context, gpu string, i partition.Instance) ([]nvml.ComputeInstance, error) {
	all, err := read(ctx, b.driver, "list instances", func() ([]nvml.GPUInstance, error) { return b.driver.api.Instances(gpu) })
	if err != nil {
		return nil, err
	}
	k := slices.IndexFunc(all, func(g nvml.GPUInstance) bool { return g.ID == i.GI })
	if k < 0 {
		return nil, fmt.Errorf("GPU instance %d: %w", i.GI, nvml.ErrNotFound)
	}
	if !slices.EqualFunc(all[k].Compute, i.Compute, func(is nvml.ComputeInstance, was partition.Compute) bool {
		return is.ID == was.CI && is.UUID == was.UUID
	}) {
		return nil, fmt.Errorf("the compute instances of GPU instance %d are others now", i.GI)
	}
	return all[k].Compute, nil
}

// remake makes compute instances again that were taken before err, if that says that
// somebody uses what is left.
func (b *backend) remake(ctx context.Context, n *attempt, gpu string, gi int, taken []partition.Compute, err error) error {
	if !errors.Is(err, nvml.ErrInUse) {
		return err
	}
	for _, c := range taken {
		// Under WithoutCancel: an interrupt must not leave half of somebody's instance.
		if again := b.createCompute(context.WithoutCancel(ctx), n, gpu, gi, c.Placement); again != nil {
			err = errors.Join(err, fmt.Errorf("make again what was taken before: %w", again))
		}
	}
	return err
}

// special refuses a plan that would destroy what could not be made again.
func (b *backend) special(ctx context.Context, p partition.Plan) error {
	for _, s := range p.Changes {
		if s.Action != partition.Destroy {
			continue
		}
		compute, err := b.insideOf(ctx, s.GPU, *s.Instance)
		if err != nil {
			return fmt.Errorf("check that the GPUs are as planned: %w", err)
		}
		for _, c := range compute {
			if c.Special != "" {
				return fmt.Errorf("%w: %s on GPU %d has a compute instance that could not be made again: %s; remove it by hand if nobody needs it",
					partition.ErrBusy, s.Instance, s.Index, c.Special)
			}
		}
	}
	return nil
}
