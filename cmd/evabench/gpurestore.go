package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/partition"
)

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
	if !left.Kept {
		if err := endProcesses(ctx, s.err); err != nil { // they would hold the GPUs
			return err
		}
	}
	for pending { // a change that broke off, and then what it went on top of
		o.mpsDir = left.State.MPSDir
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
	fault := undoing{g.backend, j, s.err, g.mark()}.putBack(ctx, left.State)
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
		return o.kept(fault)
	}
	fmt.Fprintf(s.out, "%sput back and verified: %s\n", g.mark(), before(left.State))
	return nil
}

// containerLabel is on every container that evabench starts; see services/launchers/docker.
const containerLabel = "evabench.owner"

// kept is the fault of GPUs that were not put back, with what is to be done.
func (o *restoreOptions) kept(fault error) error {
	fault = fmt.Errorf("%w; the journal in %s is kept, so that %q can be tried again", fault, o.keeping().dir, o.keeping().restore())
	if o.sim != "" {
		return fault
	}
	return fmt.Errorf("%w; restore ends no containers: if a killed run left some, \"docker ps --all --filter label=%s\" lists them and \"docker rm --force NAME\" ends one", fault, containerLabel)
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
