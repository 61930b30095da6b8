package nvidia

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// checkUnchanged refuses a plan whose GPUs are not as they were: another card under the
// index, other instances or ids, a process, a daemon or a manager that came since.
func (b *backend) checkUnchanged(ctx context.Context, p partition.Plan) error {
	now, err := b.Inspect(ctx, uuids(p.Before))
	if err != nil {
		return fmt.Errorf("check that the GPUs are as planned: %w", err)
	}
	faults := p.Before.Differences(now)
	faults = append(faults, now.Differences(p.Before)...)
	for i, was := range p.Before.GPUs {
		is := now.GPUs[i]
		if is.UUID != was.UUID || is.Index != was.Index {
			faults = append(faults, fmt.Sprintf("GPU %d (%s) is now GPU %d (%s)", was.Index, was.UUID, is.Index, is.UUID))
		}
		if !touches(p, was.UUID) {
			continue
		}
		if unknownInstances(is) {
			faults = append(faults, fmt.Sprintf("GPU %d: %s", is.Index, is.NoProfiles))
		}
		for _, pr := range is.Processes {
			if !isServer(pr.Name) && !slices.ContainsFunc(was.Processes, func(o partition.Process) bool { return o.PID == pr.PID && o.Device == pr.Device }) {
				faults = append(faults, fmt.Sprintf("process %d (%s) runs on GPU %d", pr.PID, pr.Name, is.Index))
			}
		}
		if len(faults) == 0 && !reflect.DeepEqual(is.Instances, was.Instances) {
			faults = append(faults, fmt.Sprintf("the instances of GPU %d were made anew", is.Index))
		}
	}
	if !p.Empty() {
		faults = append(faults, since(p.Before, now)...)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w: it changed since the plan was made: %s; make a new plan", partition.ErrBusy, strings.Join(faults, "; "))
	}
	return b.special(ctx, p)
}

// since tells which daemons and managers of the GPUs have come, or were started anew.
func since(was, now partition.State) []string {
	var faults []string
	for _, d := range now.MPS {
		if !slices.ContainsFunc(was.MPS, func(o partition.Daemon) bool { return o.PID == d.PID && o.Device == d.Device }) {
			faults = append(faults, fmt.Sprintf("MPS daemon %d runs for %s", d.PID, d.Device))
		}
	}
	for _, o := range now.Owners {
		if !slices.ContainsFunc(was.Owners, func(w partition.Owner) bool { return w.Name == o.Name }) {
			faults = append(faults, o.Why)
		}
	}
	return faults
}

func touches(p partition.Plan, gpu string) bool {
	return slices.ContainsFunc(p.Changes, func(s partition.Step) bool { return s.GPU == gpu })
}

// compare checks that the targets stand.
func compare(p partition.Plan, now partition.State) error {
	want := partition.State{GPUs: slices.Clone(now.GPUs)}
	is := partition.State{GPUs: now.GPUs}
	for i, t := range p.Targets {
		g := &want.GPUs[i]
		if g.UUID != t.UUID {
			return fmt.Errorf("layout %q was applied, but GPU %d reads back as %s, not %s", p.Layout, g.Index, g.UUID, t.UUID)
		}
		g.MIG = p.Before.GPUs[i].MIG
		g.MIG.Current, g.MIG.Pending = t.MIG, t.MIG
		g.TimeSlice = t.Sharing.TimeSlice
		g.Instances = nil
		for _, s := range t.Slots {
			g.Instances = append(g.Instances, s.Instance())
		}
	}
	if faults := want.Differences(is); len(faults) > 0 {
		return fmt.Errorf("layout %q was applied but reads back otherwise: %s", p.Layout, strings.Join(faults, "; "))
	}
	return nil
}

// devices makes the devices from what was read back.
func (b *backend) devices(ctx context.Context, p partition.Plan, now partition.State) ([]device.Device, error) {
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
		for _, s := range t.Slots {
			// compare saw to it that there is one.
			k := slices.IndexFunc(g.Instances, s.Instance().Same)
			made, err := b.instanceDevices(ctx, g, s, g.Instances[k])
			if err != nil {
				return nil, fmt.Errorf("layout %q: %w", p.Layout, err)
			}
			devices = append(devices, made...)
		}
	}
	return devices, nil
}

// instanceDevices makes the devices of one GPU instance and compares their memory and
// SMs with the profile's.
func (b *backend) instanceDevices(ctx context.Context, g partition.GPU, s partition.Slot, in partition.Instance) ([]device.Device, error) {
	var devices []device.Device
	for _, c := range in.Compute {
		memory, err := read(ctx, b.driver, fmt.Sprintf("read the memory of %s on GPU %d", in, g.Index), func() (nvml.Memory, error) {
			return b.driver.api.Memory(c.UUID)
		})
		if err != nil {
			return nil, err
		}
		d := device.Device{
			UUID: c.UUID, GPU: g.UUID, Name: deviceName(g, s, in, c), Model: g.Name,
			Instance: &device.Instance{
				GI: in.GI, CI: c.CI, Profile: in.Profile, Start: in.Placement.Start, Size: in.Placement.Size,
				ComputeStart: c.Placement.Start, ComputeSize: c.Placement.Size,
			},
			MemoryBytes: memory.TotalBytes, SMs: c.SMs, Sharing: s.Sharing, Env: visible(c.UUID),
		}
		if err := likeProfile(s.Profile, d); err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// memoryTolerance is by how much, of the profile's, the memory of an instance may
// differ from it: what a driver keeps for itself differs between versions.
const memoryTolerance = 1.0 / 16

// likeProfile compares a device with the profile from which it was made.
func likeProfile(p partition.Profile, d device.Device) error {
	if apart := float64(d.MemoryBytes) - float64(p.MemoryBytes); max(apart, -apart) > memoryTolerance*float64(p.MemoryBytes) {
		return fmt.Errorf("%s reads back with %d bytes of memory, but its profile %s has %d", d.Name, d.MemoryBytes, p.Name, p.MemoryBytes)
	}
	for _, c := range p.Compute {
		if c.Slices == d.Instance.ComputeSize && c.SMs != 0 && d.SMs != c.SMs {
			return fmt.Errorf("%s reads back with %d SMs, but a compute instance of %d slices of %s has %d", d.Name, d.SMs, c.Slices, p.Name, c.SMs)
		}
	}
	return nil
}

// deviceName names a device as [device.Device.Name] says.
func deviceName(g partition.GPU, s partition.Slot, in partition.Instance, c partition.Compute) string {
	name := fmt.Sprintf("gpu%d/%s@%d", g.Index, in.Profile, in.Placement.Start)
	if c.Placement.Size != s.Profile.Slices {
		name += fmt.Sprintf("/%dc@%d", c.Placement.Size, c.Placement.Start)
	}
	return name
}

// visible names the one device that a CUDA process may use.
func visible(uuid string) map[string]string {
	return map[string]string{"CUDA_VISIBLE_DEVICES": uuid}
}
