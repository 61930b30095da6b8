package nvidia

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// Inspect reads the named GPUs.
func (b *backend) Inspect(ctx context.Context, gpus []string) (partition.State, error) {
	if err := ctx.Err(); err != nil {
		return partition.State{}, err
	}
	all, err := b.api.Devices()
	if err != nil {
		return partition.State{}, fmt.Errorf("list GPUs: %w", err)
	}
	named, others, err := choose(all, gpus)
	if err != nil {
		return partition.State{}, err
	}
	var s partition.State
	for _, d := range named {
		g, err := b.inspectGPU(d)
		if err != nil {
			return partition.State{}, fmt.Errorf("inspect GPU %d: %w", d.Index, err)
		}
		s.GPUs = append(s.GPUs, g)
	}
	if s.MPS, err = b.ownMPS(ctx, others); err != nil {
		return partition.State{}, err
	}
	return s, nil
}

// choose splits the GPUs into those named, by index, and the others.
func choose(all []nvml.Device, names []string) (named, others []nvml.Device, err error) {
	var errs []error
	chosen := map[string]bool{}
	for _, name := range names {
		k := slices.IndexFunc(all, func(d nvml.Device) bool { return d.UUID == name || strconv.Itoa(d.Index) == name })
		switch {
		case k < 0:
			errs = append(errs, fmt.Errorf("%w %q; GPUs here: %s", partition.ErrUnknownGPU, name, list(all)))
		case chosen[all[k].UUID]:
			errs = append(errs, fmt.Errorf("GPU %q is named twice", name))
		default:
			chosen[all[k].UUID] = true
		}
	}
	for _, d := range all {
		if chosen[d.UUID] {
			named = append(named, d)
		} else {
			others = append(others, d)
		}
	}
	return named, others, errors.Join(errs...)
}

func list(all []nvml.Device) string {
	texts := make([]string, len(all))
	for i, d := range all {
		texts[i] = fmt.Sprintf("%d (%s)", d.Index, d.UUID)
	}
	return strings.Join(texts, ", ")
}

func (b *backend) inspectGPU(d nvml.Device) (partition.GPU, error) {
	g := partition.GPU{
		Index: d.Index, UUID: d.UUID, Name: d.Name, MemoryBytes: d.Memory.TotalBytes, SMs: d.SMs,
		MIG: partition.Mode(d.MIG),
	}
	processes, err := b.api.Processes(d.UUID)
	if err != nil {
		return g, fmt.Errorf("list processes: %w", err)
	}
	for _, p := range processes {
		g.Processes = append(g.Processes, partition.Process(p))
	}
	if !d.MIG.Supported {
		return g, nil
	}
	profiles, err := b.api.Profiles(d.UUID)
	if err != nil {
		return g, fmt.Errorf("list profiles: %w", err)
	}
	for _, p := range profiles {
		own := partition.Profile{
			ID: p.ID, Name: p.Name, MemoryBytes: p.MemoryBytes, SMs: p.SMs, Slices: p.Slices, Assumed: p.Assumed,
		}
		for _, at := range p.Placements {
			own.Placements = append(own.Placements, partition.Placement(at))
		}
		g.Profiles = append(g.Profiles, own)
	}
	instances, err := b.api.Instances(d.UUID)
	if err != nil {
		return g, fmt.Errorf("list instances: %w", err)
	}
	for _, i := range instances {
		own, err := instance(i, g.Profiles)
		if err != nil {
			return g, err
		}
		g.Instances = append(g.Instances, own)
	}
	return g, nil
}

// instance turns an instance of the library into the partition's.
func instance(i nvml.GPUInstance, profiles []partition.Profile) (partition.Instance, error) {
	k := slices.IndexFunc(profiles, func(p partition.Profile) bool { return p.ID == i.ProfileID })
	if k < 0 {
		return partition.Instance{}, fmt.Errorf("instance %d has the profile id %d, which the GPU does not list", i.ID, i.ProfileID)
	}
	own := partition.Instance{GI: i.ID, Profile: profiles[k].Name, Placement: partition.Placement(i.Placement)}
	for _, c := range i.Compute {
		own.Compute = append(own.Compute, partition.Compute{
			CI: c.ID, Placement: partition.Placement(c.Placement), UUID: c.UUID, SMs: c.SMs,
		})
	}
	return own, nil
}

// ownMPS lists the daemons but for those of other GPUs. One of a device that
// is no more counts: nobody else can use it.
func (b *backend) ownMPS(ctx context.Context, others []nvml.Device) ([]string, error) {
	running, err := b.mps.Running(ctx)
	if err != nil {
		return nil, fmt.Errorf("list MPS daemons: %w", err)
	}
	if len(running) == 0 {
		return nil, nil
	}
	foreign := map[string]bool{}
	for _, d := range others {
		foreign[d.UUID] = true
		instances, err := b.api.Instances(d.UUID)
		if err != nil && !errors.Is(err, nvml.ErrNotSupported) {
			return nil, fmt.Errorf("list instances of GPU %d: %w", d.Index, err)
		}
		for _, i := range instances {
			for _, c := range i.Compute {
				foreign[c.UUID] = true
			}
		}
	}
	var own []string
	for _, uuid := range running {
		if !foreign[uuid] {
			own = append(own, uuid)
		}
	}
	slices.Sort(own)
	return own, nil
}

func uuids(s partition.State) []string {
	names := make([]string, len(s.GPUs))
	for i, g := range s.GPUs {
		names[i] = g.UUID
	}
	return names
}

// checkUnchanged refuses a plan whose GPUs are not as they were: another card
// under the index, other instances, a process that came since.
func (b *backend) checkUnchanged(ctx context.Context, p partition.Plan) error {
	now, err := b.Inspect(ctx, uuids(p.Before))
	if err != nil {
		return fmt.Errorf("check that the GPUs are as planned: %w", err)
	}
	faults := p.Before.Differences(now)
	for i, was := range p.Before.GPUs {
		is := now.GPUs[i]
		if is.UUID != was.UUID || is.Index != was.Index {
			faults = append(faults, fmt.Sprintf("GPU %d (%s) is now GPU %d (%s)", was.Index, was.UUID, is.Index, is.UUID))
		}
		if touches(p, was.UUID) && len(is.Processes) > 0 {
			faults = append(faults, fmt.Sprintf("process %d (%s) runs on GPU %d", is.Processes[0].PID, is.Processes[0].Name, is.Index))
		}
		if !reflect.DeepEqual(is.Instances, was.Instances) && len(faults) == 0 {
			faults = append(faults, fmt.Sprintf("the instances of GPU %d were made anew", is.Index))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: it changed since the plan was made: %s", partition.ErrBusy, strings.Join(faults, "; "))
	}
	return nil
}

func touches(p partition.Plan, gpu string) bool {
	return slices.ContainsFunc(p.Changes, func(s partition.Step) bool { return s.GPU == gpu })
}

// compare checks that the targets stand.
func compare(p partition.Plan, now partition.State) error {
	want := partition.State{GPUs: slices.Clone(now.GPUs), MPS: now.MPS}
	for i, t := range p.Targets {
		g := &want.GPUs[i]
		if g.UUID != t.UUID {
			return fmt.Errorf("layout %q was applied, but GPU %d reads back as %s, not %s", p.Layout, g.Index, g.UUID, t.UUID)
		}
		g.MIG = p.Before.GPUs[i].MIG
		g.MIG.Current, g.MIG.Pending = t.MIG, t.MIG
		g.Instances = nil
		for _, s := range t.Slots {
			g.Instances = append(g.Instances, s.Instance())
		}
	}
	if faults := want.Differences(now); len(faults) > 0 {
		return fmt.Errorf("layout %q was applied but reads back otherwise: %s", p.Layout, strings.Join(faults, "; "))
	}
	return nil
}

// devices makes the devices from what was read back.
func (b *backend) devices(p partition.Plan, now partition.State) ([]device.Device, error) {
	var devices []device.Device
	for i, t := range p.Targets {
		g := now.GPUs[i]
		if !t.MIG {
			devices = append(devices, device.Device{
				UUID: g.UUID, GPU: g.UUID, Name: fmt.Sprintf("gpu%d", g.Index), Model: g.Name,
				MemoryBytes: g.MemoryBytes, SMs: g.SMs, Sharing: t.Sharing, Env: visible(g.UUID),
			})
			continue
		}
		for k, s := range t.Slots {
			// compare saw to it that the instances are the slots, in order.
			in := g.Instances[k]
			c := in.Compute[0]
			memory, err := b.api.Memory(c.UUID)
			if err != nil {
				return nil, fmt.Errorf("read the memory of %s on GPU %d: %w", in, g.Index, err)
			}
			devices = append(devices, device.Device{
				UUID: c.UUID, GPU: g.UUID, Name: fmt.Sprintf("gpu%d/%s@%d", g.Index, in.Profile, in.Placement.Start), Model: g.Name,
				Instance:    &device.Instance{GI: in.GI, CI: c.CI, Profile: in.Profile, Start: in.Placement.Start, Size: in.Placement.Size},
				MemoryBytes: memory.TotalBytes, SMs: c.SMs, Sharing: s.Sharing, Env: visible(c.UUID),
			})
		}
	}
	return devices, nil
}

// visible names the one device that a CUDA process may use.
func visible(uuid string) map[string]string {
	return map[string]string{"CUDA_VISIBLE_DEVICES": uuid}
}
