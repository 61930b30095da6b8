package partition

import (
	"errors"
	"reflect"
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
		Index: index, UUID: "GPU-" + string(rune('a'+index)), Name: "RTX PRO 6000", SMs: 188, MIG: Mode{Supported: true},
		Profiles: []Profile{
			{ID: 14, Name: "1g.24gb", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 21, Name: "1g.24gb+me", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 65, Name: "1g.24gb+me.all", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 67, Name: "1g.24gb-me", SMs: 46, Slices: 1, Placements: quarters},
			{ID: 5, Name: "2g.48gb", SMs: 94, Slices: 2, Placements: []Placement{{0, 6}, {6, 6}}},
			{ID: 0, Name: "4g.96gb", SMs: 188, Slices: 4, Placements: []Placement{{0, 12}}},
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
		i := Slot{Profile: p, Placement: Placement{start, p.Placements[0].Size}}.Instance()
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
		{"MPS last to start, first to stop", State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0), testGPU(1)}, MPS: []string{"MIG-GPU-a-0:3"}},
			"gpu0: off(mps); gpu1: 4g.96gb(mps:50)", `stop the MPS daemon of MIG-GPU-a-0:3
gpu0 (GPU-a): destroy 1g.24gb at 0:3
gpu0 (GPU-a): turn MIG off
gpu1 (GPU-b): turn MIG on
gpu1 (GPU-b): create 4g.96gb at 0:12
gpu0 (GPU-a): start an MPS daemon for the whole GPU
gpu1 (GPU-b): start an MPS daemon for 4g.96gb at 0:12`, []Permission{AllowLayout, AllowMode, AllowMPS}},
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
	noMIG.MIG, noMIG.Profiles = Mode{}, nil
	one := State{GPUs: []GPU{testGPU(0)}}
	tests := []struct {
		state        State
		layout, want string
	}{
		{one, "5x1g.24gb", `layout "5x1g.24gb": GPU 0 (RTX PRO 6000) has room for 4 of 1g.24gb; would fit: 4x1g.24gb`},
		{one, "5x1g.24gb(mps:50)", `layout "5x1g.24gb(mps:50)": GPU 0 (RTX PRO 6000) has room for 4 of 1g.24gb; would fit: 4x1g.24gb(mps:50)`},
		{one, "2g.48gb+3x1g.24gb", `layout "2g.48gb+3x1g.24gb": GPU 0 (RTX PRO 6000) has room for 2 of 1g.24gb beside 2g.48gb; would fit: 2g.48gb+2x1g.24gb`},
		{one, "3x1g.24gb+2g.48gb", `layout "3x1g.24gb+2g.48gb": GPU 0 (RTX PRO 6000) has room for 0 of 2g.48gb beside 3x1g.24gb; would fit: 3x1g.24gb`},
		{one, "1g.24gb+me.all+1g.24gb", `layout "1g.24gb+me.all+1g.24gb": GPU 0 (RTX PRO 6000) has room for 0 of 1g.24gb beside 1g.24gb+me.all (one +me instance fits on a GPU; beside +me.all only -me ones do); would fit: 1g.24gb+me.all`},
		{one, "1g.5gb", `layout "1g.5gb": GPU 0 (RTX PRO 6000) has no profile 1g.5gb; would fit: instances of 1g.24gb, 1g.24gb+me, 1g.24gb+me.all, 1g.24gb-me, 2g.48gb, 4g.96gb`},
		{one, "off(ts:long)", `layout "off(ts:long)": GPU 0 (RTX PRO 6000) cannot be given a time slice: setting one is not in this version`},
		{one, "gpu0: off; gpu1: off", `layout "gpu0: off; gpu1: off": GPU 1 is not one of the named GPUs`},
		{State{GPUs: []GPU{testGPU(0), testGPU(1)}}, "gpu1: off", `layout "gpu1: off": it says nothing of GPU 0 (RTX PRO 6000); say off to turn MIG off there`},
		{State{GPUs: []GPU{noMIG}}, "1g.24gb", `layout "1g.24gb": GPU 0 (RTX PRO 6000) has no MIG profiles (RTX PRO workstation cards offer them only in compute display mode); would fit: off`},
		{State{}, "1g.24gb", `layout "1g.24gb": there is no GPU to change: the backend manages none, or the scenario names none`},
		{State{}, "off(mps)", `layout "off(mps)": there is no GPU to change: the backend manages none, or the scenario names none`},
	}
	for _, tt := range tests {
		_, err := MakePlan(tt.state, mustParse(t, tt.layout))
		if _, ok := errors.AsType[*ImpossibleError](err); !ok || err.Error() != tt.want {
			t.Errorf("MakePlan(%q):\n got %v\nwant %s", tt.layout, err, tt.want)
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

func TestPlanRefusesBusy(t *testing.T) {
	used := testGPU(0)
	used.Processes = []Process{{PID: 7, Name: "someone", Device: used.UUID}}
	pending := testGPU(0)
	pending.MIG.Pending = true
	for _, tt := range []struct {
		gpu    GPU
		layout string
		want   string // empty: no error
	}{
		{used, "1g.24gb", "process 7 (someone)"},
		{used, "off(mps)", "process 7 (someone)"},
		{used, "off", ""}, // nothing is changed
		{pending, "off", "off with a change to on pending"},
	} {
		_, err := MakePlan(State{GPUs: []GPU{tt.gpu}}, mustParse(t, tt.layout))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tt.layout, err)
			}
			continue
		}
		if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want ErrBusy and %q", tt.layout, err, tt.want)
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

// TestPlaceAgainstAll compares the search with trying every assignment of
// places, on all layouts of up to five instances of three profiles.
func TestPlaceAgainstAll(t *testing.T) {
	g := testGPU(0)
	var any func(wanted []Slot, taken []Placement) bool
	any = func(wanted []Slot, taken []Placement) bool {
		if len(wanted) == 0 {
			return true
		}
		return slices.ContainsFunc(wanted[0].Profile.Placements, func(p Placement) bool {
			return !slices.ContainsFunc(taken, p.overlaps) && any(wanted[1:], append(slices.Clone(taken), p))
		})
	}
	names := []string{"1g.24gb", "1g.24gb-me", "2g.48gb", "4g.96gb"}
	fit := 0
	var try func(wanted []Slot)
	try = func(wanted []Slot) {
		got := place(wanted)
		if want := any(wanted, nil); (got != nil) != want {
			t.Errorf("place(%v) gives %v, but a place for all is %t", wanted, got, want)
		}
		if got != nil {
			fit++
			checkPlaced(t, wanted, got)
		}
		if len(wanted) == 5 {
			return
		}
		for _, name := range names {
			p, _ := g.profile(name)
			try(append(slices.Clone(wanted), Slot{Profile: p}))
		}
	}
	for _, name := range names {
		p, _ := g.profile(name)
		try([]Slot{{Profile: p}})
	}
	if fit == 0 {
		t.Error("nothing fitted")
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

// checkPlaced checks that the places are allowed, disjoint and in order.
func checkPlaced(t *testing.T, wanted, got []Slot) {
	t.Helper()
	if len(got) != len(wanted) {
		t.Errorf("%d places for %d slots", len(got), len(wanted))
	}
	for i, s := range got {
		if !slices.Contains(s.Profile.Placements, s.Placement) {
			t.Errorf("%s is placed at %v, which it does not allow", s.Profile.Name, s.Placement)
		}
		if i > 0 && got[i-1].Placement.Start+got[i-1].Placement.Size > s.Placement.Start {
			t.Errorf("places overlap or are not in order: %v", got)
		}
	}
}

func TestDifferences(t *testing.T) {
	before := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}, MPS: []string{"MIG-GPU-a-0:3"}}
	again := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}, MPS: []string{"MIG-new"}}
	again.GPUs[0].Index = 5
	again.GPUs[0].Instances[0].GI = 9
	again.GPUs[0].Instances[0].Compute[0].UUID = "MIG-new"
	if got := before.Differences(again); got != nil {
		t.Errorf("made anew, but differs: %q", got)
	}
	if uuid, ok := again.Again(before, "MIG-GPU-a-0:3"); !ok || uuid != "MIG-new" {
		t.Errorf("Again = %q, %t; want MIG-new", uuid, ok)
	}
	now := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 3)}}
	want := []string{
		"GPU 0 (RTX PRO 6000): 1g.24gb at 0:3 is missing", "GPU 0 (RTX PRO 6000): 1g.24gb at 3:3 is extra",
		"MPS daemons run for [], not for [GPU-a/1g.24gb@0/0]",
	}
	if got := before.Differences(now); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	want = []string{"GPU 0 (RTX PRO 6000) GPU-a is gone"}
	if got := (State{GPUs: before.GPUs}).Differences(State{}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	off := State{GPUs: []GPU{testGPU(0)}}
	on := State{GPUs: []GPU{testGPU(0).with("1g.24gb")}}
	if got := off.Differences(on); len(got) != 1 || !strings.Contains(got[0], "MIG is on, not off") {
		t.Errorf("got %q, want the mode", got)
	}
}

// TestDifferencesStaleMPS: a daemon whose device was gone before may run on or
// end; one that came since is told.
func TestDifferencesStaleMPS(t *testing.T) {
	gpus := []GPU{testGPU(0)}
	before := State{GPUs: gpus, MPS: []string{"MIG-gone"}}
	for _, running := range [][]string{nil, {"MIG-gone"}} {
		if got := before.Differences(State{GPUs: gpus, MPS: running}); got != nil {
			t.Errorf("daemons %q: got %q, want none", running, got)
		}
		extra := append(slices.Clone(running), "MIG-since")
		if got := before.Differences(State{GPUs: gpus, MPS: extra}); len(got) != 1 || !strings.Contains(got[0], "MIG-since") {
			t.Errorf("daemons %q: got %q, want MIG-since", extra, got)
		}
	}
}
