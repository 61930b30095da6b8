package partition

import (
	"errors"
	"strings"
	"testing"
)

// TestRefusals: each fault with its reason and remedy, and beside it what must not
// be refused.
func TestRefusals(t *testing.T) {
	yes, no := true, false
	others := Daemon{Device: "GPU-a", UID: 1000, PID: 77, Pipe: "/tmp/nvidia-mps", Clients: []int{}, Settings: map[string]string{}}
	ours := Daemon{Device: "GPU-a", Own: true, PID: 78, Pipe: "/run/e", Settings: map[string]string{}}
	kept := others
	kept.Keeper = "it belongs to a unit of systemd; stop it there: systemctl stop x.service"
	gpu := func(change func(*GPU)) State {
		g := testGPU(0)
		change(&g)
		return State{GPUs: []GPU{g}}
	}
	with := func(s State, d Daemon, clients []int) State {
		d.Clients = clients
		s.MPS = append(s.MPS, d)
		return s
	}
	cut := State{GPUs: []GPU{testGPU(0).with("1g.24gb", 0, 3)}}
	lists := func(names string) Daemon {
		d := others
		d.Device, d.Env = "MIG-GPU-a-0:3", map[string]string{"CUDA_VISIBLE_DEVICES": names}
		return d
	}
	plain := gpu(func(*GPU) {})
	used := gpu(func(g *GPU) {
		g.Processes = []Process{{PID: 7, Name: "someone", Device: g.UUID}, {PID: 8, Device: g.UUID}}
	})
	served := gpu(func(g *GPU) {
		g.Processes = []Process{{PID: 9, Name: "/usr/bin/nvidia-cuda-mps-server", Device: g.UUID}}
	})
	pending := gpu(func(g *GPU) { g.MIG.Pending = true })
	display := gpu(func(g *GPU) { g.DisplayActive = &yes })
	none := gpu(func(g *GPU) { g.Profiles, g.VBIOS = nil, "98.02.55" })
	virtual := func(how string) State { return gpu(func(g *GPU) { g.Virtualization = how }) }
	reset := func(change func(*GPU)) State {
		return gpu(func(g *GPU) {
			g.MIG.Resets = true
			change(g)
		})
	}
	owned := func(name string) State {
		return State{GPUs: plain.GPUs, Owners: []Owner{{Name: name, PID: 5, Why: "its process runs"}}}
	}
	server := func(change func(*GPU)) State {
		return gpu(func(g *GPU) {
			g.Name += " Blackwell Server Edition"
			change(g)
		})
	}
	power := func(is, after float64) func(*GPU) {
		return func(g *GPU) { g.PowerLimitWatts, g.PowerDefaultWatts = &is, &after }
	}
	watts := 250.0
	blind := State{GPUs: plain.GPUs, Blind: "its own PID namespace"}
	exclusive := gpu(func(g *GPU) { g.ComputeMode = "exclusive-process" })
	prohibited := gpu(func(g *GPU) { g.ComputeMode = "prohibited" })
	const gpu0 = "GPU 0 (RTX PRO 6000): "
	for _, tt := range []struct {
		name, layout string
		state        State
		want         []string // of the message, or not in it after "!"; none: not refused
	}{
		{"process", "1g.24gb", used, []string{gpu0 + "runs process 7 (someone) on GPU-a and process 8 (name unknown) on GPU-a; ", "ps -p 7,8 shows", "never ends"}},
		{"process, MPS", "off(mps)", used, []string{"process 7"}},
		{"process, time slice", "off(ts:long)", used, []string{"process 7"}},
		{"process, nothing to change", "off", used, nil},
		{"server of a stranger", "1g.24gb", served, []string{"process 9"}},
		{"server of ours", "1g.24gb", with(served, ours, []int{}), nil},
		{"server of ours, silent", "1g.24gb", with(served, ours, nil), []string{"process 9", "/run/e) does not tell its clients; "}},
		{"server of others, idle", "1g.24gb", with(served, others, []int{}), nil},
		{"server of others, silent", "1g.24gb", with(served, others, nil), []string{"process 9", "does not tell its clients", "echo quit | CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps nvidia-cuda-mps-control"}},
		{"pending", "off", pending, []string{gpu0 + "has MIG off with a change to on pending", "nvidia-smi -i GPU-a -mig 0"}},
		{"display", "1g.24gb", display, []string{"active display", "systemctl isolate multi-user.target", "DisplayModeSelector", "evabench never runs it"}},
		{"display, Server Edition", "1g.24gb", server(func(g *GPU) { g.DisplayActive = &yes }), []string{"active display", "systemctl isolate multi-user.target", "!DisplayModeSelector"}},
		{"display, MPS only", "off(mps)", display, nil},
		{"no display", "1g.24gb", gpu(func(g *GPU) { g.DisplayActive = &no }), nil},
		{"no profiles", "1g.24gb", none, []string{gpu0 + "offers no MIG profiles (VBIOS 98.02.55)",
			"displaymodeselector --gpumode physical_display_disabled -i N", "the board's firmware", "without -i it asks for every card", "guide to it first", "evabench never runs it", "or drop the layout: layout: [off]"}},
		{"no profiles, Server Edition", "1g.24gb", server(func(g *GPU) { g.Profiles = nil }), []string{"install driver 575.51.03 or newer", "VBIOS", "or drop the layout: layout: [off]", "!displaymodeselector"}},
		{"profiles not told", "1g.24gb", gpu(func(g *GPU) { g.Profiles, g.NoProfiles = nil, "no permission" }),
			[]string{"does not tell its MIG profiles: no permission; run the same as root", "!newer", "!offers no"}},
		{"profiles told with MIG on only", "1g.24gb", gpu(func(g *GPU) { g.Profiles, g.NoProfiles = nil, ListsWithMIG }),
			[]string{"does not tell its MIG profiles: the driver lists them only while MIG is on; install driver 575.51.03 or newer, or turn MIG on by hand: nvidia-smi -i GPU-a -mig 1; ", "displaymodeselector", "or drop the layout: layout: [off]", "!as root"}},
		{"no profiles with MIG off, A100", "1g.5gb", gpu(func(g *GPU) { g.Profiles, g.Name = nil, "NVIDIA A100-SXM4-40GB" }),
			[]string{"install driver 550 or newer, or turn MIG on by hand: nvidia-smi -i GPU-a -mig 1; or drop the layout"}},
		{"profiles not told, off", "off(mps)", gpu(func(g *GPU) { g.Profiles, g.NoProfiles = nil, "no permission" }), nil},
		{"blind", "off(mps)", blind, []string{"cannot be seen: its own PID namespace; ", "on the host as root", "--pid=host"}},
		{"blind, nothing to change", "off", blind, nil},
		{"compute mode default", "1g.24gb", gpu(func(g *GPU) { g.ComputeMode = "default" }), nil},
		{"compute mode exclusive", "1g.24gb", exclusive, []string{gpu0 + "has compute mode exclusive-process", "nvidia-smi -i GPU-a -c DEFAULT", "nvidia-smi -i GPU-a -c EXCLUSIVE_PROCESS"}},
		{"compute mode exclusive, MIG stays off", "off(mps)", exclusive, nil},
		{"compute mode prohibited", "off", prohibited, []string{gpu0 + "has compute mode prohibited", "-c DEFAULT", "-c PROHIBITED"}},
		{"compute mode prohibited, MIG", "1g.24gb", prohibited, []string{gpu0 + "has compute mode prohibited"}},
		{"ECC pending, resets", "1g.24gb", reset(func(g *GPU) { g.ECC, g.ECCPending = &yes, &no }), []string{gpu0 + "has ECC on with a change to off pending", "nvidia-smi -i GPU-a -e 1"}},
		{"ECC pending, no reset", "1g.24gb", gpu(func(g *GPU) { g.ECC, g.ECCPending = &yes, &no }), nil},
		{"ECC as it is", "1g.24gb", reset(func(g *GPU) { g.ECC, g.ECCPending = &yes, &yes }), nil},
		{"ECC unknown", "1g.24gb", reset(func(g *GPU) { g.ECCPending = &no }), nil},
		{"power limit, resets", "1g.24gb", reset(power(250, 400)), []string{gpu0 + "has a power limit of 250 W, which is 400 W after", "nvidia-smi -i GPU-a -pl 400, ", "nvidia-smi -i GPU-a -pl 250"}},
		{"power limit, no reset", "1g.24gb", gpu(power(250, 400)), nil},
		{"power limit, as default", "1g.24gb", reset(power(400, 400)), nil},
		{"power limit, default unknown", "1g.24gb", reset(func(g *GPU) { g.PowerLimitWatts = &watts }), nil},
		{"no profiles, off", "off(mps)", none, nil},
		{"vGPU guest", "1g.24gb", virtual("vgpu-guest"), []string{"belongs to its host", "layout off"}},
		{"vGPU guest, time slice", "off(ts:long)", virtual("vgpu-guest"), []string{"belongs to its host"}},
		{"vGPU guest, MPS", "off(mps)", virtual("vgpu-guest"), nil},
		{"vGPU host", "1g.24gb", virtual("vgpu-host"), []string{"virtual machines (vgpu-host)", "nvidia-smi vgpu"}},
		{"vSGA host", "1g.24gb", virtual("vsga-host"), []string{"virtual machines (vsga-host)"}},
		{"passed through", "1g.24gb", virtual("passthrough"), nil},
		{"passed through, resets", "1g.24gb", reset(func(g *GPU) { g.Virtualization = "passthrough" }), []string{"stay pending", "nvidia-smi -i GPU-a -mig 1 and reboot"}},
		{"held open", "1g.24gb", reset(func(g *GPU) {
			g.Holders = []Holder{{PID: 4, Name: "nv-hostengine"}, {PID: 3, Name: "/usr/bin/nvidia-persistenced"}}
		}),
			[]string{"is held open by process 4 (nv-hostengine), and", "systemctl stop nvidia-dcgm.service"}},
		{"held by daemons that end, and their servers", "1g.24gb", func() State {
			s := with(plain, ours, []int{})
			s.GPUs[0].MIG.Resets = true
			s.GPUs[0].Holders = []Holder{{PID: 78, Name: "nvidia-cuda-mps-control"}, {PID: 79, Name: "nvidia-cuda-mps-server"}}
			return s
		}(), nil},
		{"held open, unknown", "1g.24gb", reset(func(g *GPU) { g.Holders = []Holder{{PID: 4, Name: "a"}, {Name: "unknown: two"}} }),
			[]string{"is held open by process 4 (a) and unknown: two, and"}},
		{"settings of others", "off(mps)", with(plain, Daemon{Device: "GPU-a", PID: 77, Pipe: "/p"}, []int{}), []string{"does not tell what was set by command", "echo quit"}},
		{"held open, no reset", "1g.24gb", gpu(func(g *GPU) { g.Holders = []Holder{{PID: 4, Name: "nv-hostengine"}} }), nil},
		{"held by persistence", "1g.24gb", reset(func(g *GPU) { g.Holders = []Holder{{PID: 3, Name: "nvidia-persistenced"}} }), nil},
		{"unknown time slice", "off(ts:long)", gpu(func(g *GPU) { g.TimeSlice = "" }), []string{"could not be put back", "nvidia-smi compute-policy -l -i GPU-a"}},
		{"unknown time slice, as found", "off(ts)", gpu(func(g *GPU) { g.TimeSlice = "" }), nil},
		{"mig-manager", "1g.24gb", owned("mig-manager"), []string{"mig-manager (pid 5) manages the GPUs of this host: its process runs; ", "systemctl stop nvidia-mig-manager.service",
			"nvidia.com/gpu.deploy.mig-manager=false", "afterwards: systemctl start nvidia-mig-manager.service", "nvidia.com/gpu.deploy.mig-manager=true"}},
		{"dra-driver", "1g.24gb", owned("dra-driver"), []string{"kubectl drain NODE --ignore-daemonsets leaves its kubelet plugin", "kubeletPlugin.nodeSelector", "nvidia-dra-;", "afterwards: kubectl label node NODE nvidia-dra=on", "kubectl uncordon"}},
		{"device-plugin", "1g.24gb", owned("device-plugin"), []string{"kubectl cordon NODE", "gpu.deploy.device-plugin=false", "gpu.deploy.device-plugin=true", "kubectl uncordon"}},
		{"slurm", "off(mps)", owned("slurm"), []string{"scontrol update NodeName=NODE State=DRAIN", "scontrol update NodeName=NODE State=RESUME"}},
		{"vgpu-manager", "1g.24gb", owned("vgpu-manager"), []string{"systemctl stop nvidia-vgpu-mgr.service", "systemctl start nvidia-vgpu-mgr.service"}},
		{"another owner", "1g.24gb", owned("what"), []string{"stop it first"}},
		{"owner, nothing to change", "off", owned("slurm"), nil},
		{"clients of others", "off(mps)", with(plain, others, []int{11, 12}), []string{gpu0 + "the MPS daemon of GPU-a (user 1000, pid 77, /tmp/nvidia-mps) has the clients pid 11, 12; ", "ps -p 11,12"}},
		{"daemon of a unit", "off(mps)", with(plain, kept, []int{}), []string{gpu0 + "the MPS daemon of GPU-a (user 1000, pid 77, /tmp/nvidia-mps) is not ours to end; it belongs to a unit"}},
		{"daemon of a unit, left", "off", with(plain, kept, []int{}), nil},
		{"clients of others, left", "off", with(plain, others, []int{11}), nil},
		{"clients of ours", "off", with(plain, ours, []int{11}), []string{"has the clients pid 11"}},
		{"ours is idle", "off", with(plain, ours, []int{}), nil},
		{"ours does not tell", "off", with(plain, ours, nil), []string{"pid 78, /run/e) does not tell its clients; ", "echo quit | CUDA_MPS_PIPE_DIRECTORY=/run/e"}},
		{"settings of ours", "off", with(plain, Daemon{Device: "GPU-a", Own: true, PID: 78, Pipe: "/run/e"}, []int{}),
			[]string{gpu0 + "the MPS daemon of GPU-a (user 0, pid 78, /run/e) does not tell what was set by command", "; ask again", "CUDA_MPS_PIPE_DIRECTORY=/run/e"}},
		{"settings of ours, device gone", "off", with(plain, Daemon{Device: "MIG-gone", Own: true, PID: 78, Pipe: "/run/e"}, []int{}), nil},
		{"names of MIG devices", "2g.48gb", with(cut, lists("MIG-GPU-a-0:3,MIG-GPU-a-3:3"), []int{}), []string{gpu0 + "the MPS daemon of MIG-GPU-a-0:3 (user 1000, pid 77, /tmp/nvidia-mps) is not ours and was started for MIG-GPU-a-0:3,MIG-GPU-a-3:3",
			"echo quit", "nvidia-smi -L"}},
		{"names of MIG devices, left", "2x1g.24gb", with(cut, lists("MIG-GPU-a-0:3,MIG-GPU-a-3:3"), []int{}), nil},
		{"its MIG device alone", "2g.48gb", with(cut, lists("the device"), []int{}), nil}, // as the backend tells it
		{"stranger", "1g.24gb", with(plain, Daemon{PID: 6, Pipe: "/x"}, []int{}), []string{"pid 6, /x) serves devices that cannot be told", "CUDA_MPS_PIPE_DIRECTORY=/x"}},
		{"stranger, nothing to change", "off", with(plain, Daemon{PID: 6, Pipe: "/x"}, []int{}), nil},
	} {
		_, err := MakePlan(tt.state, mustParse(t, tt.layout))
		if tt.want == nil {
			if err != nil {
				t.Errorf("%s: %q is refused: %v", tt.name, tt.layout, err)
			}
			continue
		}
		refused, ok := errors.AsType[*RefusedError](err)
		if !ok || !errors.Is(err, ErrBusy) || refused.Remedy == "" || refused.Reason == "" {
			t.Errorf("%s: %q gives %v, want a refusal", tt.name, tt.layout, err)
			continue
		}
		for _, want := range tt.want {
			if text, not := strings.CutPrefix(want, "!"); strings.Contains(err.Error(), text) == not {
				t.Errorf("%s: %q gives %v, want %q", tt.name, tt.layout, err, want)
			}
		}
	}
}

// TestAllFaultsAtOnce: an impossible GPU does not hide a refusal of another.
func TestAllFaultsAtOnce(t *testing.T) {
	used, busy := testGPU(1), testGPU(2)
	used.Processes = []Process{{PID: 7, Name: "someone", Device: used.UUID}}
	busy.MIG.Pending = true
	s := State{GPUs: []GPU{testGPU(0), used, busy}, Owners: []Owner{{Name: "slurm", Why: "w"}}}
	_, err := MakePlan(s, mustParse(t, "gpu0: 5x1g.24gb; gpu1: 1g.24gb; gpu2: off"))
	for _, want := range []string{"GPU 0 (RTX PRO 6000) has room for 4", "GPU 1 (RTX PRO 6000): runs process 7", "GPU 2 (RTX PRO 6000): has MIG off with", "slurm manages"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q too", err, want)
		}
	}
}

func TestManyProcesses(t *testing.T) {
	g := testGPU(0)
	for pid := range maxNamed + 2 {
		g.Processes = append(g.Processes, Process{PID: 100 + pid, Name: "p", Device: g.UUID})
	}
	_, err := MakePlan(State{GPUs: []GPU{g}}, mustParse(t, "1g.24gb"))
	if err == nil || !strings.Contains(err.Error(), "process 107 (p) on GPU-a and 2 more") || strings.Contains(err.Error(), "process 108") {
		t.Errorf("got %v, want eight processes and 2 more", err)
	}
}

// TestDrain: whose daemons have to go, and what is put back.
func TestDrain(t *testing.T) {
	others := func(device string) Daemon {
		return Daemon{Device: device, UID: 1000, PID: 77, Pipe: "/tmp/m", Clients: []int{}, Settings: map[string]string{}}
	}
	named := func(device string) Daemon {
		d := others(device)
		d.Env = map[string]string{"CUDA_VISIBLE_DEVICES": device}
		return d
	}
	off, on := testGPU(0), testGPU(0).with("1g.24gb", 0, 3)
	for _, tt := range []struct {
		gpu     GPU
		daemon  Daemon
		layout  string
		drained bool
	}{
		{off, others("GPU-a"), "off", false},
		{off, others("GPU-a"), "off(mps)", true},
		{off, others("GPU-a"), "off(ts)", true}, // its clients would share through MPS
		{off, others("GPU-a"), "off(ts:long)", true},
		{off, others("GPU-a"), "1g.24gb", true},
		{off, others("MIG-gone"), "off(mps)", false},
		{on, others("MIG-GPU-a-0:3"), "2x1g.24gb", false},
		{on, others("MIG-GPU-a-0:3"), "1g.24gb(mps)+1g.24gb", true},
		{on, others("MIG-GPU-a-3:3"), "1g.24gb(mps)+1g.24gb", false},
		{on, others("MIG-GPU-a-3:3"), "1g.24gb", true},
		{on, others("MIG-GPU-a-3:3"), "4x1g.24gb", false},
		{on, others("MIG-GPU-a-0:3"), "off", true},
		{on, others("GPU-a"), "3x1g.24gb(mps)", true}, // it names no device, so it serves instances too
		{on, others("GPU-a"), "3x1g.24gb(ts)", true},
		{on, others("GPU-a"), "3x1g.24gb", false},
		{on, named("GPU-a"), "3x1g.24gb(mps)", false}, // of a whole GPU that is cut up it serves nobody
	} {
		p, err := MakePlan(State{GPUs: []GPU{tt.gpu}, MPS: []Daemon{tt.daemon}}, mustParse(t, tt.layout))
		if err != nil {
			t.Errorf("%q: %v", tt.layout, err)
			continue
		}
		text, undo := strings.Join(p.Steps(), "\n"), strings.Join(p.Undo(), "\n")
		want := "gpu0 (GPU-a): drain the MPS daemon of " + tt.daemon.Device + ", which is not ours (user 1000, pid 77, /tmp/m)"
		back := "gpu0 (GPU-a): start the MPS daemon of " + tt.daemon.Device + " again, as user 1000 in /tmp/m"
		if strings.HasPrefix(text, want) != tt.drained || strings.HasSuffix(undo, back) != tt.drained {
			t.Errorf("%s, %q: drained is not %t:\n%s\nundo:\n%s", tt.daemon.Device, tt.layout, tt.drained, text, undo)
		}
		if err := p.Allowed([]Permission{AllowLayout, AllowMode, AllowReset, AllowSlice, AllowMPS}); (err != nil) != tt.drained {
			t.Errorf("%q: without drain it is %v", tt.layout, err)
		}
		if err := p.Allowed(Permissions()); err != nil {
			t.Errorf("%q: %v", tt.layout, err)
		}
	}
}

// TestDrainOnce: a daemon of several GPUs is drained once, and for one GPU too.
func TestDrainOnce(t *testing.T) {
	one := Daemon{Device: "GPU-a", UID: 1000, PID: 77, Pipe: "/tmp/m", Clients: []int{}, Settings: map[string]string{}}
	two, other := one, one
	two.Device, other.Device = "GPU-b", "GPU-b"
	other.PID = 78
	for _, tt := range []struct {
		daemons []Daemon
		layout  string
		drained int
	}{
		{[]Daemon{one, two}, "off(mps)", 1},
		{[]Daemon{one, two}, "gpu0: off; gpu1: off(mps)", 1},
		{[]Daemon{one, other}, "off(mps)", 2},
		{[]Daemon{one, two}, "off", 0},
	} {
		p, err := MakePlan(State{GPUs: []GPU{testGPU(0), testGPU(1)}, MPS: tt.daemons}, mustParse(t, tt.layout))
		if got := strings.Count(strings.Join(p.Steps(), "\n"), "drain"); err != nil || got != tt.drained {
			t.Errorf("%q: %d drained, %v; want %d:\n%s", tt.layout, got, err, tt.drained, strings.Join(p.Steps(), "\n"))
		}
	}
}

// TestStartAgainString: a restore tells whose daemon it starts.
func TestStartAgainString(t *testing.T) {
	s := Step{Action: StartMPS, GPU: "GPU-a", Daemon: &Daemon{UID: 7, Pipe: "/p"}}
	if got, want := s.String(), "gpu0 (GPU-a): start the MPS daemon of the whole GPU again, which is not ours (user 7, /p)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Daemon = &Daemon{Own: true}
	if got, want := s.String(), "gpu0 (GPU-a): start an MPS daemon for the whole GPU"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
