package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

// applyOptions are the flags of apply.
type applyOptions struct {
	layoutOptions
	allow     []string
	yes       bool
	dryRun    bool
	permanent bool
	envDir    string
}

func newGPUApply(s streams) *cobra.Command {
	var o applyOptions
	c := &cobra.Command{
		Use:   "apply LAYOUT",
		Short: "Share the named GPUs out as a layout says, until gpu restore",
		Long: `Apply prints the plan, asks, and carries it out: it takes the host's lock, writes
down how the GPUs were, changes them step by step, reads every change back, and
prints the devices with the environment that their processes need. What fails is
put back. What was applied stays until "evabench gpu restore", which undoes it;
with --permanent it is the new normal, and nothing will undo it. Where an earlier
layout stands, its GPUs must be named again, and restore gives what was before
both.

Each kind of change needs its word in --allow: layout (instances), mode (MIG on or
off), reset (where that resets the GPU), time-slice (the driver's), mps (own daemons),
drain (quit idle MPS daemons of others, which restore starts again).

In a file, where nobody looks when cards were numbered anew, write --gpus as
INDEX=UUID,..: a GPU that has another index by now is refused.

An MPS daemon serves one user, whose workers alone reach it: the one who runs this,
or as root the one that --mps-user names. Those of others run without MPS, and say
nothing.`,
		Example: "  evabench gpu apply 4x1g.24gb --gpus 0 --allow layout,mode\n  evabench gpu apply \"off(mps)\" --gpus 0 --allow mps --env-dir devices\n  evabench gpu apply 2x2g.48gb --gpus 0 --allow layout,mode --sim pro6000x1 --sim-dir try",
		Args:    o.args,
		RunE:    func(c *cobra.Command, _ []string) error { return o.apply(c.Context(), s) },
	}
	o.flags(c, false)
	o.stateFlag(c, keepsState)
	f := c.Flags()
	f.StringSliceVar(&o.allow, "allow", nil, "what may be changed: a list of `WORDS` as above")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "print exactly what would be done, and do nothing")
	f.BoolVar(&o.permanent, "permanent", false, "forget how the GPUs were: this layout is the new normal")
	f.StringVar(&o.mpsUser, "mps-user", "", "let MPS serve the workers of a user, `NAME|UID` (default whoever runs this)")
	f.StringVar(&o.envDir, "env-dir", "", "write the environment of each device's processes to a file NAME.env in `DIR`")
	return c
}

// permissionsOf reads --allow.
func permissionsOf(words []string) ([]partition.Permission, error) {
	var all []partition.Permission
	known := map[partition.Permission]bool{}
	var names []string
	for _, p := range partition.Permissions() {
		known[p] = true
		names = append(names, string(p))
	}
	for _, w := range words {
		if !known[partition.Permission(w)] {
			return nil, fmt.Errorf("--allow does not know %q; known: %s", w, strings.Join(names, ", "))
		}
		all = append(all, partition.Permission(w))
	}
	return all, nil
}

// apply applies a layout.
func (o *applyOptions) apply(ctx context.Context, s streams) (err error) {
	allow, err := permissionsOf(o.allow)
	if err := errors.Join(err, o.check()); err != nil {
		return &usageError{err}
	}
	if o.sim != "" && o.simDir == "" && !o.dryRun {
		return &usageError{errors.New("apply --sim would be lost when this command ends; say where the simulated GPUs are kept with --sim-dir DIR, or look with --dry-run")}
	}
	if err := o.checkLayout(); err != nil {
		return err
	}
	if o.dryRun {
		plan, mark, err := o.plan(ctx)
		if err == nil {
			o.tellLeft(s)
			printGPUPlan(s.out, mark, plan, o.keeping().restore())
			err = notAllowed(plan, allow)
		}
		return err
	}
	g, err := o.open()
	if err != nil {
		return err
	}
	defer func() { err = joined(err, g.close()) }()
	state, err := g.inspect(ctx, o.gpus)
	if err != nil {
		return err // before the state folder is made
	}
	journal, err := openJournal(ctx, g.backend, o.keeping(), intent{on: state, over: true}, s)
	if err != nil {
		return err
	}
	defer func() { err = joined(err, journal.Close()) }()
	state, err = g.inspect(ctx, o.gpus) // others may have changed it until the lock was ours
	if err != nil {
		return err
	}
	layout, err := o.layout(state)
	if err != nil {
		return err
	}
	plan, err := partition.MakePlan(state, layout)
	if err != nil {
		return planFault(err)
	}
	if err := notAllowed(plan, allow); err != nil {
		return err
	}
	printGPUPlan(s.err, g.mark(), plan, o.keeping().restore())
	if !plan.Empty() && !o.yes {
		if err := consent(ctx, s, g.mark()+o.question()); err != nil {
			return err
		}
	}
	devices, err := o.carryOut(ctx, undoing{g.backend, journal.Journal, s.err, g.mark()}, plan)
	if err != nil {
		return err
	}
	return o.told(s, g, devices, plan)
}

// carryOut applies a plan and leaves it, with how the GPUs were in the journal,
// before an earlier apply if there was one; what fails is put back.
func (o *applyOptions) carryOut(ctx context.Context, u undoing, p partition.Plan) ([]device.Device, error) {
	backend, j := u.backend, u.journal
	_, kept, err := j.Pending()
	if err != nil {
		return nil, err
	}
	if p.Empty() && !(kept && o.permanent) {
		return backend.Apply(ctx, p) // reads the devices
	}
	before := p.ToRestore()
	if err := j.Begin(before); err != nil {
		return nil, o.named(err)
	}
	var faults []error // of the trace
	if t, ok := backend.(partition.Traced); ok {
		t.Trace(func(e partition.Event) { faults = append(faults, j.Record(e)) })
	}
	devices, err := backend.Apply(ctx, p)
	untouched := errors.Is(err, partition.ErrNothingChanged)
	if err = errors.Join(err, errors.Join(faults...)); err == nil {
		if o.permanent {
			err = j.Forget()
		} else {
			err = j.Keep()
		}
	}
	if err == nil {
		return devices, nil
	}
	err = fmt.Errorf("apply layout %s: %w", p.Layout, err)
	if untouched { // and what others made meanwhile is not ours to undo
		return nil, joined(err, j.End())
	}
	if fault := u.putBack(ctx, before); fault != nil {
		return nil, errors.Join(err, fault)
	}
	return nil, fmt.Errorf("%w (everything was put back)", err)
}

func (o *applyOptions) question() string {
	if o.permanent {
		return "Change this server as above, for good?"
	}
	return fmt.Sprintf("Change this server as above, until %q?", o.keeping().restore())
}

// A namedError names the restore command with the flags that this command had.
type namedError struct {
	error
	restore string
}

func (e *namedError) Error() string {
	return strings.ReplaceAll(e.error.Error(), "evabench gpu restore", e.restore)
}
func (e *namedError) Unwrap() error { return e.error }

func (o *gpuOptions) named(err error) error { return &namedError{err, o.keeping().restore()} }

// notAllowed refuses a plan that needs more than what --allow says.
func notAllowed(p partition.Plan, allow []partition.Permission) error {
	if p.Allowed(allow) == nil {
		return nil
	}
	var words []string
	for _, n := range p.Needs() {
		words = append(words, string(n))
	}
	return &usageError{fmt.Errorf("layout %q needs more than --allow says; to allow it: --allow %s", p.Layout, strings.Join(words, ","))}
}

// told prints the devices, and writes their environments.
func (o *applyOptions) told(s streams, g *gpuSet, devices []device.Device, plan partition.Plan) error {
	fmt.Fprintf(s.err, "%slayout %s stands on %s", g.mark(), plan.Layout, units.Plural(len(devices), "device"))
	switch {
	case o.permanent:
		fmt.Fprintln(s.err, "; it is the new normal, and nothing will undo it")
	case plan.Empty():
		fmt.Fprintln(s.err, ", as it did before; nothing was changed")
	default:
		fmt.Fprintf(s.err, "; %q undoes it\n", o.keeping().restore())
	}
	printDevices(s.out, g, devices)
	if o.envDir == "" {
		return nil
	}
	if err := os.MkdirAll(o.envDir, 0o755); err != nil {
		return fmt.Errorf("write environments: %w", err)
	}
	for _, d := range devices {
		path := filepath.Join(o.envDir, envFile(d))
		if err := renameio.WriteFile(path, []byte(strings.Join(environ(d, g.mpsUID), "\n")+"\n"), 0o644); err != nil {
			return fmt.Errorf("write environment: %w", err)
		}
		fmt.Fprintln(s.err, "wrote "+path)
	}
	return nil
}

// envFile names a device's file, gpu0-2g.10gb-4-1c-1.env, as what export writes
// does: systemd takes @ for something else.
func envFile(d device.Device) string {
	return strings.NewReplacer("/", "-", "@", "-").Replace(d.Name) + ".env"
}

// environ is the environment of a device's processes, and if they share by MPS a
// comment with whose they must be.
func environ(d device.Device, uid int) []string {
	if !d.Sharing.IsMPS() {
		return d.Environ()
	}
	who := fmt.Sprintf("user %d", uid)
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		who += " (" + u.Username + ")"
	}
	return append([]string{"# MPS serves processes of " + who + " alone; others run without it and say nothing"}, d.Environ()...)
}

func printDevices(w io.Writer, g *gpuSet, devices []device.Device) {
	for _, d := range devices {
		fmt.Fprintf(w, "%s%s  %s  %s, %d SMs, shared by %s\n", g.mark(), d.Name, d.UUID, units.Format(float64(d.MemoryBytes), units.Bytes), d.SMs, d.Sharing)
		for _, line := range environ(d, g.mpsUID) {
			fmt.Fprintln(w, "  "+line)
		}
	}
}
