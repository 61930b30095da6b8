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
	if _, err := g.inspect(ctx, o.gpus); err != nil {
		return err // before the state folder is made
	}
	journal, err := openJournal(ctx, g.backend, o.keeping(), true, s)
	if err != nil {
		return err
	}
	defer func() { err = joined(err, journal.Close()) }()
	state, err := g.inspect(ctx, o.gpus) // others may have changed it until the lock was ours
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
	devices, err := o.carryOut(ctx, g.backend, journal.Journal, plan)
	if err != nil {
		return err
	}
	return o.told(s, g, devices, plan)
}

// carryOut applies a plan and leaves it, with how the GPUs were in the journal,
// before an earlier apply if there was one; what fails is put back.
func (o *applyOptions) carryOut(ctx context.Context, backend partition.Backend, j *partition.Journal, p partition.Plan) ([]device.Device, error) {
	_, kept, err := j.Pending()
	if err != nil {
		return nil, err
	}
	if p.Empty() && !(kept && o.permanent) {
		return backend.Apply(ctx, p) // reads the devices
	}
	if err := j.Begin(p.Before); err != nil {
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
	if fault := putBack(ctx, backend, j, p.Before); fault != nil {
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

func newGPURestore(s streams) *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore",
		Short: "Put the GPUs back as they were before apply, or before a run that broke off",
		Long: `Restore puts the GPUs back as the journal of the state folder says, reads them
back, and tells what still differs and which devices have another UUID now. It is
done also after a crash or a reboot. Of several layouts that were applied one over
the other it puts back what was before the first. With nothing to put back it says
so.`,
		Example: "  evabench gpu restore\n  evabench gpu restore --sim pro6000x1 --sim-dir try",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return o.restore(c.Context(), c.Flags().Changed("state-dir"), s)
		},
	}
	o.simFlags(c)
	o.stateFlag(c, keepsState)
	c.Flags().BoolVar(&o.forget, "forget", false, "change nothing, and forget how the GPUs were: as they are now is the new normal")
	return c
}

// restoreOptions are the flags of restore.
type restoreOptions struct {
	gpuOptions
	forget bool
}

// restore undoes what the journal says. Named says that the user named its folder.
func (o *restoreOptions) restore(ctx context.Context, named bool, s streams) (err error) {
	if err := o.check(); err != nil {
		return &usageError{err}
	}
	if o.sim != "" && o.simDir == "" {
		return &usageError{errors.New("restore --sim needs --sim-dir DIR: where are the simulated GPUs kept?")}
	}
	keep, mark := o.keeping(), markOf(o.sim)
	if _, err := os.Stat(keep.dir); errors.Is(err, os.ErrNotExist) {
		if named || o.sim != "" {
			return &usageError{fmt.Errorf("there is no folder %s; name the one that the change was made with", keep.dir)}
		}
		fmt.Fprintf(s.out, "nothing to put back: there is no state folder %s\n", keep.dir)
		return nil
	}
	journal, err := keep.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = joined(err, journal.Close()) }()
	left, pending, err := journal.Pending()
	switch {
	case err != nil:
		return err
	case !pending:
		fmt.Fprintf(s.out, "%snothing to put back: no change is pending in %s\n", mark, keep.dir)
		return nil
	case o.forget:
		if err := journal.Forget(); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%sforgotten, and left as they are now; before %q they were: %s\n", mark, left.Command, before(left.State))
		return nil
	}
	for pending { // a change that broke off, and then what it went on top of
		o.mpsUser = o.served(left.State)
		if err := o.undo(ctx, journal.Journal, left, s); err != nil {
			return err
		}
		if left, pending, err = journal.Pending(); err != nil {
			return err
		}
	}
	return nil
}

// undo puts back one state of the journal, and tells of it.
func (o *restoreOptions) undo(ctx context.Context, j *partition.Journal, left partition.Left, s streams) (err error) {
	g, err := o.open()
	if err != nil {
		return err
	}
	defer func() { err = joined(err, g.close()) }()
	fault := putBack(ctx, g.backend, j, left.State)
	now, err := g.inspect(context.WithoutCancel(ctx), uuidsOf(left.State))
	if err != nil {
		return errors.Join(fault, err)
	}
	for _, d := range left.State.Differences(now) {
		fmt.Fprintln(s.out, g.mark()+"still differs: "+d)
	}
	for _, line := range moved(left.State, now) {
		fmt.Fprintln(s.out, g.mark()+line)
	}
	if fault != nil {
		return fmt.Errorf("%w; the journal in %s is kept, so that %q can be tried again", fault, o.keeping().dir, o.keeping().restore())
	}
	fmt.Fprintf(s.out, "%sput back and verified: %s\n", g.mark(), before(left.State))
	return nil
}

// served is the user of evabench's own MPS daemons in a state of real GPUs, which
// must serve the same again; empty if there are none.
func (o *restoreOptions) served(s partition.State) string {
	for _, d := range s.MPS {
		if d.Own && o.sim == "" {
			return strconv.Itoa(d.UID)
		}
	}
	return ""
}

func uuidsOf(s partition.State) []string {
	var all []string
	for _, g := range s.GPUs {
		all = append(all, g.UUID)
	}
	return all
}

// moved tells which MIG devices have another UUID than before: others may have
// written the old one down.
func moved(was, now partition.State) []string {
	var lines []string
	for _, g := range was.GPUs {
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				if again, ok := now.Again(was, c.UUID); ok && again != c.UUID {
					lines = append(lines, fmt.Sprintf("moved: gpu%d %s, compute %s, is %s now, and was %s", g.Index, i, c.Placement, again, c.UUID))
				}
			}
		}
	}
	return lines
}
