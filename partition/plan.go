package partition

import (
	"errors"
	"fmt"
	"slices"

	"github.com/evabench/evabench/internal/device"
)

// A Plan is the exact list of steps that turns a state into a layout. It is
// data; [MakePlan] makes it and a [Backend] carries out its Changes in order.
type Plan struct {
	Before  State    `json:"before"` // what it was made from
	Layout  Layout   `json:"layout"` // what was asked for
	Targets []Target `json:"targets"`
	Changes []Step   `json:"changes"`
}

// A Target is what a GPU is to become.
type Target struct {
	Index int    `json:"index"`
	UUID  string `json:"uuid"`
	MIG   bool   `json:"mig"`
	// Sharing concerns the whole GPU, with MIG off.
	Sharing device.Sharing `json:"sharing"`
	Slots   []Slot         `json:"slots,omitempty"` // with MIG on, by placement start
}

// An Action is what a step does.
type Action string

// The actions.
const (
	DrainMPS     Action = "drain-mps" // quit an idle daemon that is not ours
	StopMPS      Action = "stop-mps"  // one of ours
	Destroy      Action = "destroy"   // a GPU instance and the compute instances in it
	SetMode      Action = "set-mode"
	Create       Action = "create" // a GPU instance and the compute instances in it
	SetTimeSlice Action = "set-time-slice"
	StartMPS     Action = "start-mps"
)

// A Step is one change.
type Step struct {
	Action Action `json:"action"`
	GPU    string `json:"gpu,omitempty"` // UUID
	Index  int    `json:"index"`         // of the GPU
	On     bool   `json:"on,omitempty"`  // SetMode: MIG on
	// Resets says that SetMode resets the GPU.
	Resets bool `json:"resets,omitempty"`
	// Instance is what Destroy removes.
	Instance *Instance `json:"instance,omitempty"`
	// Slot is what Create makes; StartMPS: where, nil for the whole GPU.
	Slot *Slot `json:"slot,omitempty"`
	// Compute says which compute instance of the slot StartMPS is for.
	Compute *Placement `json:"compute,omitempty"`
	// Daemon is what DrainMPS and StopMPS end.
	Daemon *Daemon `json:"daemon,omitempty"`
	// TimeSlice is what SetTimeSlice sets.
	TimeSlice string `json:"time_slice,omitempty"`
}

// String writes the step in one line, as a dry run prints it.
func (s Step) String() string {
	gpu := fmt.Sprintf("gpu%d (%s): ", s.Index, s.GPU)
	switch s.Action {
	case StopMPS:
		return "stop the MPS daemon of " + s.Device
	case Destroy:
		return gpu + "destroy " + s.Instance.String()
	case SetMode:
		text := gpu + "turn MIG " + onOff(s.On)
		if s.Resets {
			text += ", which resets the GPU"
		}
		return text
	case Create:
		return gpu + "create " + s.Slot.Instance().String()
	case StartMPS:
		if s.Slot == nil {
			return gpu + "start an MPS daemon for the whole GPU"
		}
		return gpu + "start an MPS daemon for " + s.Slot.Instance().String()
	}
	panic("partition: unknown action " + string(s.Action))
}

// Steps lists the plan's changes, one readable line each.
func (p Plan) Steps() []string {
	lines := make([]string, len(p.Changes))
	for i, s := range p.Changes {
		lines[i] = s.String()
	}
	return lines
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// An ImpossibleError is a layout that the GPUs cannot take.
type ImpossibleError struct {
	Layout string // canonical text
	GPU    string // "GPU 0 (product name)", empty if no GPU is to blame
	Reason string
	Fits   string // what would fit instead, empty if nothing is known to
}

// Error tells which layout, why not, and what would fit.
func (e *ImpossibleError) Error() string {
	text := fmt.Sprintf("layout %q: ", e.Layout)
	if e.GPU != "" {
		text += e.GPU + " "
	}
	text += e.Reason
	if e.Fits != "" {
		text += "; would fit: " + e.Fits
	}
	return text
}

// ErrBusy is what a [RefusedError] wraps.
var ErrBusy = errors.New("the GPU is not free")

// A RefusedError is a change that must not be made now: somebody else's work,
// a pending change or a manager of the node is in the way.
type RefusedError struct {
	GPU    string // "GPU 0 (product name)", empty for the whole host
	Reason string
	Remedy string // what an operator can do; never empty
}

// Error tells why, and what to do.
func (e *RefusedError) Error() string {
	text := e.Reason + "; " + e.Remedy
	if e.GPU != "" {
		text = e.GPU + ": " + text
	}
	return text
}

// Unwrap gives ErrBusy.
func (e *RefusedError) Unwrap() error { return ErrBusy }

// MakePlan gives the steps from a state to a layout. It is pure. Instances that
// already stand at their place are kept; MPS daemons are always started anew.
// A layout that the GPUs cannot take is an *[ImpossibleError]; a GPU that is
// in use or waits for a reset is an error that wraps [ErrBusy]. All faults are
// reported at once.
func MakePlan(s State, l Layout) (Plan, error) {
	p := Plan{Before: s, Layout: l}
	if err := checkGPUs(s, l); err != nil {
		return Plan{}, err
	}
	var errs []error
	for _, g := range s.GPUs {
		t, err := target(l, g)
		if err != nil {
			err.Layout, err.GPU = l.String(), g.label()
			errs = append(errs, err)
			continue
		}
		p.Targets = append(p.Targets, t)
	}
	if err := errors.Join(errs...); err != nil {
		return Plan{}, err
	}
	p.Changes = changes(s, p.Targets)
	if err := checkFree(s, p.Changes); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// checkGPUs compares the GPUs that the layout names with those of the state.
func checkGPUs(s State, l Layout) error {
	impossible := func(format string, args ...any) error {
		return &ImpossibleError{Layout: l.String(), Reason: fmt.Sprintf(format, args...)}
	}
	if len(l.GPUs) == 0 {
		return impossible("it is empty; say off or profiles for every named GPU")
	}
	for _, want := range l.GPUs {
		known := want.Index == AllGPUs || slices.ContainsFunc(s.GPUs, func(g GPU) bool { return g.Index == want.Index })
		if !known {
			return impossible("GPU %d is not one of the named GPUs", want.Index)
		}
		plain := !slices.ContainsFunc(want.Terms, func(t Term) bool { return t.Profile != "" || t.Sharing.IsMPS() || t.Sharing.TimeSlice != "" })
		if len(s.GPUs) == 0 && !plain {
			return impossible("there is no GPU to change: the backend manages none, or the scenario names none")
		}
	}
	for _, g := range s.GPUs {
		if layoutFor(l, g.Index) == nil {
			return impossible("it says nothing of %s; say off to turn MIG off there", g.label())
		}
	}
	return nil
}

// layoutFor gives the terms for a GPU, nil if the layout has none.
func layoutFor(l Layout, index int) []Term {
	for _, g := range l.GPUs {
		if g.Index == index || g.Index == AllGPUs {
			return g.Terms
		}
	}
	return nil
}

// target works out what a GPU is to become.
func target(l Layout, g GPU) (Target, *ImpossibleError) {
	terms := layoutFor(l, g.Index)
	for _, t := range terms {
		if t.Sharing.TimeSlice != "" {
			return Target{}, &ImpossibleError{Reason: "cannot be given a time slice: setting one is not in this version"}
		}
	}
	t := Target{Index: g.Index, UUID: g.UUID}
	if terms[0].Profile == "" {
		t.Sharing = terms[0].Sharing
		return t, nil
	}
	t.MIG = true
	var err *ImpossibleError
	t.Slots, err = g.slots(terms)
	return t, err
}

// changes lists the steps: MPS daemons are stopped first and started last.
func changes(s State, targets []Target) []Step {
	var steps, starts []Step
	for _, uuid := range s.MPS {
		step := Step{Action: StopMPS, Device: uuid}
		if g, ok := s.Owner(uuid); ok {
			step.GPU, step.Index = g.UUID, g.Index
		}
		steps = append(steps, step)
	}
	for i, t := range targets {
		steps = append(steps, t.changes(s.GPUs[i])...)
		if !t.MIG && t.Sharing.IsMPS() {
			starts = append(starts, Step{Action: StartMPS, GPU: t.UUID, Index: t.Index})
		}
		for _, slot := range t.Slots {
			if slot.Sharing.IsMPS() {
				starts = append(starts, Step{Action: StartMPS, GPU: t.UUID, Index: t.Index, Slot: &slot})
			}
		}
	}
	return append(steps, starts...)
}

// changes lists the steps that concern instances and mode.
func (t Target) changes(g GPU) []Step {
	var steps []Step
	var kept []Instance
	for _, i := range g.Instances {
		if slices.ContainsFunc(t.Slots, func(s Slot) bool { return s.Instance().Same(i) }) {
			kept = append(kept, i)
			continue
		}
		steps = append(steps, Step{Action: Destroy, GPU: g.UUID, Index: g.Index, Instance: &i})
	}
	if g.MIG.Current != t.MIG {
		steps = append(steps, Step{Action: SetMode, GPU: g.UUID, Index: g.Index, On: t.MIG, Resets: g.MIG.Resets})
	}
	for _, s := range t.Slots {
		if !slices.ContainsFunc(kept, s.Instance().Same) {
			steps = append(steps, Step{Action: Create, GPU: g.UUID, Index: g.Index, Slot: &s})
		}
	}
	return steps
}

// checkFree refuses GPUs with a pending change and, where something is to be
// changed, with processes.
func checkFree(s State, steps []Step) error {
	var errs []error
	for _, g := range s.GPUs {
		if g.MIG.Current != g.MIG.Pending {
			errs = append(errs, fmt.Errorf("%w: %s has MIG %s; a reset or reboot must settle it first", ErrBusy, g.label(), g.MIG))
		}
		if !slices.ContainsFunc(steps, func(st Step) bool { return st.GPU == g.UUID }) {
			continue
		}
		for _, p := range g.Processes {
			errs = append(errs, fmt.Errorf("%w: %s runs process %d (%s) on %s", ErrBusy, g.label(), p.PID, p.Name, p.Device))
		}
	}
	return errors.Join(errs...)
}
