package partition

import (
	"strings"
	"testing"
)

// TestWarnings: a daemon that a restore starts again is warned of where that ends with
// this process's unit, and one that is left alone, or whose device is gone, is not.
func TestWarnings(t *testing.T) {
	gpu := testGPU(0)
	for _, c := range []struct {
		daemon Daemon
		layout string
		warned bool
	}{
		{Daemon{Own: true, Device: gpu.UUID, EndsWith: "night.service"}, "off", true},
		{Daemon{Own: true, Device: gpu.UUID}, "off", false},
		{Daemon{Own: true, Device: "MIG-gone", EndsWith: "night.service"}, "off", false},
		{Daemon{Device: gpu.UUID, EndsWith: "night.service"}, "off(mps)", true},
		{Daemon{Device: gpu.UUID, EndsWith: "night.service"}, "off", false}, // it is left
	} {
		c.daemon.Clients, c.daemon.Settings = []int{}, map[string]string{}
		p, err := MakePlan(State{GPUs: []GPU{gpu}, MPS: []Daemon{c.daemon}}, mustParse(t, c.layout))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(p.Warnings(), "\n")
		if warned := strings.Contains(got, gpu.UUID+" belongs to night.service"); warned != c.warned || (got != "") != c.warned {
			t.Errorf("%+v, %s: %q, want a warning: %t", c.daemon, c.layout, got, c.warned)
		}
	}
}

// TestEndWarning: every daemon that ends is named, with what to do, and no other.
func TestEndWarning(t *testing.T) {
	for in, want := range map[string]string{"night.service": `"systemd-run --scope"`, "container docker-1.scope": "outside of it"} {
		got := EndWarning([]Daemon{{Device: "GPU-a", EndsWith: in}, {Device: "GPU-b"}, {Device: "GPU-c", EndsWith: in}})
		for _, part := range []string{"GPU-a, GPU-c belongs to " + in, want} {
			if !strings.Contains(got, part) {
				t.Errorf("in %s: %q, want %q in it", in, got, part)
			}
		}
	}
}

// TestToRestore: daemons of others that the plan does not end are left to their owners, and
// those that it ends come back, also one that stands for several GPUs.
func TestToRestore(t *testing.T) {
	daemon := func(pid int, device string) Daemon {
		return Daemon{Device: device, UID: 1000, PID: pid, Pipe: "/p", Clients: []int{}, Settings: map[string]string{}}
	}
	own := daemon(1, "GPU-b")
	own.Own = true
	s := State{
		GPUs: []GPU{testGPU(0), testGPU(1), testGPU(2)},
		MPS:  []Daemon{own, daemon(7, "GPU-a"), daemon(8, "GPU-b"), daemon(7, "GPU-c")},
	}
	p, err := MakePlan(s, mustParse(t, "gpu0: 1g.24gb; gpu1: off; gpu2: off"))
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range p.ToRestore().MPS {
		if want := d.PID == 8; d.Left != want {
			t.Errorf("daemon %d of %s is left: %t, want %t", d.PID, d.Device, d.Left, want)
		}
		if s.MPS[i].Left {
			t.Error("the plan's own state was changed")
		}
	}
}

// TestResetWarning: a change of the mode that resets a GPU loses clocks that somebody set,
// which NVML does not tell of all: each such GPU is named once, with what sets them.
func TestResetWarning(t *testing.T) {
	a, b, c := testGPU(0), testGPU(1), testGPU(2)
	a.MIG.Resets, b.MIG.Resets = true, true
	for layout, want := range map[string]string{
		"off": "", "gpu0: off; gpu1: off; gpu2: 1g.24gb": "",
		"gpu0: 1g.24gb; gpu1: off; gpu2: off": "GPU-a",
		"1g.24gb":                             "GPU-a, GPU-b",
	} {
		p, err := MakePlan(State{GPUs: []GPU{a, b, c}}, mustParse(t, layout))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(p.Warnings(), "\n")
		if want != "" {
			want = "resets " + want + ", and "
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) || want != "" && !(strings.Contains(got, "-ac") && strings.Contains(got, "-lgc") && strings.Contains(got, "-lmc")) {
			t.Errorf("%s: %q, want %q with what sets clocks", layout, got, want)
		}
	}
}
