package runner

import (
	"context"
	"errors"
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
var ErrNotRestored = errors.New("the GPUs were not put back as they were")

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
// server back to before, whatever f did and however ctx ended.
func (b *Bench) withLayout(ctx context.Context, before partition.State, c results.Config, f func(applied) error) (err error) {
	start := time.Now()
	state, err := b.Backend.Inspect(ctx, b.gpus())
	if err != nil {
		return fmt.Errorf("inspect GPUs: %w", err)
	}
	if err := unchanged(before, state); err != nil {
		return err
	}
	plan, err := PlanOf(before, c, b.Allow)
	if err != nil {
		return fmt.Errorf("plan %s: %w", c.Name, err)
	}
	planned := time.Now()
	if b.Journal != nil {
		if err := b.Journal.Begin(before); err != nil {
			return fmt.Errorf("open journal: %w", err)
		}
	}
	defer func() {
		err = errors.Join(err, b.putBack(ctx, before, c, plan))
	}()
	if !plan.Empty() {
		b.tell("layout %s, %s: applying %s", c.Layout, c.Sharing, units.Plural(len(plan.Steps()), "step"))
	}
	devices, err := b.Backend.Apply(ctx, plan)
	if err != nil {
		return fmt.Errorf("apply layout %s: %w", c.Layout, err)
	}
	if !plan.Empty() {
		b.tell("layout %s, %s: applied and read back, %s", c.Layout, c.Sharing, units.Plural(len(devices), "device"))
	}
	return f(applied{
		layout: results.Layout{
			Asked: c.Layout, Applied: plan.Layout.String(), Verified: true,
			Plan: plan.Steps(), Devices: devices,
		},
		devices: devices,
		phases:  []phase{{"plan", start, planned}, {"apply", planned, time.Now()}},
	})
}

// putBack restores the state before, also when ctx has ended.
func (b *Bench) putBack(ctx context.Context, before partition.State, c results.Config, p partition.Plan) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
	defer cancel()
	start := time.Now()
	if err := b.Backend.Restore(ctx, before); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRestored, err)
	}
	if b.Journal != nil {
		if err := b.Journal.End(); err != nil {
			return fmt.Errorf("%w for certain: %w", ErrNotRestored, err)
		}
	}
	if !p.Empty() {
		b.tell("layout %s, %s: put back and verified in %.1f s", c.Layout, c.Sharing, time.Since(start).Seconds())
	}
	return nil
}

// unchanged refuses a server that somebody else has changed since before: what
// was planned and agreed to is no longer what would be done.
func unchanged(before, now partition.State) error {
	if differences := before.Differences(now); len(differences) > 0 {
		return fmt.Errorf("the GPUs are not as they were when the plan was made: %s; plan again", strings.Join(differences, "; "))
	}
	return nil
}
