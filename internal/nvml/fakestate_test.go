package nvml

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mustState(t *testing.T, f *Fake, gpu string, s FakeState) {
	t.Helper()
	if err := f.SetState(gpu, s); err != nil {
		t.Fatal(err)
	}
	if got, err := f.State(gpu); err != nil || got != s {
		t.Fatalf("State() = %+v, %v; want %+v", got, err, s)
	}
}

func firstDevice(t *testing.T, f *Fake) Device {
	t.Helper()
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	return devices[0]
}

// TestFakeSetMIGMode: what each state makes of switching MIG on.
func TestFakeSetMIGMode(t *testing.T) {
	const a100 = "NVIDIA A100 40GB"
	for _, tt := range []struct {
		name, card       string
		state            FakeState
		activation, ret  Return
		current, pending bool
	}{
		{"idle", pro6000, FakeState{}, Success, Success, true, true},
		{"display mode", pro6000, FakeState{DisplayMode: true}, Success, ErrNotSupported, false, false},
		{"display", pro6000, FakeState{DisplayActive: true}, Success, ErrInUse, false, false},
		{"display, resets", a100, FakeState{DisplayActive: true}, ErrInUse, Success, false, true},
		{"held", pro6000, FakeState{Held: true}, ErrInUse, Success, false, true},
		{"held, resets", a100, FakeState{Held: true}, ErrInUse, Success, false, true},
		{"guest", pro6000, FakeState{Virtualization: VirtualizationGuest}, Success, ErrNotSupported, false, false},
		{"passthrough", pro6000, FakeState{Virtualization: VirtualizationPassthrough}, Success, Success, true, true},
		{"passthrough, resets", a100, FakeState{Virtualization: VirtualizationPassthrough}, ErrResetRequired, Success, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, gpu := newFake(t, tt.card)
			mustState(t, f, gpu, tt.state)
			if activation, ret := f.SetMIGMode(gpu, true); activation != tt.activation || ret != tt.ret {
				t.Errorf("SetMIGMode = %v, %v; want %v, %v", activation, ret, tt.activation, tt.ret)
			}
			d := firstDevice(t, f)
			if d.MIG.Current != tt.current || d.MIG.Pending != tt.pending {
				t.Errorf("mode %+v, want current %t, pending %t", d.MIG, tt.current, tt.pending)
			}
			if *d.DisplayActive != tt.state.DisplayActive {
				t.Errorf("display active %t, want %t", *d.DisplayActive, tt.state.DisplayActive)
			}
			if tt.pending && !tt.current { // for ever: asking again changes nothing, taking back does
				if f.SetMIGMode(gpu, true); firstDevice(t, f).MIG.Current {
					t.Error("the second try changed the mode")
				}
				if activation, ret := f.SetMIGMode(gpu, false); activation != Success || ret != Success || firstDevice(t, f).MIG.Pending {
					t.Errorf("taking it back gave %v, %v and %+v", activation, ret, firstDevice(t, f).MIG)
				}
			}
		})
	}
}

func TestFakeDevice(t *testing.T) {
	f, gpu := newFake(t, pro6000, pro6000)
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for n, d := range devices {
		if d.Minor != n || d.Index != n || d.ComputeMode != ComputeDefault || d.Virtualization != VirtualizationNone ||
			*d.DisplayActive || d.VBIOS != "simulated" || d.ComputeCapability != "12.0" || d.PCIDevice != 0x2BB510DE {
			t.Errorf("device %d is %+v", n, d)
		}
	}
	if devices[0].PCI == devices[1].PCI || devices[0].UUID == devices[1].UUID {
		t.Error("two cards have one bus id or UUID")
	}
	if s, err := f.System(); err != nil || !s.Simulated || !strings.Contains(s.Driver, "simulated") {
		t.Errorf("System() = %+v, %v", s, err)
	}
	mustState(t, f, gpu, FakeState{DisplayMode: true, ComputeMode: ComputeExclusiveProcess, Virtualization: VirtualizationHost})
	if d := firstDevice(t, f); d.ComputeMode != ComputeExclusiveProcess || d.Virtualization != VirtualizationHost {
		t.Errorf("device %+v does not show its state", d)
	}
	if p, err := f.Profiles(gpu); err != nil || len(p) != 0 {
		t.Errorf("Profiles() in display mode = %v, %v; want none", p, err)
	}
	if err := f.SetState("GPU-none", FakeState{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("SetState of an unknown GPU gave %v", err)
	}
}

// TestFakeProcesses: kinds, unknown memory, and processes that are not ours.
func TestFakeProcesses(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	used := uint64(5)
	own := Process{PID: os.Getpid(), Name: "engine", Device: gpu, Kind: ComputeProcess, UsedBytes: &used}
	foreign := Process{PID: 1 << 30, Name: "", Device: gpu, Kind: GraphicsProcess}
	for _, err := range []error{f.AddProcessOf(own), f.AddForeign(foreign)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	own.Kind = MPSProcess // it stands once, as the later kind
	if err := f.AddProcessOf(own); err != nil {
		t.Fatal(err)
	}
	if err := f.AddProcessOf(Process{PID: 1, Device: gpu}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a process without a kind gave %v", err)
	}
	got, err := f.Processes(gpu)
	if err != nil || len(got) != 2 || got[0].PID != foreign.PID || got[0].UsedBytes != nil ||
		got[1].Kind != MPSProcess || got[1].UsedBytes == nil || *got[1].UsedBytes != used {
		t.Fatalf("Processes() = %+v, %v; want %+v and %+v", got, err, foreign, own)
	}
	if m, err := f.Memory(gpu); err != nil || m.UsedBytes != used {
		t.Errorf("Memory() = %+v, %v; want %d in use", m, err, used)
	}
	if _, ret := f.SetMIGMode(gpu, true); ret != ErrInUse {
		t.Errorf("SetMIGMode beside processes gave %v", ret)
	}
	if err := f.RemoveProcess(gpu, foreign.PID); err != nil {
		t.Error(err)
	}
	if err := f.RemoveProcess(gpu, foreign.PID); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing it twice gave %v", err)
	}
}

// TestFakeReboot: instances are gone; only a card that resets keeps its mode.
func TestFakeReboot(t *testing.T) {
	f, a100 := newFake(t, "NVIDIA A100 40GB", pro6000)
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		mustMode(t, f, d.UUID, true)
	}
	gi, err := f.CreateGPUInstance(a100, f.id(t, a100, "3g.20gb"), Placement{4, 4})
	if err != nil {
		t.Fatal(err)
	}
	ci, err := f.CreateComputeInstance(a100, gi.ID, Placement{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Reboot(); err != nil {
		t.Fatal(err)
	}
	devices, err = f.Devices()
	if err != nil || !devices[0].MIG.Current || !devices[0].MIG.Pending || devices[1].MIG.Current || devices[1].MIG.Pending {
		t.Errorf("after a reboot: %+v, %v", devices, err)
	}
	if i, err := f.Instances(a100); err != nil || len(i) != 0 {
		t.Errorf("after a reboot: instances %+v, %v", i, err)
	}
	if _, err := f.Memory(ci.UUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("Memory of a stale MIG UUID gave %v, want %v", err, ErrNotFound)
	}
	if _, err := f.Processes(ci.UUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("Processes of a stale MIG UUID gave %v, want %v", err, ErrNotFound)
	}
}

// FuzzFakeFile: a file is refused, or its cards can be told of.
func FuzzFakeFile(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed.json")
	if err := CreateFake(path, []string{"NVIDIA A30"}); err != nil {
		f.Fatal(err)
	}
	add := func() {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add()
	cards, err := OpenFake(path)
	if err != nil {
		f.Fatal(err)
	}
	devices, err := cards.Devices()
	if err != nil {
		f.Fatal(err)
	}
	gpu := devices[0].UUID
	cards.SetMIGMode(gpu, true)
	gi, err := cards.CreateGPUInstance(gpu, 5, Placement{2, 2})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := cards.CreateComputeInstance(gpu, gi.ID, Placement{1, 1}); err != nil {
		f.Fatal(err)
	}
	add()
	f.Add([]byte(`{"version": 1, "cards": [null]}`))
	f.Add([]byte(`{"version": 2}`))
	nobody := func(int) bool { return false }
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseFake(data, nobody)
		if err != nil {
			return
		}
		for _, c := range file.Cards {
			if d := c.device(); d.Name != c.Model || d.MIG.Current != c.Mode.Current {
				t.Errorf("card %+v is told as %+v", c, d)
			}
			for _, i := range c.Instances {
				p, err := c.profile(i.Profile)
				if err != nil {
					t.Fatal(err)
				}
				if got := i.read(p); got.Placement != i.Placement || len(got.Compute) != len(i.Compute) {
					t.Errorf("instance %+v is told as %+v", i, got)
				}
				for _, k := range i.Compute {
					if _, total, err := findDevice(file.Cards, k.UUID); err != nil || total == 0 {
						t.Errorf("device %q of an accepted file: %d B, %v", k.UUID, total, err)
					}
				}
			}
			if p := c.Processes; slices.ContainsFunc(p, func(p fakeProcess) bool { return !p.Foreign }) {
				t.Errorf("processes %+v outlive themselves", p)
			}
		}
	})
}

// TestFakeComputePlaces: each place of a compute instance is taken exactly where
// the MIG User Guide has it; all others of the grid are refused.
func TestFakeComputePlaces(t *testing.T) {
	f, gpu := newFake(t, "NVIDIA A100 40GB")
	mustMode(t, f, gpu, true)
	for _, tt := range []struct {
		profile string
		at      Placement
		allowed []Placement
	}{
		{"3g.20gb", Placement{4, 4}, []Placement{{0, 1}, {1, 1}, {2, 1}, {0, 2}, {0, 3}}},
		{"4g.20gb", Placement{0, 4}, []Placement{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {0, 2}, {2, 2}, {0, 4}}},
	} {
		gi, err := f.CreateGPUInstance(gpu, f.id(t, gpu, tt.profile), tt.at)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		for start := -1; start <= 8; start++ {
			for size := 0; size <= 8; size++ {
				at := Placement{start, size}
				ci, err := f.CreateComputeInstance(gpu, gi.ID, at)
				want := ErrInvalidArgument.Err()
				if slices.Contains(tt.allowed, at) {
					want = nil
				}
				if !errors.Is(err, want) {
					t.Errorf("%s: a compute instance at %v gave %v, want %v", tt.profile, at, err, want)
				}
				if err != nil {
					continue
				}
				made++
				if err := f.DestroyComputeInstance(gpu, gi.ID, ci.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
		if made != len(tt.allowed) {
			t.Errorf("%s: %d places could be taken, want %d", tt.profile, made, len(tt.allowed))
		}
		// The GPU instance without its compute instances is a state that stays.
		if i, err := f.Instances(gpu); err != nil || !slices.ContainsFunc(i, func(g GPUInstance) bool { return g.ID == gi.ID && len(g.Compute) == 0 }) {
			t.Errorf("%s: Instances() = %+v, %v; want it there, and empty", tt.profile, i, err)
		}
	}
}

// TestFakeLost: a card that dropped off the bus answers no call for it or for its
// devices, as the driver would, and the others go on.
func TestFakeLost(t *testing.T) {
	f, gpu := newFake(t, pro6000, pro6000)
	devices, err := f.Devices()
	if err != nil {
		t.Fatal(err)
	}
	other := devices[1]
	f.SetMIGMode(gpu, true)
	gi, err := f.CreateGPUInstance(gpu, 14, Placement{0, 3})
	if err != nil {
		t.Fatal(err)
	}
	ci, err := f.CreateComputeInstance(gpu, gi.ID, Placement{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	mustState(t, f, gpu, FakeState{Lost: true})
	if devices, err = f.Devices(); err != nil || len(devices) != 2 {
		t.Fatalf("Devices() = %+v, %v", devices, err)
	}
	if d := devices[0]; !errors.Is(d.Fault, ErrGPUIsLost) || d.UUID != "" || d.Index != 0 {
		t.Errorf("the lost one is %+v", d)
	}
	if devices[1].Fault != nil || devices[1].UUID != other.UUID {
		t.Errorf("the other is %+v", devices[1])
	}
	calls := map[string]error{}
	_, calls["Mode"] = f.Mode(gpu)
	_, calls["Memory"] = f.Memory(gpu)
	_, calls["Memory of its MIG device"] = f.Memory(ci.UUID)
	_, calls["Processes"] = f.Processes(gpu)
	_, calls["Profiles"] = f.Profiles(gpu)
	_, calls["Instances"] = f.Instances(gpu)
	_, calls["CreateGPUInstance"] = f.CreateGPUInstance(gpu, 14, Placement{3, 3})
	_, calls["CreateComputeInstance"] = f.CreateComputeInstance(gpu, gi.ID, Placement{1, 1})
	calls["DestroyComputeInstance"] = f.DestroyComputeInstance(gpu, gi.ID, ci.ID)
	calls["DestroyGPUInstance"] = f.DestroyGPUInstance(gpu, gi.ID)
	_, calls["SetMIGMode"] = f.SetMIGMode(gpu, false)
	for what, err := range calls {
		if !errors.Is(err, ErrGPUIsLost) {
			t.Errorf("%s of a lost card gave %v", what, err)
		}
	}
	if mode, err := f.Mode(other.UUID); err != nil || mode.Current {
		t.Errorf("Mode of the other = %+v, %v", mode, err)
	}
	mustState(t, f, gpu, FakeState{})
	if list, err := f.Instances(gpu); err != nil || len(list) != 1 || len(list[0].Compute) != 1 {
		t.Errorf("back on the bus it has %+v, %v", list, err)
	}
}

// TestFakeSettings: ECC and the power limit as somebody set them.
func TestFakeSettings(t *testing.T) {
	f, gpu := newFake(t, pro6000)
	if d := firstDevice(t, f); !*d.ECC || !*d.ECCPending || *d.PowerLimitWatts != *d.PowerDefaultWatts || *d.PowerDefaultWatts <= 0 {
		t.Errorf("a card as it comes is %+v", d)
	}
	mustState(t, f, gpu, FakeState{ECCPendingOff: true, PowerLimitWatts: 150})
	if d := firstDevice(t, f); !*d.ECC || *d.ECCPending || *d.PowerLimitWatts != 150 || *d.PowerDefaultWatts == 150 {
		t.Errorf("a card with settings is %+v", d)
	}
}
