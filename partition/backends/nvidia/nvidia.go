// Package nvidia is the partition backend for NVIDIA GPUs: MIG through NVML,
// and one MPS control daemon per device.
package nvidia

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// Config has no arguments.
type Config struct{}

// Kind is the backend as scenarios name it. In this version building it is an
// error that says so: there is no adapter to the real library yet.
var Kind = kind.New("nvidia", "MIG and MPS on NVIDIA GPUs", Config{},
	func(Config) (partition.Backend, error) {
		return nil, errors.New("this build has no NVML; NVIDIA cards come with a later version; use --sim SERVER or backend none")
	})

// MPS runs MPS control daemons, one per device, each with its own pipe folder.
// It knows only daemons of this program.
type MPS interface {
	// Start starts a daemon and returns when it answers a query, with the
	// environment that clients need to reach it.
	Start(ctx context.Context, dev device.Device) (env map[string]string, err error)
	// Stop ends the daemon of a device, which may be gone, and waits until
	// it has ended. It refuses while clients are connected.
	Stop(ctx context.Context, deviceUUID string) error
	// Running lists the devices whose daemons run, also those that an earlier
	// process of this program started.
	Running(ctx context.Context) ([]string, error)
}

// New makes a backend over a library and MPS daemons, which the caller keeps.
func New(api nvml.API, mps MPS) partition.Backend {
	return &backend{api: api, mps: mps}
}

type backend struct {
	api nvml.API
	mps MPS
}

// Apply carries out the plan's steps one by one.
func (b *backend) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	if err := b.checkUnchanged(ctx, p); err != nil {
		return nil, err
	}
	for _, s := range p.Changes {
		if s.Action == partition.StartMPS {
			continue // below, on the devices that were read back
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := b.change(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	now, err := b.Inspect(ctx, uuids(p.Before))
	if err != nil {
		return nil, fmt.Errorf("read the layout back: %w", err)
	}
	if err := compare(p, now); err != nil {
		return nil, err
	}
	devices, err := b.devices(p, now)
	if err != nil {
		return nil, err
	}
	if err := b.startMPS(ctx, devices); err != nil {
		return nil, err
	}
	if now, err = b.Inspect(ctx, uuids(p.Before)); err != nil {
		return nil, fmt.Errorf("read back which MPS daemons run: %w", err)
	}
	return devices, compareMPS(devices, now.MPS)
}

// change carries out one step that concerns MIG or stops MPS.
func (b *backend) change(ctx context.Context, s partition.Step) error {
	switch s.Action {
	case partition.StopMPS:
		return b.mps.Stop(ctx, s.Device)
	case partition.Destroy:
		return b.destroy(s.GPU, *s.Instance)
	case partition.SetMode:
		return b.setMode(s.GPU, s.On)
	case partition.Create:
		return b.create(s.GPU, s.Slot.Profile, nvml.Placement(s.Slot.Placement),
			[]nvml.Placement{{Start: 0, Size: s.Slot.Profile.Slices}})
	}
	return fmt.Errorf("unknown action %q", s.Action)
}

// startMPS starts the daemons of devices that share through MPS, and completes
// the devices' environment.
func (b *backend) startMPS(ctx context.Context, devices []device.Device) error {
	for i, d := range devices {
		if !d.Sharing.IsMPS() {
			continue
		}
		env, err := b.mps.Start(ctx, d)
		if err != nil {
			return fmt.Errorf("start the MPS daemon of %s: %w", d.Name, err)
		}
		for name, value := range env {
			devices[i].Env[name] = value
		}
		// A client's own limit: the daemon's default is for future servers.
		if d.Sharing.ThreadPercent > 0 {
			devices[i].Env["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = fmt.Sprint(d.Sharing.ThreadPercent)
		}
	}
	return nil
}

// compareMPS checks that just the daemons run that a layout's devices need:
// those that were stopped have stopped, those that were started have started.
func compareMPS(devices []device.Device, running []string) error {
	var want []string
	for _, d := range devices {
		if d.Sharing.IsMPS() {
			want = append(want, d.UUID)
		}
	}
	slices.Sort(want)
	if !slices.Equal(want, running) {
		return fmt.Errorf("read back which MPS daemons run: [%s], wanted [%s]", strings.Join(running, ", "), strings.Join(want, ", "))
	}
	return nil
}
