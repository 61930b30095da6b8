package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/services"
)

// A memoryPlan says for each configuration which instance is placed where, on the
// devices that its layout is planned to have, and compares what the models were
// told to need with their memory.
type memoryPlan struct {
	configs []configMemory
	told    bool // some model tells what it needs
	noGPUs  bool // so that nothing could be compared
}

type configMemory struct {
	name  string
	where string // its instances by device; empty if all are on none
	fits  []services.Fit
	err   error // why it does not fit
}

// memory works it out for every configuration that is to be run.
func (b *bench) memory() (memoryPlan, error) {
	m := memoryPlan{noGPUs: b.noGPUs}
	for _, s := range b.scenario.Services {
		for _, model := range s.Models {
			m.told = m.told || model.MemoryBytes > 0 || model.MemoryShare > 0
		}
	}
	if m.noGPUs {
		return m, nil
	}
	for _, c := range b.cells {
		if slices.ContainsFunc(m.configs, func(o configMemory) bool { return o.name == c.Config.Name }) {
			continue // another replicate
		}
		instances, err := b.place(c.Config)
		if err != nil {
			return m, err
		}
		fits := services.Fits(instances)
		m.configs = append(m.configs, configMemory{c.Config.Name, where(instances), fits, runner.FitError(fits)})
	}
	return m, nil
}

// misfits tells why configurations do not fit, by name.
func (m memoryPlan) misfits() map[string]string {
	all := map[string]string{}
	for _, c := range m.configs {
		if c.err != nil {
			all[c.name] = c.err.Error()
		}
	}
	return all
}

// texts gives the arithmetic of every configuration of which some model tells what
// it needs; nil if none does.
func (m memoryPlan) texts() map[string]string {
	if !m.told {
		return nil
	}
	all := map[string]string{}
	for _, c := range m.configs {
		if len(c.fits) > 0 {
			all[c.name] = deviceLines(c.fits)
		}
	}
	return all
}

// refusal is the fault of a scenario of which no configuration fits; nil if one
// does.
func (m memoryPlan) refusal() error {
	var faults []error
	for _, c := range m.configs {
		if c.err == nil {
			return nil
		}
		faults = append(faults, fmt.Errorf("%s: %w", c.name, c.err))
	}
	if len(faults) == 0 {
		return nil
	}
	return &usageError{errors.Join(append(faults, errors.New("no configuration fits the memory of its devices; nothing was changed"))...)}
}

// print shows placement and arithmetic, each once for all configurations in which
// it is the same. Where nothing tells a need it says that; where there is no
// device it says nothing.
func (m memoryPlan) print(w io.Writer) {
	m.printEach(w, "placement:", func(c configMemory) (string, string) { return c.name, c.where })
	fits := func(c configMemory) bool { return len(c.fits) > 0 }
	switch {
	case m.told && m.noGPUs:
		fmt.Fprintln(w, "memory: whether the models fit was not checked, as there are no GPUs to ask")
	case !slices.ContainsFunc(m.configs, fits):
	case !m.told:
		fmt.Fprintln(w, "memory: no model tells what it needs (services.S.models.M.memory), so whether all fit is not known")
	default:
		m.printEach(w, "memory:", func(c configMemory) (string, string) {
			name := c.name
			if c.err != nil {
				name += " (DOES NOT FIT, and will fail)"
			}
			return name, deviceLines(c.fits)
		})
	}
}

// printEach writes each text once, below the names of those that have it; none
// where it is empty.
func (m memoryPlan) printEach(w io.Writer, title string, of func(configMemory) (name, text string)) {
	var texts []string
	names := map[string][]string{}
	for _, c := range m.configs {
		name, text := of(c)
		if text != "" && names[text] == nil {
			texts = append(texts, text)
		}
		names[text] = append(names[text], name)
	}
	if len(texts) > 0 {
		fmt.Fprintln(w, title)
	}
	for _, text := range texts {
		fmt.Fprintf(w, "%s\n%s", fold("  "+strings.Join(names[text], ", ")+":"), text)
	}
}

// where lists instances by device, in the order of the devices' first use, as many
// devices on a line as fit.
func where(instances []services.Instance) string {
	var devices []string
	on := map[string][]string{}
	for _, i := range instances {
		if i.Device.UUID == "" {
			continue
		}
		if on[i.Device.Name] == nil {
			devices = append(devices, i.Device.Name)
		}
		on[i.Device.Name] = append(on[i.Device.Name], i.Name)
	}
	const lead = "    "
	text, line := "", ""
	for _, d := range devices {
		part := d + ": " + strings.Join(on[d], ", ")
		switch {
		case line == "":
			line = lead + part
		case len(line)+len("; ")+len(part)+len(";") <= lineWidth:
			line += "; " + part
		default:
			text += line + ";\n"
			line = lead + part
		}
	}
	if line == "" {
		return ""
	}
	return text + foldAt(line, lead+lead) + "\n"
}

// deviceLines writes a line for each device, and one for devices that are alike.
func deviceLines(fits []services.Fit) string {
	var b strings.Builder
	for i := 0; i < len(fits); {
		of := func(f services.Fit) string { return strings.TrimPrefix(f.String(), f.Device.Name) }
		n := 1
		for i+n < len(fits) && of(fits[i+n]) == of(fits[i]) {
			n++
		}
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" and %s alike", units.Plural(n-1, "other"))
		}
		fmt.Fprintf(&b, "    %s%s%s\n", fits[i].Device.Name, more, of(fits[i]))
		i += n
	}
	return b.String()
}
