package services

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A Placement says which service runs on which devices of a layout. The zero
// value is "auto".
type Placement struct {
	// explicit holds the device numbers of each service, in the order of text.
	explicit []placed
}

type placed struct {
	service string
	devices []int
}

// Auto is the placement that follows from roles and devices alone.
const Auto = "auto"

// ParsePlacement reads "auto", or the device numbers of each service, counted
// from 0 in the layout's order: "vision=0 agent=1,2". A number that stands
// twice gives two instances on one device.
func ParsePlacement(text string) (Placement, error) {
	if text == Auto {
		return Placement{}, nil
	}
	var p Placement
	for _, field := range strings.Fields(text) {
		service, list, ok := strings.Cut(field, "=")
		if !ok || service == "" || list == "" {
			return Placement{}, fmt.Errorf("placement %q: %q is not SERVICE=DEVICE[,DEVICE]", text, field)
		}
		if slices.ContainsFunc(p.explicit, func(x placed) bool { return x.service == service }) {
			return Placement{}, fmt.Errorf("placement %q names service %q twice", text, service)
		}
		var devices []int
		for item := range strings.SplitSeq(list, ",") {
			n, err := strconv.Atoi(item)
			if err != nil || n < 0 {
				return Placement{}, fmt.Errorf("placement %q: %q is no device number (0, 1, …)", text, item)
			}
			devices = append(devices, n)
		}
		p.explicit = append(p.explicit, placed{service, devices})
	}
	if len(p.explicit) == 0 {
		return Placement{}, fmt.Errorf("placement is empty; say %q or SERVICE=DEVICE,…", Auto)
	}
	return p, nil
}

// String writes what [ParsePlacement] reads.
func (p Placement) String() string {
	if p.explicit == nil {
		return Auto
	}
	var b strings.Builder
	for i, x := range p.explicit {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(x.service + "=")
		for j, n := range x.devices {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Itoa(n))
		}
	}
	return b.String()
}

// A Wanted is a service to be placed.
type Wanted struct {
	Name string
	Role string
}

// An Assignment puts one instance of a service on a device.
type Assignment struct {
	Service string
	Index   int // among the service's instances, from 0
	Device  device.Device
}

// Place gives the instances of every service, service by service in the order
// of wanted. Auto follows EVA's own rule: Vision on the first device, and one
// Agent engine on each of the others; on a single device both share it. A
// role that is alone gets one instance on every device.
func (p Placement) Place(wanted []Wanted, devices []device.Device) ([]Assignment, error) {
	if len(devices) == 0 {
		return nil, fmt.Errorf("place services: there is no device")
	}
	var all []Assignment
	for _, w := range wanted {
		numbers, err := p.devicesOf(w, wanted, len(devices))
		if err != nil {
			return nil, err
		}
		for i, n := range numbers {
			all = append(all, Assignment{Service: w.Name, Index: i, Device: devices[n]})
		}
	}
	for _, x := range p.explicit {
		if !slices.ContainsFunc(wanted, func(w Wanted) bool { return w.Name == x.service }) {
			return nil, fmt.Errorf("placement %q names service %q, which the scenario does not have", p, x.service)
		}
	}
	return all, nil
}

// devicesOf gives the numbers of the devices of one service.
func (p Placement) devicesOf(w Wanted, all []Wanted, devices int) ([]int, error) {
	if p.explicit == nil {
		return autoDevices(w, all, devices), nil
	}
	for _, x := range p.explicit {
		if x.service != w.Name {
			continue
		}
		for _, n := range x.devices {
			if n >= devices {
				return nil, fmt.Errorf("placement %q: there is no device %d; the layout has %d (0 to %d)", p, n, devices, devices-1)
			}
		}
		return x.devices, nil
	}
	return nil, fmt.Errorf("placement %q does not place service %q", p, w.Name)
}

func autoDevices(w Wanted, all []Wanted, devices int) []int {
	bothRoles := slices.ContainsFunc(all, func(o Wanted) bool { return o.Role == results.RoleVision }) &&
		slices.ContainsFunc(all, func(o Wanted) bool { return o.Role == results.RoleAgent })
	first, last := 0, devices // every device
	if bothRoles {
		if w.Role == results.RoleVision {
			last = 1
		} else if devices > 1 {
			first = 1
		}
	}
	var numbers []int
	for n := first; n < last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}
