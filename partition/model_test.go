package partition

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model says by brute force which layouts a card can take: it tries every place
// of every instance as a set of bits, in the order told, and knows the rules of
// media engines by the names of profiles.

// modelTakes reports whether a card takes instances of these profiles together.
func modelTakes(g GPU, names []string) bool {
	var all, one, none int
	for _, n := range names {
		switch {
		case strings.HasSuffix(n, "+me.all"):
			all++
		case strings.HasSuffix(n, "+me"):
			one++
		case strings.HasSuffix(n, "-me"):
			none++
		}
	}
	if one > 1 || all > 1 || (all == 1 && all+none < len(names)) {
		return false
	}
	masks := make([][]uint64, len(names))
	for k, n := range names {
		for _, p := range g.Profiles {
			if p.Name != n {
				continue
			}
			for _, at := range p.Placements {
				masks[k] = append(masks[k], bits(at))
			}
		}
	}
	// Which sets of slices can be in use after each instance.
	reach := map[uint64]bool{0: true}
	for _, choices := range masks {
		next := map[uint64]bool{}
		for used := range reach {
			for _, m := range choices {
				if used&m == 0 {
					next[used|m] = true
				}
			}
		}
		reach = next
	}
	return len(reach) > 0
}

// modelCuts reports whether a profile can be cut so, in this order of places.
func modelCuts(p Profile, split []int) bool {
	if split == nil {
		return true
	}
	reach := map[int]bool{0: true} // where the last one ended
	for _, size := range split {
		next := map[int]bool{}
		for _, c := range p.Compute {
			for _, at := range c.Placements {
				for end := range reach {
					if at.Size == size && at.Start >= end {
						next[at.Start+at.Size] = true
					}
				}
			}
		}
		reach = next
	}
	return len(reach) > 0
}

// modelWants lists the instances that terms come to on a card, as "profile/1c,1c",
// and whether the card takes them.
func modelWants(g GPU, terms []Term) ([]string, bool) {
	var names, wants []string
	for _, t := range terms {
		k := slices.IndexFunc(g.Profiles, func(p Profile) bool { return p.Name == t.Profile })
		if k < 0 || !modelCuts(g.Profiles[k], t.Split) {
			return nil, false
		}
		n := t.Count
		if n == AsMany {
			for n = 1; modelTakes(g, slices.Repeat([]string{t.Profile}, n+1)); n++ {
			}
		}
		split := t.Split
		if split == nil {
			split = []int{g.Profiles[k].Slices}
		}
		for range n {
			names = append(names, t.Profile)
			wants = append(wants, fmt.Sprint(t.Profile, split, t.Sharing.IsMPS()))
		}
	}
	sort.Strings(wants)
	return wants, modelTakes(g, names)
}

// drawWorld gives a card in any state that a card can be in.
func drawWorld(t *rapid.T, cards []GPU) *world {
	g := rapid.SampledFrom(cards).Draw(t, "card")
	w := &world{gpus: []GPU{g}}
	g0 := &w.gpus[0]
	if !rapid.Bool().Draw(t, "MIG") {
		if rapid.Bool().Draw(t, "served") {
			w.mps = []Daemon{{Device: g.UUID, Own: true, Clients: []int{}, Settings: map[string]string{}}}
		}
		return w
	}
	g0.MIG.Current, g0.MIG.Pending = true, true
	for range rapid.IntRange(0, 7).Draw(t, "instances") {
		p := rapid.SampledFrom(g.Profiles).Draw(t, "profile")
		at := rapid.SampledFrom(p.Placements).Draw(t, "at")
		s := Slot{Profile: p, Placement: at}
		c := rapid.SampledFrom(p.Compute).Draw(t, "compute")
		for _, place := range c.Placements {
			if len(s.Compute) == 0 || rapid.Bool().Draw(t, "more") {
				s.Compute = append(s.Compute, place)
			}
		}
		if w.create(g0, s) == nil && rapid.Bool().Draw(t, "served") {
			made := g0.Instances[slices.IndexFunc(g0.Instances, func(i Instance) bool { return i.Placement == at })]
			w.mps = append(w.mps, Daemon{Device: made.Compute[0].UUID, Own: true, Clients: []int{}, Settings: map[string]string{}})
		}
	}
	return w
}

// drawCardLayout gives a layout of a card's own profiles, mostly.
func drawCardLayout(t *rapid.T, g GPU) Layout {
	names := append(g.profileNames(), "1g.99gb")
	term := func() Term {
		return Term{
			Profile: rapid.SampledFrom(names).Draw(t, "profile"), Count: 1,
			Split: drawSplit.Draw(t, "split"), Sharing: drawSharing.Filter(noSlice).Draw(t, "sharing"),
		}
	}
	var terms []Term
	switch rapid.IntRange(0, 5).Draw(t, "form") {
	case 0:
		terms = []Term{{Count: 1, Sharing: drawSharing.Draw(t, "sharing")}}
	case 1:
		all := term()
		all.Count = AsMany
		terms = []Term{all}
	default:
		for range rapid.IntRange(1, 5).Draw(t, "terms") {
			one := term()
			one.Count = rapid.SampledFrom([]int{1, 1, 1, 2, 3, 9}).Draw(t, "count")
			terms = append(terms, one)
		}
	}
	return Layout{GPUs: []GPULayout{{Index: AllGPUs, Terms: mergeTerms(terms)}}}
}

// TestPlansAgainstModel: on any card in any state, a layout is planned just if the
// model finds places for it; the steps, carried out by a machine that refuses what
// a card refuses, make just the layout; then there is nothing left to do; and what
// is offered instead can be planned.
func TestPlansAgainstModel(t *testing.T) {
	var cards []GPU
	for _, name := range cardNames(t) {
		cards = append(cards, card(t, name, 0))
	}
	planned, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, cards)
		l := drawCardLayout(t, w.gpus[0])
		wants, possible := []string(nil), true
		off := l.GPUs[0].Terms[0].Profile == ""
		if !off {
			wants, possible = modelWants(w.gpus[0], l.GPUs[0].Terms)
		}
		for _, term := range l.GPUs[0].Terms {
			memory := w.gpus[0].MemoryBytes
			for _, p := range w.gpus[0].Profiles {
				if p.Name == term.Profile {
					memory = p.MemoryBytes
				}
			}
			possible = possible && (memory == 0 || memory >= term.Sharing.MemoryLimitBytes)
		}
		p, err := MakePlan(w.state(), l)
		if possible != (err == nil) {
			t.Fatalf("%q on %+v: the model says %t, MakePlan %v", l, w.state(), possible, err)
		}
		if err != nil {
			refused++
			checkOffer(t, w.state(), err)
			return
		}
		planned++
		for _, s := range p.Changes {
			if err := w.do(s); err != nil {
				t.Fatalf("%q: %s: %v", l, s, err)
			}
		}
		checkMade(t, w, l, wants, off)
		again, err := MakePlan(w.state(), l)
		if err != nil {
			t.Fatalf("%q again: %v", l, err)
		}
		for _, s := range again.Changes {
			if s.Action != StopMPS && s.Action != StartMPS { // daemons are always started anew
				t.Fatalf("%q stands, but is planned again: %s", l, s)
			}
		}
	})
	if planned == 0 || refused == 0 {
		t.Errorf("%d layouts planned and %d refused, want some of both", planned, refused)
	}
	t.Logf("%d layouts planned and applied, %d refused with what fits instead", planned, refused)
}

// checkOffer checks that what an impossible layout's error offers can be planned.
func checkOffer(t rapid.TB, s State, err error) {
	t.Helper()
	impossible, ok := errors.AsType[*ImpossibleError](err)
	if !ok || impossible.Fits == "" {
		t.Fatalf("%v, want an ImpossibleError with what fits", err)
	}
	offer, err := ParseLayout(impossible.Fits)
	if err != nil {
		t.Fatalf("%v offers what is no layout: %v", impossible, err)
	}
	if _, err := MakePlan(s, offer); err != nil {
		t.Fatalf("%v offers what does not fit: %v", impossible, err)
	}
}

// checkMade checks that a world is as a layout asks.
func checkMade(t *rapid.T, w *world, l Layout, wants []string, off bool) {
	g := w.gpus[0]
	served := func(uuid string) bool {
		return slices.ContainsFunc(w.mps, func(d Daemon) bool { return d.Device == uuid })
	}
	if g.MIG.Current == off || off && len(g.Instances) > 0 {
		t.Fatalf("%q: MIG is %t with %v", l, g.MIG.Current, g.Instances)
	}
	if off {
		if sharing := l.GPUs[0].Terms[0].Sharing; served(g.UUID) != sharing.IsMPS() || sharing.TimeSlice != "" && g.TimeSlice != sharing.TimeSlice {
			t.Fatalf("%q: daemons %v, time slice %s", l, w.mps, g.TimeSlice)
		}
		return
	}
	var got []string
	daemons := 0
	for _, i := range g.Instances {
		var split []int
		for _, c := range i.Compute {
			split = append(split, c.Placement.Size)
			if served(c.UUID) {
				daemons++
			}
			if served(c.UUID) != served(i.Compute[0].UUID) {
				t.Fatalf("%q: daemons for some of %v only", l, i)
			}
		}
		got = append(got, fmt.Sprint(i.Profile, split, served(i.Compute[0].UUID)))
	}
	sort.Strings(got)
	if !slices.Equal(got, wants) || daemons != len(w.mps) {
		t.Fatalf("%q gives %q and %d daemons, want %q", l, got, len(w.mps), wants)
	}
}

// FuzzMakePlan: whatever text is a layout, it is planned, or something else that
// fits is offered.
func FuzzMakePlan(f *testing.F) {
	for _, text := range []string{"4g.20gb+2g.10gb/2x1c+1g.5gb", "all-1g.5gb(mps:50:20G)", "7g.40gb/3c,1c,3c", "99x1g.5gb+me+98x3g.20gb/2c,1c", "off(ts:long)", "1g.6gb(ts:short)"} {
		f.Add(text)
	}
	g := card(f, "a100-40gb", 0)
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLayout(text)
		if err != nil || l.GPUs[0].Index != AllGPUs {
			return
		}
		s := State{GPUs: []GPU{g}}
		if _, err := MakePlan(s, l); err != nil {
			checkOffer(t, s, err)
		}
	})
}
