package partition

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// testGPU is an RTX PRO 6000 as its driver tells of it, with the profiles that
// tests need.
func testGPU(index int) GPU {
	var quarters []Placement
	for start := 0; start < 12; start += 3 {
		quarters = append(quarters, Placement{start, 3})
	}
	return GPU{
		Index: index, UUID: "GPU-" + string(rune('a'+index)), Name: "RTX PRO 6000", SMs: 188, MIG: Mode{Supported: true}, TimeSlice: "default",
		Profiles: []Profile{
			{ID: 14, Name: "1g.24gb", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 21, Name: "1g.24gb+me", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 65, Name: "1g.24gb+me.all", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 67, Name: "1g.24gb-me", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 5, Name: "2g.48gb", SMs: 94, Slices: 2, Placements: []Placement{{0, 6}, {6, 6}}, Compute: []ComputeProfile{
				{Slices: 1, Placements: []Placement{{0, 1}, {1, 1}}}, {Slices: 2, Placements: []Placement{{0, 2}}},
			}},
			{ID: 0, Name: "4g.96gb", SMs: 188, Slices: 4, Placements: []Placement{{0, 12}}, Compute: []ComputeProfile{
				{Slices: 1, Placements: []Placement{{0, 1}, {1, 1}, {2, 1}, {3, 1}}}, {Slices: 2, Placements: []Placement{{0, 2}, {2, 2}}},
				{Slices: 4, Placements: []Placement{{0, 4}}},
			}},
		},
	}
}

// with gives the GPU with MIG on and instances that look like slots.
func (g GPU) with(profile string, starts ...int) GPU {
	p, ok := g.profile(profile)
	if !ok {
		panic("no profile " + profile)
	}
	g.MIG.Current, g.MIG.Pending = true, true
	g.Instances = slices.Clone(g.Instances)
	for _, start := range starts {
		i := Slot{Profile: p, Placement: Placement{start, p.Placements[0].Size}, Compute: []Placement{{0, p.Slices}}}.Instance()
		i.GI = len(g.Instances)
		i.Compute[0].UUID = "MIG-" + g.UUID + "-" + i.Placement.String()
		g.Instances = append(g.Instances, i)
	}
	return g
}

func mustParse(t *testing.T, text string) Layout {
	t.Helper()
	l, err := ParseLayout(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPlanSteps(t *testing.T) {
	reset := testGPU(0)
	reset.MIG.Resets = true
	half := testGPU(0).with("1g.24gb", 0)
	half.Instances[0].Compute = nil
	tests := []struct {
		name   string
		state  State
		layout string
		steps  string // joined by newlines
		needs  []Permission
	}{
		{"nothing to do", State{GPUs: []GPU{testGPU(0)}}, "off(ts)", "", nil},
		{"no GPU", State{}, "off", "", nil},
		{"from off", State{GPUs: []GPU{testGPU(0)}}, "2g.48gb+1g.24gb", `gpu0 (GPU-a): turn MIG on
gpu0 (GPU-a): create 2g.48gb at 0:6
gpu0 (GPU-a): create 1g.24gb at 6:3`, []Permission{AllowLayout, AllowMode}},
		{"what stands is kept", State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 9)}}, "2x1g.24gb", `gpu0 (GPU-a): destroy 1g.24gb at 9:3
gpu0 (GPU-a): create 1g.24gb at 3:3`, []Permission{AllowLayout}},
		{"half made", State{GPUs: []GPU{half}}, "1g.24gb", `gpu0 (GPU-a): destroy 1g.24gb at 0:3 without compute instance
gpu0 (GPU-a): create 1g.24gb at 0:3`, []Permission{AllowLayout}},
		{"back to off", State{GPUs: []GPU{testGPU(0).with("4g.96gb", 0)}}, "off", `gpu0 (GPU-a): destroy 4g.96gb at 0:12
gpu0 (GPU-a): turn MIG off`, []Permission{AllowLayout, AllowMode}},
		{"reset", State{GPUs: []GPU{reset}}, "4g.96gb", `gpu0 (GPU-a): turn MIG on, which resets the GPU
gpu0 (GPU-a): create 4g.96gb at 0:12`, []Permission{AllowLayout, AllowMode, AllowReset}},
		{"MPS last to start, first to stop", State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0), testGPU(1)}, MPS: []Daemon{{Device: "MIG-GPU-a-0:3", Own: true, Clients: []int{}, Settings: map[string]string{}}}},
			"gpu0: off(mps); gpu1: 4g.96gb(mps:50)", `gpu0 (GPU-a): stop the MPS daemon of MIG-GPU-a-0:3
gpu0 (GPU-a): destroy 1g.24gb at 0:3
gpu0 (GPU-a): turn MIG off
gpu1 (GPU-b): turn MIG on
gpu1 (GPU-b): create 4g.96gb at 0:12
gpu0 (GPU-a): start an MPS daemon for the whole GPU
gpu1 (GPU-b): start an MPS daemon for 4g.96gb at 0:12 (mps:50)`, []Permission{AllowLayout, AllowMode, AllowMPS}},
		{"splits", State{GPUs: []GPU{testGPU(0).with("2g.48gb", 0)}}, "2g.48gb/2x1c(mps:50:1G)+2g.48gb/1c", `gpu0 (GPU-a): destroy 2g.48gb at 0:6
gpu0 (GPU-a): create 2g.48gb at 0:6 with 1c at 0 and 1
gpu0 (GPU-a): create 2g.48gb at 6:6 with 1c at 0
gpu0 (GPU-a): start an MPS daemon for 2g.48gb at 0:6, 1c at 0 (mps:50:1G)
gpu0 (GPU-a): start an MPS daemon for 2g.48gb at 0:6, 1c at 1 (mps:50:1G)`, []Permission{AllowLayout, AllowMPS}},
		{"time slice", State{GPUs: []GPU{testGPU(0)}}, "off(ts:long)", "gpu0 (GPU-a): set the time slice to long", []Permission{AllowSlice}},
		{"time slice as found", State{GPUs: []GPU{testGPU(0)}}, "off(ts:default)", "", nil},
		{"time slice after a switch", State{GPUs: []GPU{testGPU(0).with("1g.24gb")}}, "off(ts:default)", `gpu0 (GPU-a): turn MIG off
gpu0 (GPU-a): set the time slice to default`, []Permission{AllowMode, AllowSlice}},
		{"all", State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3, 6, 9)}}, "all-1g.24gb", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := MakePlan(tt.state, mustParse(t, tt.layout))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(p.Steps(), "\n"); got != tt.steps {
				t.Errorf("steps:\n%s\nwant:\n%s", got, tt.steps)
			}
			if got := p.Needs(); !slices.Equal(got, tt.needs) {
				t.Errorf("needs %v, want %v", got, tt.needs)
			}
			if p.Empty() != (tt.steps == "") {
				t.Errorf("Empty() = %t", p.Empty())
			}
		})
	}
}

func TestImpossible(t *testing.T) {
	noMIG := testGPU(0)
	noMIG.MIG, noMIG.Profiles, noMIG.Name = Mode{}, nil, "L4"
	one, gpu := State{GPUs: []GPU{testGPU(0)}}, "GPU 0 (RTX PRO 6000) "
	pro := State{GPUs: []GPU{card(t, "rtx-pro-6000-96gb", 0)}}
	quarters := "has room for 4 of 1g.24gb: 1g.24gb goes at 0, 3, 6 and 9, and taken are 0:3, 3:3, 6:3 and 9:3 by 1g.24gb"
	tests := []struct {
		state              State
		layout, want, fits string
	}{
		{one, "5x1g.24gb", gpu + quarters, "4x1g.24gb"},
		{one, "5x1g.24gb(mps:50)", gpu + quarters, "4x1g.24gb(mps:50)"},
		{one, "2g.48gb+3x1g.24gb", gpu + "has room for 2 of 1g.24gb beside 2g.48gb: 1g.24gb goes at 0, 3, 6 and 9, and taken are 0:6 by 2g.48gb, 6:3 and 9:3 by 1g.24gb", "2g.48gb+2x1g.24gb"},
		{one, "3x1g.24gb+2g.48gb", gpu + "has room for 0 of 2g.48gb beside 3x1g.24gb: 2g.48gb goes at 0 and 6, and taken are 0:3, 3:3 and 6:3 by 1g.24gb", "3x1g.24gb"},
		{one, "1g.24gb+me.all+1g.24gb", gpu + "has room for 0 of 1g.24gb beside 1g.24gb+me.all: beside +me.all, which takes all media engines, only -me instances fit", "1g.24gb+me.all"},
		{one, "1g.24gb-me+1g.24gb+me.all+1g.24gb+1g.24gb-me", gpu + "has room for 0 of 1g.24gb beside 1g.24gb-me+1g.24gb+me.all+1g.24gb-me: beside +me.all, which takes all media engines, only -me instances fit", "1g.24gb-me+1g.24gb+me.all+1g.24gb-me"},
		{one, "2x1g.24gb+me", gpu + "has room for 1 of 1g.24gb+me: only one +me instance fits on a GPU", "1g.24gb+me"},
		{one, "1g.5gb", gpu + "has no profile 1g.5gb, only 1g.24gb, 1g.24gb+me, 1g.24gb+me.all, 1g.24gb-me, 2g.48gb, 4g.96gb", "1g.24gb"},
		{one, "7x1g.5gb+me/2x1c", gpu + "has no profile 1g.5gb+me, only 1g.24gb, 1g.24gb+me, 1g.24gb+me.all, 1g.24gb-me, 2g.48gb, 4g.96gb", "4x1g.24gb"},
		{one, "3g.71gb(mps)", gpu + "has no profile 3g.71gb, only 1g.24gb, 1g.24gb+me, 1g.24gb+me.all, 1g.24gb-me, 2g.48gb, 4g.96gb", "2g.48gb(mps)"},
		{one, "2g.48gb/3x1c", gpu + "cannot cut 2g.48gb into 3x1c: its compute instances are 1c at 0 and 1, 2c at 0", "2g.48gb/2x1c"},
		{one, "1g.24gb/2c", gpu + "cannot cut 1g.24gb into 2c", "1g.24gb"},
		{one, "1g.24gb+4g.96gb/1c,2c,1c", gpu + "cannot cut 4g.96gb into 1c,2c,1c in this order of places: its compute instances are 1c at 0, 1, 2 and 3, 2c at 0 and 2, 4c at 0", "1g.24gb"},
		{one, "1g.24gb+2g.48gb/3x1c(mps)", gpu + "cannot cut 2g.48gb into 3x1c: its compute instances are 1c at 0 and 1, 2c at 0", "1g.24gb+2g.48gb/2x1c(mps)"},
		{one, "4x1g.24gb(ts:long)", gpu + "cannot give its instances a time slice: it is one for a whole GPU with MIG off", "4x1g.24gb(ts)"},
		{one, "5x1g.24gb(ts:long)", gpu + "cannot give its instances a time slice: it is one for a whole GPU with MIG off", "4x1g.24gb(ts)"},
		{pro, "off(mps:50:200G)", "GPU 0 (" + pro.GPUs[0].Name + ") cannot give an MPS client 204800 MiB (mps:50:200G): the GPU has 98304 MiB", "off(mps:50)"},
		{pro, "1g.24gb(mps:40G)+1g.24gb(mps:20G)", "GPU 0 (" + pro.GPUs[0].Name + ") cannot give an MPS client 40960 MiB (mps:40G): an instance of 1g.24gb has 24186 MiB", "1g.24gb(mps)+1g.24gb(mps:20G)"},
		{one, "gpu0: off; gpu1: off", "GPU 1 is not one of the named GPUs", ""},
		{State{GPUs: []GPU{testGPU(0), testGPU(1)}}, "gpu1: off", "it says nothing of GPU 0 (RTX PRO 6000); say off to turn MIG off there", ""},
		{State{GPUs: []GPU{noMIG}}, "1g.24gb", "GPU 0 (L4) has no MIG profiles", "off"},
		{State{}, "1g.24gb", "there is no GPU to change: the backend manages none, or the scenario names none", ""},
		{State{}, "off(mps)", "there is no GPU to change: the backend manages none, or the scenario names none", ""},
		{State{}, "off(ts:short)", "there is no GPU to change: the backend manages none, or the scenario names none", ""},
	}
	for _, tt := range tests {
		want := fmt.Sprintf("layout %q: %s", tt.layout, tt.want)
		if tt.fits != "" {
			want += "; would fit: " + tt.fits
		}
		_, err := MakePlan(tt.state, mustParse(t, tt.layout))
		if _, ok := errors.AsType[*ImpossibleError](err); !ok || err.Error() != want {
			t.Errorf("MakePlan(%q):\n got %v\nwant %s", tt.layout, err, want)
		}
		if tt.fits == "" {
			continue
		}
		if _, err := MakePlan(tt.state, mustParse(t, tt.fits)); err != nil {
			t.Errorf("%q is offered for %q, but %v", tt.fits, tt.layout, err)
		}
	}
	if _, err := MakePlan(one, Layout{}); err == nil {
		t.Error("MakePlan took the zero layout")
	}
	_, err := MakePlan(State{GPUs: []GPU{testGPU(0), testGPU(1)}}, mustParse(t, "5x1g.24gb"))
	if err == nil || strings.Count(err.Error(), "has room for 4") != 2 {
		t.Errorf("two impossible GPUs gave %v, want both named", err)
	}
}

// TestNearLimits: as much as fits is taken, one more is not; splits at their
// limits in pairs.
func TestNearLimits(t *testing.T) {
	one := State{GPUs: []GPU{testGPU(0)}}
	for _, tt := range []struct{ fits, not string }{
		{"4x1g.24gb", "5x1g.24gb"},
		{"2x2g.48gb", "3x2g.48gb"},
		{"4g.96gb", "4g.96gb+1g.24gb"},
		{"1g.24gb+me+3x1g.24gb", "2x1g.24gb+me"},
		{"1g.24gb+me.all+3x1g.24gb-me", "1g.24gb+me.all+1g.24gb+me"},
		{"4g.96gb/4x1c", "4g.96gb/5x1c"},
		{"4g.96gb/1c,2c", "4g.96gb/1c,2c,1c"}, // the 2c goes at 2
		{"4g.96gb/2x2c", "4g.96gb/3c"},
		{"2x2g.48gb/2x1c", "2x2g.48gb/2c,1c"},
		{"all-2g.48gb/2x1c", "all-2g.48gb/3x1c"},
		{"2g.48gb/1c", "1g.24gb/2x1c"},
	} {
		if _, err := MakePlan(one, mustParse(t, tt.fits)); err != nil {
			t.Errorf("%q: %v", tt.fits, err)
		}
		if _, err := MakePlan(one, mustParse(t, tt.not)); err == nil {
			t.Errorf("%q was planned", tt.not)
		}
	}
}

func TestAllowed(t *testing.T) {
	p, err := MakePlan(State{GPUs: []GPU{testGPU(0)}}, mustParse(t, "4x1g.24gb(mps)"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Allowed([]Permission{AllowMPS, AllowMode, AllowLayout}); err != nil {
		t.Errorf("all is allowed, but: %v", err)
	}
	want := `layout "4x1g.24gb(mps)" needs mode and mps, which the scenario does not allow; to allow it, write under server: allow: [layout, mode, mps]`
	if err := p.Allowed([]Permission{AllowLayout}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestPlaceOrder: equal profiles take their places in the layout's order.
func TestPlaceOrder(t *testing.T) {
	p, err := MakePlan(State{GPUs: []GPU{testGPU(0)}}, mustParse(t, "1g.24gb(mps)+1g.24gb(ts)+2g.48gb"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Targets[0].Slots {
		got = append(got, s.Instance().String()+" "+s.Sharing.String())
	}
	if want := []string{"2g.48gb at 0:6 ts", "1g.24gb at 6:3 mps", "1g.24gb at 9:3 ts"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestAttributesRule: what a profile says of itself counts, not its name.
func TestAttributesRule(t *testing.T) {
	g := testGPU(0)
	for i := range g.Profiles {
		switch g.Profiles[i].Name {
		case "1g.24gb": // a card that tells of media engines without a suffix
			g.Profiles[i].Attributes = []string{"me"}
		case "1g.24gb+me":
			g.Profiles[i].Attributes = []string{"gfx"}
		}
	}
	for layout, fits := range map[string]bool{"1g.24gb": true, "2x1g.24gb": false, "4x1g.24gb+me": true, "1g.24gb+3x1g.24gb+me": true} {
		if _, err := MakePlan(State{GPUs: []GPU{g}}, mustParse(t, layout)); (err == nil) != fits {
			t.Errorf("%q: %v, want that it fits to be %t", layout, err, fits)
		}
	}
}
