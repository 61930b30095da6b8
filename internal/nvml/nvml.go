// Package nvml is what evabench needs of NVIDIA's management library: a few
// small interfaces over GPUs named by UUID, and a strict [Fake] of them.
//
// [Open] gives the real library, over github.com/NVIDIA/go-nvml in a file that
// needs cgo; everything else, tests included, builds without. Names and rules
// follow the NVML API reference and nvml.h (API 13).
package nvml

// An API is all of the library that this project uses. Implementations are
// safe for concurrent use. Every error is a [Return], perhaps wrapped.
type API interface {
	Reader
	InstanceReader
	InstanceChanger
	ModeChanger
}

// A Reader tells which GPUs there are and what runs on them.
type Reader interface {
	// System tells the versions of what answers.
	System() (System, error)
	// Devices lists the GPUs by index. One that cannot be read stands there with
	// its index and why, see [Device.Fault], and hides no other.
	Devices() ([]Device, error)
	// Mode reads the MIG mode of one GPU, and no other.
	Mode(gpu string) (MIGMode, error)
	// Memory tells the memory of a GPU or of a MIG device.
	Memory(uuid string) (Memory, error)
	// Processes lists the processes of a GPU, those inside its MIG devices
	// included, or of one MIG device: compute and graphics ones, and clients of
	// MPS. One that is of two kinds stands once, as the later of the list that
	// [ProcessKind] gives.
	Processes(uuid string) ([]Process, error)
}

// An InstanceReader tells what MIG instances a GPU can have and has.
type InstanceReader interface {
	// Profiles lists the GPU instance profiles of a GPU with the placements
	// that the card allows, whatever is in use. ErrNotSupported means that
	// the GPU has no MIG.
	Profiles(gpu string) ([]Profile, error)
	// Instances lists the GPU instances with their compute instances, by
	// placement start. With MIG off there are none.
	Instances(gpu string) ([]GPUInstance, error)
}

// An InstanceChanger makes and removes MIG instances.
type InstanceChanger interface {
	// CreateGPUInstance makes a GPU instance of a profile id at a placement.
	// ErrInsufficientResources also means that the place is taken.
	CreateGPUInstance(gpu string, profileID int, at Placement) (GPUInstance, error)
	// CreateComputeInstance makes a compute instance inside GPU instance gi, of the
	// first profile of so many slices that the instance can have; at counts compute
	// slices within it.
	CreateComputeInstance(gpu string, gi int, at Placement) (ComputeInstance, error)
	// DestroyComputeInstance gives ErrInUse while a process is inside.
	DestroyComputeInstance(gpu string, gi, ci int) error
	// DestroyGPUInstance gives ErrInUse while a compute instance is inside.
	DestroyGPUInstance(gpu string, gi int) error
}

// A ModeChanger switches MIG on and off.
type ModeChanger interface {
	// SetMIGMode asks for a mode and gives the activation status and, apart
	// from it, the return of the call. The mode has changed only if both are
	// Success and Mode then shows it as current and pending: an activation
	// of ErrInUse leaves the change pending on cards that reset for it.
	SetMIGMode(gpu string, on bool) (activation, ret Return)
}

// A System is the software that answers. Empty means unknown.
type System struct {
	Driver string `json:"driver,omitempty"` // such as "580.95.05"
	NVML   string `json:"nvml,omitempty"`   // of the library
	CUDA   string `json:"cuda,omitempty"`   // the newest that the driver has, such as "13.0"
	// Simulated is true for a [Fake].
	Simulated bool `json:"simulated,omitempty"`
}

// A Device is a physical GPU. What NVML does not tell is empty, or nil.
type Device struct {
	Index int    // changes between boots; UUID does not
	UUID  string // "GPU-…"; empty only with a Fault
	// Fault is why the GPU cannot be read, such as [ErrGPUIsLost] or
	// [ErrNoPermission]; nil if it can. With it only Index holds, and UUID if that
	// is not empty.
	Fault error
	Name  string // product name
	// SMs is the number of streaming multiprocessors with MIG off; 0 if unknown
	// (NVML tells the cores of a GPU only, and profiles their SMs).
	SMs    int
	Memory Memory
	MIG    MIGMode
	// Assumed tells in words, from a fake only, what of the card's MIG
	// profiles was never recorded from such a card; empty if nothing.
	Assumed string

	PCI               string // bus id, "00000000:01:00.0"
	PCIDevice         uint32 // device and vendor, as 0x2BB510DE; 0 if unknown
	Minor             int    // N of /dev/nvidiaN; -1 if unknown
	VBIOS             string
	ComputeCapability string // "12.0"
	ComputeMode       ComputeMode
	Persistence       *bool
	ECC               *bool // in force now
	ECCPending        *bool // after the next reset
	DisplayActive     *bool // a display is initialised on it
	// PowerLimitWatts is the limit that was set and PowerDefaultWatts the card's
	// own, both to mW; nil if unknown.
	PowerLimitWatts   *float64
	PowerDefaultWatts *float64
	Virtualization    Virtualization
}

// A ComputeMode says which processes may use a GPU; empty means unknown. It is
// read and never changed.
type ComputeMode string

// The compute modes.
const (
	ComputeDefault          ComputeMode = "default"
	ComputeExclusiveProcess ComputeMode = "exclusive-process"
	ComputeProhibited       ComputeMode = "prohibited"
)

// A Virtualization says whether a GPU is a virtual machine's, or is shared out
// to some; empty means unknown.
type Virtualization string

// The virtualization modes. NVML's VGPU is a guest with a virtual GPU, the hosts
// are those that share one out.
const (
	VirtualizationNone        Virtualization = "none"
	VirtualizationPassthrough Virtualization = "passthrough"
	VirtualizationGuest       Virtualization = "vgpu-guest"
	VirtualizationHost        Virtualization = "vgpu-host"
	VirtualizationHostVSGA    Virtualization = "vsga-host"
)

// A Memory is how much memory a device has and how much of it is in use.
type Memory struct{ TotalBytes, UsedBytes uint64 }

// A MIGMode is a GPU's present mode and the one that a reset will bring.
// The zero value is a GPU without MIG.
type MIGMode struct {
	Supported bool `json:"supported"`
	Current   bool `json:"current"` // true: MIG is on
	Pending   bool `json:"pending"` // differs from Current while a change waits
	// Resets says that a change of the mode resets the GPU (A100, A30).
	Resets bool `json:"resets,omitempty"`
}

// A Placement is a place on a GPU in memory-slice units, or within a GPU
// instance in compute slices.
type Placement struct {
	Start int `json:"start"`
	Size  int `json:"size"`
}

// A Profile is a kind of GPU instance that a card can make.
type Profile struct {
	ID          int // the same id means other things on other GPUs
	Name        string
	MemoryBytes uint64
	SMs         int
	// Slices is the number of compute slices.
	Slices int
	// Max is how many the empty card holds.
	Max        int
	Placements []Placement
	// Attributes are what the name's suffix says, from the profile's number in
	// NVML (the enum): "me", "-me", "me.all", "gfx".
	Attributes []string
	// Compute are the compute instances that it can be cut into, by slices; the
	// last takes all of it.
	Compute []ComputeProfile
	// Assumed is true only from a fake, for values that nobody recorded.
	Assumed bool
}

// A ComputeProfile is a kind of compute instance within a GPU instance.
type ComputeProfile struct {
	Slices int `json:"slices"` // compute slices
	SMs    int `json:"sms"`    // 0 if unknown
	// Placements are in compute slices of the GPU instance.
	Placements []Placement `json:"placements"`
}

// A GPUInstance is a GPU instance that exists.
type GPUInstance struct {
	ID        int // within the GPU
	ProfileID int
	Placement Placement
	Compute   []ComputeInstance // by placement start
}

// A ComputeInstance is a compute instance; to CUDA it is a MIG device.
type ComputeInstance struct {
	ID        int       // within the GPU instance
	Placement Placement // in compute slices
	UUID      string    // "MIG-…"
	SMs       int
	// ProfileID is the driver's id of its profile, of no meaning elsewhere.
	ProfileID int
	// Special tells in words why one that CreateComputeInstance made in its place
	// would be of another profile; empty if it would be of the same.
	Special string
}

// MemorySlices is the number of memory slices of a card, in the units of a GPU
// instance's [Placement]: the end of the last place that any of its profiles
// can take. It is 0 without profiles.
func MemorySlices(profiles []Profile) int {
	slices := 0
	for _, p := range profiles {
		for _, at := range p.Placements {
			slices = max(slices, at.Start+at.Size)
		}
	}
	return slices
}

// MemoryShare is the share, over 0 and up to 1, of a card's memory system
// (DRAM bandwidth, L2 cache) that belongs to a GPU instance at a placement: its
// memory slices of those of the card, as each slice has its own path to its own
// DRAM (NVIDIA MIG User Guide, Concepts). Compute instances of one GPU instance
// use its share together. The profiles are all those of the card.
//
// Note: the share of the memory's size is not the same: what a driver keeps for
// itself comes off each instance, and an A100's 7g.40gb, with all 8 slices, has
// 39.25 of 40 GiB.
func MemoryShare(profiles []Profile, at Placement) float64 {
	return float64(at.Size) / float64(MemorySlices(profiles))
}

// A Process is a process on a GPU or MIG device.
type Process struct {
	PID    int
	Name   string // empty if unknown, as for another user's
	Device string // UUID of the MIG device, or of the GPU
	Kind   ProcessKind
	// UsedBytes is the memory that it uses, nil if that is unknown.
	UsedBytes *uint64
}

// A ProcessKind is how a process uses a device.
type ProcessKind string

// The kinds of process.
const (
	GraphicsProcess ProcessKind = "graphics"
	ComputeProcess  ProcessKind = "compute"
	MPSProcess      ProcessKind = "mps" // a client of MPS
)
