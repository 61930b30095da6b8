package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

func newGPUInspect(s streams) *cobra.Command {
	var o gpuOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect",
		Short: "Show the GPUs, who is on them, and what stands in the way of a change; change nothing",
		Long: `Inspect reads the GPUs as they are: MIG mode now and after a reset, instances
with their places and UUIDs, processes, programs that have a GPU open, MPS daemons
and whose they are, and programs that manage GPUs by themselves. It tells what
evabench would refuse to change now, and why, and which earlier change waits to be
put back. It changes nothing.`,
		Example: "  evabench gpu inspect\n  evabench gpu inspect --gpus 0,1 --json\n  evabench gpu inspect --sim pro6000x1",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := o.check(); err != nil {
				return &usageError{err}
			}
			g, err := o.open()
			if err != nil {
				return err
			}
			defer func() { err = joined(err, g.close()) }()
			state, err := g.inspect(c.Context(), o.gpus)
			if err != nil {
				return err
			}
			if asJSON {
				return writeIndented(s.out, inspection{state, standing(state), g.assumed, o.keeping().left()})
			}
			printInspection(s.out, g.mark(), state, g.assumed)
			if text := o.keeping().left(); text != "" {
				fmt.Fprintln(s.out, "\n"+g.mark()+text)
			}
			return nil
		},
	}
	o.flags(c, "look at `GPUS` alone, indices or UUIDs (default all)")
	o.stateFlag(c, looksState)
	c.Flags().BoolVar(&asJSON, "json", false, "print everything that was found as JSON")
	return c
}

// An inspection is what inspect --json prints.
type inspection struct {
	partition.State
	// Refused is what stands in the way of changes, by GPU index, in words.
	Refused map[string][]string `json:"refused"`
	// Assumed is what of simulated cards was never recorded from hardware, by
	// product name.
	Assumed map[string]string `json:"assumed,omitempty"`
	// Left is the earlier change that waits to be put back, in words.
	Left string `json:"left,omitempty"`
}

func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printInspection writes a state for people.
func printInspection(w io.Writer, mark string, s partition.State, assumed map[string]string) {
	system := []string{"driver " + cmp.Or(s.System.Driver, units.Unknown), "NVML " + cmp.Or(s.System.NVML, units.Unknown), "CUDA up to " + cmp.Or(s.System.CUDA, units.Unknown)}
	fmt.Fprintf(w, "%s%s; %s\n", mark, units.Plural(len(s.GPUs), "GPU"), strings.Join(system, ", "))
	if s.Blind != "" {
		fmt.Fprintf(w, "processes of this host cannot be seen: %s\n", s.Blind)
	}
	for _, o := range s.Owners {
		fmt.Fprintf(w, "managed by %s: %s\n", o.Name, o.Why)
	}
	refused := standing(s)
	for _, g := range s.GPUs {
		fmt.Fprintf(w, "\ngpu%d  %s  %s\n", g.Index, g.Name, g.UUID)
		for _, line := range gpuLines(g) {
			fmt.Fprintln(w, fold("  "+line))
		}
		if text := assumed[g.Name]; text != "" {
			fmt.Fprintln(w, fold("  assumed: "+text))
		}
		for _, i := range g.Instances {
			printInstance(w, i, daemonOf(s))
		}
		printUsers(w, g, s.MPS)
		printRefusals(w, refused[fmt.Sprintf("gpu%d", g.Index)])
	}
	var lost []partition.Daemon
	for _, d := range s.MPS {
		if _, known := s.Owner(d.Device); !known {
			lost = append(lost, d)
		}
	}
	if len(lost) > 0 {
		fmt.Fprintln(w)
	}
	for _, d := range lost {
		fmt.Fprintf(w, "%s; its device is %s\n", daemonText(d), cmp.Or(d.Device, units.Unknown))
	}
}

// gpuLines tells of a card itself.
func gpuLines(g partition.GPU) []string {
	sms := units.Unknown
	if g.SMs > 0 {
		sms = fmt.Sprint(g.SMs)
	}
	lines := []string{
		fmt.Sprintf("memory %s, SMs %s, compute capability %s, ECC %s", units.Format(float64(g.MemoryBytes), units.Bytes), sms, cmp.Or(g.ComputeCapability, units.Unknown), eccText(g)),
		fmt.Sprintf("PCI %s, VBIOS %s, virtualization %s, display %s, persistence %s", cmp.Or(g.PCI, units.Unknown), cmp.Or(g.VBIOS, units.Unknown), cmp.Or(g.Virtualization, units.Unknown), yesNo(g.DisplayActive, "active", "inactive"), yesNo(g.Persistence, "on", "off")),
		fmt.Sprintf("compute mode %s, time slice %s, power limit %s", cmp.Or(g.ComputeMode, units.Unknown), cmp.Or(g.TimeSlice, units.Unknown), powerText(g)),
	}
	mode := "MIG " + g.MIG.String()
	if g.MIG.Supported {
		switch {
		case g.MIG.Resets:
			mode += "; a change resets the GPU"
		default:
			mode += "; a change needs no reset"
		}
		if g.NoProfiles == "" {
			mode += "; " + units.Plural(len(g.Profiles), "profile")
		}
	}
	if g.NoProfiles != "" {
		mode += "; its profiles could not be read: " + g.NoProfiles
	}
	return append(lines, mode)
}

// eccText tells of ECC now, and after a reset where that is another.
func eccText(g partition.GPU) string {
	now := yesNo(g.ECC, "on", "off")
	if then := yesNo(g.ECCPending, "on", "off"); g.ECCPending != nil && then != now {
		return now + " with a change to " + then + " pending"
	}
	return now
}

// powerText tells the power limit, and where a reset would change it, to what.
func powerText(g partition.GPU) string {
	if g.PowerLimitWatts == nil {
		return units.Unknown
	}
	text := fmt.Sprintf("%g W", *g.PowerLimitWatts)
	switch was := g.PowerDefaultWatts; {
	case was == nil:
		text += " (default " + units.Unknown + ")"
	case *was != *g.PowerLimitWatts:
		text += fmt.Sprintf(" (%g W after a reset)", *was)
	}
	return text
}

// yesNo writes what may be unknown.
func yesNo(known *bool, yes, no string) string {
	switch {
	case known == nil:
		return units.Unknown
	case *known:
		return yes
	}
	return no
}

func printInstance(w io.Writer, i partition.Instance, mps map[string]partition.Daemon) {
	fmt.Fprintf(w, "  instance %s (GI %d)\n", i, i.GI)
	for _, c := range i.Compute {
		fmt.Fprintf(w, "    compute %s  %s  %d SMs", c.Placement, c.UUID, c.SMs)
		if d, shared := mps[c.UUID]; shared {
			fmt.Fprintf(w, "  (MPS daemon %d)", d.PID)
		}
		fmt.Fprintln(w)
	}
}

func daemonOf(s partition.State) map[string]partition.Daemon {
	of := make(map[string]partition.Daemon)
	for _, d := range s.MPS {
		of[d.Device] = d
	}
	return of
}

// printUsers tells who is on a GPU.
func printUsers(w io.Writer, g partition.GPU, daemons []partition.Daemon) {
	if len(g.Processes) == 0 {
		fmt.Fprintln(w, "  no process")
	}
	for _, p := range g.Processes {
		used := units.Unknown
		if p.UsedBytes != nil {
			used = units.Format(float64(*p.UsedBytes), units.Bytes)
		}
		fmt.Fprintf(w, "  process %d (%s), %s, %s on %s\n", p.PID, cmp.Or(plainLine(p.Name), units.Unknown), cmp.Or(p.Kind, units.Unknown), used, p.Device)
	}
	for _, h := range g.Holders {
		if h.PID == 0 {
			fmt.Fprintf(w, "  open by %s\n", plainLine(h.Name))
			continue
		}
		fmt.Fprintf(w, "  open by process %d (%s) of uid %d\n", h.PID, cmp.Or(plainLine(h.Name), units.Unknown), h.UID)
	}
	for _, d := range daemons {
		if d.Device == g.UUID || slices.ContainsFunc(g.Instances, func(i partition.Instance) bool {
			return slices.ContainsFunc(i.Compute, func(c partition.Compute) bool { return c.UUID == d.Device })
		}) {
			fmt.Fprintf(w, "  %s for %s\n", daemonText(d), d.Device)
		}
	}
}

// daemonText names an MPS daemon and says whose it is.
func daemonText(d partition.Daemon) string {
	whose := fmt.Sprintf("another's, uid %d", d.UID)
	if d.Own {
		whose = "evabench's own"
	}
	clients := "clients unknown"
	if d.Clients != nil {
		clients = units.Plural(len(d.Clients), "client")
	}
	return fmt.Sprintf("MPS daemon %d (%s), %s, pipe folder %s,", d.PID, whose, clients, cmp.Or(plainLine(d.Pipe), units.Unknown))
}

func printRefusals(w io.Writer, refused []string) {
	if len(refused) == 0 {
		fmt.Fprintln(w, "  nothing stands in the way of a change")
	}
	for _, r := range refused {
		fmt.Fprintln(w, fold("  a change would be refused: "+plainLine(r)))
	}
}

// standing tells, by GPU ("gpu0"), what stands in the way of changes: it plans
// MIG off and on, other instances, and MPS, and gives the reasons of refusals.
func standing(s partition.State) map[string][]string {
	all := make(map[string][]string)
	for _, g := range s.GPUs {
		one := s
		one.GPUs = []partition.GPU{g}
		layouts := []string{"off", "off(mps)"}
		for _, p := range g.Profiles {
			layouts = append(layouts, p.Name)
		}
		if len(g.Profiles) == 0 {
			layouts = append(layouts, "1g.5gb") // any tells why there are none
		}
		reasons := []string{}
		for _, text := range layouts {
			layout, err := partition.ParseLayout(text)
			if err != nil {
				continue // a profile that layouts cannot name is in nobody's plan
			}
			_, err = partition.MakePlan(one, layout)
			for _, r := range refusals(err) {
				if text := r.Error(); !slices.Contains(reasons, text) {
					reasons = append(reasons, text)
				}
			}
		}
		all[fmt.Sprintf("gpu%d", g.Index)] = reasons
	}
	return all
}

// refusals finds every RefusedError that an error joins.
func refusals(err error) []*partition.RefusedError {
	switch e := err.(type) {
	case nil:
		return nil
	case *partition.RefusedError:
		return []*partition.RefusedError{e}
	case interface{ Unwrap() []error }:
		var all []*partition.RefusedError
		for _, one := range e.Unwrap() {
			all = append(all, refusals(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return refusals(e.Unwrap())
	}
	return nil
}
