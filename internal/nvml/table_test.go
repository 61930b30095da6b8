package nvml

import (
	"slices"
	"strings"
	"testing"
)

// notPublic are the cards of the table that cannot be simulated.
var notPublic = []string{"NVIDIA RTX PRO 5000 Blackwell 72GB"}

func cardNames(t *testing.T) []string {
	t.Helper()
	names, err := CardNames()
	if err != nil || len(names) == 0 {
		t.Fatalf("CardNames() = %v, %v; want some", names, err)
	}
	return names
}

// TestCardNames: every card of the table can be simulated, but those whose
// profiles nobody published.
func TestCardNames(t *testing.T) {
	all, err := cards()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, c := range all {
		if !slices.Contains(notPublic, c.GPU) {
			want = append(want, c.GPU)
		}
	}
	if got := cardNames(t); len(got) < 10 || len(got)+len(notPublic) != len(all) || !slices.Equal(got, want) {
		t.Errorf("CardNames() = %q, want %q", got, want)
	}
}

// TestTable checks what the planner and the fake build on: places inside the
// grid, a maximum that is the number of disjoint places for plain profiles,
// unique ids, and values marked where they are invented.
func TestTable(t *testing.T) {
	for _, name := range cardNames(t) {
		c, err := findCard(name)
		if err != nil {
			t.Fatal(err)
		}
		profiles, err := c.profiles()
		if err != nil {
			t.Fatal(err)
		}
		ids := map[int]bool{}
		for _, p := range profiles {
			if ids[p.ID] {
				t.Errorf("%s: id %d stands twice", name, p.ID)
			}
			ids[p.ID] = true
			disjoint, end := 0, 0
			for _, at := range p.Placements {
				if at.Start >= end {
					disjoint, end = disjoint+1, at.Start+at.Size
				}
			}
			media := c.hasMe(p.Name)
			if want := disjoint; p.Max != want && (!media || p.Max != 1) {
				t.Errorf("%s %s: max %d, want %d", name, p.Name, p.Max, want)
			}
			if p.MemoryBytes == 0 || p.MemoryBytes > uint64(c.MemoryGB)<<30 || p.SMs > c.SMs {
				t.Errorf("%s %s: %d B, %d SMs do not go with the card", name, p.Name, p.MemoryBytes, p.SMs)
			}
			if p.Assumed != (name == "NVIDIA RTX PRO 5000 Blackwell 48GB") {
				t.Errorf("%s %s: assumed is %t", name, p.Name, p.Assumed)
			}
		}
	}
}

func (c card) hasMe(profile string) bool {
	k := slices.IndexFunc(c.Profiles, func(p cardProfile) bool { return p.Name == profile })
	return slices.Contains(c.Profiles[k].Attributes, "me") || slices.Contains(c.Profiles[k].Attributes, "me.all")
}

// A layoutCheck creates instances on one fake card and adds them up.
type layoutCheck struct {
	f             *Fake
	gpu           string
	card          Device
	sms, slices   int
	memory        uint64
	made, refused int
}

// create makes an instance with its one compute instance if the card lets it.
func (l *layoutCheck) create(t *testing.T, p Profile, at Placement) bool {
	t.Helper()
	gi, err := l.f.CreateGPUInstance(l.gpu, p.ID, at)
	if err != nil {
		l.refused++
		return false
	}
	ci, err := l.f.CreateComputeInstance(l.gpu, gi.ID, Placement{0, p.Slices})
	if err != nil || ci.SMs != p.SMs {
		t.Fatalf("%s: compute instance in %s: %d SMs, %v; want %d", l.card.Name, p.Name, ci.SMs, err, p.SMs)
	}
	m, err := l.f.Memory(ci.UUID)
	if err != nil || m.TotalBytes != p.MemoryBytes {
		t.Fatalf("%s: memory of %s: %d, %v; want %d", l.card.Name, p.Name, m.TotalBytes, err, p.MemoryBytes)
	}
	l.made, l.sms, l.slices, l.memory = l.made+1, l.sms+ci.SMs, l.slices+at.Size, l.memory+m.TotalBytes
	return true
}

func (l *layoutCheck) fill(t *testing.T, p Profile) (made int) {
	t.Helper()
	for _, at := range p.Placements {
		if l.create(t, p, at) {
			made++
		}
	}
	return made
}

// TestLayouts puts layouts on every card: each profile once with the rest
// filled by the others, larger ones first, and each profile as often as it
// goes. No layout is ever more than the card, and the memory's shares of its
// instances are never more than 1.
func TestLayouts(t *testing.T) {
	for _, name := range cardNames(t) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			first, gpu := newFake(t, name)
			profiles, err := first.Profiles(gpu)
			if err != nil {
				t.Fatal(err)
			}
			largest := slices.Clone(profiles)
			slices.SortStableFunc(largest, func(a, b Profile) int { return b.SMs - a.SMs })
			mixed := 0
			for _, p := range profiles {
				l := newLayoutCheck(t, name)
				if got := l.fill(t, p); got != p.Max {
					t.Errorf("%d of %s fit, want %d", got, p.Name, p.Max)
				}
				l.check(t, profiles, p.Name)

				l = newLayoutCheck(t, name)
				if !l.create(t, p, p.Placements[len(p.Placements)-1]) {
					t.Errorf("%s was refused on the empty card", p.Name)
				}
				kinds := 1
				for _, other := range largest {
					if other.ID != p.ID && l.fill(t, other) > 0 {
						kinds++
					}
				}
				if kinds > 1 {
					mixed++
				}
				l.check(t, profiles, "mixed with "+p.Name)
			}
			if mixed == 0 {
				t.Error("no mixed layout was possible")
			}
		})
	}
}

func newLayoutCheck(t *testing.T, name string) *layoutCheck {
	t.Helper()
	f, gpu := newFake(t, name)
	mustMode(t, f, gpu, true)
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	return &layoutCheck{f: f, gpu: gpu, card: devices[0]}
}

func (l *layoutCheck) check(t *testing.T, profiles []Profile, layout string) {
	t.Helper()
	if l.made == 0 || l.sms > l.card.SMs || l.memory > l.card.Memory.TotalBytes || l.slices > MemorySlices(profiles) {
		t.Errorf("%s: %d instances with %d SMs, %d B, %d memory slices on a card with %d SMs, %d B, %d slices",
			layout, l.made, l.sms, l.memory, l.slices, l.card.SMs, l.card.Memory.TotalBytes, MemorySlices(profiles))
	}
	instances, err := l.f.Instances(l.gpu)
	if err != nil || len(instances) != l.made {
		t.Fatalf("%s: Instances() = %v, %v; want %d", layout, instances, err, l.made)
	}
	share := 0.0
	for _, i := range instances {
		share += MemoryShare(profiles, i.Placement)
	}
	if share > 1+1e-9 || share <= 0 {
		t.Errorf("%s: shares of the memory are %v together, want over 0 and up to 1", layout, share)
	}
}

// TestMemoryShare: slices of placement_units of the table, which the MIG User
// Guide names as fractions: 1/8 for 1g.5gb, 1/4 for 1g.24gb.
func TestMemoryShare(t *testing.T) {
	for _, tt := range []struct {
		card, profile string
		want          float64
	}{
		{"NVIDIA A100 40GB", "1g.5gb", 1. / 8},
		{"NVIDIA A100 40GB", "1g.10gb", 2. / 8},
		{"NVIDIA A100 40GB", "3g.20gb", 4. / 8},
		{"NVIDIA A100 40GB", "7g.40gb", 1},
		{"NVIDIA A30", "1g.6gb", 1. / 4},
		{"NVIDIA B200 180GB", "1g.45gb", 2. / 8},
		{pro6000, "1g.24gb", 1. / 4},
		{pro6000, "2g.48gb", 1. / 2},
		{pro6000, "4g.96gb", 1},
		{"NVIDIA RTX PRO 5000 Blackwell 48GB", "1g.24gb", 1. / 2},
	} {
		f, gpu := newFake(t, tt.card)
		profiles, err := f.Profiles(gpu)
		if err != nil {
			t.Fatal(err)
		}
		k := slices.IndexFunc(profiles, func(p Profile) bool { return p.Name == tt.profile })
		if k < 0 {
			t.Fatalf("%s has no %s", tt.card, tt.profile)
		}
		for _, at := range profiles[k].Placements {
			if got := MemoryShare(profiles, at); got != tt.want {
				t.Errorf("%s %s at %v: share %v, want %v", tt.card, tt.profile, at, got, tt.want)
			}
		}
	}
	if got := MemorySlices(nil); got != 0 {
		t.Errorf("MemorySlices(nil) = %d, want 0", got)
	}
}

// TestAssumed: what was not recorded from a card is told with it.
func TestAssumed(t *testing.T) {
	for _, tt := range []struct {
		card string
		want []string // in order; none: all was recorded
	}{
		{pro6000, nil},
		{"NVIDIA H100 80GB SXM5", nil},
		{"NVIDIA A30", []string{"placements follow other cards in at least one"}},
		{"NVIDIA A100 80GB", []string{"placements follow other cards"}},
		{"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", []string{"ids, memory, SMs, placements follow other cards"}},
		{"NVIDIA RTX PRO 5000 Blackwell 48GB", []string{"invented", "1g.24gb", "2g.48gb+gfx"}},
		{"NVIDIA B200 180GB", []string{"placements follow", "left out", "3g.90gb, 4g.90gb, 7g.180gb"}},
	} {
		f, _ := newFake(t, tt.card)
		devices, err := f.Devices()
		if err != nil {
			t.Fatal(err)
		}
		rest := devices[0].Assumed
		if (rest == "") != (tt.want == nil) {
			t.Errorf("%s: assumed is %q, want %q in it", tt.card, rest, tt.want)
		}
		for _, want := range tt.want {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("%s: assumed is %q, want %q in it", tt.card, devices[0].Assumed, want)
			}
			rest = after
		}
	}
}

// A card of the table is known or refused with a reason, not both.
func TestRefusedCards(t *testing.T) {
	known, err := CardNames()
	if err != nil {
		t.Fatal(err)
	}
	refused, err := RefusedCards()
	if err != nil || len(refused) == 0 {
		t.Fatalf("RefusedCards() = %v, %v", refused, err)
	}
	for _, c := range refused {
		_, _, err := TableCard(c.Name)
		if err == nil || err.Error() != c.Reason || slices.Contains(known, c.Name) {
			t.Errorf("%s is refused for %q, and TableCard gives %v", c.Name, c.Reason, err)
		}
	}
	if all, err := cards(); err != nil || len(all) != len(known)+len(refused) {
		t.Errorf("%d cards, of which %d are known and %d refused; %v", len(all), len(known), len(refused), err)
	}
}
