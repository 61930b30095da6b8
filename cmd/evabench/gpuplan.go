package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/partition/migparted"
)

// layoutOptions say which layout is meant and on what.
type layoutOptions struct {
	gpuOptions
	cards      []string // plan on cards of the table
	migParted  string   // a mig-parted file in place of the layout
	migConfig  string   // the configuration of it
	hasLayout  bool
	layoutText string
}

func (o *layoutOptions) flags(c *cobra.Command, cards bool) {
	o.gpuOptions.flags(c, "change the named `GPUS` alone, indices or UUIDs; needed")
	f := c.Flags()
	f.StringVar(&o.migParted, "from-mig-parted", "", "take the layout from a configuration file of nvidia-mig-parted, `FILE`")
	f.StringVar(&o.migConfig, "config", "", "which configuration of that file, by `NAME`")
	if cards {
		f.StringArrayVar(&o.cards, "card", nil, "plan for a card of the built-in table, by product `NAME`, and ask no GPU; again for each further GPU")
	}
}

// args takes the layout, which a mig-parted file stands in for.
func (o *layoutOptions) args(c *cobra.Command, args []string) error {
	fault := func(format string, a ...any) error {
		return &usageError{fmt.Errorf("%s: %s; see %q", c.CommandPath(), fmt.Sprintf(format, a...), c.CommandPath()+" --help")}
	}
	switch {
	case o.migParted == "" && o.migConfig != "":
		return fault("--config says nothing without --from-mig-parted")
	case o.migParted != "" && len(args) > 0:
		return fault("give a layout or --from-mig-parted, not both")
	case o.migParted != "" && o.migConfig == "":
		return fault("--from-mig-parted needs --config NAME: which configuration of the file?")
	case o.migParted == "" && len(args) != 1:
		return fault("it takes one layout, such as 4x1g.24gb, and got %d arguments", len(args))
	case len(o.cards) > 0 && (len(o.gpus) > 0 || o.sim != ""):
		return fault("--card plans from the table; it goes with neither --gpus nor --sim")
	case len(o.cards) == 0 && len(o.gpus) == 0:
		return fault("say which GPUs with --gpus: one that is not named is not touched")
	}
	if len(args) == 1 {
		o.hasLayout, o.layoutText = true, args[0]
	}
	return nil
}

// layout reads the layout for the GPUs of a state.
func (o *layoutOptions) layout(s partition.State) (partition.Layout, error) {
	if o.hasLayout {
		l, err := partition.ParseLayout(o.layoutText)
		if err != nil {
			return partition.Layout{}, &usageError{err}
		}
		return l, nil
	}
	return migPartedLayout(o.migParted, o.migConfig, s)
}

// checkLayout refuses a text that is no layout before any GPU is asked.
func (o *layoutOptions) checkLayout() error {
	if !o.hasLayout {
		return nil
	}
	if _, err := partition.ParseLayout(o.layoutText); err != nil {
		return &usageError{err}
	}
	return nil
}

func newGPUPlan(s streams) *cobra.Command {
	var o layoutOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan LAYOUT",
		Short: "Print the exact steps to a layout, or why not and what would fit; change nothing",
		Long: `Plan prints the steps that would turn the named GPUs into a layout, in order, what
is put back afterwards, and which permissions the steps need. An impossible layout,
or a GPU that is not free, is status 2, with what would fit or what to do.`,
		Example: "  evabench gpu plan 4x1g.24gb --gpus 0\n  evabench gpu plan \"gpu0: 4g.20gb(mps)+2g.10gb/2x1c+1g.5gb; gpu1: off\" --gpus 0,1\n  evabench gpu plan all-1g.5gb --card \"NVIDIA A100-SXM4-40GB\"",
		Args:    o.args,
		RunE: func(c *cobra.Command, _ []string) error {
			if len(o.cards) == 0 {
				o.tellLeft(s)
			}
			plan, mark, err := o.plan(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeIndented(s.out, struct {
					Mark  string                 `json:"about,omitempty"`
					Steps []string               `json:"steps"`
					Needs []partition.Permission `json:"needs"`
					partition.Plan
				}{strings.TrimSpace(mark), plan.Steps(), plan.Needs(), plan})
			}
			printGPUPlan(s.out, mark, plan, o.keeping().restore())
			return nil
		},
	}
	o.flags(c, true)
	o.stateFlag(c, looksState)
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan, with the state that it starts from, as JSON")
	return c
}

// tellLeft tells of an earlier change that waits to be put back.
func (o *gpuOptions) tellLeft(s streams) {
	if text := o.keeping().left(); text != "" {
		fmt.Fprintln(s.err, "evabench: "+markOf(o.sim)+text)
	}
}

// plan makes the plan from the GPUs as they are, or from the table.
func (o *layoutOptions) plan(ctx context.Context) (p partition.Plan, mark string, err error) {
	state, layout, mark, err := o.read(ctx)
	if err != nil {
		return p, "", err
	}
	p, err = partition.MakePlan(state, layout)
	return p, mark, planFault(err)
}

// read gives the GPUs, the layout for them, and what to say before either.
func (o *layoutOptions) read(ctx context.Context) (s partition.State, l partition.Layout, mark string, err error) {
	if err := o.check(); err != nil {
		return s, l, "", &usageError{err}
	}
	if err := o.checkLayout(); err != nil {
		return s, l, "", err
	}
	if len(o.cards) > 0 {
		mark = "FROM THE BUILT-IN TABLE, no card was asked: "
		if s, err = tableState(o.cards); err != nil {
			return s, l, "", &usageError{err}
		}
	} else {
		g, err := o.open()
		if err != nil {
			return s, l, "", err
		}
		mark = g.mark()
		s, err = g.inspect(ctx, o.gpus)
		if err := joined(err, g.close()); err != nil {
			return s, l, "", err
		}
	}
	l, err = o.layout(s)
	return s, l, mark, err
}

// planFault makes what a plan refuses a usage error: it is in what was asked
// for, or in the server, and nothing was done.
func planFault(err error) error {
	if err == nil {
		return nil
	}
	if _, impossible := errors.AsType[*partition.ImpossibleError](err); impossible || errors.Is(err, partition.ErrBusy) {
		return &usageError{err}
	}
	return err
}

// printGPUPlan writes a plan for people.
func printGPUPlan(w io.Writer, mark string, p partition.Plan, restore string) {
	fmt.Fprintf(w, "%slayout %s: ", mark, p.Layout)
	if p.Empty() {
		fmt.Fprintln(w, "it stands already; nothing would be changed")
		return
	}
	fmt.Fprintln(w, units.Plural(len(p.Changes), "step"))
	printSteps(w, p.Steps(), func(i int) string { return fmt.Sprintf("  %2d. ", i+1) })
	var needs []string
	for _, n := range p.Needs() {
		needs = append(needs, string(n))
	}
	fmt.Fprintf(w, "needs --allow %s\n", strings.Join(needs, ","))
	fmt.Fprintf(w, "%q then puts back:\n", restore)
	printSteps(w, p.Undo(), func(int) string { return "      " })
	for _, warning := range p.Warnings() {
		fmt.Fprintln(w, fold("  warning: "+warning))
	}
}

// printSteps writes steps, each GPU's name and UUID once above its own.
func printSteps(w io.Writer, steps []string, lead func(i int) string) {
	last := ""
	for i, step := range steps {
		gpu, rest, found := strings.Cut(step, "): ")
		if !found || !strings.HasPrefix(gpu, "gpu") {
			gpu, rest = "", step // its device is gone
		}
		if gpu != last && gpu != "" {
			fmt.Fprintln(w, "  "+gpu+")")
		}
		last = gpu
		fmt.Fprintln(w, lead(i)+rest)
	}
}

// before tells in words what a restore brings back.
func before(s partition.State) string {
	var parts []string
	for _, g := range s.GPUs {
		text := fmt.Sprintf("gpu%d: MIG %s", g.Index, g.MIG)
		for _, i := range g.Instances {
			text += ", " + i.String()
		}
		if g.TimeSlice != "" {
			text += ", time slice " + g.TimeSlice
		}
		parts = append(parts, text)
	}
	for _, d := range s.MPS {
		if d.Left {
			continue
		}
		parts = append(parts, fmt.Sprintf("MPS daemon of %s", d.Device))
	}
	return strings.Join(parts, "; ")
}

// migPartedLayout reads a configuration of a mig-parted file.
func migPartedLayout(path, name string, s partition.State) (partition.Layout, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return partition.Layout{}, &usageError{fmt.Errorf("read mig-parted file: %w", err)}
	}
	file, err := migparted.Read(path, data)
	if err != nil {
		return partition.Layout{}, &usageError{err}
	}
	var gpus []migparted.GPU
	for _, g := range s.GPUs {
		gpus = append(gpus, migparted.GPU{Index: g.Index, PCIDevice: g.PCIDevice})
	}
	l, err := file.Layout(name, gpus)
	if err != nil {
		return partition.Layout{}, &usageError{err}
	}
	return l, nil
}
