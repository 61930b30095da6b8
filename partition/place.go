package partition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/device"
)

// A Slot is one instance of a target: a profile with its place and sharing.
type Slot struct {
	Profile   Profile   `json:"profile"`
	Placement Placement `json:"placement"`
	// Compute are the places of its compute instances, in compute slices, in
	// order; at least one.
	Compute []Placement    `json:"compute"`
	Sharing device.Sharing `json:"sharing"`
}

// Instance is the slot as Inspect would find it, but for ids.
func (s Slot) Instance() Instance {
	return Instance{
		Profile: s.Profile.Name, Placement: s.Placement,
		Compute: []Compute{{Placement: Placement{Start: 0, Size: s.Profile.Slices}}},
	}
}

// slots finds places for a GPU's terms, or says why there are none. The places
// depend on nothing but the card and the terms, so that a layout is the same
// wherever it comes from.
func (g GPU) slots(terms []Term) ([]Slot, *ImpossibleError) {
	if len(g.Profiles) == 0 {
		return nil, &ImpossibleError{Reason: "has no MIG profiles (RTX PRO workstation cards offer them only in compute display mode)", Fits: "off"}
	}
	var wanted []Slot
	for _, t := range terms {
		p, ok := g.profile(t.Profile)
		if !ok {
			return nil, &ImpossibleError{Reason: "has no profile " + t.Profile, Fits: "instances of " + strings.Join(g.profileNames(), ", ")}
		}
		slot := Slot{Profile: p, Sharing: t.Sharing}
		if t.Count == AsMany {
			wanted = g.most(slot)
			break // it stands alone
		}
		wanted = append(wanted, slices.Repeat([]Slot{slot}, t.Count)...)
	}
	if placed := place(wanted); placed != nil {
		return placed, nil
	}
	return nil, g.whyNot(wanted)
}

func (g GPU) profileNames() []string {
	var names []string
	for _, p := range g.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// most repeats a slot as often as the empty GPU holds it.
func (g GPU) most(slot Slot) []Slot {
	slots := []Slot{slot}
	for place(append(slots, slot)) != nil {
		slots = append(slots, slot)
	}
	return slots
}

// place gives each slot a place that no other overlaps, in order of the places,
// or nil. It searches in memory, largest first, and takes the lowest places
// that work.
func place(wanted []Slot) []Slot {
	if mediaConflict(wanted) {
		return nil
	}
	slots := slices.Clone(wanted)
	slices.SortStableFunc(slots, func(a, b Slot) int { return cmp.Compare(b.size(), a.size()) })
	if !placeFrom(slots, 0) {
		return nil
	}
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(a.Placement.Start, b.Placement.Start) })
	return slots
}

// size is the largest size that the slot's profile takes.
func (s Slot) size() int {
	var size int
	for _, p := range s.Profile.Placements {
		size = max(size, p.Size)
	}
	return size
}

// placeFrom places slots[n:] beside slots[:n], which have their places.
func placeFrom(slots []Slot, n int) bool {
	if n == len(slots) {
		return true
	}
	for _, p := range slots[n].Profile.Placements {
		// Equal neighbours are placed in order: their permutations are alike.
		if n > 0 && slots[n-1].Profile.ID == slots[n].Profile.ID && p.Start < slots[n-1].Placement.Start {
			continue
		}
		if slices.ContainsFunc(slots[:n], func(s Slot) bool { return s.Placement.overlaps(p) }) {
			continue
		}
		slots[n].Placement = p
		if placeFrom(slots, n+1) {
			return true
		}
	}
	return false
}

// mediaConflict reports whether the slots want media engines twice. A +me.all
// instance takes all of them, so that only -me ones fit beside it; one +me
// instance fits on a GPU. NVML tells of this only by refusing. (NVIDIA MIG
// User Guide, profiles of the A100 and of the RTX PRO 6000 Blackwell.)
func mediaConflict(slots []Slot) bool {
	var one, all, none int
	for _, s := range slots {
		switch {
		case strings.HasSuffix(s.Profile.Name, "+me.all"):
			all++
		case strings.HasSuffix(s.Profile.Name, "+me"):
			one++
		case strings.HasSuffix(s.Profile.Name, "-me"):
			none++
		}
	}
	return one > 1 || all > 1 || (all == 1 && none != len(slots)-1)
}

// whyNot explains why wanted slots have no places, and offers what of them has.
func (g GPU) whyNot(wanted []Slot) *ImpossibleError {
	var kept []Slot
	var refused *Slot
	for _, s := range wanted {
		if place(append(slices.Clone(kept), s)) != nil {
			kept = append(kept, s)
		} else if refused == nil {
			refused = &s
		}
	}
	var terms, others []Term
	room := 0
	for _, s := range kept {
		t := Term{Profile: s.Profile.Name, Count: 1, Sharing: s.Sharing}
		terms = append(terms, t)
		if s.Profile.ID == refused.Profile.ID {
			room++
			continue
		}
		t.Sharing = device.Sharing{}
		others = append(others, t)
	}
	reason := fmt.Sprintf("has room for %d of %s", room, refused.Profile.Name)
	if len(others) > 0 {
		reason += " beside " + joinTerms(mergeTerms(others))
	}
	if mediaConflict(wanted) {
		reason += " (one +me instance fits on a GPU; beside +me.all only -me ones do)"
	}
	return &ImpossibleError{Reason: reason, Fits: joinTerms(mergeTerms(terms))}
}
