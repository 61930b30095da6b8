package partition

import (
	"fmt"
	"slices"
	"strings"
)

// A Permission is a word of a scenario's allow list: what may be changed on
// the named GPUs.
type Permission string

// The permissions, in the order in which they are written.
const (
	AllowLayout Permission = "layout"     // make and remove instances
	AllowMode   Permission = "mode"       // turn MIG on and off
	AllowReset  Permission = "reset"      // do so where it resets the GPU (A100, A30)
	AllowSlice  Permission = "time-slice" // set the compute policy's time slice
	AllowMPS    Permission = "mps"        // start and stop MPS daemons of our own
	AllowDrain  Permission = "drain"      // quit idle MPS daemons of others, and start them again
)

// Permissions lists every permission.
func Permissions() []Permission {
	return []Permission{AllowLayout, AllowMode, AllowReset, AllowSlice, AllowMPS, AllowDrain}
}

// Needs lists the permissions that the plan's steps need, in the order of
// [Permissions].
func (p Plan) Needs() []Permission {
	needs := map[Permission]bool{}
	for _, s := range p.Changes {
		switch s.Action {
		case Create, Destroy:
			needs[AllowLayout] = true
		case SetMode:
			needs[AllowMode] = true
			needs[AllowReset] = needs[AllowReset] || s.Resets
		case SetTimeSlice:
			needs[AllowSlice] = true
		case StartMPS, StopMPS:
			needs[AllowMPS] = true
		case DrainMPS:
			needs[AllowDrain] = true
		}
	}
	return slices.DeleteFunc(Permissions(), func(p Permission) bool { return !needs[p] })
}

// Allowed gives an error that lists what the plan needs beyond allow, with the
// scenario's line to write.
func (p Plan) Allowed(allow []Permission) error {
	var missing []string
	all := slices.Clone(allow)
	for _, need := range p.Needs() {
		if !slices.Contains(allow, need) {
			missing = append(missing, string(need))
			all = append(all, need)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	var words []string
	for _, known := range Permissions() {
		if slices.Contains(all, known) {
			words = append(words, string(known))
		}
	}
	return fmt.Errorf("layout %q needs %s, which the scenario does not allow; to allow it, write under server: allow: [%s]",
		p.Layout, strings.Join(missing, " and "), strings.Join(words, ", "))
}
