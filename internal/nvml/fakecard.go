package nvml

import (
	"bytes"
	"cmp"
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
	State     FakeState      `json:"state,omitzero"`
	Instances []fakeInstance `json:"instances"`
	Processes []fakeProcess  `json:"processes"`
	// Made counts the MIG devices ever made, for their UUIDs.
	Made int `json:"made"`
	// Xids are the critical errors since the last boot; see [Fake.AddXid].
	Xids []Xid `json:"xids,omitempty"`

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
	PID       int         `json:"pid"`
	Name      string      `json:"name"`
	Device    string      `json:"device"`
	Kind      ProcessKind `json:"kind"`
	UsedBytes *uint64     `json:"used_bytes"` // null: unknown
	Foreign   bool        `json:"foreign,omitempty"`
}

func newFakeProcess(p Process) fakeProcess {
	return fakeProcess{PID: p.PID, Name: p.Name, Device: p.Device, Kind: p.Kind, UsedBytes: p.UsedBytes}
}

// usedBytes counts unknown memory as none.
func (p fakeProcess) usedBytes() uint64 {
	if p.UsedBytes == nil {
		return 0
	}
	return *p.UsedBytes
}

// read tells of the process as the API does.
func (p fakeProcess) read() Process {
	read := Process{PID: p.PID, Name: p.Name, Device: p.Device, Kind: p.Kind}
	if p.UsedBytes != nil { // a copy: p may be looked at again
		used := *p.UsedBytes
		read.UsedBytes = &used
	}
	return read
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
	if err := c.valid(); err != nil {
		return fmt.Errorf("GPU %s: %w", c.UUID, err)
	}
	c.forget(alive)
	return nil
}

// forget drops the processes that have ended.
func (c *fakeCard) forget(alive func(pid int) bool) {
	c.Processes = slices.DeleteFunc(c.Processes, func(p fakeProcess) bool { return !p.Foreign && !alive(p.PID) })
}

// valid reports what no call of the API could have left in the file.
func (c *fakeCard) valid() error {
	if len(c.Instances) > 0 && !c.Mode.Current {
		return errors.New("instances with MIG off")
	}
	for n, i := range c.Instances {
		p, err := c.profile(i.Profile)
		if err != nil {
			return fmt.Errorf("instance of profile %q: %w", i.Profile, err)
		}
		if !slices.Contains(p.Placements, i.Placement) {
			return fmt.Errorf("%s cannot be at %v", i.Profile, i.Placement)
		}
		for _, other := range c.Instances[:n] {
			if other.ID == i.ID || overlap(other.Placement, i.Placement) {
				return fmt.Errorf("instances %d and %d have one place or number", other.ID, i.ID)
			}
		}
		if err := i.valid(p); err != nil {
			return err
		}
	}
	return nil
}

func (i fakeInstance) valid(p Profile) error {
	for n, k := range i.Compute {
		if !p.fitsCompute(k.Placement) {
			return fmt.Errorf("compute instance %d of %s cannot be at %v", k.ID, i.Profile, k.Placement)
		}
		for _, other := range i.Compute[:n] {
			if other.ID == k.ID || overlap(other.Placement, k.Placement) {
				return fmt.Errorf("compute instances %d and %d of %s have one place or number", other.ID, k.ID, i.Profile)
			}
		}
	}
	return nil
}

// fakePowerWatts is the default power limit of every simulated card.
const fakePowerWatts = 300

func (c *fakeCard) resets() bool { return c.card.ModeChange == "gpu-reset" }

func (c *fakeCard) totalBytes() uint64 { return uint64(c.card.MemoryGB) << 30 }

// device tells of the card; see [Fake] for what is invented.
func (c *fakeCard) device() Device {
	yes := true
	d := c.card.device()
	d.Index, d.UUID, d.Minor = c.Index, c.UUID, c.Index
	d.Memory.UsedBytes = c.usedOn(c.UUID)
	d.MIG.Current, d.MIG.Pending = c.Mode.Current, c.Mode.Pending
	d.PCI, d.VBIOS = fmt.Sprintf("00000000:%02X:00.0", c.Index+1), "simulated"
	d.Persistence, d.ECC = &yes, &yes
	pending := !c.State.ECCPendingOff
	d.ECCPending = &pending
	limit, usual := cmp.Or(c.State.PowerLimitWatts, fakePowerWatts), float64(fakePowerWatts)
	d.PowerLimitWatts, d.PowerDefaultWatts = &limit, &usual
	d.DisplayActive = &c.State.DisplayActive
	d.ComputeMode = cmp.Or(c.State.ComputeMode, ComputeDefault)
	d.Virtualization = cmp.Or(c.State.Virtualization, VirtualizationNone)
	return d
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
			used += p.usedBytes()
		}
	}
	// Compute instances share the memory of their GPU instance.
	for _, i := range c.Instances {
		if !slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return k.UUID == device }) {
			continue
		}
		for _, p := range c.Processes {
			if p.Device != device && slices.ContainsFunc(i.Compute, func(k fakeCompute) bool { return k.UUID == p.Device }) {
				used += p.usedBytes()
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

// findDevice gives the card and the memory in bytes of a GPU or MIG device. One of
// a card that is lost is ErrGPUIsLost.
func findDevice(cards []*fakeCard, uuid string) (*fakeCard, uint64, error) {
	for _, c := range cards {
		if c.UUID == uuid {
			return c, c.totalBytes(), c.lost()
		}
		for _, i := range c.Instances {
			for _, k := range i.Compute {
				if k.UUID == uuid {
					p, err := c.profile(i.Profile)
					return c, p.MemoryBytes, cmp.Or(c.lost(), err)
				}
			}
		}
	}
	return nil, 0, ErrNotFound
}

func (c *fakeCard) lost() error {
	if c.State.Lost {
		return ErrGPUIsLost
	}
	return nil
}

// findGPU gives a card. One that is lost is ErrGPUIsLost.
func findGPU(cards []*fakeCard, uuid string) (*fakeCard, error) {
	c, err := findCardOf(cards, uuid)
	if err != nil {
		return nil, err
	}
	return c, c.lost()
}

// findCardOf gives a card, lost or not.
func findCardOf(cards []*fakeCard, uuid string) (*fakeCard, error) {
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
