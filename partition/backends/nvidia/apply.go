package nvidia

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
)

// Apply carries out the plan's steps one by one.
func (b *backend) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	r := &run{backend: b, doing: "apply", profiles: profilesOf(p.Before)}
	devices, err := r.apply(ctx, p)
	if err != nil && !r.touched {
		err = fmt.Errorf("%w: %w", partition.ErrNothingChanged, err)
	}
	return devices, err
}

func (run *run) apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	if err := run.checkUnchanged(ctx, p); err != nil {
		return nil, err
	}
	run.tellUnread()
	var starts []partition.Step
	for _, s := range p.Changes {
		if s.Action == partition.StartMPS {
			starts = append(starts, s) // below, on the devices that were read back
			continue
		}
		if err := run.step(ctx, s); err != nil {
			return nil, err
		}
	}
	now, err := run.Inspect(ctx, uuids(p.Before))
	if err != nil {
		return nil, fmt.Errorf("read the layout back: %w", err)
	}
	if err := compare(p, now); err != nil {
		return nil, err
	}
	devices, err := run.devices(ctx, p, now)
	if err != nil {
		return nil, err
	}
	if err := run.startMPS(ctx, starts, devices); err != nil {
		return nil, err
	}
	daemons, err := run.found(ctx)
	if err != nil {
		return nil, err
	}
	return devices, compareMPS(p, devices, daemons)
}

// A run carries steps out and tells of each.
type run struct {
	*backend
	doing string // "apply" or "restore"
	// profiles are the names of profiles by GPU and id.
	profiles map[string]map[int]string
	// touched says that a changing call was made, whatever came of it.
	touched bool
}

func profilesOf(s partition.State) map[string]map[int]string {
	names := map[string]map[int]string{}
	for _, g := range s.GPUs {
		names[g.UUID] = map[int]string{}
		for _, p := range g.Profiles {
			names[g.UUID][p.ID] = p.Name
		}
	}
	return names
}

// step carries out one step of a plan, or of a restore.
func (r *run) step(ctx context.Context, s partition.Step) error {
	return r.tell(ctx, s, func(n *attempt) error { return r.change(ctx, n, s) })
}

// tell calls do and tells of it as step s: before, as begun, and after, with what was
// there before and after.
func (r *run) tell(ctx context.Context, s partition.Step, do func(*attempt) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := partition.Event{Doing: r.doing, Step: s.String(), GPU: s.GPU, Before: r.words(ctx, s)}
	began := time.Now()
	e.At, e.Begun = began.UTC(), true
	r.trace(e)
	n := attempt{tries: 1}
	err := do(&n)
	r.touched = r.touched || n.touched
	e.Begun, e.Took, e.Tries = false, time.Since(began), n.tries
	if err != nil {
		err = fmt.Errorf("%s: %w", s, err)
		e.Error = err.Error()
	}
	e.After = r.words(context.WithoutCancel(ctx), s)
	e.At = time.Now().UTC()
	r.trace(e)
	return err
}

// change carries out a step that needs no device.
func (r *run) change(ctx context.Context, n *attempt, s partition.Step) error {
	switch s.Action {
	case partition.DrainMPS:
		return r.drain(ctx, n, *s.Daemon)
	case partition.StopMPS:
		n.touched = true
		return r.stop(ctx, *s.Daemon)
	case partition.Destroy:
		return r.destroy(ctx, n, s.GPU, *s.Instance)
	case partition.SetMode:
		return r.setMode(ctx, n, s.GPU, s.On)
	case partition.Create:
		return r.create(ctx, n, s.GPU, s.Slot.Profile.ID, s.Slot.Placement, s.Slot.Compute)
	case partition.SetTimeSlice:
		n.touched = true
		return r.setTimeSlice(ctx, s.GPU, s.TimeSlice)
	}
	return fmt.Errorf("unknown action %q", s.Action)
}

// words tells what a step changes as it stands now.
func (r *run) words(ctx context.Context, s partition.Step) string {
	text, err := r.reading(ctx, s)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return text
}

func (r *run) reading(ctx context.Context, s partition.Step) (string, error) {
	switch s.Action {
	case partition.SetMode:
		mode, err := r.mode(ctx, s.GPU)
		return "MIG " + partition.Mode(mode).String(), err
	case partition.Destroy, partition.Create:
		list, err := r.instances(ctx, s.GPU, r.profiles[s.GPU])
		texts := []string{}
		for _, i := range list {
			texts = append(texts, i.String())
		}
		if len(texts) == 0 {
			return "no instances", err
		}
		return strings.Join(texts, ", "), err
	case partition.SetTimeSlice:
		slice, err := r.timeSlice(ctx, s.GPU)
		if slice == "" {
			slice = "unknown"
		}
		return "time slice " + slice, err
	}
	return r.daemonWords(ctx, s)
}

// startMPS starts the daemons of devices and completes the devices' environment.
func (r *run) startMPS(ctx context.Context, steps []partition.Step, devices []device.Device) error {
	for _, s := range steps {
		i := deviceOf(s, devices)
		if i < 0 {
			return fmt.Errorf("%s: the layout that was read back has no such device", s)
		}
		err := r.tell(ctx, s, func(n *attempt) error {
			n.touched = true
			env, err := r.start(ctx, devices[i])
			for name, value := range env {
				devices[i].Env[name] = value
			}
			return err
		})
		if err != nil {
			return err
		}
		r.tellUnverified(s, devices[i].UUID)
	}
	return nil
}

// tellUnverified tells of limits that a new daemon took and whose answer is not
// understood.
func (r *run) tellUnverified(s partition.Step, uuid string) {
	w, ok := r.mps.(interface{ Warnings(uuid string) []string })
	if !ok {
		return
	}
	for _, words := range w.Warnings(uuid) {
		r.trace(partition.Event{At: time.Now().UTC(), Doing: r.doing, Step: "what is not verified of: " + s.String(), GPU: s.GPU, After: words, Tries: 1})
	}
}

// deviceOf finds the device that a step is for, -1 if there is none.
func deviceOf(s partition.Step, devices []device.Device) int {
	for i, d := range devices {
		if d.GPU != s.GPU || (d.Instance == nil) != (s.Slot == nil) {
			continue
		}
		if d.Instance == nil {
			return i
		}
		at, ci := s.Slot.Placement, s.Slot.Compute[0]
		if s.Compute != nil {
			ci = *s.Compute
		}
		if d.Instance.Start == at.Start && d.Instance.ComputeStart == ci.Start {
			return i
		}
	}
	return -1
}

// setTimeSlice sets a time slice and reads it back.
func (b *backend) setTimeSlice(ctx context.Context, gpu, slice string) error {
	if b.slices == nil {
		return errNoSMI
	}
	if err := b.slices.SetTimeSlice(ctx, gpu, slice); err != nil {
		return err
	}
	now, err := b.timeSlice(ctx, gpu)
	if err != nil {
		return fmt.Errorf("read the time slice back: %w", err)
	}
	if now == "" {
		return errors.New("the time slice was set, but cannot be read back")
	}
	if now != slice {
		return fmt.Errorf("the time slice was set to %s, but reads back as %s", slice, now)
	}
	return nil
}

// timeSlice tells the time slice of a GPU, empty if nothing tells.
func (b *backend) timeSlice(ctx context.Context, gpu string) (string, error) {
	if b.slices == nil {
		return "", nil
	}
	return b.slices.TimeSlice(ctx, gpu)
}
