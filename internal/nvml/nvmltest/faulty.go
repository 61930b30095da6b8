// Package nvmltest puts faults into an [nvml.API]: at a chosen call one fails,
// before or after its effect, stays pending, or a func is called.
package nvmltest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/evabench/evabench/internal/nvml"
)

// A Fault is what happens from a call on. The zero value never happens, so that
// a [Faulty] with it only counts.
type Fault struct {
	// Call is the number of the call at which it begins, counted from 1; 0 is
	// never.
	Call int
	// Only names methods, such as "SetMIGMode": other calls are not counted in
	// Call and not touched. Nil is all of them.
	Only []string
	// Times is for how many calls it lasts; 0 is for ever.
	Times int
	// Return is what the calls give, if it is not Success.
	Return nvml.Return
	// After has the call take effect before it gives Return.
	After bool
	// Pending leaves a SetMIGMode pending with an activation of ErrInUse, as if
	// something held the GPU for that moment; other calls, and one for the mode
	// in force, are as without a fault. It needs a [nvml.Fake] below.
	Pending bool
	// Do is called before the call, or with After between its effect and its
	// return: to kill, to cancel, to let a process appear.
	Do func()
}

// A Faulty is an [nvml.API] with a fault. It is safe for concurrent use if what
// is below is; calls are numbered in the order in which they begin.
type Faulty struct {
	api   nvml.API
	fault Fault

	mu    sync.Mutex
	calls []string // methods called, all of them
	seen  int      // those that count for the fault
	hits  int
}

var _ nvml.API = (*Faulty)(nil)

// New puts a fault into an API. It panics if the fault needs a [nvml.Fake] and
// api is none.
func New(api nvml.API, fault Fault) *Faulty {
	if _, ok := api.(holder); fault.Pending && !ok {
		panic("nvmltest: a pending mode needs an nvml.Fake")
	}
	return &Faulty{api: api, fault: fault}
}

// Calls tells the methods called so far, in order.
func (f *Faulty) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Hits is how many calls met the fault so far. A test of a fault that none met
// has shown nothing.
func (f *Faulty) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// begin counts a call and reports whether it meets the fault.
func (f *Faulty) begin(method string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method)
	if f.fault.Only != nil && !slices.Contains(f.fault.Only, method) {
		return false
	}
	f.seen++
	k := f.fault.Call
	hit := k > 0 && f.seen >= k && (f.fault.Times == 0 || f.seen < k+f.fault.Times)
	if hit {
		f.hits++
	}
	return hit
}

func (f *Faulty) do() {
	if f.fault.Do != nil {
		f.fault.Do()
	}
}

// through makes a call with the fault, if it meets it.
func through[T any](f *Faulty, method string, call func() (T, error)) (T, error) {
	if !f.begin(method) {
		return call()
	}
	fail := f.fault.Return.Err()
	if fail != nil {
		fail = fmt.Errorf("%s: %w", method, fail)
	}
	var none T
	if f.fault.After {
		got, err := call()
		f.do()
		if fail != nil {
			return none, fail
		}
		return got, err
	}
	f.do()
	if fail != nil {
		return none, fail
	}
	return call()
}

// System is the API's, perhaps with the fault; so are the others.
func (f *Faulty) System() (nvml.System, error) { return through(f, "System", f.api.System) }

// Devices is the API's.
func (f *Faulty) Devices() ([]nvml.Device, error) { return through(f, "Devices", f.api.Devices) }

// Mode is the API's.
func (f *Faulty) Mode(gpu string) (nvml.MIGMode, error) {
	return through(f, "Mode", func() (nvml.MIGMode, error) { return f.api.Mode(gpu) })
}

// Memory is the API's.
func (f *Faulty) Memory(uuid string) (nvml.Memory, error) {
	return through(f, "Memory", func() (nvml.Memory, error) { return f.api.Memory(uuid) })
}

// Processes is the API's.
func (f *Faulty) Processes(uuid string) ([]nvml.Process, error) {
	return through(f, "Processes", func() ([]nvml.Process, error) { return f.api.Processes(uuid) })
}

// Profiles is the API's.
func (f *Faulty) Profiles(gpu string) ([]nvml.Profile, error) {
	return through(f, "Profiles", func() ([]nvml.Profile, error) { return f.api.Profiles(gpu) })
}

// Instances is the API's.
func (f *Faulty) Instances(gpu string) ([]nvml.GPUInstance, error) {
	return through(f, "Instances", func() ([]nvml.GPUInstance, error) { return f.api.Instances(gpu) })
}

// CreateGPUInstance is the API's.
func (f *Faulty) CreateGPUInstance(gpu string, profileID int, at nvml.Placement) (nvml.GPUInstance, error) {
	return through(f, "CreateGPUInstance", func() (nvml.GPUInstance, error) { return f.api.CreateGPUInstance(gpu, profileID, at) })
}

// CreateComputeInstance is the API's.
func (f *Faulty) CreateComputeInstance(gpu string, gi int, at nvml.Placement) (nvml.ComputeInstance, error) {
	return through(f, "CreateComputeInstance", func() (nvml.ComputeInstance, error) { return f.api.CreateComputeInstance(gpu, gi, at) })
}

// DestroyComputeInstance is the API's.
func (f *Faulty) DestroyComputeInstance(gpu string, gi, ci int) error {
	_, err := through(f, "DestroyComputeInstance", func() (any, error) { return nil, f.api.DestroyComputeInstance(gpu, gi, ci) })
	return err
}

// DestroyGPUInstance is the API's.
func (f *Faulty) DestroyGPUInstance(gpu string, gi int) error {
	_, err := through(f, "DestroyGPUInstance", func() (any, error) { return nil, f.api.DestroyGPUInstance(gpu, gi) })
	return err
}

// SetMIGMode is the API's. The fault's Return comes as the return of the call,
// with an activation of Success.
func (f *Faulty) SetMIGMode(gpu string, on bool) (activation, ret nvml.Return) {
	set := f.api.SetMIGMode
	if !f.begin("SetMIGMode") {
		return set(gpu, on)
	}
	if f.fault.Pending {
		set = f.setPending
	}
	if f.fault.After {
		activation, ret = set(gpu, on)
		f.do()
	} else {
		f.do()
	}
	if f.fault.Return != nvml.Success {
		return nvml.Success, f.fault.Return
	}
	if f.fault.After {
		return activation, ret
	}
	return set(gpu, on)
}

// A holder can hold a GPU so that its mode stays pending.
type holder interface {
	State(gpu string) (nvml.FakeState, error)
	SetState(gpu string, s nvml.FakeState) error
}

func (f *Faulty) setPending(gpu string, on bool) (activation, ret nvml.Return) {
	h := f.api.(holder)
	was, err := h.State(gpu)
	if err != nil {
		return nvml.Success, nvml.ErrNotFound
	}
	held := was
	held.Held = true
	if err := h.SetState(gpu, held); err != nil {
		return nvml.Success, nvml.ErrUnknown
	}
	activation, ret = f.api.SetMIGMode(gpu, on)
	if err := h.SetState(gpu, was); err != nil {
		return nvml.Success, nvml.ErrUnknown
	}
	return activation, ret
}
