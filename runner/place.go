package runner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// Place gives the instances of a configuration on a layout's devices: those of
// a [services.Fixed] launcher on none, all others as the placement says. They
// are in the order of the services, then by index; LogDir is not set. Of each
// Service only what the scenario says and the Launcher is used.
func Place(all []Service, c results.Config, devices []device.Device) ([]services.Instance, error) {
	placement, err := services.ParsePlacement(c.Placement)
	if err != nil {
		return nil, err
	}
	var wanted []services.Wanted
	for _, s := range all {
		if _, fixed := s.Launcher.(services.Fixed); !fixed {
			wanted = append(wanted, services.Wanted{Name: s.Name, Role: s.Role})
		}
	}
	var assignments []services.Assignment
	if len(wanted) > 0 {
		if assignments, err = placement.Place(wanted, devices); err != nil {
			return nil, err
		}
	}
	var placed []services.Instance
	for _, s := range all {
		if fixed, ok := s.Launcher.(services.Fixed); ok {
			for n := range fixed.Instances() {
				placed = append(placed, instanceOf(s, c, n, device.Device{}))
			}
			continue
		}
		for _, a := range assignments {
			if a.Service == s.Name {
				placed = append(placed, instanceOf(s, c, a.Index, a.Device))
			}
		}
	}
	return placed, nil
}

// instanceOf describes one instance to its launcher: models with the
// configuration's workers, and the service's own parameters.
func instanceOf(s Service, c results.Config, n int, d device.Device) services.Instance {
	i := services.Instance{
		Service: s.Name, Role: s.Role, Index: n, Name: fmt.Sprintf("%s-%d", s.Name, n),
		Device: d, Params: paramsOf(s.Name, c),
	}
	for _, m := range s.Models {
		workers := m.Workers
		if w, ok := c.Workers[m.Name]; ok {
			workers = w
		}
		i.Models = append(i.Models, services.Model{
			Name: m.Name, Workers: max(workers, 1), Memory: services.Memory{Bytes: m.MemoryBytes, Share: m.MemoryShare},
		})
	}
	return i
}

// paramsOf gives the parameters of one service, without its name.
func paramsOf(service string, c results.Config) map[string]string {
	params := map[string]string{}
	for name, value := range c.Params {
		if param, ok := strings.CutPrefix(name, service+"."); ok { // names of services may hold dots
			params[param] = value
		}
	}
	return params
}

// Suits says why the instances of a configuration do not suit what else is asked
// of them: the router, if it is [loadgen.Sized], and the failovers, each of which
// needs its instance.
func Suits(instances []services.Instance, router loadgen.Router, failovers []results.Failover) error {
	var order []string
	count := map[string]int{}
	for _, i := range instances {
		if count[i.Service] == 0 {
			order = append(order, i.Service)
		}
		count[i.Service]++
	}
	if sized, ok := router.(loadgen.Sized); ok {
		for _, service := range order {
			if err := sized.Fits(count[service]); err != nil {
				return fmt.Errorf("service %s: %w", service, err)
			}
		}
	}
	for _, f := range failovers {
		if n := count[f.Service]; f.Instance >= n {
			return fmt.Errorf("failover: there is no %s-%d to end: the placement gives service %s %s",
				f.Service, f.Instance, f.Service, units.Plural(n, "instance"))
		}
	}
	return nil
}

// PlannedDevices gives the devices that a plan leads to, in the order in which
// a backend reads them back. What only then is known is made up: UUIDs and
// instance ids, which are unique all the same. Memory is that of the profile,
// which drivers may tell a little otherwise once it is made; SMs are 0 where the
// profiles do not tell them.
func PlannedDevices(p partition.Plan) []device.Device {
	var devices []device.Device
	for _, t := range p.Targets {
		k := slices.IndexFunc(p.Before.GPUs, func(g partition.GPU) bool { return g.UUID == t.UUID })
		if k < 0 {
			continue // none: targets are made from these
		}
		g := p.Before.GPUs[k]
		whole := device.Device{
			UUID: g.UUID, GPU: g.UUID, Name: fmt.Sprintf("gpu%d", g.Index), Model: g.Name,
			MemoryBytes: g.MemoryBytes, SMs: g.SMs, Sharing: t.Sharing,
		}
		if !t.MIG {
			devices = append(devices, whole)
			continue
		}
		for i, s := range t.Slots {
			devices = append(devices, plannedInstances(whole, s, i)...)
		}
	}
	return devices
}

// plannedInstances gives the devices of one slot of a GPU.
func plannedInstances(whole device.Device, s partition.Slot, gi int) []device.Device {
	var devices []device.Device
	for ci, at := range s.Compute {
		d := whole
		d.Name = fmt.Sprintf("%s/%s@%d", whole.Name, s.Profile.Name, s.Placement.Start)
		d.SMs = s.Profile.SMs
		if at.Size != s.Profile.Slices {
			d.Name = fmt.Sprintf("%s/%dc@%d", d.Name, at.Size, at.Start)
			d.SMs = 0
			for _, c := range s.Profile.Compute {
				if c.Slices == at.Size {
					d.SMs = c.SMs
				}
			}
		}
		d.UUID = fmt.Sprintf("MIG of %s at %d/%d", whole.GPU, s.Placement.Start, at.Start)
		d.MemoryBytes, d.Sharing = s.Profile.MemoryBytes, s.Sharing
		d.Instance = &device.Instance{
			GI: gi, CI: ci, Profile: s.Profile.Name, Start: s.Placement.Start, Size: s.Placement.Size,
			ComputeStart: at.Start, ComputeSize: at.Size,
		}
		devices = append(devices, d)
	}
	return devices
}

// placedInstance is an instance before it is launched.
type placedInstance struct {
	of       *Service
	instance services.Instance
}

// place gives the instances of the cell on the devices that were read back.
func (r *cellRun) place() ([]placedInstance, error) {
	instances, err := Place(r.bench.Services, r.cell.Config, r.layout.devices)
	if err != nil {
		return nil, err
	}
	var all []placedInstance
	for _, i := range instances {
		i.LogDir = r.writer.LogDir()
		k := slices.IndexFunc(r.bench.Services, func(s Service) bool { return s.Name == i.Service })
		all = append(all, placedInstance{&r.bench.Services[k], i})
	}
	return all, r.fits(all)
}

// fits refuses instances that need more memory than their devices have.
func (r *cellRun) fits(all []placedInstance) error {
	var instances []services.Instance
	for _, p := range all {
		instances = append(instances, p.instance)
	}
	return FitError(services.Fits(instances))
}

// FitError joins what the Fits of a cell's devices say against it.
func FitError(fits []services.Fit) error {
	var texts []string
	for _, f := range fits {
		if err := f.Err(); err != nil {
			texts = append(texts, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return &MisfitError{texts}
}

// A MisfitError says that the instances of a cell need more memory than their
// devices have.
type MisfitError struct {
	Devices []string // for each such device the arithmetic and what helps
}

// Error tells the first device in full, and how many others are alike.
func (e *MisfitError) Error() string {
	text := e.Devices[0]
	if more := len(e.Devices) - 1; more > 0 {
		text += fmt.Sprintf(" (and so on %s)", units.Plural(more, "other device"))
	}
	return text
}

// lanes cuts instances into lists, by their places in all: those that share a
// device's memory are in one, to be started one after another, and every
// instance on no device is in one of its own.
func lanes(all []placedInstance) [][]int {
	var lists [][]int
	of := map[string]int{}
	for i, p := range all {
		memory := services.MemoryOf(p.instance.Device)
		k, known := of[memory]
		if memory == "" || !known {
			k = len(lists)
			lists = append(lists, nil)
			of[memory] = k
		}
		lists[k] = append(lists[k], i)
	}
	return lists
}

func deviceName(d device.Device) string {
	if d.UUID == "" {
		return "a device as found"
	}
	return fmt.Sprintf("%s (%s)", cmp.Or(d.Name, d.UUID), d.Sharing)
}
