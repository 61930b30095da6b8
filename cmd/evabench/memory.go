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

// A memoryPlan compares, for each configuration, what the models were told to
// need with the memory of the devices that its layout is planned to have.
type memoryPlan struct {
	configs []configMemory
	told    bool // some model tells what it needs
	noGPUs  bool // so that nothing could be compared
}

type configMemory struct {
	name string
	fits []services.Fit
	err  error // why it does not fit
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
		m.configs = append(m.configs, configMemory{c.Config.Name, fits, runner.FitError(fits)})
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

// print shows the arithmetic, once for all configurations in which it is the
// same. Where nothing tells a need it says that; where there is no device it says
// nothing.
func (m memoryPlan) print(w io.Writer) {
	placed := slices.ContainsFunc(m.configs, func(c configMemory) bool { return len(c.fits) > 0 })
	switch {
	case m.told && m.noGPUs:
		fmt.Fprintln(w, "memory: whether the models fit was not checked, as there are no GPUs to ask")
		return
	case !placed:
		return
	case !m.told:
		fmt.Fprintln(w, "memory: no model tells what it needs (services.S.models.M.memory), so whether all fit is not known")
		return
	}
	fmt.Fprintln(w, "memory:")
	var texts []string
	names := map[string][]string{}
	for _, c := range m.configs {
		text := deviceLines(c.fits)
		if names[text] == nil {
			texts = append(texts, text)
		}
		name := c.name
		if c.err != nil {
			name += " (DOES NOT FIT, and will fail)"
		}
		names[text] = append(names[text], name)
	}
	for _, text := range texts {
		fmt.Fprintf(w, "  %s:\n%s", strings.Join(names[text], ", "), text)
	}
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
