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
	// Daemon is what DrainMPS and StopMPS end; StartMPS in a restore: what is
	// started again.
	Daemon *Daemon `json:"daemon,omitempty"`
	// TimeSlice is what SetTimeSlice sets.
	TimeSlice string `json:"time_slice,omitempty"`
	// Sharing is what StartMPS is for, with its limits.
	Sharing device.Sharing `json:"sharing,omitzero"`
}

// String writes the step in one line, as a dry run prints it.
func (s Step) String() string {
	gpu := fmt.Sprintf("gpu%d (%s): ", s.Index, s.GPU)
	switch s.Action {
	case DrainMPS:
		return fmt.Sprintf("%sdrain the MPS daemon of %s, which is not ours (user %d, pid %d, %s)", gpu, s.Daemon.Device, s.Daemon.UID, s.Daemon.PID, s.Daemon.Pipe)
	case StopMPS:
		if s.GPU == "" {
			gpu = "" // its device is gone
		}
		return gpu + "stop the MPS daemon of " + s.Daemon.Device
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
	case SetTimeSlice:
		return gpu + "set the time slice to " + s.TimeSlice
	case StartMPS:
		if s.Daemon != nil && !s.Daemon.Own {
			return fmt.Sprintf("%sstart the MPS daemon of %s again, which is not ours (user %d, %s)", gpu, s.where(), s.Daemon.UID, s.Daemon.Pipe)
		}
		text := gpu + "start an MPS daemon for " + s.where()
		if limits := s.Sharing.String(); s.Sharing.IsMPS() && limits != device.MPS {
			text += " (" + limits + ")"
		}
		return text
	}
	panic("partition: unknown action " + string(s.Action))
}

// where names the device that StartMPS is for.
func (s Step) where() string {
	if s.Slot == nil {
		return "the whole GPU"
	}
	text := s.Slot.Profile.Name + " at " + s.Slot.Placement.String()
	if s.Compute != nil && (len(s.Slot.Compute) > 1 || s.Compute.Size != s.Slot.Profile.Slices) {
		text += fmt.Sprintf(", %dc at %d", s.Compute.Size, s.Compute.Start)
	}
	return text
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
	// Fits is what would fit instead, as the text of one GPU's part of a layout;
	// empty if nothing is known to.
	Fits string
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
// already stand at their place are kept; this program's MPS daemons are always
// started anew; those of others are left where the plan needs nothing of their
// device. A layout that the GPUs cannot take is an *[ImpossibleError]; a change
// that must not be made now is a *[RefusedError]. All faults are reported at once.
func MakePlan(s State, l Layout) (Plan, error) {
	p := Plan{Before: s, Layout: l}
	if err := checkGPUs(s, l); err != nil {
		return Plan{}, err
	}
	var errs []error
	for _, g := range s.GPUs {
		t, err := target(l, g)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.Targets = append(p.Targets, t)
	}
	p.Changes = changes(s, p.Targets)
	errs = append(errs, refusals(s, p.Changes)...)
	if err := errors.Join(errs...); err != nil {
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
		if len(layoutFor(l, g.Index)) == 0 {
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
func target(l Layout, g GPU) (Target, error) {
	terms := layoutFor(l, g.Index)
	t := Target{Index: g.Index, UUID: g.UUID}
	if terms[0].Profile == "" {
		t.Sharing = terms[0].Sharing
		if why := overLimit(t.Sharing, g.MemoryBytes, "the GPU"); why != "" {
			fits := terms[0]
			fits.Sharing.MemoryLimitBytes = 0
			return Target{}, &ImpossibleError{Layout: l.String(), GPU: g.label(), Reason: why, Fits: fits.String()}
		}
		return t, nil
	}
	if len(g.Profiles) == 0 {
		if err := noProfiles(g); err != nil {
			return Target{}, err
		}
	}
	t.MIG = true
	var err *ImpossibleError
	if t.Slots, err = g.place(terms); err != nil {
		err.Layout, err.GPU = l.String(), g.label()
		return Target{}, err
	}
	return t, nil
}

// place gives the terms' slots, or says why there are none.
func (g GPU) place(terms []Term) ([]Slot, *ImpossibleError) {
	if len(g.Profiles) == 0 {
		return nil, &ImpossibleError{Reason: "has no MIG profiles", Fits: "off"}
	}
	placed, err := g.slots(terms)
	if !slices.ContainsFunc(terms, func(t Term) bool { return t.Sharing.TimeSlice != "" }) {
		return placed, err
	}
	if err != nil {
		_, err = g.slots(withoutSlice(terms))
	}
	impossible := &ImpossibleError{
		Reason: "cannot give its instances a time slice: it is one for a whole GPU with MIG off",
		Fits:   joinTerms(withoutSlice(terms)),
	}
	if err != nil {
		impossible.Fits = err.Fits
	}
	return nil, impossible
}

// withoutSlice gives terms that leave the time slice as found.
func withoutSlice(terms []Term) []Term {
	plain := slices.Clone(terms)
	for i := range plain {
		plain[i].Sharing.TimeSlice = ""
	}
	return mergeTerms(plain)
}

// changes lists the steps: MPS daemons are ended first and started last.
func changes(s State, targets []Target) []Step {
	var drains, stops, steps, starts []Step
	for _, d := range s.MPS {
		g, known := s.Owner(d.Device)
		step := Step{Action: StopMPS, GPU: g.UUID, Index: g.Index, Daemon: &d}
		switch k := slices.IndexFunc(targets, func(t Target) bool { return t.UUID == g.UUID }); {
		case d.Own:
			stops = append(stops, step)
		case known && k >= 0 && targets[k].needs(g, d):
			// One daemon may stand for several devices.
			if !slices.ContainsFunc(drains, func(o Step) bool { return o.Daemon.PID == d.PID && o.Daemon.Pipe == d.Pipe }) {
				step.Action = DrainMPS
				drains = append(drains, step)
			}
		}
	}
	for _, t := range targets {
		k := slices.IndexFunc(s.GPUs, func(g GPU) bool { return g.UUID == t.UUID })
		steps = append(steps, t.changes(s.GPUs[k])...)
		starts = append(starts, t.starts()...)
	}
	return slices.Concat(drains, stops, steps, starts)
}

// needs reports whether the target needs something of the device of a daemon on the GPU
// as it is: to be gone, or to be shared as the layout says.
func (t Target) needs(g GPU, d Daemon) bool {
	if g.MIG.Current != t.MIG {
		return true
	}
	if d.Device == g.UUID && t.MIG {
		// Where it names no device it serves the instances too.
		_, named := d.Env[visibleDevices]
		return !named && slices.ContainsFunc(t.Slots, func(s Slot) bool { return s.Sharing.Mode != "" })
	}
	if d.Device == g.UUID {
		return t.Sharing.Mode != ""
	}
	for _, i := range g.Instances {
		if slices.ContainsFunc(i.Compute, func(c Compute) bool { return c.UUID == d.Device }) {
			k := slices.IndexFunc(t.Slots, func(s Slot) bool { return s.Instance().Same(i) })
			return k < 0 || t.Slots[k].Sharing.Mode != ""
		}
	}
	return false
}

// changes lists the steps that concern instances, mode and time slice.
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
	switches := g.MIG.Current != t.MIG
	if switches {
		steps = append(steps, Step{Action: SetMode, GPU: g.UUID, Index: g.Index, On: t.MIG, Resets: g.MIG.Resets})
	}
	for _, s := range t.Slots {
		if !slices.ContainsFunc(kept, s.Instance().Same) {
			steps = append(steps, Step{Action: Create, GPU: g.UUID, Index: g.Index, Slot: &s})
		}
	}
	// A reset may lose the time slice.
	if slice := t.Sharing.TimeSlice; slice != "" && (slice != g.TimeSlice || switches) {
		steps = append(steps, Step{Action: SetTimeSlice, GPU: g.UUID, Index: g.Index, TimeSlice: slice})
	}
	return steps
}

// starts lists the MPS daemons to start, one for each device.
func (t Target) starts() []Step {
	var steps []Step
	if !t.MIG && t.Sharing.IsMPS() {
		steps = append(steps, Step{Action: StartMPS, GPU: t.UUID, Index: t.Index, Sharing: t.Sharing})
	}
	for _, slot := range t.Slots {
		if !slot.Sharing.IsMPS() {
			continue
		}
		for _, at := range slot.Compute {
			steps = append(steps, Step{Action: StartMPS, GPU: t.UUID, Index: t.Index, Slot: &slot, Compute: &at, Sharing: slot.Sharing})
		}
	}
	return steps
}
