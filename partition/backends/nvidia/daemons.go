package nvidia

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// MPS runs, asks and finds MPS control daemons. [mps.Daemons] is one.
type MPS interface {
	// Start starts a daemon of our own and returns when it answers a query, with
	// the environment that clients need.
	Start(ctx context.Context, d device.Device) (env map[string]string, err error)
	// Stop ends our daemon of a device, which may be gone, and waits until it has
	// ended. It refuses while clients are connected.
	Stop(ctx context.Context, uuid string) error
	// Daemons lists the daemons of this host, ours and others'.
	Daemons(ctx context.Context) ([]mps.Found, error)
	// Clients lists the pids of the clients of our daemon of a device.
	Clients(ctx context.Context, uuid string) ([]int, error)
	// Drain ends a daemon of others that has no clients.
	Drain(ctx context.Context, f mps.Found) error
	// Restart starts a daemon of others again, as it was; uuid is empty, as its
	// environment names the devices of now.
	Restart(ctx context.Context, f mps.Found, uuid string) error
}

// servesThis stands in a daemon's Env for the MIG device that it serves: a device made
// anew has another UUID.
const servesThis = "the device"

// kept are the variables of others' daemons that a new one needs, beside those of
// CUDA_MPS_. What else is in their environment may be secret, and is not ours to write
// down.
var kept = []string{"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH", "PATH", "HOME", "TMPDIR"}

// daemonsIn gives the backend with the daemons of ours below a folder, for a user.
func (b *backend) daemonsIn(dir string, uid int) *backend {
	if b.ours == nil || dir == b.mpsDir && uid == b.mpsUID {
		return b
	}
	moved := *b
	moved.mps, moved.mpsDir, moved.mpsUID = b.ours(dir, uid), dir, uid
	return &moved
}

// found lists the daemons of this host.
func (b *backend) found(ctx context.Context) ([]mps.Found, error) {
	if b.mps == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.driver.limits.MPS)
	defer cancel()
	all, err := b.mps.Daemons(ctx)
	if err != nil {
		return nil, fmt.Errorf("list MPS daemons: %w", err)
	}
	return all, nil
}

// daemonsOf lists the daemons but for those of other GPUs alone. One of ours whose
// device is no more counts: nobody else can use it.
func (b *backend) daemonsOf(ctx context.Context, named, others []nvml.Device, gpus []partition.GPU) ([]partition.Daemon, error) {
	all, err := b.found(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	foreign, blind, err := b.devicesOf(ctx, others)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{"": true}
	for _, d := range named { // a GPU that could not be read is not another's
		delete(foreign, d.UUID)
		own[d.UUID] = true
	}
	for _, g := range gpus {
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				own[c.UUID] = true
			}
		}
	}
	var out []partition.Daemon
	for _, f := range all {
		for _, uuid := range served(f, gpus, foreign) {
			// A device that nobody knows may be that of a GPU that cannot be read.
			if !blind || own[uuid] {
				d := daemon(f, uuid)
				d.EndsWith = b.endsWith(d.Unit)
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b partition.Daemon) int {
		return cmp.Or(strings.Compare(a.Device, b.Device), cmp.Compare(a.PID, b.PID))
	})
	return out, nil
}

// devicesOf lists the UUIDs of GPUs and of their MIG devices. It is blind if one of
// them cannot be read, and may have more.
func (b *backend) devicesOf(ctx context.Context, gpus []nvml.Device) (uuids map[string]bool, blind bool, err error) {
	uuids = map[string]bool{}
	for _, d := range gpus {
		uuids[cmp.Or(d.UUID, fmt.Sprintf("GPU %d", d.Index))] = true
		blind = blind || d.Fault != nil
		if !d.MIG.Supported || d.Fault != nil {
			continue
		}
		list, err := read(ctx, b.driver, fmt.Sprintf("list the instances of GPU %d", d.Index), func() ([]nvml.GPUInstance, error) {
			return b.driver.api.Instances(d.UUID)
		})
		if ofOneGPU(err) {
			blind = true
		} else if err != nil && !errors.Is(err, nvml.ErrNotSupported) {
			return nil, blind, err
		}
		for _, i := range list {
			for _, c := range i.Compute {
				uuids[c.UUID] = true
			}
		}
	}
	return uuids, blind, nil
}

// ofOneGPU reports whether an error is about a GPU and not about the driver.
func ofOneGPU(err error) bool {
	return errors.Is(err, nvml.ErrGPUIsLost) || errors.Is(err, nvml.ErrNoPermission) || errors.Is(err, nvml.ErrResetRequired)
}

// served lists the devices for which a daemon stands in a state. The empty one stands
// for a daemon that cannot be ended for our GPUs alone: nobody can tell what it
// serves, or it serves other GPUs too.
func served(f mps.Found, gpus []partition.GPU, foreign map[string]bool) []string {
	switch {
	case f.Unknown != "":
		return []string{""}
	case f.All && len(foreign) > 0:
		return []string{""}
	case f.All:
		var out []string
		for _, g := range gpus {
			out = append(out, g.UUID)
		}
		return out
	}
	var ours []string
	for _, uuid := range f.Devices {
		if !foreign[uuid] {
			ours = append(ours, uuid)
		}
	}
	if len(ours) > 0 && len(ours) < len(f.Devices) {
		return []string{""}
	}
	return ours
}

// daemon turns a daemon into the partition's, which holds all that a new one needs.
func daemon(f mps.Found, uuid string) partition.Daemon {
	d := partition.Daemon{Device: uuid, PID: f.PID, UID: f.UID, Pipe: f.Pipe, Log: f.Log, Own: f.Ours, Unit: f.Unit}
	if !f.Ours {
		d.Keeper = f.Keeper()
	}
	if f.Silent == "" {
		d.Clients = append([]int{}, f.Clients...)
	}
	env := map[string]string{}
	for name, value := range f.Env {
		needed := slices.Contains(kept, name) || strings.HasPrefix(name, "CUDA_MPS_")
		if needed && !f.Ours && name != mps.PipeVariable && name != mps.LogVariable {
			env[name] = value
		}
	}
	if !f.Ours && strings.HasPrefix(uuid, "MIG-") && env[mps.DeviceVariable] == uuid {
		env[mps.DeviceVariable] = servesThis
	}
	if len(env) > 0 {
		d.Env = env
	}
	d.Settings = maps.Clone(f.Settings)
	return d
}

// again gives a daemon of others as it is to be started.
func again(d partition.Daemon) mps.Found {
	f := mps.Found{Process: mps.Process{PID: d.PID, UID: d.UID, Env: map[string]string{mps.PipeVariable: d.Pipe, mps.LogVariable: d.Log}},
		Pipe: d.Pipe, Log: d.Log, Devices: []string{d.Device}, Settings: maps.Clone(d.Settings)}
	for name, value := range d.Env {
		if value == servesThis {
			value = d.Device
		}
		f.Env[name] = value
	}
	_, named := f.Env[mps.DeviceVariable]
	f.All = !named
	return f
}

// sharing reads the limits that a daemon of ours has for its clients.
func sharing(d partition.Daemon) device.Sharing {
	s := device.Sharing{Mode: device.MPS}
	percent, _ := strconv.ParseFloat(d.Settings["default_active_thread_percentage"], 64)
	if percent < 100 {
		s.ThreadPercent = int(percent)
	}
	s.MemoryLimitBytes, _ = mps.MemoryLimit(d.Settings["default_device_pinned_mem_limit 0"])
	return s
}

// start starts a daemon of ours and gives what clients need.
func (b *backend) start(ctx context.Context, d device.Device) (map[string]string, error) {
	if b.mps == nil {
		return nil, mps.ErrNoProgram
	}
	ctx, cancel := context.WithTimeout(ctx, b.driver.limits.MPS)
	defer cancel()
	return b.mps.Start(ctx, d)
}

// stop ends a daemon of ours.
func (b *backend) stop(ctx context.Context, d partition.Daemon) error {
	if b.mps == nil {
		return mps.ErrNoProgram
	}
	ctx, cancel := context.WithTimeout(ctx, b.driver.limits.MPS)
	defer cancel()
	return b.mps.Stop(ctx, d.Device)
}

// drain ends an idle daemon of others, once if it stands for several devices.
func (b *backend) drain(ctx context.Context, n *attempt, d partition.Daemon) error {
	all, err := b.found(ctx)
	if err != nil {
		return err
	}
	k := slices.IndexFunc(all, func(f mps.Found) bool { return f.PID == d.PID && f.Pipe == d.Pipe })
	if k < 0 {
		return nil
	}
	switch f := all[k]; {
	case d.Settings == nil:
		return fmt.Errorf("%s did not tell what was set by command, so that it could not be started again as it was", f)
	case f.Silent != "":
		return fmt.Errorf("%s does not tell its clients (%s), so that it may have some", f, f.Silent)
	case len(f.Clients) > 0:
		return fmt.Errorf("%s has clients: %v; end them, or wait until they end", f, f.Clients)
	}
	ctx, cancel := context.WithTimeout(ctx, b.driver.limits.MPS)
	defer cancel()
	n.touched = true
	return b.mps.Drain(ctx, all[k])
}

// daemonWords tells of the daemons of a step's GPU.
func (r *run) daemonWords(ctx context.Context, s partition.Step) (string, error) {
	all, err := r.found(ctx)
	var texts []string
	for _, f := range all {
		texts = append(texts, f.String())
	}
	return cmp.Or(strings.Join(texts, ", "), "no MPS daemons"), err
}

// compareMPS checks that just those daemons of ours run that a layout's devices need,
// and those of others that were to be left.
func compareMPS(p partition.Plan, devices []device.Device, daemons []mps.Found) error {
	ours := map[string]int{}
	for _, f := range daemons {
		for _, uuid := range f.Devices {
			if f.Ours {
				ours[uuid]++
			}
		}
	}
	var faults []string
	for _, d := range devices {
		if n := ours[d.UUID]; (n == 1) != d.Sharing.IsMPS() || n > 1 {
			faults = append(faults, fmt.Sprintf("%s has %d of them", d.Name, n))
		}
	}
	for _, s := range p.Changes {
		if s.Daemon != nil && slices.ContainsFunc(daemons, func(f mps.Found) bool { return f.PID == s.Daemon.PID && f.Pipe == s.Daemon.Pipe }) {
			faults = append(faults, fmt.Sprintf("daemon %d was stopped, but runs", s.Daemon.PID))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("layout %q was applied, but the MPS daemons read back otherwise: %s", p.Layout, strings.Join(faults, "; "))
	}
	return nil
}

// isServer reports whether a process is an MPS server: the daemon's helper, and nobody's
// work.
func isServer(name string) bool { return path.Base(name) == "nvidia-cuda-mps-server" }

// Count reads the processes of a device and the clients of its daemon. Who is a client
// by NVML's word or by the daemon's is one.
func (b *backend) Count(ctx context.Context, d device.Device) (partition.Clients, error) {
	list, err := read(ctx, b.driver, "list the processes of "+d.Name, func() ([]nvml.Process, error) {
		return b.driver.api.Processes(d.UUID)
	})
	if err != nil {
		return partition.Clients{}, err
	}
	c := partition.Clients{Processes: []int{}, MPS: []int{}}
	if d.Sharing.IsMPS() && b.mps != nil {
		if c.MPS, err = b.mps.Clients(ctx, d.UUID); err != nil {
			return partition.Clients{}, fmt.Errorf("count the MPS clients of %s: %w", d.Name, err)
		}
	}
	for _, p := range list {
		if !IsWork(p) {
			continue
		}
		c.Processes = append(c.Processes, p.PID)
		if p.Kind == nvml.MPSProcess {
			c.MPS = append(c.MPS, p.PID)
		}
	}
	slices.Sort(c.MPS)
	c.MPS = slices.Compact(c.MPS)
	c.Processes = append(c.Processes, c.MPS...)
	slices.Sort(c.Processes)
	c.Processes = slices.Compact(c.Processes)
	return c, nil
}
