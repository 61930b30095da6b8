// Package migparted reads and writes the configuration files of NVIDIA's
// mig-parted: counts of MIG devices by GPU index and PCI device id.
//
// The form is that of NVIDIA/mig-parted, api/spec/v1 (v0.15.0), which the GPU
// operator's MIG manager reads too:
//
//	version: v1
//	mig-configs:
//	  half:
//	    - device-filter: ["0x2BB510DE"]
//	      devices: [0]
//	      mig-enabled: true
//	      mig-devices:
//	        "1g.24gb": 2
//
// The form knows compute instances by names such as "1c.2g.10gb", but no
// places, no UUIDs and no sharing: MPS and time slices are not in it.
package migparted

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A File is a configuration file as read. It is a value that nobody changes.
// The zero value has no configurations.
type File struct {
	name    string
	configs []config // in the file's order
}

// Names lists the file's configurations in its order.
func (f File) Names() []string {
	var names []string
	for _, c := range f.configs {
		names = append(names, c.name)
	}
	return names
}

// A GPU is what a configuration tells GPUs apart by.
type GPU struct {
	Index int
	// PCIDevice is the PCI device and vendor, as 0x2BB510DE; 0 if unknown.
	PCIDevice uint32
}

// A config is one named list of entries.
type config struct {
	name    string
	entries []entry
}

// An entry says what the GPUs that it covers are to become.
type entry struct {
	line    int
	filters []filter // none: any card
	all     bool
	indices []int // where not all
	enabled bool
	devices []devices // none with MIG on: no instances
}

// A filter is a PCI device id, or one kind of board with it.
type filter struct {
	text  string
	id    uint32
	board bool // it asks for a subsystem id, too
}

// devices are some equal MIG devices.
type devices struct {
	profile string // of the GPU instance
	slices  int    // compute slices of the GPU instance
	cut     int    // compute slices of the device; equal to slices for a whole one
	count   int    // 1 or more
}

// deviceRE is a MIG device's name, as go-nvlib's pkg/nvlib/device/mig_profile.go
// reads it, with the attributes that cards have.
var deviceRE = regexp.MustCompile(`^(?:([1-9][0-9]?)c\.)?(([1-9][0-9]?)g\.[1-9][0-9]{0,3}gb(?:\+me\.all|\+me|\+gfx|-me)?)$`)

// mostSlices is the most compute slices that NVML has a GPU instance profile for.
const mostSlices = 8

// parseDevice reads a name such as 2g.10gb or 1c.2g.10gb.
func parseDevice(name string) (devices, error) {
	m := deviceRE.FindStringSubmatch(name)
	if m == nil {
		return devices{}, fmt.Errorf("%q is no MIG device; want a name such as 1g.24gb, 1g.24gb+me or 1c.2g.10gb", name)
	}
	d := devices{profile: m[2]}
	d.slices, _ = strconv.Atoi(m[3]) // at most two digits
	d.cut = d.slices
	if m[1] != "" {
		d.cut, _ = strconv.Atoi(m[1])
	}
	switch {
	case d.cut > d.slices:
		return devices{}, fmt.Errorf("%q has more compute slices than its GPU instance", name)
	case d.cut < d.slices && d.slices > mostSlices:
		return devices{}, fmt.Errorf("%q: no card has GPU instances of more than %d compute slices", name, mostSlices)
	}
	return d, nil
}

// name writes what parseDevice reads; a whole one goes without its cut.
func (d devices) name() string {
	if d.cut == d.slices {
		return d.profile
	}
	return fmt.Sprintf("%dc.%s", d.cut, d.profile)
}

// parseFilter reads 0x2BB510DE, or 0x20B510DE:0x153310DE with a board's
// subsystem id, as mig-parted's pkg/types/device.go does.
func parseFilter(text string) (filter, error) {
	parts := strings.Split(text, ":")
	f := filter{text: text, board: len(parts) == 2}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 32)
		if err != nil || len(parts) > 2 {
			return filter{}, fmt.Errorf(`%q is no PCI device id; want one such as "0x2BB510DE"`, text)
		}
		if i == 0 {
			f.id = uint32(n)
		}
	}
	return f, nil
}

// covers tells whether an entry is for a GPU. It is an error if the GPU's id,
// or its board's, would be needed and is not known.
func (e entry) covers(g GPU) (bool, error) {
	if !e.all && !slices.Contains(e.indices, g.Index) {
		return false, nil
	}
	if len(e.filters) == 0 {
		return true, nil
	}
	if g.PCIDevice == 0 {
		return false, fmt.Errorf("the entry at line %d has a device-filter, and the PCI device id of GPU %d is not known", e.line, g.Index)
	}
	if slices.ContainsFunc(e.filters, func(f filter) bool { return f.id == g.PCIDevice && !f.board }) {
		return true, nil
	}
	for _, f := range e.filters {
		if f.id == g.PCIDevice {
			return false, fmt.Errorf("the entry at line %d is for boards %s, and the subsystem id of GPU %d is not known; write the filter as %q to have every board",
				e.line, f.text, g.Index, strings.Split(f.text, ":")[0])
		}
	}
	return false, nil
}
