package nvidia

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// tidier is an [MPS] that removes what daemons left which were killed.
type tidier interface{ Tidy(context.Context) }

// Restore changes only what differs from s. It goes on with the other GPUs when one
// fails, and reports every fault and what still differs. Daemons that were killed leave
// nothing behind it. Ours are those of the folder that s tells, which another scenario
// may have named.
func (b *backend) Restore(ctx context.Context, s partition.State) error {
	b = b.daemonsIn(cmp.Or(s.MPSDir, b.mpsDir), b.mpsUID)
	err := b.restore(ctx, s)
	if t, ok := b.mps.(tidier); ok {
		t.Tidy(ctx)
	}
	return err
}

func (b *backend) restore(ctx context.Context, s partition.State) error {
	now, faults, err := b.present(ctx, s)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if len(faults) == 0 && len(s.Differences(now)) == 0 {
		(&run{backend: b, doing: "restore"}).tellLost(s, now)
		return nil
	}
	for i, g := range now.GPUs {
		k := slices.IndexFunc(s.GPUs, func(w partition.GPU) bool { return w.UUID == g.UUID })
		if g.NoProfiles != "" { // with MIG off drivers before 550 do not tell what they told with it on
			now.GPUs[i].Profiles = s.GPUs[k].Profiles
		}
	}
	r := &run{backend: b, doing: "restore", profiles: profilesOf(now)}
	r.tellUnread()
	held := r.stopExtra(ctx, s, now)
	for uuid, err := range held {
		faults = append(faults, fmt.Errorf("restore %s: %w", gpuWords(uuid), err))
	}
	for _, want := range s.GPUs {
		k := slices.IndexFunc(now.GPUs, func(g partition.GPU) bool { return g.UUID == want.UUID })
		if k < 0 || held[want.UUID] != nil {
			continue // gone, as Differences tells below, or a daemon is on it
		}
		if err := r.restoreGPU(ctx, want, now.GPUs[k]); err != nil {
			faults = append(faults, fmt.Errorf("restore GPU %d: %w", want.Index, err))
		}
	}
	faults = append(faults, r.restoreMPS(ctx, s)...)
	now, more, err := b.present(ctx, s)
	faults = append(faults, more...)
	if err != nil {
		return errors.Join(append(faults, fmt.Errorf("restore: read back: %w", err))...)
	}
	r.tellMoved(s, now)
	r.tellLost(s, now)
	if left := s.Differences(now); len(left) > 0 {
		faults = append(faults, fmt.Errorf("not restored: %s", strings.Join(left, "; ")))
	}
	return errors.Join(faults...)
}

// gpuWords names the GPU of a daemon that could not be stopped.
func gpuWords(uuid string) string {
	if uuid == "" {
		return "devices that are gone"
	}
	return uuid
}

// present reads those GPUs of a state that are still there: one that has dropped off
// the bus, or cannot be read, must not keep the others as they are.
func (b *backend) present(ctx context.Context, s partition.State) (now partition.State, faults []error, err error) {
	all, err := b.list(ctx)
	if err != nil {
		return now, nil, err
	}
	var named, others []nvml.Device
	for _, d := range all {
		if slices.Contains(uuids(s), d.UUID) {
			named = append(named, d)
		} else {
			others = append(others, d)
		}
	}
	now, faults, err = b.inspect(ctx, named, others)
	if len(named) < len(s.GPUs) { // one that has no UUID now may be one of these
		for _, d := range others {
			if d.UUID == "" {
				faults = append(faults, unreadGPU(d))
			}
		}
	}
	return now, faults, err
}

// tellUnread tells of the GPUs that cannot be read: what is on them is not seen.
func (r *run) tellUnread() {
	for _, d := range r.unread {
		err := unreadGPU(d)
		r.trace(partition.Event{At: time.Now().UTC(), Doing: r.doing, Step: "look at every GPU", GPU: d.UUID, Tries: 1, Error: err.Error()})
	}
}

// stopExtra stops the daemons that did not run before, and gives by GPU why one could
// not be stopped; that of one whose GPU is gone stands under the empty name.
func (r *run) stopExtra(ctx context.Context, s, now partition.State) map[string]error {
	held := map[string]error{}
	for _, d := range s.ExtraMPS(now) {
		step := partition.Step{Action: partition.StopMPS, Daemon: &d}
		if g, ok := now.Owner(d.Device); ok {
			step.GPU, step.Index = g.UUID, g.Index
		}
		if err := r.step(ctx, step); err != nil {
			held[step.GPU] = errors.Join(held[step.GPU], err)
		}
	}
	return held
}

// restoreMPS starts the daemons that ran before and were ended: on the device at the
// same place, which may have another UUID now. On a GPU that is not as it was yet, a
// device at that place is not the one meant, and would be gone once it is.
func (r *run) restoreMPS(ctx context.Context, s partition.State) []error {
	now, _, err := r.present(ctx, s)
	if err != nil {
		return []error{fmt.Errorf("restore MPS daemons: %w", err)}
	}
	missing := s.MissingMPS(now)
	r.tellEnd(missing)
	var faults []error
	started := map[int]bool{}
	for _, d := range missing {
		g, _ := now.Owner(d.Device)
		if !stands(s, g) {
			continue // the fault is told above
		}
		if !d.Own && started[d.PID] {
			continue // it serves several devices
		}
		started[d.PID] = true
		step := startStep(g, d)
		if err := r.tell(ctx, step, func(*attempt) error { return r.startAgain(ctx, g, d) }); err != nil {
			faults = append(faults, fmt.Errorf("restore: %w", err))
		}
	}
	return faults
}

// tellEnd warns of daemons that are started again: those that read the state may have
// belonged to something else than we do.
func (r *run) tellEnd(again []partition.Daemon) {
	for i, d := range again {
		again[i].EndsWith = r.endsWith(d.Unit)
	}
	if text := partition.EndWarning(again); text != "" {
		r.trace(partition.Event{At: time.Now().UTC(), Doing: r.doing, Step: "start MPS daemons again", Tries: 1, Warning: text})
	}
}

// stands reports whether a GPU is as it was in s, but for daemons.
func stands(s partition.State, now partition.GPU) bool {
	k := slices.IndexFunc(s.GPUs, func(g partition.GPU) bool { return g.UUID == now.UUID })
	was := partition.State{GPUs: s.GPUs[k : k+1]}
	return len(was.Differences(partition.State{GPUs: []partition.GPU{now}})) == 0
}

// startStep is the step that starts a daemon again.
func startStep(g partition.GPU, d partition.Daemon) partition.Step {
	step := partition.Step{Action: partition.StartMPS, GPU: g.UUID, Index: g.Index, Daemon: &d}
	if d.Own {
		step.Sharing = sharing(d)
	}
	for _, i := range g.Instances {
		k := slices.IndexFunc(i.Compute, func(c partition.Compute) bool { return c.UUID == d.Device })
		if k < 0 {
			continue
		}
		p := slices.IndexFunc(g.Profiles, func(p partition.Profile) bool { return p.Name == i.Profile })
		step.Slot = &partition.Slot{Profile: g.Profiles[p], Placement: i.Placement}
		step.Compute = &i.Compute[k].Placement
		for _, c := range i.Compute {
			step.Slot.Compute = append(step.Slot.Compute, c.Placement)
		}
	}
	return step
}

// startAgain starts a daemon as it was.
func (r *run) startAgain(ctx context.Context, g partition.GPU, d partition.Daemon) error {
	if d.Own {
		_, err := r.daemonsIn(r.mpsDir, d.UID).start(ctx, device.Device{UUID: d.Device, GPU: g.UUID, Name: d.Device, Model: g.Name, Sharing: sharing(d)})
		return err
	}
	if r.mps == nil {
		return errors.New("there is no program to start it with")
	}
	ctx, cancel := context.WithTimeout(ctx, r.driver.limits.MPS)
	defer cancel()
	return r.mps.Restart(ctx, again(d), "")
}

// restoreGPU brings one GPU from now to want.
func (r *run) restoreGPU(ctx context.Context, want, now partition.GPU) error {
	for _, g := range []partition.GPU{want, now} {
		if unknownInstances(g) {
			return fmt.Errorf("nothing was touched, as it is not known what it had or has: %s", g.NoProfiles)
		}
	}
	for _, i := range now.Instances {
		if slices.ContainsFunc(want.Instances, i.Same) {
			continue
		}
		if err := r.step(ctx, partition.Step{Action: partition.Destroy, GPU: now.UUID, Index: now.Index, Instance: &i}); err != nil {
			return err
		}
	}
	// A time slice is for whole GPUs: it is set while MIG is off. Read again after
	// the mode, as a reset may lose it.
	if !now.MIG.Current {
		if err := r.restoreTimeSlice(ctx, want, now); err != nil {
			return err
		}
	}
	if err := r.restoreMode(ctx, want, now); err != nil {
		return err
	}
	var err error
	if now.TimeSlice, err = r.timeSlice(ctx, now.UUID); err != nil {
		return err
	}
	if err := r.restoreTimeSlice(ctx, want, now); err != nil {
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
		slot := partition.Slot{Profile: now.Profiles[k], Placement: i.Placement}
		for _, c := range i.Compute {
			slot.Compute = append(slot.Compute, c.Placement)
		}
		if err := r.step(ctx, partition.Step{Action: partition.Create, GPU: now.UUID, Index: now.Index, Slot: &slot}); err != nil {
			return err
		}
	}
	return nil
}

// restoreMode brings back the mode, or takes back a change that is pending.
func (r *run) restoreMode(ctx context.Context, want, now partition.GPU) error {
	step := partition.Step{Action: partition.SetMode, GPU: now.UUID, Index: now.Index, On: want.MIG.Current, Resets: now.MIG.Resets}
	switch {
	case now.MIG.Current != want.MIG.Current:
		return r.step(ctx, step)
	case now.MIG.Current != now.MIG.Pending:
		step.Resets = false // the mode stays as it is
		return r.tell(ctx, step, func(*attempt) error { return r.takeBack(ctx, now.UUID) })
	}
	return nil
}

// restoreTimeSlice sets the time slice that was, if that is known.
func (r *run) restoreTimeSlice(ctx context.Context, want, now partition.GPU) error {
	if want.TimeSlice == "" || now.TimeSlice == want.TimeSlice {
		return nil
	}
	return r.step(ctx, partition.Step{Action: partition.SetTimeSlice, GPU: now.UUID, Index: now.Index, TimeSlice: want.TimeSlice})
}

// tellMoved tells of devices that have another UUID than before, as others may have
// stored the old one.
func (r *run) tellMoved(s, now partition.State) {
	for _, words := range s.Moved(now) {
		r.trace(partition.Event{At: time.Now().UTC(), Doing: r.doing, Step: "a device has a new UUID", After: words, Tries: 1})
	}
}

// tellLost warns of settings that are lost, as by a boot, and that we do not set.
func (r *run) tellLost(s, now partition.State) {
	for _, words := range s.Lost(now) {
		r.trace(partition.Event{At: time.Now().UTC(), Doing: r.doing, Step: "a setting is lost", Tries: 1,
			Warning: "a setting is lost, and evabench does not set it: " + words})
	}
}
