package runner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// applied is a layout that stands on the server.
type applied struct {
	layout  results.Layout
	devices []device.Device
	// phases are the stretches that led to it, for the first cell on it.
	phases []phase
}

// kept drops the phases: the layout was there already.
func (l *applied) kept() { l.phases = nil }

// A phase is a stretch of a cell before its Origin is known.
type phase struct {
	name       string
	start, end time.Time
}

// ErrNotRestored says that the server could not be put back as it was.
var ErrNotRestored = partition.ErrNotRestored

// PlanOf gives the plan that turns a state into a configuration's layout, and
// checks that the scenario allows it.
func PlanOf(s partition.State, c results.Config, allow []partition.Permission) (partition.Plan, error) {
	layout, err := partition.ParseLayout(c.Layout)
	if err != nil {
		return partition.Plan{}, err
	}
	sharing, err := device.ParseSharing(c.Sharing)
	if err != nil {
		return partition.Plan{}, err
	}
	plan, err := partition.MakePlan(s, layout.WithSharing(sharing))
	if err != nil {
		return partition.Plan{}, err
	}
	if err := plan.Allowed(allow); err != nil {
		return partition.Plan{}, err
	}
	return plan, nil
}

// withLayout applies a configuration's layout, calls f with it, and puts the
// server back as it was, whatever f did and however ctx ended. It refuses a server
// that is not as before.
func (b *Bench) withLayout(ctx context.Context, before partition.State, c results.Config, f func(applied) error) error {
	start := time.Now()
	state, err := b.Backend.Inspect(ctx, b.gpus())
	if err != nil {
		return fmt.Errorf("inspect GPUs: %w", err)
	}
	if err := unchanged(before, state); err != nil {
		return err
	}
	// Of the state as it is now: an earlier layout's restore may have made instances and
	// daemons anew, under other UUIDs and pids.
	plan, err := PlanOf(state, c, b.Allow)
	if err != nil {
		return fmt.Errorf("plan %s: %w", c.Name, err)
	}
	planned := time.Now()
	told := &tellingBackend{Backend: b.Backend, bench: b, layout: fmt.Sprintf("layout %s, %s", c.Layout, c.Sharing), plan: plan}
	session := partition.Session{Backend: told, Journal: b.Journal, RestoreWithin: restoreWithin}
	err = partition.With(ctx, session, plan, func(devices []device.Device) error {
		return f(applied{
			layout: results.Layout{
				Asked: c.Layout, Applied: plan.Layout.String(), Verified: true,
				Plan: plan.Steps(), Driver: state.System.Driver, Devices: devices,
			},
			devices: devices,
			phases:  []phase{{"plan", start, planned}, {"apply", planned, time.Now()}},
		})
	})
	return JoinOnce(append([]error{err}, told.faults...)...)
}

// A tellingBackend tells of progress, and copies the trace of changes into the
// run directory.
type tellingBackend struct {
	partition.Backend
	bench  *Bench
	layout string // in progress
	plan   partition.Plan
	faults []error // of the copy
}

// Apply carries out the plan.
func (t *tellingBackend) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	if p.Empty() {
		return t.Backend.Apply(ctx, p)
	}
	t.bench.tell("%s: applying %s", t.layout, units.Plural(len(p.Steps()), "step"))
	t.bench.follow(PhaseBegins{Layout: t.layout, Phase: "apply"})
	devices, err := t.Backend.Apply(ctx, p)
	if err == nil {
		t.bench.tell("%s: applied and read back, %s", t.layout, units.Plural(len(devices), "device"))
	}
	return devices, err
}

// Restore puts the server back.
func (t *tellingBackend) Restore(ctx context.Context, s partition.State) error {
	start := time.Now()
	if !t.plan.Empty() {
		t.bench.follow(PhaseBegins{Layout: t.layout, Phase: "restore"})
	}
	err := t.Backend.Restore(ctx, s)
	if err == nil && !t.plan.Empty() {
		t.bench.tell("%s: put back and verified in %.1f s", t.layout, time.Since(start).Seconds())
	}
	return err
}

// Trace tells f of each change, and the run directory too; and who looks on, of what
// will not last.
func (t *tellingBackend) Trace(f func(partition.Event)) {
	traced, ok := t.Backend.(partition.Traced)
	if !ok {
		return
	}
	copied, _ := t.bench.Writer.(Journaler)
	traced.Trace(func(e partition.Event) {
		f(e)
		if e.Warning != "" {
			t.bench.tell("%s: warning: %s", t.layout, e.Warning)
		}
		if copied != nil {
			t.faults = append(t.faults, copied.Journal(e))
		}
	})
}

// unchanged refuses a server that somebody else has changed since before: what
// was planned and agreed to is no longer what would be done. A daemon of others that
// came since is not ours to drain without a word.
func unchanged(before, now partition.State) error {
	differences := before.Differences(now)
	for _, d := range now.MissingMPS(before) {
		if !d.Own {
			differences = append(differences, fmt.Sprintf("an MPS daemon that is not ours (user %d, %s) runs for %s", d.UID, d.Pipe, d.Device))
		}
	}
	for _, was := range before.GPUs {
		for _, is := range now.GPUs {
			if is.UUID == was.UUID && is.Index != was.Index {
				differences = append(differences, fmt.Sprintf("GPU %d (%s) is GPU %d now", was.Index, was.UUID, is.Index))
			}
		}
	}
	if len(differences) > 0 {
		return fmt.Errorf("the GPUs are not as they were when the plan was made: %s; plan again", strings.Join(differences, "; "))
	}
	return nil
}
