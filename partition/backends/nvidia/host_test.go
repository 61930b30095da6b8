package nvidia

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
)

// A made is a made-up /proc and /etc.
type made struct {
	t    *testing.T
	root string
}

func (m made) file(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// process makes one of user 1000 with its command line and open files.
func (m made) process(pid int, cmdline string, open ...string) {
	m.t.Helper()
	dir := fmt.Sprintf("proc/%d", pid)
	m.file(dir+"/cmdline", cmdline)
	m.file(dir+"/comm", "comm-of-it\n")
	m.file(dir+"/status", "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n")
	if err := os.MkdirAll(filepath.Join(m.root, dir, "fd"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	for i, target := range open {
		if err := os.Symlink(target, filepath.Join(m.root, dir, "fd", fmt.Sprint(i))); err != nil {
			m.t.Fatal(err)
		}
	}
}

func TestHolders(t *testing.T) {
	m := made{t, t.TempDir()}
	m.file("proc/driver/nvidia-caps/mig-minors", "config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu1/gi5/ci0/access 40\n")
	m.file("proc/uptime", "1 2\n")
	m.process(10, "/usr/bin/nv-hostengine\x00-n\x00", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia0")
	m.process(11, "bash\x00", "/dev/null", "/dev/nvidia-uvm")
	m.process(12, "", "/dev/nvidia-caps/nvidia-cap12", "/dev/nvidia-caps/nvidia-cap1")
	m.process(13, "python\x00x.py\x00", "/dev/nvidia-caps/nvidia-cap40", "/dev/nvidia12")
	// Opened under another root, as NVIDIA's containers do.
	m.process(16, "plugin\x00", "/driver-root/dev/nvidia0", "/driver-root/dev/nvidia-caps/nvidia-cap40", "/home/x/notdev/nvidia1", "/tmp/nvidia1")
	got, err := Proc{Root: m.root}.Holders()
	want := map[int][]partition.Holder{
		0:  {{PID: 10, Name: "nv-hostengine", UID: 1000}, {PID: 12, Name: "comm-of-it", UID: 1000}, {PID: 16, Name: "plugin", UID: 1000}},
		1:  {{PID: 10, Name: "nv-hostengine", UID: 1000}, {PID: 13, Name: "python", UID: 1000}, {PID: 16, Name: "plugin", UID: 1000}},
		12: {{PID: 13, Name: "python", UID: 1000}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Holders() = %v, %v, want %v", got, err, want)
	}

	// Open files that cannot be read are told, not left out. (A file in the place of
	// the folder: root may read any folder.)
	m.file("proc/14/fd", "")
	m.file("proc/15/fd", "")
	got, err = Proc{Root: m.root}.Holders()
	if dark := got[unreadable]; err != nil || len(dark) != 1 || dark[0].PID != 0 || !strings.Contains(dark[0].Name, "2 processes could not be read") {
		t.Errorf("with unreadable processes: %v, %v", got[unreadable], err)
	}
	// It may be any GPU's, and a process that is on the GPU is no holder besides.
	g := partition.GPU{Processes: []partition.Process{{PID: 10}}}
	if got := holdersOf(g, 1, got); len(got) != 3 || got[0].PID != 13 || got[2].PID != 0 {
		t.Errorf("holders of minor 1 beside process 10: %v, want 13, 16 and the unknown", got)
	}
	if got := holdersOf(g, -1, got); len(got) != 1 || !strings.Contains(got[0].Name, "unknown") {
		t.Errorf("holders of a GPU without a known minor: %v", got)
	}
	if _, err := (Proc{Root: t.TempDir()}).Holders(); err == nil {
		t.Error("a host without /proc has no holders, it was said")
	}
}

func TestOwners(t *testing.T) {
	for _, tt := range []struct {
		cmdline, gres string
		want          string // name of the owner, empty if there is none
	}{
		{"/usr/bin/nvidia-mig-manager\x00", "", "mig-manager"},
		{"/usr/bin/mig-manager\x00--x\x00", "", "mig-manager"},
		{"gpu-kubelet-plugin\x00", "", "dra-driver"},
		{"/usr/bin/nvidia-vgpu-mgr\x00", "", "vgpu-manager"},
		{"/usr/sbin/slurmd\x00-D\x00", "AutoDetect=nvml\n", "slurm"},
		{"/usr/sbin/slurmd\x00", "# nothing\nNodeName=a Name=gpu Type=1g.5gb MultipleFiles=/dev/nvidia0,/dev/nvidia-caps/nvidia-cap3\n", "slurm"},
		{"/usr/sbin/slurmd\x00", "Name=gpu File=/dev/nvidia0 # MIG is off\n", "slurm"},
		{"/usr/sbin/slurmd\x00", "NodeName=a[1-4] name = GPU Count=4\n", "slurm"},
		{"/usr/sbin/slurmd\x00", "#Name=gpu\nName=license Count=2\n", ""},
		{"/usr/bin/nvidia-device-plugin\x00--mig-strategy=mixed\x00", "", "device-plugin"},
		{"/usr/sbin/slurmd\x00", "", ""},
		{"bash\x00nvidia-mig-manager\x00", "AutoDetect=nvml\n", ""},
	} {
		m := made{t, t.TempDir()}
		m.process(7, tt.cmdline)
		if tt.gres != "" {
			m.file("etc/slurm/gres.conf", tt.gres)
		}
		got, err := Proc{Root: m.root}.Owners()
		name := ""
		if len(got) == 1 && got[0].PID == 7 && strings.Contains(got[0].Why, "process 7 (") {
			name = got[0].Name
		}
		if err != nil || name != tt.want || len(got) > 1 {
			t.Errorf("%q with gres.conf %q: owners %+v, %v, want %q", tt.cmdline, tt.gres, got, err, tt.want)
		}
	}
	// A gres.conf that cannot be read may say anything.
	m := made{t, t.TempDir()}
	m.process(7, "slurmd\x00")
	m.file("etc/slurm/gres.conf/x", "")
	if got, err := (Proc{Root: m.root}).Owners(); err != nil || len(got) != 1 || !strings.Contains(got[0].Why, "unknown") {
		t.Errorf("an unreadable gres.conf: %+v, %v, want Slurm as an owner", got, err)
	}
}

// TestInspectHost: what the host tells stands in the state, and an owner refuses the plan.
func TestInspectHost(t *testing.T) {
	r := newRig(t, pro6000, a30)
	m := made{t, t.TempDir()}
	m.self(initialPIDs, 0)
	m.process(21, "nvtop\x00", "/dev/nvidia1")
	b := r.over(Options{Host: Proc{Root: m.root}})
	s, err := b.Inspect(t.Context(), []string{"0", "1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []partition.Holder{{PID: 21, Name: "nvtop", UID: 1000}}
	if s.Blind != "" {
		t.Errorf("the host is seen, but blind for %q", s.Blind)
	}
	if len(s.GPUs[0].Holders) != 0 || !reflect.DeepEqual(s.GPUs[1].Holders, want) {
		t.Errorf("holders %v and %v, want none and %v", s.GPUs[0].Holders, s.GPUs[1].Holders, want)
	}
	p := plan(t, r.inspect("0"), "1g.24gb")
	m.process(22, "nvidia-mig-manager\x00")
	if s, err = b.Inspect(t.Context(), []string{"0"}); err != nil || len(s.Owners) != 1 {
		t.Fatalf("owners %v, %v", s.Owners, err)
	}
	if _, err := planOf(s, "1g.24gb"); err == nil || !strings.Contains(err.Error(), "mig-manager") {
		t.Errorf("a plan for a node that mig-manager owns gave %v", err)
	}
	// One that came after the plan.
	if _, err := b.Apply(t.Context(), p); err == nil || !strings.Contains(err.Error(), "nvidia-mig-manager") {
		t.Errorf("Apply under a manager that came since gave %v", err)
	}
}
