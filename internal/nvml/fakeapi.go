package nvml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

var _ API = (*Fake)(nil)

// System tells that all is simulated.
func (f *Fake) System() (System, error) {
	return System{Driver: "simulated", NVML: "simulated", CUDA: "simulated", Simulated: true}, nil
}

// Devices lists the cards.
func (f *Fake) Devices() (devices []Device, err error) {
	err = f.read(func(cards []*fakeCard) error {
		for _, c := range cards {
			if c.State.Lost {
				devices = append(devices, Device{Index: c.Index, Minor: -1, Fault: ErrGPUIsLost})
				continue
			}
			devices = append(devices, c.device())
		}
		return nil
	})
	return devices, err
}

// Mode tells the mode of a card.
func (f *Fake) Mode(gpu string) (m MIGMode, err error) {
	err = f.read(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err == nil {
			m = c.device().MIG
		}
		return err
	})
	return m, err
}

// Memory tells what the processes entered use.
func (f *Fake) Memory(uuid string) (m Memory, err error) {
	err = f.look(func(cards []*fakeCard) error {
		c, total, err := findDevice(cards, uuid)
		if err != nil {
			return err
		}
		m = Memory{TotalBytes: total, UsedBytes: c.usedOn(uuid)}
		return nil
	})
	return m, err
}

// Processes lists the processes entered that still run.
func (f *Fake) Processes(uuid string) (processes []Process, err error) {
	err = f.look(func(cards []*fakeCard) error {
		c, _, err := findDevice(cards, uuid)
		if err != nil {
			return err
		}
		for _, p := range c.Processes {
			if c.on(p, uuid) {
				processes = append(processes, p.read())
			}
		}
		return nil
	})
	return processes, err
}

// Profiles lists the profiles of the card's table, none in display mode or through an old
// driver.
func (f *Fake) Profiles(gpu string) (profiles []Profile, err error) {
	err = f.read(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		switch {
		case c.State.OldDriver && !c.Mode.Current:
			return fmt.Errorf("list the places of the MIG profiles of %s, which this driver does not tell with MIG off; drivers from 550 on tell them: %w", gpu, ErrFunctionNotFound)
		case !c.State.DisplayMode:
			profiles = c.profiles
		}
		return nil
	})
	return profiles, err
}

// Instances lists the instances made.
func (f *Fake) Instances(gpu string) (instances []GPUInstance, err error) {
	err = f.read(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		for _, i := range c.Instances {
			p, err := c.profile(i.Profile)
			if err != nil {
				return err
			}
			instances = append(instances, i.read(p))
		}
		slices.SortFunc(instances, func(a, b GPUInstance) int { return cmp.Compare(a.Placement.Start, b.Placement.Start) })
		return nil
	})
	return instances, err
}

// read tells of an instance of profile p as the API does.
func (i fakeInstance) read(p Profile) GPUInstance {
	g := GPUInstance{ID: i.ID, ProfileID: p.ID, Placement: i.Placement}
	for _, k := range i.Compute {
		g.Compute = append(g.Compute, k.read(p))
	}
	slices.SortFunc(g.Compute, func(a, b ComputeInstance) int { return cmp.Compare(a.Placement.Start, b.Placement.Start) })
	return g
}

func (k fakeCompute) read(p Profile) ComputeInstance {
	return ComputeInstance{ID: k.ID, Placement: k.Placement, UUID: k.UUID, SMs: p.SMs * k.Placement.Size / p.Slices}
}

// CreateGPUInstance makes an instance if the card would.
func (f *Fake) CreateGPUInstance(gpu string, profileID int, at Placement) (made GPUInstance, err error) {
	err = f.change(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		if !c.Mode.Current {
			return ErrNotSupported
		}
		k := slices.IndexFunc(c.profiles, func(p Profile) bool { return p.ID == profileID })
		if k < 0 || !slices.Contains(c.profiles[k].Placements, at) {
			return ErrInvalidArgument
		}
		// Free places and media engines bound the number of instances: a
		// test holds that the table's maximum says no less.
		p := c.profiles[k]
		taken := slices.ContainsFunc(c.Instances, func(i fakeInstance) bool { return overlap(i.Placement, at) })
		if taken || !c.mediaLeft(p.Name) {
			return ErrInsufficientResources
		}
		i := fakeInstance{ID: freeID(c.Instances, func(i fakeInstance) int { return i.ID }), Profile: p.Name, Placement: at}
		c.Instances = append(c.Instances, i)
		made = i.read(p)
		return nil
	})
	return made, err
}

// CreateComputeInstance makes a MIG device with a new UUID.
func (f *Fake) CreateComputeInstance(gpu string, gi int, at Placement) (made ComputeInstance, err error) {
	err = f.change(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		i, err := c.instance(gi)
		if err != nil {
			return err
		}
		p, err := c.profile(i.Profile)
		if err != nil {
			return err
		}
		if !p.fitsCompute(at) {
			return ErrInvalidArgument
		}
		if slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return overlap(k.Placement, at) }) {
			return ErrInsufficientResources
		}
		c.Made++
		k := fakeCompute{
			ID:        freeID(i.Compute, func(k fakeCompute) int { return k.ID }),
			Placement: at, UUID: fakeUUID("MIG", c.UUID, c.Made),
		}
		i.Compute = append(i.Compute, k)
		made = k.read(p)
		return nil
	})
	return made, err
}

// DestroyComputeInstance removes a MIG device without processes.
func (f *Fake) DestroyComputeInstance(gpu string, gi, ci int) error {
	return f.change(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		i, err := c.instance(gi)
		if err != nil {
			return err
		}
		k := slices.IndexFunc(i.Compute, func(k fakeCompute) bool { return k.ID == ci })
		if k < 0 {
			return ErrNotFound
		}
		if c.busy(i.Compute[k].UUID) {
			return ErrInUse
		}
		i.Compute = slices.Delete(i.Compute, k, k+1)
		return nil
	})
}

// DestroyGPUInstance removes an instance without compute instances.
func (f *Fake) DestroyGPUInstance(gpu string, gi int) error {
	return f.change(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		i, err := c.instance(gi)
		if err != nil {
			return err
		}
		if len(i.Compute) > 0 {
			return ErrInUse
		}
		c.Instances = slices.DeleteFunc(c.Instances, func(i fakeInstance) bool { return i.ID == gi })
		return nil
	})
}

// SetMIGMode changes the mode at once if nothing runs, no instance exists and no
// display is active. Else a card that resets for it leaves the change pending
// with an activation of ErrInUse, and another refuses with a return of ErrInUse.
// A card passed through to a virtual machine that would reset leaves it pending
// with ErrResetRequired. Asking for the mode in force takes a pending one back.
func (f *Fake) SetMIGMode(gpu string, on bool) (activation, ret Return) {
	err := f.change(func(cards []*fakeCard) error {
		c, err := findGPU(cards, gpu)
		if err != nil {
			return err
		}
		idle := len(c.Instances) == 0 && len(c.Processes) == 0 && !c.State.DisplayActive
		switch {
		case c.State.DisplayMode || c.State.Virtualization == VirtualizationGuest:
			return ErrNotSupported
		case c.Mode.Current == on:
			c.Mode.Pending = on
		case c.State.Held || !idle && c.resets():
			c.Mode.Pending, activation = on, ErrInUse
		case !idle:
			return ErrInUse
		case c.resets() && c.State.Virtualization == VirtualizationPassthrough:
			c.Mode.Pending, activation = on, ErrResetRequired
		default:
			c.Mode.Current, c.Mode.Pending = on, on
		}
		return nil
	})
	if err == nil {
		return activation, Success
	}
	if r, ok := errors.AsType[Return](err); ok {
		return Success, r
	}
	return Success, ErrUnknown
}

// freeID gives the smallest number that no item has.
func freeID[T any](items []T, id func(T) int) int {
	for n := 0; ; n++ {
		if !slices.ContainsFunc(items, func(t T) bool { return id(t) == n }) {
			return n
		}
	}
}
