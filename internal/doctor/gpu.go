package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

// getDriver installs one. (Ubuntu Server documentation, NVIDIA drivers
// installation; other systems have packages of their own.)
const getDriver = "sudo ubuntu-drivers install --gpgpu   # Ubuntu; elsewhere see https://www.nvidia.com/drivers"

// without is what can be done without a GPU.
const without = "; without a GPU: evabench doctor --sim pro6000x1"

func driver(_ context.Context, m Machine) []Finding {
	switch {
	case m.Simulated == "" && !m.real():
		return []Finding{ok("%s", m.why())}
	case m.NoDriver:
		return []Finding{fault(getDriver+without, "%v", m.GPUFault)}
	case m.GPUFault != nil:
		return []Finding{fault("sudo dmesg | grep -i nvrm   # what the driver says; sudo nvidia-smi shows whether it answers at all", "the GPUs cannot be read: %v", m.GPUFault)}
	}
	s := m.GPUs.System
	return []Finding{ok("driver %s, NVML %s, CUDA up to %s", cmp.Or(s.Driver, units.Unknown), cmp.Or(s.NVML, units.Unknown), cmp.Or(s.CUDA, units.Unknown))}
}

// unread is the one line of a check of GPUs of which nothing could be read.
func (m Machine) unread() ([]Finding, bool) {
	switch {
	case m.Simulated == "" && !m.real():
		return []Finding{ok("%s", m.why())}, true
	case m.GPUFault != nil:
		return []Finding{unknown("the GPUs cannot be asked: see driver")}, true
	}
	return nil, false
}

func gpus(_ context.Context, m Machine) []Finding {
	if lines, done := m.unread(); done {
		return lines
	}
	if len(m.GPUs.GPUs) == 0 {
		return []Finding{fault("lspci -d 10de:   # whether the machine has a card; in a container give it GPUs: docker run --gpus all", "the driver shows no GPU")}
	}
	var all []Finding
	for _, g := range m.GPUs.GPUs {
		name := fmt.Sprintf("gpu%d %s, %s", g.Index, g.Name, units.Format(float64(g.MemoryBytes), units.Bytes))
		all = append(all, ok("%s, VBIOS %s", name, cmp.Or(g.VBIOS, units.Unknown)))
		if is, will := g.ECC, g.ECCPending; is != nil && will != nil && *is != *will {
			all = append(all, warn(fmt.Sprintf("sudo nvidia-smi -i %s -e %d   # takes the change back", g.UUID, digit(*is)),
				"gpu%d: a change of ECC waits for a reset, which a change of the MIG mode may be: memory and speed differ after it", g.Index))
		}
		if is, own := g.PowerLimitWatts, g.PowerDefaultWatts; is != nil && own != nil && *is < *own {
			all = append(all, warn(fmt.Sprintf("sudo nvidia-smi -i %s -pl %g   # the card's own limit; leave it if production has this one too", g.UUID, *own),
				"gpu%d: the power limit is %g W and the card's own %g W: it is slower than it could be", g.Index, *is, *own))
		}
		if g.Persistence != nil && !*g.Persistence && m.Simulated == "" {
			all = append(all, warn(fmt.Sprintf("sudo nvidia-smi -i %s -pm 1", g.UUID),
				"gpu%d: persistence is off: without a process on it the driver lets the card go, and MIG and time slices with it on cards that do not store them", g.Index))
		}
	}
	if kinds := kindsOf(m.GPUs.GPUs); len(kinds) > 1 {
		all = append(all, warn("evabench init   # proposes those of one kind; else write layouts as gpu0: …; gpu1: …", "the GPUs are of %d kinds (%s): what one layout means differs between them", len(kinds), strings.Join(kinds, ", ")))
	}
	return all
}

func kindsOf(all []partition.GPU) []string {
	var names []string
	for _, g := range all {
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names
}

func digit(on bool) int {
	if on {
		return 1
	}
	return 0
}

// oldest are the oldest drivers with MIG on a card, by what its name holds; the
// first that fits counts. (NVIDIA MIG User Guide, Supported GPUs.)
var oldest = []struct{ card, driver string }{
	{"A100", "450.80.02"},
	{"A30", "460.73"},
	{"H100", "525.85.12"},
	{"H200", "550.90.07"},
	{"B200", "570.133.20"},
	{"RTX PRO 6000", "575.51.03"},
	{"RTX PRO 5000", "575.57.08"},
}

// oldestFor is the oldest driver with MIG on a card, empty if the guide has none.
func oldestFor(card string) string {
	words := strings.FieldsFunc(card, func(r rune) bool { return r == ' ' || r == '-' })
	text := strings.Join(words, " ") + " "
	for _, o := range oldest {
		if strings.Contains(text, o.card+" ") {
			return o.driver
		}
	}
	return ""
}

// older compares versions such as 575.51.03 number by number; not ok if one is none.
func older(a, b string) (less, ok bool) {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		p, q := 0, 0
		var err, err2 error
		if i < len(x) {
			p, err = strconv.Atoi(x[i])
		}
		if i < len(y) {
			q, err2 = strconv.Atoi(y[i])
		}
		if err != nil || err2 != nil {
			return false, false
		}
		if p != q {
			return p < q, true
		}
	}
	return false, true
}

func mig(_ context.Context, m Machine) []Finding {
	if lines, done := m.unread(); done {
		return lines
	}
	var all []Finding
	for _, g := range m.GPUs.GPUs {
		all = append(all, migOf(g, m.GPUs.System.Driver))
	}
	return all
}

// migOf tells of one card.
func migOf(g partition.GPU, driver string) Finding {
	if g.MIG.Current != g.MIG.Pending {
		return fault(fmt.Sprintf("sudo nvidia-smi -i %s -mig %d   # takes the change back; or let a reset or reboot make it", g.UUID, digit(g.MIG.Current)),
			"gpu%d: MIG is %s with a change to %s pending: no layout is applied until that is settled", g.Index, onOff(g.MIG.Current), onOff(g.MIG.Pending))
	}
	need := oldestFor(g.Name)
	if len(g.Profiles) == 0 || !g.MIG.Supported {
		less, known := older(driver, need)
		switch {
		case need != "" && known && less:
			return fault(getDriver, "gpu%d: driver %s knows no MIG on %s, which takes %s or newer: until then only layouts off", g.Index, driver, g.Name, need)
		case need == "":
			return ok("gpu%d: %s has no MIG: layouts off, with ts or mps", g.Index, g.Name)
		}
		return warn(noProfiles(g), "gpu%d: %s can have MIG, but offers no profiles now: until then only layouts off", g.Index, g.Name)
	}
	how := "needs no reset"
	if g.MIG.Resets {
		how = "resets the GPU (allow: [reset])"
	}
	text := fmt.Sprintf("gpu%d: MIG is %s; %s; a change of the mode %s", g.Index, onOff(g.MIG.Current), units.Plural(len(g.Profiles), "profile"), how)
	if len(g.Instances) > 0 {
		text += "; " + units.Plural(len(g.Instances), "instance") + " now, put back after each layout"
	}
	return ok("%s", text)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// noProfiles is what the plan of an instance says to do on a card that offers none.
func noProfiles(g partition.GPU) string {
	_, err := plan(partition.State{GPUs: []partition.GPU{g}}, "1g.5gb")
	for _, r := range refusals(err) {
		return r.Remedy
	}
	return "evabench gpu inspect   # what the driver tells of the card"
}

// plan makes the plan of a layout's text.
func plan(s partition.State, text string) (partition.Plan, error) {
	layout, err := partition.ParseLayout(text)
	if err != nil {
		return partition.Plan{}, err
	}
	return partition.MakePlan(s, layout)
}

// refusals finds every refusal that an error joins.
func refusals(err error) []*partition.RefusedError {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*partition.RefusedError
		for _, one := range many.Unwrap() {
			all = append(all, refusals(one)...)
		}
		return all
	}
	if one, ok := errors.AsType[*partition.RefusedError](err); ok {
		return []*partition.RefusedError{one}
	}
	return nil
}
