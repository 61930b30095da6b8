package nvidia

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// Inspect reads the named GPUs.
func (b *backend) Inspect(ctx context.Context, gpus []string) (partition.State, error) {
	all, err := b.list(ctx)
	if err != nil {
		return partition.State{}, err
	}
	named, others, err := choose(all, gpus)
	if err != nil {
		return partition.State{}, err
	}
	s, faults, err := b.inspect(ctx, named, others)
	return s, errors.Join(append(faults, err)...)
}

// list lists the GPUs, and keeps those that cannot be read for [run.tellUnread].
func (b *backend) list(ctx context.Context) ([]nvml.Device, error) {
	all, err := read(ctx, b.driver, "list GPUs", b.driver.api.Devices)
	if err != nil {
		return nil, err
	}
	b.unread = nil
	for _, d := range all {
		if d.Fault != nil {
			b.unread = append(b.unread, d)
		}
	}
	return all, nil
}

// unreadGPU is the error of a GPU that cannot be read.
func unreadGPU(d nvml.Device) error {
	return fmt.Errorf("GPU %d cannot be read: %w", d.Index, d.Fault)
}

// inspect reads GPUs. The faults are those of single GPUs, which are then left out.
func (b *backend) inspect(ctx context.Context, named, others []nvml.Device) (s partition.State, faults []error, err error) {
	system, err := read(ctx, b.driver, "read the driver's version", b.driver.api.System)
	if err != nil {
		return s, nil, err
	}
	s.System, s.MPSDir = partition.System(system), b.mpsDir
	var holders map[int][]partition.Holder
	if b.host != nil {
		if holders, err = b.host.Holders(); err != nil {
			return s, nil, err
		}
		if s.Owners, err = b.host.Owners(); err != nil {
			return s, nil, err
		}
		s.Blind = b.host.Blind()
		if dark := holders[unreadable]; s.Blind == "" && len(dark) > 0 {
			s.Blind = dark[0].Name
		}
	}
	for _, d := range named {
		if d.Fault != nil {
			faults = append(faults, unreadGPU(d))
			continue
		}
		g, err := b.inspectGPU(ctx, d)
		if err != nil {
			faults = append(faults, fmt.Errorf("inspect GPU %d: %w", d.Index, err))
			continue
		}
		g.Holders = holdersOf(g, d.Minor, holders)
		s.GPUs = append(s.GPUs, g)
	}
	if s.MPS, err = b.daemonsOf(ctx, named, others, s.GPUs); err != nil {
		return s, faults, err
	}
	return s, faults, nil
}

// choose splits the GPUs into those named, by index, and the others.
func choose(all []nvml.Device, names []string) (named, others []nvml.Device, err error) {
	var errs []error
	chosen := map[string]bool{}
	for _, name := range names {
		k := slices.IndexFunc(all, func(d nvml.Device) bool { return d.UUID == name || strconv.Itoa(d.Index) == name })
		switch {
		case k < 0:
			errs = append(errs, fmt.Errorf("%w %q; GPUs here: %s", partition.ErrUnknownGPU, name, listed(all)))
		case all[k].Fault != nil:
			errs = append(errs, unreadGPU(all[k]))
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

func listed(all []nvml.Device) string {
	texts := make([]string, len(all))
	for i, d := range all {
		texts[i] = fmt.Sprintf("%d (%s)", d.Index, d.UUID)
		if d.Fault != nil {
			texts[i] = unreadGPU(d).Error()
		}
	}
	return cmp.Or(strings.Join(texts, ", "), "none")
}

func (b *backend) inspectGPU(ctx context.Context, d nvml.Device) (partition.GPU, error) {
	g := partition.GPU{
		Index: d.Index, UUID: d.UUID, Name: d.Name, MemoryBytes: d.Memory.TotalBytes, SMs: d.SMs,
		MIG: partition.Mode(d.MIG),
		PCI: d.PCI, PCIDevice: d.PCIDevice, VBIOS: d.VBIOS, ComputeCapability: d.ComputeCapability,
		ComputeMode: string(d.ComputeMode), Virtualization: string(d.Virtualization),
		DisplayActive: d.DisplayActive, Persistence: d.Persistence, ECC: d.ECC, ECCPending: d.ECCPending,
		PowerLimitWatts: d.PowerLimitWatts, PowerDefaultWatts: d.PowerDefaultWatts,
	}
	processes, err := read(ctx, b.driver, "list processes", func() ([]nvml.Process, error) { return b.driver.api.Processes(d.UUID) })
	if err != nil {
		return g, err
	}
	for _, p := range processes {
		g.Processes = append(g.Processes, partition.Process{PID: p.PID, Name: p.Name, Device: p.Device, Kind: string(p.Kind), UsedBytes: p.UsedBytes})
	}
	if g.TimeSlice, err = b.timeSlice(ctx, d.UUID); err != nil {
		return g, fmt.Errorf("read the time slice: %w", err)
	}
	if !d.MIG.Supported {
		return g, nil
	}
	err = b.inspectMIG(ctx, &g)
	return g, err
}

// inspectMIG reads what instances a GPU can have and has. Where the driver does not
// tell, for want of a right or in that mode, the GPU says so.
func (b *backend) inspectMIG(ctx context.Context, g *partition.GPU) error {
	profiles, err := read(ctx, b.driver, "list profiles", func() ([]nvml.Profile, error) { return b.driver.api.Profiles(g.UUID) })
	switch {
	case errors.Is(err, nvml.ErrFunctionNotFound) && !g.MIG.Current:
		g.NoProfiles = partition.ListsWithMIG
	case errors.Is(err, nvml.ErrFunctionNotFound), errors.Is(err, nvml.ErrNoPermission):
		g.NoProfiles = err.Error()
	case err != nil && !errors.Is(err, nvml.ErrNotSupported):
		return err
	}
	if g.NoProfiles == "" {
		for _, p := range profiles {
			g.Profiles = append(g.Profiles, profile(p))
		}
		g.Instances, err = b.instances(ctx, g.UUID, profilesOf(partition.State{GPUs: []partition.GPU{*g}})[g.UUID])
		if !errors.Is(err, nvml.ErrNoPermission) {
			return err
		}
		g.Profiles, g.NoProfiles = nil, err.Error()
	}
	if g.MIG.Current { // with MIG off there are none
		g.NoProfiles += "; which instances it has is unknown"
	}
	return nil
}

// unknownInstances reports whether a GPU may have instances that could not be read.
func unknownInstances(g partition.GPU) bool { return g.NoProfiles != "" && g.MIG.Current }

// profile turns a profile of the library into the partition's.
func profile(p nvml.Profile) partition.Profile {
	own := partition.Profile{
		ID: p.ID, Name: p.Name, MemoryBytes: p.MemoryBytes, SMs: p.SMs, Slices: p.Slices,
		Placements: placements(p.Placements), Attributes: append([]string(nil), p.Attributes...), Assumed: p.Assumed,
	}
	for _, c := range p.Compute {
		own.Compute = append(own.Compute, partition.ComputeProfile{Slices: c.Slices, SMs: c.SMs, Placements: placements(c.Placements)})
	}
	return own
}

func placements(list []nvml.Placement) []partition.Placement {
	var out []partition.Placement
	for _, at := range list {
		out = append(out, partition.Placement(at))
	}
	return out
}

// instances reads the instances of a GPU, whose profiles' names are given by id.
func (b *backend) instances(ctx context.Context, gpu string, names map[int]string) ([]partition.Instance, error) {
	list, err := read(ctx, b.driver, "list instances", func() ([]nvml.GPUInstance, error) { return b.driver.api.Instances(gpu) })
	if errors.Is(err, nvml.ErrNotSupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []partition.Instance
	for _, i := range list {
		name, known := names[i.ProfileID]
		if !known {
			return nil, fmt.Errorf("GPU instance %d has the profile id %d, which the GPU does not list", i.ID, i.ProfileID)
		}
		own := partition.Instance{GI: i.ID, Profile: name, Placement: partition.Placement(i.Placement)}
		for _, c := range i.Compute {
			own.Compute = append(own.Compute, partition.Compute{
				CI: c.ID, Placement: partition.Placement(c.Placement), UUID: c.UUID, SMs: c.SMs,
			})
		}
		out = append(out, own)
	}
	return out, nil
}

// holdersOf picks the holders of a GPU that are none of its processes.
func holdersOf(g partition.GPU, minor int, all map[int][]partition.Holder) []partition.Holder {
	if all == nil {
		return nil
	}
	if minor < 0 {
		return []partition.Holder{{Name: "unknown: the driver does not tell the GPU's device file", UID: -1}}
	}
	var out []partition.Holder
	for _, h := range slices.Concat(all[minor], all[unreadable]) {
		if !slices.ContainsFunc(g.Processes, func(p partition.Process) bool { return p.PID == h.PID }) {
			out = append(out, h)
		}
	}
	return out
}

func uuids(s partition.State) []string {
	names := make([]string, len(s.GPUs))
	for i, g := range s.GPUs {
		names[i] = g.UUID
	}
	return names
}
