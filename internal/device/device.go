// Package device describes what a process can be pinned to: a whole GPU or one
// MIG compute instance of it. It is the word that partition, services and
// collectors share, so that none of them has to know another.
package device

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// A Device is one thing that work runs on: a whole GPU, or a MIG compute
// instance. A Device is data; copies share Env, which nobody changes.
type Device struct {
	// UUID names the device for CUDA: "GPU-…" or "MIG-…".
	UUID string `json:"uuid"`
	// GPU is the UUID of the physical GPU; equal to UUID for a whole GPU.
	GPU string `json:"gpu"`
	// Name is for people and stable within a layout: "gpu0", "gpu0/1g.24gb@3",
	// and where a GPU instance is cut up "gpu0/2g.10gb@4/1c@1".
	Name string `json:"name"`
	// Model is the card's product name as NVML tells it.
	Model string `json:"model"`
	// Instance is nil for a whole GPU.
	Instance *Instance `json:"instance,omitempty"`
	// MemoryBytes is what clients can use together, as NVML reports it.
	MemoryBytes uint64 `json:"memory_bytes"`
	// SMs is the number of streaming multiprocessors.
	SMs int `json:"sms"`
	// Sharing says how several processes share the device.
	Sharing Sharing `json:"sharing"`
	// Env is what a client process needs to find the device
	// (CUDA_VISIBLE_DEVICES, CUDA_MPS_PIPE_DIRECTORY, …).
	Env map[string]string `json:"env,omitempty"`
}

// An Instance says which MIG instance a device is.
type Instance struct {
	GI int `json:"gi"` // GPU instance id within the GPU
	CI int `json:"ci"` // compute instance id within the GPU instance
	// Profile is the GPU instance's profile, such as "1g.24gb".
	Profile string `json:"profile"`
	// Start and Size are the placement in memory-slice units.
	Start int `json:"start"`
	Size  int `json:"size"`
	// ComputeStart and ComputeSize are the compute instance's place within the
	// GPU instance, in compute slices.
	ComputeStart int `json:"compute_start"`
	ComputeSize  int `json:"compute_size"`
}

// The ways in which processes share a device.
const (
	TimeSlicing = "ts"  // the driver's default: one process at a time
	MPS         = "mps" // one MPS server runs the kernels of all clients
)

// Sharing is how the processes on a device share it. The zero value means
// the driver's default, time-slicing.
type Sharing struct {
	// Mode is TimeSlicing or MPS; empty means TimeSlicing.
	Mode string `json:"mode,omitempty"`
	// ThreadPercent is MPS's limit on the share of SMs that one client may
	// use, 1 to 100. 0 means that no limit is set.
	ThreadPercent int `json:"thread_percent,omitempty"`
	// MemoryLimitBytes is MPS's limit on the device memory that one client may
	// take, CUDA's own use included, in whole MiB. 0 means that no limit is set.
	MemoryLimitBytes uint64 `json:"memory_limit_bytes,omitempty"`
	// TimeSlice is the compute-policy time slice under time-slicing:
	// "default", "short", "medium", "long". Empty leaves it as found.
	TimeSlice string `json:"time_slice,omitempty"`
}

// IsMPS reports whether processes share through MPS.
func (s Sharing) IsMPS() bool { return s.Mode == MPS }

// String writes a sharing as layouts do: "ts", "ts:short", "mps", "mps:50",
// "mps:20G", "mps:50:512M". A memory limit is in GiB where it is whole ones, else
// in MiB.
func (s Sharing) String() string {
	switch {
	case s.IsMPS():
		text := MPS
		if s.ThreadPercent > 0 {
			text += fmt.Sprintf(":%d", s.ThreadPercent)
		}
		switch {
		case s.MemoryLimitBytes == 0:
		case s.MemoryLimitBytes%gib == 0:
			text += fmt.Sprintf(":%dG", s.MemoryLimitBytes/gib)
		default:
			text += fmt.Sprintf(":%dM", s.MemoryLimitBytes/mib)
		}
		return text
	case s.TimeSlice != "":
		return "ts:" + s.TimeSlice
	default:
		return TimeSlicing
	}
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// mpsRE is MPS with its limits, each without leading zeros; six digits are
// beyond any card's memory.
var mpsRE = regexp.MustCompile(`^mps(?::([1-9][0-9]{0,5}))?(?::([1-9][0-9]{0,5})([GM]))?$`)

// ParseSharing reads what [Sharing.String] writes, and a memory limit in MiB that
// is whole GiB.
func ParseSharing(text string) (Sharing, error) {
	switch text {
	case TimeSlicing:
		return Sharing{Mode: TimeSlicing}, nil
	case "ts:default", "ts:short", "ts:medium", "ts:long":
		return Sharing{Mode: TimeSlicing, TimeSlice: text[len("ts:"):]}, nil
	}
	m := mpsRE.FindStringSubmatch(text)
	if m == nil {
		return Sharing{}, fmt.Errorf("sharing %q is none of ts, ts:default, ts:short, ts:medium, ts:long, mps, mps:1 to mps:100 (percent of the SMs), "+
			"mps:20G or mps:512M (memory limit of each client), mps:50:20G (both)", text)
	}
	s := Sharing{Mode: MPS}
	if m[1] != "" {
		s.ThreadPercent, _ = strconv.Atoi(m[1]) // at most six digits
		if s.ThreadPercent > 100 {
			return Sharing{}, fmt.Errorf("sharing %q: the thread percentage is 1 to 100", text)
		}
	}
	if m[2] != "" {
		n, _ := strconv.ParseUint(m[2], 10, 64) // at most six digits
		s.MemoryLimitBytes = n * mib
		if m[3] == "G" {
			s.MemoryLimitBytes = n * gib
		}
	}
	return s, nil
}

// Environ gives Env as "NAME=value", sorted, for a process.
func (d Device) Environ() []string {
	var env []string
	for _, name := range slices.Sorted(maps.Keys(d.Env)) {
		env = append(env, name+"="+d.Env[name])
	}
	return env
}
