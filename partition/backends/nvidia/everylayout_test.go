package nvidia

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// A grid is an empty card as its table has it: an independent judge of layouts, by
// trying every placement of every instance.
type grid struct{ profiles []nvml.Profile }

// fits reports whether instances of profiles (by index, ascending) have places. The
// profiles are the card's own words, apart from the partitioner's copy of them.
func (g grid) fits(counts []int) bool {
	return g.media(counts) && g.place(slices.Clone(counts), 0)
}

// media is the rule for media engines: +me.all takes all, so that only -me ones fit
// beside it; there is one +me. (NVIDIA MIG User Guide.)
func (g grid) media(counts []int) bool {
	me, all, rest := 0, 0, 0
	for i, n := range counts {
		switch {
		case slices.Contains(g.profiles[i].Attributes, "me.all"):
			all += n
		case slices.Contains(g.profiles[i].Attributes, "me"):
			me += n
		case !slices.Contains(g.profiles[i].Attributes, "-me"):
			rest += n
		}
	}
	return me <= 1 && all <= 1 && (all == 0 || me+rest == 0)
}

// place fills slices from the left: at each it tries every profile that can start there,
// or leaves it free. taken is the first free slice.
func (g grid) place(counts []int, taken int) bool {
	if !slices.ContainsFunc(counts, func(n int) bool { return n > 0 }) {
		return true
	}
	if taken >= 16 {
		return false
	}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		for _, at := range g.profiles[i].Placements {
			if at.Start != taken {
				continue
			}
			counts[i]--
			if g.place(counts, taken+at.Size) {
				return true
			}
			counts[i]++
		}
	}
	return g.place(counts, taken+1)
}

// multisets calls f with every multiset of up to most of n things, smaller ones first on
// each branch, and goes on from one only if f says so.
func multisets(n int, f func(counts []int) (goOn bool)) {
	var extend func(counts []int, from int)
	extend = func(counts []int, from int) {
		for i := from; i < n; i++ {
			counts[i]++
			if f(counts) {
				extend(counts, i)
			}
			counts[i]--
		}
	}
	extend(make([]int, n), 0)
}

func (g grid) text(counts []int) string {
	var terms []string
	for i, n := range counts {
		if n > 0 {
			terms = append(terms, fmt.Sprintf("%dx%s", n, g.profiles[i].Name))
		}
	}
	return strings.Join(terms, "+")
}

func total(counts []int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// TestEveryLayout goes through every multiset of the profiles of every complete card, up
// to one instance more than fits: what the table allows is planned, applied on the fake
// and read back; what it does not is refused before any change, and what is offered
// instead can be planned.
func TestEveryLayout(t *testing.T) {
	t.Parallel()
	names, err := nvml.CardNames()
	if err != nil || len(names) < 10 {
		t.Fatalf("the table has the cards %q, %v; want ten or more", names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, name)
			profiles, err := r.fake.Profiles(r.inspect("0").GPUs[0].UUID)
			if err != nil {
				t.Fatal(err)
			}
			g := grid{profiles}
			before, all := r.inspect("0"), r.all()
			var possible, applied, impossible int
			multisets(len(profiles), func(counts []int) bool {
				text := g.text(counts)
				if !g.fits(counts) {
					impossible++
					checkImpossible(t, before, text)
					return false // one more than fits
				}
				possible++
				p, err := planOf(before, text)
				if err != nil {
					t.Fatalf("layout %q has places, but: %v", text, err)
				}
				r.applyAndBack(p, total(counts))
				applied++
				return true
			})
			if now := r.all(); now != all {
				t.Errorf("after all layouts the card is\n%s, was\n%s", now, all)
			}
			t.Logf("%s: %d layouts possible, %d planned, applied and read back; %d impossible, refused", name, possible, applied, impossible)
			if possible == 0 || applied != possible || impossible == 0 {
				t.Error("that is nothing")
			}
		})
	}
}

// checkImpossible wants a layout refused by the plan, with something that does fit.
func checkImpossible(t *testing.T, s partition.State, text string) {
	t.Helper()
	_, err := planOf(s, text)
	e, ok := errors.AsType[*partition.ImpossibleError](err)
	if !ok {
		t.Fatalf("layout %q has no places, but the plan gave %v", text, err)
	}
	if e.Fits == "" {
		t.Fatalf("layout %q was refused without what would fit: %v", text, err)
	}
	if _, err := planOf(s, e.Fits); err != nil {
		t.Fatalf("layout %q was refused and %q offered, which is: %v", text, e.Fits, err)
	}
}

// applyAndBack applies a plan, wants its devices, and restores.
func (r *rig) applyAndBack(p partition.Plan, want int) {
	r.t.Helper()
	devices, err := r.Apply(r.t.Context(), p)
	if err != nil {
		r.t.Fatalf("Apply %q: %v", p.Layout, err)
	}
	places := map[string]bool{}
	for _, d := range devices {
		places[fmt.Sprintf("%s@%d", d.Instance.Profile, d.Instance.Start)] = true
	}
	for _, s := range p.Targets[0].Slots {
		delete(places, fmt.Sprintf("%s@%d", s.Profile.Name, s.Placement.Start))
	}
	if len(devices) != want || len(places) > 0 {
		r.t.Fatalf("Apply %q gave %d devices, want %d; not asked for: %v", p.Layout, len(devices), want, places)
	}
	if err := r.Restore(r.t.Context(), p.Before); err != nil {
		r.t.Fatalf("Restore after %q: %v", p.Layout, err)
	}
}
