package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

func newGPUProfiles(s streams) *cobra.Command {
	var o gpuOptions
	var gpu string
	c := &cobra.Command{
		Use:   "profiles",
		Short: "Show which MIG instances a card can have, and the largest layouts of one kind",
		Long: `Profiles shows what fits on a card: each profile with its memory, SMs and compute
slices, how many of it the empty card holds, its places in memory slices, and the
compute instances that it can be cut into; and the largest layout of each profile.

With --gpu INDEX (or UUID) the card is asked. With --gpu NAME the built-in table
is, which needs neither a GPU nor a driver. Without --gpu it shows the cards that
are here, or where there is no driver, those of the table.`,
		Example: "  evabench gpu profiles\n  evabench gpu profiles --gpu 0\n  evabench gpu profiles --gpu \"NVIDIA A100-SXM4-40GB\"",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return showProfiles(c.Context(), o, gpu, s)
		},
	}
	o.simFlags(c)
	c.Flags().StringVar(&gpu, "gpu", "", "show the card `GPU`: an index or UUID here, or a product name of the table")
	return c
}

// showProfiles shows a card of the table, or those that are here.
func showProfiles(ctx context.Context, o gpuOptions, gpu string, s streams) (err error) {
	if gpu != "" && !isHere(gpu) {
		card, err := tableGPU(gpu)
		if err != nil {
			return &usageError{err}
		}
		fmt.Fprintln(s.out, "from the built-in table; no card was asked")
		return printProfiles(s.out, card.GPU, card.assumed)
	}
	if err := o.check(); err != nil {
		return &usageError{err}
	}
	g, err := o.open()
	if noDriver(err) && gpu == "" {
		fmt.Fprintf(s.err, "evabench: %v; these are the cards of the built-in table\n", err)
		return printCards(s.out)
	}
	if err != nil {
		return err
	}
	defer func() { err = joined(err, g.close()) }()
	var named []string
	if gpu != "" {
		named = []string{gpu}
	}
	state, err := g.inspect(ctx, named)
	if noDriver(err) && gpu == "" {
		fmt.Fprintf(s.err, "evabench: %v; these are the cards of the built-in table\n", err)
		return printCards(s.out)
	}
	if err != nil {
		return err
	}
	for i, card := range state.GPUs {
		if i > 0 {
			fmt.Fprintln(s.out)
		}
		fmt.Fprintf(s.out, "%sgpu%d, ", g.mark(), card.Index)
		if err := printProfiles(s.out, card, g.assumed[card.Name]); err != nil {
			return err
		}
	}
	return nil
}

// isHere tells an index or UUID from a product name.
func isHere(gpu string) bool {
	_, err := strconv.Atoi(gpu)
	return err == nil || strings.HasPrefix(gpu, "GPU-")
}

// printProfiles writes what a card can have.
func printProfiles(w io.Writer, card partition.GPU, assumed string) error {
	fmt.Fprintf(w, "%s: %s, ", card.Name, units.Format(float64(card.MemoryBytes), units.Bytes))
	if card.SMs > 0 {
		fmt.Fprintf(w, "%d SMs, ", card.SMs)
	}
	switch {
	case len(card.Profiles) == 0:
		fmt.Fprintln(w, "no MIG profiles")
		return nil
	case card.MIG.Resets:
		fmt.Fprintln(w, "a change of the MIG mode resets it")
	default:
		fmt.Fprintln(w, "a change of the MIG mode needs no reset")
	}
	if assumed != "" {
		fmt.Fprintln(w, fold("assumed: "+assumed))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROFILE\tID\tMEMORY\tSMs\tSLICES\tFIT\tPLACES\tATTRIBUTES\tCUTS")
	for _, p := range card.Profiles {
		sms := units.Unknown
		if p.SMs > 0 {
			sms = strconv.Itoa(p.SMs)
		}
		name := p.Name
		if p.Assumed {
			name += " (assumed)"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", name, p.ID, units.Format(float64(p.MemoryBytes), units.Bytes), sms,
			p.Slices, holds(card, p.Name), places(p.Placements), dash(strings.Join(p.Attributes, ",")), dash(cuts(p)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, fold("largest layouts of one kind: "+strings.Join(uniform(card), ", ")))
	return nil
}

// uniform lists, for each profile, the layout with as many of it as fit.
func uniform(card partition.GPU) []string {
	var all []string
	for _, p := range card.Profiles {
		switch n := holds(card, p.Name); n {
		case 0:
		case 1:
			all = append(all, p.Name)
		default:
			all = append(all, fmt.Sprintf("%dx%s", n, p.Name))
		}
	}
	return all
}

// holds is how many instances of a profile the empty card holds, by the plan
// for as many as fit.
func holds(card partition.GPU, profile string) int {
	card.Instances, card.Processes, card.Holders = nil, nil, nil
	card.MIG.Pending = card.MIG.Current
	layout, err := partition.ParseLayout("all-" + profile)
	if err != nil {
		return 0
	}
	plan, err := partition.MakePlan(partition.State{GPUs: []partition.GPU{card}}, layout)
	if err != nil {
		return 0
	}
	return len(plan.Targets[0].Slots)
}

func places(all []partition.Placement) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, " ")
}

// cuts lists the compute instances that a profile can be cut into, each with
// how many of it fit, as layouts write them; the whole is left out.
func cuts(p partition.Profile) string {
	var texts []string
	for _, c := range p.Compute {
		if c.Slices == p.Slices {
			continue
		}
		end, n := 0, 0
		for _, at := range slices.SortedFunc(slices.Values(c.Placements), func(a, b partition.Placement) int { return a.Start - b.Start }) {
			if at.Start >= end {
				end, n = at.Start+at.Size, n+1
			}
		}
		text := fmt.Sprintf("%dc", c.Slices)
		if n > 1 {
			text = fmt.Sprintf("%dx%s", n, text)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
