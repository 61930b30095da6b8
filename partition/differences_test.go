package partition

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestDifferences(t *testing.T) {
	before := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}, MPS: []Daemon{{Device: "MIG-GPU-a-0:3", Own: true, Pipe: "/p/1"}}}
	again := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}, MPS: []Daemon{{Device: "MIG-new", Own: true, Pipe: "/p/2", PID: 9}}}
	again.GPUs[0].Index = 5
	again.GPUs[0].Instances[0].GI = 9
	again.GPUs[0].Instances[0].Compute[0].UUID = "MIG-new"
	if got := before.Differences(again); got != nil {
		t.Errorf("made anew, but differs: %q", got)
	}
	if uuid, ok := again.Again(before, "MIG-GPU-a-0:3"); !ok || uuid != "MIG-new" {
		t.Errorf("Again = %q, %t; want MIG-new", uuid, ok)
	}
	if got, want := before.Moved(again), []string{"GPU 0 (RTX PRO 6000): 1g.24gb at 0:3 was MIG-GPU-a-0:3 and is MIG-new"}; !slices.Equal(got, want) {
		t.Errorf("Moved %q, want %q", got, want)
	}
	if got := before.Moved(before); got != nil {
		t.Errorf("nothing moved, but %q", got)
	}
	now := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 3)}}
	want := []string{
		"GPU 0 (RTX PRO 6000): 1g.24gb at 0:3 is missing", "GPU 0 (RTX PRO 6000): 1g.24gb at 3:3 is extra",
		"the MPS daemon of GPU-a/1g.24gb@0/1c@0 is missing",
	}
	if got := before.Differences(now); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := before.Moved(now); got != nil {
		t.Errorf("the instance is gone, but Moved %q", got)
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

// A daemon whose settings are others, or that does not tell them, is neither missing
// nor extra: it is told how it is set.
func TestDaemonSetOtherwise(t *testing.T) {
	const percent, memory = "default_active_thread_percentage", "default_device_pinned_mem_limit 0"
	daemon := func(own bool, pid int, settings map[string]string) Daemon {
		return Daemon{Device: "GPU-a", Own: own, PID: pid, Settings: settings}
	}
	full, half := map[string]string{percent: "100.0"}, map[string]string{percent: "50.0", memory: "1G"}
	for name, c := range map[string]struct {
		was, now []Daemon
		want     []string
	}{
		"otherwise": {[]Daemon{daemon(true, 1, full)}, []Daemon{daemon(true, 2, half)},
			[]string{"the MPS daemon of GPU-a is set otherwise: " + percent + " is 50.0, not 100.0, " + memory + " is 1G, not unset"}},
		"unset": {[]Daemon{daemon(true, 1, half)}, []Daemon{daemon(true, 2, full)},
			[]string{"the MPS daemon of GPU-a is set otherwise: " + percent + " is 100.0, not 50.0, " + memory + " is unset, not 1G"}},
		"untold": {[]Daemon{daemon(true, 1, full)}, []Daemon{daemon(true, 1, nil)},
			[]string{"the MPS daemon of GPU-a does not tell its settings, or not in time"}},
		"another's, untold": {[]Daemon{daemon(false, 1, full)}, []Daemon{daemon(false, 1, nil)},
			[]string{"the MPS daemon of GPU-a (not ours: user 0, pid 1, ) does not tell its settings, or not in time"}},
		"one of two": {[]Daemon{daemon(true, 1, full), daemon(true, 2, full)}, []Daemon{daemon(true, 1, full), daemon(true, 2, half)},
			[]string{"the MPS daemon of GPU-a is set otherwise: " + percent + " is 50.0, not 100.0, " + memory + " is 1G, not unset"}},
		"one, and one more": {[]Daemon{daemon(true, 1, full)}, []Daemon{daemon(true, 2, half), daemon(true, 3, half)},
			[]string{"the MPS daemon of GPU-a is set otherwise: " + percent + " is 50.0, not 100.0, " + memory + " is 1G, not unset", "the MPS daemon of GPU-a is extra"}},
		"untold before": {[]Daemon{daemon(true, 1, nil)}, []Daemon{daemon(true, 1, half)}, nil},
	} {
		gpus := []GPU{testGPU(0)}
		if got := (State{GPUs: gpus, MPS: c.was}).Differences(State{GPUs: gpus, MPS: c.now}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q\nwant %q", name, got, c.want)
		}
	}
}

// cut gives the GPU's first instance with compute instances of these slices, in
// this order.
func (g GPU) cut(places ...Placement) GPU {
	g.Instances = slices.Clone(g.Instances)
	g.Instances[0].Compute = nil
	for k, p := range places {
		g.Instances[0].Compute = append(g.Instances[0].Compute, Compute{CI: k, Placement: p, UUID: "MIG-" + g.UUID + "-" + p.String()})
	}
	return g
}

func TestDifferencesOfSplits(t *testing.T) {
	whole := testGPU(0).with("2g.48gb", 6)
	halves, turned := whole.cut(Placement{0, 1}, Placement{1, 1}), whole.cut(Placement{1, 1}, Placement{0, 1})
	one := whole.cut(Placement{1, 1})
	text := func(g GPU) string { return g.Instances[0].String() }
	for g, want := range map[*GPU]string{
		&whole: "2g.48gb at 6:6", &halves: "2g.48gb at 6:6 with 1c at 0 and 1", &turned: "2g.48gb at 6:6 with 1c at 0 and 1", &one: "2g.48gb at 6:6 with 1c at 1",
	} {
		if got := text(*g); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	of := func(g GPU) State { return State{GPUs: []GPU{g}} }
	if got := of(halves).Differences(of(turned)); got != nil {
		t.Errorf("the order of compute instances matters: %q", got)
	}
	for _, other := range []GPU{whole, one} {
		if got := of(halves).Differences(of(other)); len(got) != 2 {
			t.Errorf("%s and %s differ in %q, want one missing and one extra", text(halves), text(other), got)
		}
	}
	moved := halves.cut(Placement{0, 1}, Placement{1, 1})
	moved.Instances[0].Compute[1].UUID = "MIG-new"
	if got := of(halves).Moved(of(moved)); len(got) != 1 || !strings.Contains(got[0], "2g.48gb at 6:6, 1c at 1, was MIG-GPU-a-1:1 and is MIG-new") {
		t.Errorf("Moved %q, want the second compute instance", got)
	}
}

func TestDifferencesOfTimeSlices(t *testing.T) {
	of := func(slice string) State {
		g := testGPU(0)
		g.TimeSlice = slice
		return State{GPUs: []GPU{g}}
	}
	for _, tt := range []struct{ before, now, want string }{
		{"default", "default", ""},
		{"", "long", ""}, // what was unknown cannot be compared
		{"short", "long", "the time slice is long, not short"},
		{"short", "", "the time slice is unknown, not short"},
	} {
		got := of(tt.before).Differences(of(tt.now))
		if (tt.want == "") != (got == nil) || got != nil && !strings.HasSuffix(got[0], tt.want) {
			t.Errorf("%q to %q: %q, want %q", tt.before, tt.now, got, tt.want)
		}
	}
}

// TestDifferencesOfSettings: compute mode and persistence are told where they were
// known, and keep no journal; whether MIG is supported and resets, which a driver update may tell
// otherwise, is not.
func TestDifferencesOfSettings(t *testing.T) {
	yes, no := true, false
	of := func(change func(*GPU)) State {
		g := testGPU(0)
		change(&g)
		return State{GPUs: []GPU{g}}
	}
	mode := func(m string) State { return of(func(g *GPU) { g.ComputeMode = m }) }
	persistent := func(p *bool) State { return of(func(g *GPU) { g.Persistence = p }) }
	for _, tt := range []struct {
		before, now State
		want        string
	}{
		{mode("default"), mode("default"), ""},
		{mode(""), mode("default"), ""},
		{mode("default"), mode("prohibited"), "the compute mode is prohibited, not default (nvidia-smi -i GPU-a -c DEFAULT sets it)"},
		{mode("exclusive-process"), mode(""), "the compute mode is unknown, not exclusive-process (nvidia-smi -i GPU-a -c EXCLUSIVE_PROCESS sets it)"},
		{persistent(&yes), persistent(&yes), ""},
		{persistent(nil), persistent(&no), ""},
		{persistent(&yes), persistent(&no), "persistence is off, not on (nvidia-smi -i GPU-a -pm 1 sets it)"},
		{persistent(&no), persistent(&yes), "persistence is on, not off (nvidia-smi -i GPU-a -pm 0 sets it)"},
		{persistent(&yes), persistent(nil), "persistence is unknown, not on (nvidia-smi -i GPU-a -pm 1 sets it)"},
		{mode(""), of(func(g *GPU) { g.MIG.Resets = true }), ""},
		{mode(""), of(func(g *GPU) { g.MIG.Supported = false }), ""},
		{mode(""), of(func(g *GPU) { g.MIG.Pending = true }), "MIG is off with a change to on pending, not off"},
	} {
		got := strings.Join(append(tt.before.Differences(tt.now), tt.before.Lost(tt.now)...), "; ")
		if mig := strings.Contains(tt.want, "MIG"); mig != (len(tt.before.Differences(tt.now)) > 0) {
			t.Errorf("%q: whether a restore has to do with it: %t", tt.want, !mig)
		}
		if (tt.want == "") != (got == "") || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestIdle: nothing that stands in the way now is left, all that says where a layout
// may go is, and the state itself stays as it was.
func TestIdle(t *testing.T) {
	yes, no, watts, most := true, false, 250.0, 400.0
	g := testGPU(0).with("1g.24gb", 0)
	g.MIG.Resets, g.NoProfiles = true, "why"
	g.ECC, g.PowerDefaultWatts = &no, &most
	want := g
	want.ECCPending, want.PowerLimitWatts = &no, &most
	g.MIG.Pending, g.ECCPending, g.PowerLimitWatts = false, &yes, &watts
	g.ComputeMode, g.Virtualization, g.DisplayActive = "prohibited", "vgpu-host", &yes
	g.Processes, g.Holders = []Process{{PID: 1}}, []Holder{{PID: 2}}
	s := State{
		System: System{Driver: "580", Simulated: true}, GPUs: []GPU{g}, Blind: "why",
		MPS: []Daemon{{Device: "GPU-a"}}, Owners: []Owner{{Name: "slurm"}},
	}
	if got := (State{System: s.System, GPUs: []GPU{want}}); !reflect.DeepEqual(s.Idle(), got) {
		t.Errorf("Idle() = %+v\nwant %+v", s.Idle(), got)
	}
	if !reflect.DeepEqual(s.GPUs[0], g) {
		t.Error("Idle changed the state itself")
	}
	if _, err := MakePlan(s.Idle(), mustParse(t, "off")); err != nil {
		t.Errorf("the idle state is refused: %v", err)
	}
}

// TestDifferencesOfDaemons: what a restore has to stop and to start.
func TestDifferencesOfDaemons(t *testing.T) {
	gpus := []GPU{testGPU(0), testGPU(1)}
	own := Daemon{Device: "GPU-a", Own: true, UID: 0, PID: 1}
	limited := own
	limited.Env = map[string]string{"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50"}
	others := Daemon{Device: "GPU-b", UID: 1000, PID: 2, Pipe: "/tmp/nvidia-mps", Log: "/var/log/nvidia-mps"}
	restarted, elsewhere, user := others, others, others
	restarted.PID, elsewhere.Pipe, user.UID = 3, "/tmp/other", 1001
	told, changed := others, others
	told.Settings, changed.Settings = map[string]string{"a": "1"}, map[string]string{"a": "2"}
	left := others
	left.Left = true
	gone, unknown := Daemon{Device: "MIG-gone", Own: true}, Daemon{PID: 8, Pipe: "/x"}
	for _, tt := range []struct {
		name           string
		before, now    []Daemon
		missing, extra []Daemon
		differences    int
	}{
		{"none", nil, nil, nil, nil, 0},
		{"as before", []Daemon{own, others}, []Daemon{others, own}, nil, nil, 0},
		{"restarted", []Daemon{others}, []Daemon{restarted}, nil, nil, 0},
		{"ours stopped", []Daemon{own, others}, []Daemon{others}, []Daemon{own}, nil, 1},
		{"others' drained", []Daemon{own, others}, []Daemon{own}, []Daemon{others}, nil, 1},
		{"others' were left, and ended", []Daemon{own, left}, []Daemon{own}, nil, nil, 0},
		{"others' were left, and restarted", []Daemon{left}, []Daemon{elsewhere}, nil, nil, 0},
		{"others' were left, and run", []Daemon{left}, []Daemon{others}, nil, nil, 0},
		{"ours came", nil, []Daemon{own}, nil, []Daemon{own}, 1},
		{"others' came", nil, []Daemon{others}, nil, nil, 0}, // not ours to end
		{"other limits", []Daemon{own}, []Daemon{limited}, []Daemon{own}, []Daemon{limited}, 2},
		{"another folder", []Daemon{others}, []Daemon{elsewhere}, []Daemon{others}, nil, 1},
		{"another user", []Daemon{others}, []Daemon{user}, []Daemon{others}, nil, 1},
		{"settings were not told", []Daemon{others}, []Daemon{told}, nil, nil, 0},
		{"settings are not told", []Daemon{told}, []Daemon{others}, []Daemon{told}, nil, 1}, // started, and not yet set
		{"other settings", []Daemon{told}, []Daemon{changed}, []Daemon{told}, nil, 1},
		{"one of two", []Daemon{own, own}, []Daemon{own}, []Daemon{own}, nil, 1},
		{"two of one", []Daemon{own}, []Daemon{own, own}, nil, []Daemon{own}, 1},
		{"its device was gone before", []Daemon{gone}, nil, nil, nil, 0},
		{"its device was gone before, runs on", []Daemon{gone}, []Daemon{gone}, nil, nil, 0},
		{"its device is gone since", nil, []Daemon{gone}, nil, []Daemon{gone}, 1},
		{"unknown device", []Daemon{unknown}, nil, nil, nil, 0},
	} {
		before, now := State{GPUs: gpus, MPS: tt.before}, State{GPUs: gpus, MPS: tt.now}
		if got := before.MissingMPS(now); !reflect.DeepEqual(got, tt.missing) {
			t.Errorf("%s: missing %+v, want %+v", tt.name, got, tt.missing)
		}
		if got := before.ExtraMPS(now); !reflect.DeepEqual(got, tt.extra) {
			t.Errorf("%s: extra %+v, want %+v", tt.name, got, tt.extra)
		}
		if got := before.Differences(now); len(got) != tt.differences {
			t.Errorf("%s: differences %q, want %d", tt.name, got, tt.differences)
		}
	}
}

// TestMissingMPSOfNewDevice: a daemon is started on the device at the same place;
// one whose device is no more cannot be, and Differences tells of it.
func TestMissingMPSOfNewDevice(t *testing.T) {
	before := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}, MPS: []Daemon{{Device: "MIG-GPU-a-3:3", UID: 7, Pipe: "/p"}}}
	now := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}}
	now.GPUs[0].Instances[1].Compute[0].UUID = "MIG-new"
	if got, want := before.MissingMPS(now), []Daemon{{Device: "MIG-new", UID: 7, Pipe: "/p"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("missing %+v, want %+v", got, want)
	}
	now = State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0)}}
	if got := before.MissingMPS(now); got != nil {
		t.Errorf("missing %+v, but its device is gone", got)
	}
	if got := before.Differences(now); len(got) != 2 || !strings.Contains(got[1], "the MPS daemon of GPU-a/1g.24gb@3/1c@0 (not ours: user 7, pid 0, /p) is missing") {
		t.Errorf("differences %q, want the instance and the daemon", got)
	}
}

// TestStateJSON: a state goes to JSON and back unchanged; above all, a daemon
// without clients stays apart from one that does not tell.
func TestStateJSON(t *testing.T) {
	yes, used := true, uint64(5)
	g := testGPU(0).with("2g.48gb", 0).cut(Placement{0, 1}, Placement{1, 1})
	watts := 300.5
	g.ECCPending, g.PowerLimitWatts, g.PowerDefaultWatts, g.NoProfiles = &yes, &watts, &watts, "why"
	g.DisplayActive, g.Processes, g.Holders = &yes, []Process{{PID: 1, UsedBytes: &used}, {PID: 2}}, []Holder{{PID: 3}}
	for _, s := range []State{{}, {
		System: System{Driver: "580", Simulated: true}, GPUs: []GPU{g}, Owners: []Owner{{Name: "slurm", Why: "slurmd runs"}}, Blind: "why",
		MPS: []Daemon{{Device: "GPU-a", Own: true, Clients: []int{}, Settings: map[string]string{}}, {Clients: nil}, {Clients: []int{4}, Env: map[string]string{"A": "b"}}},
	}} {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again State
		if err := json.Unmarshal(data, &again); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%+v\nis read back as %+v, %v", s, again, err)
		}
	}
}
