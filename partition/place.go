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
	i := Instance{Profile: s.Profile.Name, Placement: s.Placement}
	for _, at := range s.Compute {
		i.Compute = append(i.Compute, Compute{Placement: at})
	}
	return i
}

// term is the slot as layouts write it.
func (s Slot) term() Term {
	t := Term{Profile: s.Profile.Name, Count: 1, Sharing: s.Sharing}
	for _, at := range s.Compute {
		t.Split = append(t.Split, at.Size)
	}
	return t
}

// slots finds places for a GPU's terms, or says why there are none. The places
// depend on nothing but the card and the terms, so that a layout is the same
// wherever it comes from.
func (g GPU) slots(terms []Term) ([]Slot, *ImpossibleError) {
	if mended, why := g.mendAll(terms); why != "" {
		impossible := &ImpossibleError{Reason: why, Fits: joinTerms(mended)}
		if _, err := g.slots(mended); err != nil {
			impossible.Fits = err.Fits
		}
		return nil, impossible
	}
	var wanted []Slot
	for _, t := range terms {
		p, _ := g.profile(t.Profile)
		compute, _ := p.cut(t) // mendAll found nothing to mend
		slot := Slot{Profile: p, Compute: compute, Sharing: t.Sharing}
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

// mendAll gives terms whose profiles and splits the card has, and tells what the
// first fault of these is; empty if there is none.
func (g GPU) mendAll(terms []Term) (mended []Term, why string) {
	for _, t := range terms {
		fit, fault := g.mend(t)
		mended = append(mended, fit)
		why = cmp.Or(why, fault)
	}
	return mergeTerms(mended), why
}

// mend gives the term that is most like t of those that the card has, and tells
// what is wrong with t; empty if nothing is.
func (g GPU) mend(t Term) (fit Term, why string) {
	p, ok := g.profile(t.Profile)
	if !ok {
		why = fmt.Sprintf("has no profile %s, only %s", t.Profile, strings.Join(g.profileNames(), ", "))
		p = g.nearest(t.Profile)
	}
	t.Profile = p.Name
	why = cmp.Or(why, overLimit(t.Sharing, p.MemoryBytes, "an instance of "+p.Name))
	if p.MemoryBytes > 0 && t.Sharing.MemoryLimitBytes > p.MemoryBytes {
		t.Sharing.MemoryLimitBytes = 0
	}
	if _, ok := p.cut(t); ok {
		return t, why
	}
	why = cmp.Or(why, p.whyNot(t.Split))
	t.Split = p.mendSplit(t.Split)
	return t, why
}

// overLimit tells of a limit for MPS clients that is more than there is; it is empty
// for one that is not.
func overLimit(s device.Sharing, bytes uint64, where string) string {
	if s.MemoryLimitBytes <= bytes || bytes == 0 { // 0 is unknown
		return ""
	}
	return fmt.Sprintf("cannot give an MPS client %d MiB (%s): %s has %d MiB", s.MemoryLimitBytes>>20, s, where, bytes>>20)
}

func (g GPU) profileNames() []string {
	var names []string
	for _, p := range g.Profiles {
		names = append(names, p.Name)
	}
	return names
}

// nearest is the profile of the card that is most like a name: of as many slices
// if there is one, and plain.
func (g GPU) nearest(name string) Profile {
	apart := func(p Profile) int { return max(p.Slices-slicesOf(name), slicesOf(name)-p.Slices) }
	return slices.MinFunc(g.Profiles, func(a, b Profile) int {
		return cmp.Or(cmp.Compare(apart(a), apart(b)), cmp.Compare(len(a.Attributes), len(b.Attributes)), cmp.Compare(len(a.Name), len(b.Name)))
	})
}

// cut finds places for a term's compute instances within an instance of the
// profile: in the order told, each at the lowest place after the one before. That
// is exact, since equal compute instances are of one size.
func (p Profile) cut(t Term) ([]Placement, bool) {
	if t.whole() == nil {
		return []Placement{{Start: 0, Size: p.Slices}}, true
	}
	return p.cutInOrder(t.Split)
}

// mendSplit gives what of a split fits: the largest first, without those that have
// no place.
func (p Profile) mendSplit(split []int) []int {
	var fits []int
	sorted := slices.Clone(split)
	slices.SortFunc(sorted, func(a, b int) int { return cmp.Compare(b, a) })
	for _, size := range sorted {
		if _, ok := p.cutInOrder(append(slices.Clone(fits), size)); ok {
			fits = append(fits, size)
		}
	}
	return fits
}

// whyNot tells why the profile cannot be cut so.
func (p Profile) whyNot(split []int) string {
	why := fmt.Sprintf("cannot cut %s into %s", p.Name, strings.TrimPrefix(splitText(split), "/"))
	if len(p.mendSplit(split)) == len(split) {
		why += " in this order of places"
	}
	var sizes []string
	for _, c := range p.Compute {
		sizes = append(sizes, fmt.Sprintf("%dc at %s", c.Slices, starts(c.Placements)))
	}
	if len(sizes) > 0 {
		why += ": its compute instances are " + strings.Join(sizes, ", ")
	}
	return why
}

func (p Profile) cutInOrder(split []int) ([]Placement, bool) {
	var placed []Placement
	end := 0
	for _, size := range split {
		var at *Placement
		for _, c := range p.Compute {
			for _, here := range c.Placements {
				if c.Slices == size && here.Start >= end && (at == nil || here.Start < at.Start) {
					at = &here
				}
			}
		}
		if at == nil {
			return nil, false
		}
		placed, end = append(placed, *at), at.Start+at.Size
	}
	return placed, true
}

func starts(places []Placement) string {
	var words []string
	for _, p := range places {
		words = append(words, fmt.Sprint(p.Start))
	}
	return join(words)
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
	if mediaConflict(wanted) != "" {
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

// has reports whether a profile has an attribute, such as "me": its own word, or
// else its name's suffix.
func (p Profile) has(attribute string) bool {
	if len(p.Attributes) > 0 {
		return slices.Contains(p.Attributes, attribute)
	}
	if strings.HasPrefix(attribute, "-") {
		return strings.HasSuffix(p.Name, attribute)
	}
	return strings.HasSuffix(p.Name, "+"+attribute)
}

// mediaConflict tells in words whether the slots want media engines twice; empty
// means that they do not. A +me.all instance takes all of them, so that only -me
// ones fit beside it; one +me instance fits on a GPU. NVML tells of this only by
// refusing. (NVIDIA MIG User Guide, profiles of the A100 and of the RTX PRO 6000
// Blackwell.)
func mediaConflict(slots []Slot) string {
	var one, all, none int
	for _, s := range slots {
		switch {
		case s.Profile.has("me.all"):
			all++
		case s.Profile.has("me"):
			one++
		case s.Profile.has("-me"):
			none++
		}
	}
	switch {
	case all > 1 || all == 1 && none != len(slots)-1:
		return "beside +me.all, which takes all media engines, only -me instances fit"
	case one > 1:
		return "only one +me instance fits on a GPU"
	}
	return ""
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
		t := s.term()
		terms = append(terms, t)
		if s.Profile.ID == refused.Profile.ID {
			room++
			continue
		}
		t.Sharing, t.Split = device.Sharing{}, nil
		others = append(others, t)
	}
	reason := fmt.Sprintf("has room for %d of %s", room, refused.Profile.Name)
	if len(others) > 0 {
		reason += " beside " + joinTerms(mergeTerms(others))
	}
	if conflict := mediaConflict(append(slices.Clone(kept), *refused)); conflict != "" {
		reason += ": " + conflict
	} else if places := taken(place(kept)); places != "" {
		reason += fmt.Sprintf(": %s goes at %s, and taken are %s", refused.Profile.Name, starts(refused.Profile.Placements), places)
	}
	fits := "off"
	if len(terms) > 0 {
		fits = joinTerms(mergeTerms(terms))
	}
	return &ImpossibleError{Reason: reason, Fits: fits}
}

// taken tells which memory slices of a GPU slots take: "0:6 by 2g.48gb, 6:3 and
// 9:3 by 1g.24gb".
func taken(placed []Slot) string {
	var parts, places []string
	for i, s := range placed {
		places = append(places, s.Placement.String())
		if i == len(placed)-1 || placed[i+1].Profile.ID != s.Profile.ID {
			parts = append(parts, join(places)+" by "+s.Profile.Name)
			places = nil
		}
	}
	return strings.Join(parts, ", ")
}
