package partition

import (
	"fmt"
	"slices"
	"time"
)

// A Left is what a run that did not end left to be restored.
type Left struct {
	State State
	Begun time.Time
	PID   int
	User  string // empty if unknown
	// Command is the command line that began.
	Command string
	// BootID names the boot of the host that it began in; empty if unknown.
	BootID string
	// SameBoot reports whether that boot is this one. After a boot the instances
	// are gone, and so are MPS daemons.
	SameBoot bool
	// Kept says that what was changed stands on purpose ([Journal.Keep]): nothing
	// broke off.
	Kept bool
	// Earlier says that beneath it lies what an earlier change left on purpose:
	// [Journal.End] makes that pending.
	Earlier bool
}

// Strange tells in words what others have made, or begun to manage, since the change
// broke off: instances on its GPUs that neither stood before nor are of its plan, as
// after a boot none is, and programs that manage the GPUs by themselves.
func (l Left) Strange(now State) []string {
	var out []string
	for _, g := range now.GPUs {
		k := slices.IndexFunc(l.State.GPUs, func(w GPU) bool { return w.UUID == g.UUID })
		if k < 0 {
			continue
		}
		was := l.State.GPUs[k]
		for _, i := range g.Instances {
			// Without its compute instances: a change can break off before they are made.
			here := func(o Instance) bool { return o.Profile == i.Profile && o.Placement == i.Placement }
			perhapsOurs := (l.SameBoot || l.BootID == "") && (was.Makes == nil || slices.ContainsFunc(was.Makes, here))
			if !perhapsOurs && !slices.ContainsFunc(was.Instances, here) {
				out = append(out, fmt.Sprintf("%s: %s", g.label(), i))
			}
		}
	}
	for _, o := range now.Owners {
		if !slices.ContainsFunc(l.State.Owners, func(w Owner) bool { return w.Name == o.Name }) {
			out = append(out, o.Why)
		}
	}
	return out
}
