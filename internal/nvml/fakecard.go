package nvml

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// A fakeCard is one simulated GPU, as its file holds it.
type fakeCard struct {
	Model string `json:"model"`
	Index int    `json:"index"`
	UUID  string `json:"uuid"`
	Mode  struct {
		Current bool `json:"current"`
		Pending bool `json:"pending"`
	} `json:"mig"`
	Instances []fakeInstance `json:"instances"`
	Processes []fakeProcess  `json:"processes"`
	// Made counts the MIG devices ever made, for their UUIDs.
	Made int `json:"made"`

	card     card      // what the table says of the model
	profiles []Profile // of card
}

type fakeInstance struct {
	ID        int           `json:"id"`
	Profile   string        `json:"profile"`
	Placement Placement     `json:"placement"`
	Compute   []fakeCompute `json:"compute"`
}

type fakeCompute struct {
	ID        int       `json:"id"`
	Placement Placement `json:"placement"`
	UUID      string    `json:"uuid"`
}

type fakeProcess struct {
	PID       int    `json:"pid"`
	Name      string `json:"name"`
	Device    string `json:"device"`
	UsedBytes uint64 `json:"used_bytes"`
}

// complete looks the model up and forgets processes that have ended.
func (c *fakeCard) complete(alive func(pid int) bool) error {
	found, err := findCard(c.Model)
	if err != nil {
		return err
	}
	c.card = found
	if c.profiles, err = found.profiles(); err != nil {
		return err
	}
	for _, i := range c.Instances {
		if _, err := c.profile(i.Profile); err != nil {
			return fmt.Errorf("instance of profile %q: %w", i.Profile, err)
		}
	}
	c.Processes = slices.DeleteFunc(c.Processes, func(p fakeProcess) bool { return !alive(p.PID) })
	return nil
}

func (c *fakeCard) resets() bool { return c.card.ModeChange == "gpu-reset" }

func (c *fakeCard) totalBytes() uint64 { return uint64(c.card.MemoryGB) << 30 }

func (c *fakeCard) device() Device {
	return Device{
		Index: c.Index, UUID: c.UUID, Name: c.Model, SMs: c.card.SMs,
		Memory:  Memory{TotalBytes: c.totalBytes(), UsedBytes: c.usedOn(c.UUID)},
		MIG:     MIGMode{Supported: true, Current: c.Mode.Current, Pending: c.Mode.Pending, Resets: c.resets()},
		Assumed: c.card.assumed(),
	}
}

func (c *fakeCard) profile(name string) (Profile, error) {
	for _, p := range c.profiles {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, ErrNotFound
}

func (c *fakeCard) instance(id int) (*fakeInstance, error) {
	for i := range c.Instances {
		if c.Instances[i].ID == id {
			return &c.Instances[i], nil
		}
	}
	return nil, ErrNotFound
}

// on reports whether a process counts as being on a device, which a process in
// a MIG device of a GPU does for both.
func (c *fakeCard) on(p fakeProcess, device string) bool {
	return p.Device == device || device == c.UUID
}

func (c *fakeCard) usedOn(device string) uint64 {
	var used uint64
	for _, p := range c.Processes {
		if c.on(p, device) {
			used += p.UsedBytes
		}
	}
	// Compute instances share the memory of their GPU instance.
	for _, i := range c.Instances {
		if !slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return k.UUID == device }) {
			continue
		}
		for _, p := range c.Processes {
			if p.Device != device && slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return k.UUID == p.Device }) {
				used += p.UsedBytes
			}
		}
	}
	return used
}

func (c *fakeCard) busy(device string) bool {
	return slices.ContainsFunc(c.Processes, func(p fakeProcess) bool { return c.on(p, device) })
}

func (c *fakeCard) removeProcess(device string, pid int) bool {
	before := len(c.Processes)
	c.Processes = slices.DeleteFunc(c.Processes, func(p fakeProcess) bool { return p.Device == device && p.PID == pid })
	return len(c.Processes) < before
}

// hasAttribute tells of a profile of the card's table.
func (c *fakeCard) hasAttribute(profile, attribute string) bool {
	for _, p := range c.card.Profiles {
		if p.Name == profile {
			return slices.Contains(p.Attributes, attribute)
		}
	}
	return false
}

// mediaLeft reports whether the media engines suffice for one more instance: a
// +me.all instance takes all of them, so that only -me ones fit beside it, and
// there is one optical-flow engine, which +me and +me.all both take. (NVIDIA
// MIG User Guide, profiles of the RTX PRO 6000 Blackwell.)
func (c *fakeCard) mediaLeft(profile string) bool {
	for _, i := range c.Instances {
		for _, pair := range [][2]string{{i.Profile, profile}, {profile, i.Profile}} {
			if c.hasAttribute(pair[0], "me.all") && !c.hasAttribute(pair[1], "-me") {
				return false
			}
		}
		if c.hasAttribute(i.Profile, "me") && c.hasAttribute(profile, "me") {
			return false
		}
	}
	return true
}

// findDevice gives the card and the memory in bytes of a GPU or MIG device.
func findDevice(cards []*fakeCard, uuid string) (*fakeCard, uint64, error) {
	for _, c := range cards {
		if c.UUID == uuid {
			return c, c.totalBytes(), nil
		}
		for _, i := range c.Instances {
			for _, k := range i.Compute {
				if k.UUID == uuid {
					p, err := c.profile(i.Profile)
					return c, p.MemoryBytes, err
				}
			}
		}
	}
	return nil, 0, ErrNotFound
}

func findGPU(cards []*fakeCard, uuid string) (*fakeCard, error) {
	for _, c := range cards {
		if c.UUID == uuid {
			return c, nil
		}
	}
	return nil, ErrNotFound
}

// processAlive reports whether a process runs; one that only waits to be
// collected by its parent has already left the GPU.
func processAlive(pid int) bool {
	if pid <= 0 {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil { // no /proc, or no process
		return errors.Is(syscall.Kill(pid, 0), syscall.EPERM) || syscall.Kill(pid, 0) == nil
	}
	// proc(5): pid (comm) state …, and comm may hold any byte.
	_, state, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
	return len(state) == 0 || (state[0] != 'Z' && state[0] != 'X')
}
