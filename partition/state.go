package partition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A State is what a backend found on the named GPUs. It is data and goes to
// JSON and back unchanged. The zero value is a server without named GPUs.
type State struct {
	System System `json:"system"`
	GPUs   []GPU  `json:"gpus"`
	// MPS holds the MPS control daemons that serve devices of these GPUs, this
	// program's and others', by device.
	MPS []Daemon `json:"mps,omitempty"`
	// MPSDir is the folder by which this program's daemons were known, and below which
	// a change may have started some since; empty where there is just one such folder.
	MPSDir string `json:"mps_dir,omitempty"`
	// Owners are programs that manage the GPUs of this host by themselves.
	Owners []Owner `json:"owners,omitempty"`
	// Blind tells why processes of the host cannot be seen, such as an own PID
	// namespace; empty if they can.
	Blind string `json:"blind,omitempty"`
}

// Idle gives a copy without what stands in the way of a change now but says
// nothing of where a layout may go: processes, holders, daemons, owners, blindness,
// displays, virtual machines, compute modes, and changes that wait for a reset.
func (s State) Idle() State {
	idle := State{System: s.System}
	for _, g := range s.GPUs {
		g.Processes, g.Holders = nil, nil
		g.DisplayActive, g.Virtualization, g.ComputeMode = nil, "", ""
		g.MIG.Pending, g.ECCPending = g.MIG.Current, g.ECC
		g.PowerLimitWatts = g.PowerDefaultWatts
		idle.GPUs = append(idle.GPUs, g)
	}
	return idle
}

// A System is the software that manages the GPUs. Empty means unknown.
type System struct {
	Driver    string `json:"driver,omitempty"`
	NVML      string `json:"nvml,omitempty"`
	CUDA      string `json:"cuda,omitempty"`
	Simulated bool   `json:"simulated,omitempty"`
}

// A GPU is one physical GPU as found. What nothing tells is empty, or nil.
type GPU struct {
	Index       int    `json:"index"`
	UUID        string `json:"uuid"`
	Name        string `json:"name"` // product name
	MemoryBytes uint64 `json:"memory_bytes"`
	SMs         int    `json:"sms"` // with MIG off; 0 if unknown
	MIG         Mode   `json:"mig"`
	// Profiles is what the card can make, empty without MIG.
	Profiles []Profile `json:"profiles,omitempty"`
	// NoProfiles tells why the profiles could not be read, though there may be
	// some; empty if they were read.
	NoProfiles string     `json:"no_profiles,omitempty"`
	Instances  []Instance `json:"instances,omitempty"` // by placement start
	// Makes are the instances that a change makes on it, in a state of [Plan.ToRestore];
	// nil if that is not known.
	Makes     []Instance `json:"makes,omitzero"`
	Processes []Process  `json:"processes,omitempty"`
	// Holders are processes that have the GPU's device file open and are none of
	// the Processes: monitors, persistence daemons, X servers.
	Holders []Holder `json:"holders,omitempty"`

	PCI               string `json:"pci,omitempty"`        // bus id
	PCIDevice         uint32 `json:"pci_device,omitempty"` // device and vendor, as 0x2BB510DE
	VBIOS             string `json:"vbios,omitempty"`
	ComputeCapability string `json:"compute_capability,omitempty"`
	ComputeMode       string `json:"compute_mode,omitempty"`
	Virtualization    string `json:"virtualization,omitempty"`
	DisplayActive     *bool  `json:"display_active,omitempty"`
	Persistence       *bool  `json:"persistence,omitempty"`
	ECC               *bool  `json:"ecc,omitempty"`
	ECCPending        *bool  `json:"ecc_pending,omitempty"` // after a reset
	// PowerLimitWatts is the power limit as set, PowerDefaultWatts that after a
	// reset.
	PowerLimitWatts   *float64 `json:"power_limit_watts,omitempty"`
	PowerDefaultWatts *float64 `json:"power_default_watts,omitempty"`
	// TimeSlice is the compute policy's: default, short, medium or long.
	TimeSlice string `json:"time_slice,omitempty"`
}

// A Daemon is an MPS control daemon.
type Daemon struct {
	// Device is the UUID of the device that it serves; empty if that cannot be
	// told, and then it may be any.
	Device string `json:"device"`
	PID    int    `json:"pid"`
	UID    int    `json:"uid"`
	Pipe   string `json:"pipe"` // folder
	Log    string `json:"log"`  // folder
	// Own says that this program started it, perhaps in an earlier life.
	Own bool `json:"own,omitempty"`
	// Env are the other variables that it was started with and that a new one
	// would need, by name.
	Env map[string]string `json:"env,omitempty"`
	// Settings are its defaults for clients that were set by command and that would
	// be lost when it ends, by command word; nil if it did not tell them.
	Settings map[string]string `json:"settings,omitzero"`
	// Keeper says, in words with what to do, who else starts and ends it: a container,
	// a unit of systemd. Empty if nobody does.
	Keeper string `json:"keeper,omitempty"`
	// Unit is the systemd unit or container that it belongs to; empty if none.
	Unit string `json:"unit,omitempty"`
	// EndsWith is the systemd unit or container of the process that read the state, to
	// which the daemon does not belong: one that is started in its place ends with it.
	// Empty if there is none. A process that comes later asks for its own.
	EndsWith string `json:"ends_with,omitempty"`
	// Clients are the pids of its clients; nil if it did not tell.
	Clients []int `json:"clients,omitzero"`
	// Left says, in a state of [Plan.ToRestore], that it is another's and the change does
	// not end it: whether it runs is its owner's affair, and no restore starts it.
	Left bool `json:"left,omitempty"`
}

// A Holder is a process that has a GPU open. PID 0 stands for processes that could
// not be looked into, of which Name tells.
type Holder struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	UID  int    `json:"uid"`
}

// An Owner is a program that manages GPUs by itself: it would undo, or be
// confused by, what others change.
type Owner struct {
	// Name is what people call it: "mig-manager", "dra-driver", "device-plugin",
	// "slurm", "vgpu-manager".
	Name string `json:"name"`
	PID  int    `json:"pid,omitempty"`
	Why  string `json:"why"` // what shows it
}

// A Mode is whether a GPU can have MIG, has it, and will have it after a reset.
type Mode struct {
	Supported bool `json:"supported"`
	Current   bool `json:"current"`
	Pending   bool `json:"pending"`
	Resets    bool `json:"resets,omitempty"` // a change resets the GPU
}

// A Placement is a place in memory-slice units of a GPU, or in compute slices
// of an instance.
type Placement struct {
	Start int `json:"start"`
	Size  int `json:"size"`
}

// String writes start:size, as nvidia-smi does.
func (p Placement) String() string { return fmt.Sprintf("%d:%d", p.Start, p.Size) }

func (p Placement) overlaps(o Placement) bool {
	return p.Start < o.Start+o.Size && o.Start < p.Start+p.Size
}

// A Profile is a kind of instance that a card can make.
type Profile struct {
	ID          int         `json:"id"`
	Name        string      `json:"name"`
	MemoryBytes uint64      `json:"memory_bytes"`
	SMs         int         `json:"sms"`
	Slices      int         `json:"slices"` // compute slices
	Placements  []Placement `json:"placements"`
	// Attributes: "me", "-me", "me.all", "gfx", as the name's suffix.
	Attributes []string `json:"attributes,omitempty"`
	// Compute are the compute instances that it can be cut into, by slices.
	Compute []ComputeProfile `json:"compute,omitempty"`
	// Assumed marks a simulated card's invented values.
	Assumed bool `json:"assumed,omitempty"`
}

// A ComputeProfile is a kind of compute instance within a GPU instance.
type ComputeProfile struct {
	Slices     int         `json:"slices"`
	SMs        int         `json:"sms,omitempty"` // 0 if unknown
	Placements []Placement `json:"placements"`    // in compute slices
}

// An Instance is a GPU instance as found.
type Instance struct {
	GI        int       `json:"gi"` // its id, which changes when it is made anew
	Profile   string    `json:"profile"`
	Placement Placement `json:"placement"`
	Compute   []Compute `json:"compute,omitempty"` // by placement start
}

// A Compute is a compute instance: a MIG device.
type Compute struct {
	CI        int       `json:"ci"`
	Placement Placement `json:"placement"` // within the instance
	UUID      string    `json:"uuid"`      // changes when it is made anew
	SMs       int       `json:"sms"`
}

// A Process is a process on a GPU.
type Process struct {
	PID    int    `json:"pid"`
	Name   string `json:"name,omitempty"`
	Device string `json:"device"`         // UUID
	Kind   string `json:"kind,omitempty"` // "compute", "graphics", "mps" (a client of MPS)
	// UsedBytes is the memory that it uses, nil if unknown.
	UsedBytes *uint64 `json:"used_bytes,omitempty"`
}

// Same reports whether two instances are alike in all that a restore can bring
// back, which ids and UUIDs are not. The order of compute instances does not
// matter.
func (i Instance) Same(o Instance) bool {
	return i.Profile == o.Profile && i.Placement == o.Placement && slices.Equal(i.cuts(), o.cuts())
}

// cuts lists the places of the compute instances, by start.
func (i Instance) cuts() []Placement {
	var places []Placement
	for _, c := range i.Compute {
		places = append(places, c.Placement)
	}
	slices.SortFunc(places, func(a, b Placement) int { return cmp.Compare(a.Start, b.Start) })
	return places
}

// String names the instance as plans do: "1g.24gb at 0:3", and where it is cut up
// "2g.10gb at 4:2 with 1c at 0 and 1".
func (i Instance) String() string {
	text := i.Profile + " at " + i.Placement.String()
	cuts := i.cuts()
	switch {
	case len(cuts) == 0:
		return text + " without compute instance"
	case len(cuts) == 1 && cuts[0] == Placement{Start: 0, Size: slicesOf(i.Profile)}:
		return text
	}
	var words []string
	for k, c := range cuts {
		word := fmt.Sprint(c.Start)
		if k == 0 || cuts[k-1].Size != c.Size {
			word = fmt.Sprintf("%dc at %d", c.Size, c.Start)
		}
		words = append(words, word)
	}
	return text + " with " + join(words)
}

// join writes a list in words: "a, b and c".
func join(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// profile finds a profile of the card by name.
func (g GPU) profile(name string) (Profile, bool) {
	for _, p := range g.Profiles {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// label names the GPU in messages.
func (g GPU) label() string { return fmt.Sprintf("GPU %d (%s)", g.Index, g.Name) }

// devices lists the UUIDs that MPS or processes can be on.
func (g GPU) devices() []string {
	uuids := []string{g.UUID}
	for _, i := range g.Instances {
		for _, c := range i.Compute {
			uuids = append(uuids, c.UUID)
		}
	}
	return uuids
}

// String writes a mode in words.
func (m Mode) String() string {
	switch {
	case !m.Supported:
		return "not supported"
	case m.Current != m.Pending:
		return onOff(m.Current) + " with a change to " + onOff(m.Pending) + " pending"
	}
	return onOff(m.Current)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
