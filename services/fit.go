package services

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// A Fit compares what the instances on one device need of its memory, by what
// their models were told to need, with what it has. It is data.
type Fit struct {
	// Device is the device; of compute instances that share the memory of one GPU
	// instance it is the first.
	Device device.Device
	Needs  []Need // in the order of the instances and their models
}

// A Need is what the processes of one model take of a device.
type Need struct {
	Service, Model string
	Processes      int    // of all instances of the service on the device
	Memory         Memory // of each; the zero value is unknown
}

// Fits gives the Fit of each device, in the order in which instances are first
// put there. Instances on no device, and on one whose memory is not known, are
// left out.
func Fits(instances []Instance) []Fit {
	var all []Fit
	for _, i := range instances {
		if i.Device.MemoryBytes == 0 {
			continue
		}
		k := slices.IndexFunc(all, func(f Fit) bool { return MemoryOf(f.Device) == MemoryOf(i.Device) })
		if k < 0 {
			all = append(all, Fit{Device: i.Device})
			k = len(all) - 1
		}
		for _, m := range i.Models {
			all[k].add(Need{i.Service, m.Name, m.Workers, m.Memory})
		}
	}
	return all
}

// MemoryOf names the memory that a device has to itself: two devices with the
// same name share it, as the compute instances of one GPU instance do.
func MemoryOf(d device.Device) string {
	if d.Instance == nil {
		return d.UUID
	}
	return fmt.Sprintf("%s/%d", d.GPU, d.Instance.GI)
}

func (f *Fit) add(n Need) {
	for i, o := range f.Needs {
		if o.Service == n.Service && o.Model == n.Model && o.Memory == n.Memory {
			f.Needs[i].Processes += n.Processes
			return
		}
	}
	f.Needs = append(f.Needs, n)
}

// each is what one process needs of the device, in bytes; false if that is not
// known.
func (f Fit) each(n Need) (float64, bool) {
	switch {
	case n.Memory.Bytes > 0:
		return float64(n.Memory.Bytes), true
	case n.Memory.Share > 0:
		return n.Memory.Share * float64(f.Device.MemoryBytes), true
	}
	return 0, false
}

// Needed is what all processes need together, in bytes, as far as it is known,
// and whether it is known of all of them.
func (f Fit) Needed() (bytes float64, all bool) {
	all = true
	for _, n := range f.Needs {
		each, known := f.each(n)
		bytes += each * float64(n.Processes)
		all = all && known
	}
	return bytes, all
}

// Known reports whether any need is known, so that there is something to check.
func (f Fit) Known() bool {
	return slices.ContainsFunc(f.Needs, func(n Need) bool { return n.Memory != Memory{} })
}

// String shows the arithmetic: "gpu0 (95.0 GiB): owl-v2 2 x 3.0 GiB = 6.0 GiB;
// together 6.0 GiB, 89.0 GiB left". What is not known is named and not counted.
func (f Fit) String() string {
	sum, all := f.Needed()
	text := fmt.Sprintf("%s (%s): %s", f.Device.Name, amount(float64(f.Device.MemoryBytes)), f.terms())
	if !f.Known() {
		return text
	}
	left := float64(f.Device.MemoryBytes) - sum
	of := ""
	if !all {
		of = " for the rest"
	}
	if left < 0 {
		return fmt.Sprintf("%s; together %s, %s too much", text, amount(sum), amount(-left))
	}
	return fmt.Sprintf("%s; together %s, %s left%s", text, amount(sum), amount(left), of)
}

func (f Fit) terms() string {
	var known, unknown []string
	for _, n := range f.Needs {
		each, ok := f.each(n)
		switch {
		case !ok:
			unknown = append(unknown, fmt.Sprintf("%d x %s", n.Processes, n.Model))
		case n.Memory.Bytes > 0:
			known = append(known, fmt.Sprintf("%s %d x %s = %s", n.Model, n.Processes, amount(each), amount(each*float64(n.Processes))))
		default:
			known = append(known, fmt.Sprintf("%s %d x %.4g %% = %s", n.Model, n.Processes, 100*n.Memory.Share, amount(each*float64(n.Processes))))
		}
	}
	text := strings.Join(known, " + ")
	if len(unknown) == 0 {
		return text
	}
	not := "what " + strings.Join(unknown, ", ") + " takes is unknown"
	if text == "" {
		return not
	}
	return text + " (" + not + ", and not counted)"
}

// Err says why the processes cannot all have the memory that they need, with the
// arithmetic and what helps; nil if they can, as far as their needs are known.
func (f Fit) Err() error {
	var faults []error
	if sum, _ := f.Needed(); sum > float64(f.Device.MemoryBytes) {
		services := f.services()
		verb := "do"
		if len(services) == 1 {
			verb = "does"
		}
		faults = append(faults, fmt.Errorf("%s %s not fit on %s; %s", strings.Join(services, " and "), verb, f, f.remedy()))
	}
	limit := float64(f.Device.Sharing.MemoryLimitBytes)
	for _, n := range f.Needs {
		if each, _ := f.each(n); limit > 0 && each > limit {
			faults = append(faults, fmt.Errorf("%s of %s does not fit on %s: a process of it needs %s, and %s allows each %s, %s too little; a higher limit, or a smaller model",
				n.Model, n.Service, f.Device.Name, amount(each), f.Device.Sharing, amount(limit), amount(each-limit)))
		}
	}
	return errors.Join(faults...)
}

// services lists whose needs there are, in order.
func (f Fit) services() []string {
	var names []string
	for _, n := range f.Needs {
		if !slices.Contains(names, n.Service) {
			names = append(names, n.Service)
		}
	}
	return names
}

// remedy says what can be changed.
func (f Fit) remedy() string {
	var ways []string
	if slices.ContainsFunc(f.Needs, func(n Need) bool { return n.Processes > 1 }) {
		ways = append(ways, "fewer workers")
	}
	if f.Device.Instance != nil {
		ways = append(ways, "a larger slice")
	} else {
		ways = append(ways, "another placement")
	}
	if slices.ContainsFunc(f.Needs, func(n Need) bool { return n.Memory.Share > 0 }) {
		ways = append(ways, "a lower gpu-memory-utilization")
	}
	if len(ways) == 1 {
		return ways[0]
	}
	return strings.Join(ways[:len(ways)-1], ", ") + ", or " + ways[len(ways)-1]
}

// amount writes bytes as people tell device memory. What is not nothing does not
// become 0.
func amount(bytes float64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%.0f MiB", max(math.Round(bytes/(1<<20)), min(bytes, 1)))
	}
	return fmt.Sprintf("%.1f GiB", bytes/(1<<30))
}
