package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// files are those of a machine that is well: root, two processors, fast clocks.
func files() map[string]string {
	const perf = "performance\n"
	return map[string]string{
		"proc/self/status":                      "Name:\tevabench\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
		"proc/self/limits":                      "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 1048576              files\n",
		"proc/stat":                             "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n",
		"proc/loadavg":                          "0.10 0.2 0.3 1/100 7\n",
		"proc/meminfo":                          "MemTotal:       65536000 kB\nMemAvailable:   60000000 kB\n",
		"proc/net/tcp":                          tcpHead,
		"proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":              perf,
		"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor":              perf,
		"sys/devices/system/clocksource/clocksource0/current_clocksource":   "tsc\n",
		"sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm\n",
		"sys/fs/cgroup/cpu.max": "max 100000\n",
	}
}

const tcpHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// listens is a line of /proc/net/tcp: port 8000 is 1F40.
func listens(port int) string {
	return fmt.Sprintf("   0: 00000000:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 0 100 0 0 10 0\n", port)
}

// well is that machine with one good GPU.
func well() Machine {
	places := func(n int) (all []partition.Placement) {
		for i := range n {
			all = append(all, partition.Placement{Start: 3 * i, Size: 3})
		}
		return all
	}
	return Machine{
		GPUs: partition.State{
			System: partition.System{Driver: "580.95.05", NVML: "13.580.95.05", CUDA: "13.0"},
			GPUs: []partition.GPU{{
				UUID: "GPU-1", Name: "NVIDIA RTX PRO 6000 Blackwell Server Edition", MemoryBytes: 96 << 30, SMs: 188, MIG: partition.Mode{Supported: true},
				VBIOS: "98.02", ComputeMode: "default", TimeSlice: "default",
				Profiles: []partition.Profile{{ID: 14, Name: "1g.24gb", MemoryBytes: 24 << 30, SMs: 46, Slices: 1, Placements: places(4),
					Compute: []partition.ComputeProfile{{Slices: 1, SMs: 46, Placements: []partition.Placement{{Start: 0, Size: 1}}}}}},
			}},
		},
		Look: func(program string) (string, error) { return "/usr/bin/" + program, nil },
		Docker: func(context.Context, string) (Docker, error) {
			return Docker{"28.0.1", []string{"nvidia", "runc"}}, nil
		},
		Space:   func(p string) (Space, error) { return plenty(p), nil },
		Synced:  func() (bool, error) { return true, nil },
		Reaches: func(context.Context, string) error { return nil },
		SelfTest: &results.SelfTest{
			Small: &results.Throughput{PerSecond: 30000},
			Rates: []results.RateLateness{{Rate: 1000, N: 1000, P99: 200 * time.Microsecond}, {Rate: 10000, N: 10000, P99: 5 * time.Millisecond}},
		},
		Folders: []Folder{{Path: "runs", For: "run directories", Flag: "--out", Much: true}},
	}
}

func plenty(p string) Space {
	return Space{FreeBytes: 100 << 30, TotalBytes: 200 << 30, FreeFiles: 1e6, TotalFiles: 2e6, Writable: true, Path: p, Within: p}
}

// examine writes the files and looks.
func examine(t *testing.T, m Machine, all map[string]string, only ...string) []Finding {
	t.Helper()
	m.Root = t.TempDir()
	for name, text := range all {
		path := filepath.Join(m.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Examine(t.Context(), m, only)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func lines(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %s: %s\n    %s\n", f.Level, f.Check, f.Text, f.Remedy)
	}
	return b.String()
}

func TestWell(t *testing.T) {
	found := examine(t, well(), files())
	for _, f := range found {
		if f.Level != OK || f.Remedy != "" {
			t.Errorf("a good machine has %+v", f)
		}
	}
	for _, c := range Names() {
		if c != "servers" && !slices.ContainsFunc(found, func(f Finding) bool { return f.Check == c }) {
			t.Errorf("check %s says nothing", c)
		}
	}
}

// TestIll breaks one thing at a time: its check says how bad that is, what it is and
// what to do, and no other check changes its mind.
func TestIll(t *testing.T) {
	on, off := true, false
	low, high := 300.0, 600.0
	file := func(name, text string) func(*Machine, map[string]string) {
		return func(_ *Machine, f map[string]string) { f[name] = text }
	}
	gone := func(name string) func(*Machine, map[string]string) {
		return func(_ *Machine, f map[string]string) { delete(f, name) }
	}
	gpu := func(change func(*partition.GPU)) func(*Machine, map[string]string) {
		return func(m *Machine, _ map[string]string) { change(&m.GPUs.GPUs[0]) }
	}
	machine := func(change func(*Machine)) func(*Machine, map[string]string) {
		return func(m *Machine, _ map[string]string) { change(m) }
	}
	space := func(change func(*Space)) func(*Machine, map[string]string) {
		return machine(func(m *Machine) {
			m.Space = func(p string) (Space, error) { s := plenty(p); change(&s); return s, nil }
		})
	}
	const governor = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"
	const source = sources + "current_clocksource"
	for _, c := range []struct {
		check        string
		change       func(*Machine, map[string]string)
		level        Level
		text, remedy string
	}{
		{"driver", machine(func(m *Machine) { m.GPUFault, m.NoDriver = errors.New("no NVIDIA driver to ask"), true }), Fault, "no NVIDIA driver", "ubuntu-drivers install"},
		{"driver", machine(func(m *Machine) { m.GPUFault = errors.New("GPU is lost") }), Fault, "cannot be read: GPU is lost", "dmesg"},
		{"gpus", machine(func(m *Machine) { m.GPUs.GPUs = nil }), Fault, "no GPU", "lspci -d 10de:"},
		{"gpus", gpu(func(g *partition.GPU) { g.ECC, g.ECCPending = &on, &off }), Warning, "ECC waits", "nvidia-smi -i GPU-1 -e 1"},
		{"gpus", gpu(func(g *partition.GPU) { g.PowerLimitWatts, g.PowerDefaultWatts = &low, &high }), Warning, "300 W and the card's own 600 W", "-pl 600"},
		{"gpus", gpu(func(g *partition.GPU) { g.Persistence = &off }), Warning, "persistence is off", "nvidia-smi -i GPU-1 -pm 1"},
		{"gpus", machine(func(m *Machine) {
			m.GPUs.GPUs = append(m.GPUs.GPUs, partition.GPU{Index: 1, UUID: "GPU-2", Name: "NVIDIA L4"})
		}), Warning, "2 kinds", "evabench init"},
		{"mig", gpu(func(g *partition.GPU) { g.MIG.Pending = true }), Fault, "MIG is off with a change to on pending", "nvidia-smi -i GPU-1 -mig 0"},
		{"mig", machine(func(m *Machine) {
			m.GPUs.System.Driver, m.GPUs.GPUs[0].Profiles, m.GPUs.GPUs[0].MIG.Supported = "570.124.06", nil, false
		}), Fault, "driver 570.124.06 knows no MIG on NVIDIA RTX PRO 6000 Blackwell Server Edition, which takes 575.51.03 or newer", "ubuntu-drivers install"},
		{"mig", gpu(func(g *partition.GPU) { g.Profiles, g.MIG.Supported = nil, false }), Warning, "offers no profiles", "VBIOS"},
		{"change", gpu(func(g *partition.GPU) { g.Processes = []partition.Process{{PID: 7, Name: "vllm", Device: "GPU-1"}} }), Fault, "runs process 7 (vllm)", "ps -p 7"},
		{"change", machine(func(m *Machine) { m.Left, m.PutBack = "an earlier sweep left", "evabench gpu restore" }), Fault, "an earlier sweep left", "evabench gpu restore"},
		{"change", machine(func(m *Machine) {
			m.GPUs.Owners = []partition.Owner{{Name: "slurm", Why: "process 5 (slurmd) runs"}}
		}), Fault, "slurmd", ""},
		{"permission", file("proc/self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n"), Fault, "user 1000 may not change GPUs", "sudo -E evabench"},
		{"permission", file("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n"), Fault, "without the right to administrate", "--privileged"},
		{"permission", gone("proc/self/status"), Unknown, "cannot be read", ""},
		{"mps", machine(func(m *Machine) {
			m.Look = func(p string) (string, error) {
				if strings.HasPrefix(p, "nvidia-cuda") {
					return "", os.ErrNotExist
				}
				return p, nil
			}
		}), Warning, "nvidia-cuda-mps-control and nvidia-cuda-mps-server are not in PATH", "nvidia-compute-utils-580 "},
		{"mps", machine(func(m *Machine) {
			m.GPUs.MPS = []partition.Daemon{{PID: 9, UID: 1000, Device: "GPU-1", Pipe: "/tmp/p", Clients: []int{}, Settings: map[string]string{}}}
		}), Warning, "user 1000 runs (pid 9) and has no client", "CUDA_MPS_PIPE_DIRECTORY=/tmp/p"},
		{"docker", machine(func(m *Machine) {
			m.Docker = func(context.Context, string) (Docker, error) { return Docker{}, fmt.Errorf("dial: %w", ErrDenied) }
		}), Warning, "may not talk to it", "usermod -aG docker"},
		{"docker", machine(func(m *Machine) {
			m.Docker = func(context.Context, string) (Docker, error) { return Docker{}, errors.New("Cannot connect") }
		}), Warning, "does not answer", "systemctl start docker"},
		{"ports", file("proc/sys/net/ipv4/ip_local_port_range", "32768 35000\n"), Warning, "2,233 ports", "sysctl -w net.ipv4.ip_local_port_range"},
		{"ports", file("proc/net/tcp", tcpHead+listens(8000)), OK, "taken: port 8000", ""},
		{"descriptors", file("proc/self/limits", "Max open files            1024                 1023                 files\n"), Fault, "1023 files", "prlimit --pid $$"},
		{"descriptors", file("proc/self/limits", "Max open files            1024                 4096                 files\n"), Warning, "4,096 files", "prlimit --pid $$"},
		{"descriptors", file("proc/self/limits", "Max open files            1024                 unlimited            files\n"), OK, "not limited", ""},
		{"cpu", file("proc/stat", "cpu  1\ncpu0 1\n"), Warning, "one processor", "another machine"},
		{"cpu", file(governor, "powersave\n"), Warning, "performance on 1 processor, powersave on 1 processor", "echo performance | sudo tee"},
		{"cpu", file("sys/fs/cgroup/cpu.max", "150000 100000\n"), Warning, "1.5 of 2 processors", "--cpus"},
		{"cpu", file("proc/loadavg", "0.51 0 0 1/1 1\n"), Warning, "0.5 processes were busy", "top"},
		{"clock", file(source, "hpet\n"), Warning, "clock source hpet", "echo tsc | sudo tee /sys/devices"},
		{"clock", file(source, "wall\n"), Unknown, "clock source wall", ""},
		{"date", machine(func(m *Machine) { m.Synced = func() (bool, error) { return false, nil } }), Warning, "follows no other", "timedatectl set-ntp true"},
		{"client", machine(func(m *Machine) { m.SelfTest.Rates[0].P99 = 2 * time.Millisecond }), Warning, "more than 2ms late (limit 1ms)", "another machine"},
		{"client", machine(func(m *Machine) { m.SelfTest.Warnings = []results.Warning{{Text: "9 were lost"}} }), Warning, "9 were lost", "evabench selftest"},
		{"client", machine(func(m *Machine) { m.SelfTest, m.SelfTestFault = nil, errors.New("no child") }), Warning, "no child", "evabench selftest"},
		{"client", machine(func(m *Machine) { m.SelfTest = nil }), Unknown, "not measured", ""},
		{"memory", file("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 2097151 kB\n"), Warning, "available", "ps -eo"},
		{"memory", file("proc/meminfo", "MemTotal: 8000000 kB\n"), Unknown, "does not tell", ""},
		{"disk", space(func(s *Space) { s.ReadOnly = true }), Fault, "mounted read-only", "--out names another"},
		{"disk", space(func(s *Space) { s.Writable = false }), Fault, "may not write", "ls -ld runs   # whose it is; run as root, or --out names another folder"},
		{"disk", space(func(s *Space) { s.Writable, s.Path, s.Within = false, "/data/it's mine", "/" }), Fault, "may not write in /", `sudo install -d -o "$USER" '/data/it'\''s mine'   # or run as root`},
		{"disk", machine(func(m *Machine) {
			m.Folders = []Folder{{Path: "/var/lib/evabench", For: "lock and journal of changes", Flag: "--state-dir"}}
			m.Space = func(p string) (Space, error) {
				s := plenty(p)
				s.Writable, s.Within = false, "/var/lib"
				return s, nil
			}
		}), Fault, "may not write in /var/lib", "sudo -E evabench …   # only root"},
		{"disk", space(func(s *Space) { s.ReadOnly, s.Within = true, "/a;b" }), Fault, "mounted read-only", "df -h '/a;b' "},
		{"disk", space(func(s *Space) { s.FreeBytes = 1<<30 - 1 }), Fault, "are free", "df -h runs"},
		{"disk", space(func(s *Space) { s.FreeBytes = 10<<30 - 1 }), Warning, "a long sweep may fill that", "df -h runs"},
		{"disk", space(func(s *Space) { s.FreeFiles = 9999 }), Fault, "only 9999 more files", "df -i"},
	} {
		m, f := well(), files()
		c.change(&m, f)
		all := examine(t, m, f)
		found := slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return f.Check != c.check })
		hit := slices.ContainsFunc(found, func(f Finding) bool {
			return f.Level == c.level && strings.Contains(f.Text, c.text) && strings.Contains(f.Remedy, c.remedy)
		})
		if !hit {
			t.Errorf("want %s %s: %q, and to do: %q; got:\n%s", c.level, c.check, c.text, c.remedy, lines(found))
		}
		for _, f := range found {
			if bad := f.Level == Warning || f.Level == Fault; bad != (f.Remedy != "") || strings.Contains(f.Text+f.Remedy, "\n") {
				t.Errorf("%+v: a warning or fault has one line of what to do, and nothing else has", f)
			}
		}
		if text := lines(all); strings.Contains(text, "chown") {
			t.Errorf("a remedy gives a folder away:\n%s", text)
		}
		if other := slices.DeleteFunc(all, func(f Finding) bool { return f.Level != Fault || f.Check == c.check }); len(other) > 0 {
			t.Errorf("%s: %s is told elsewhere too:\n%s", c.check, c.text, lines(other))
		}
	}
}

// TestLimitsPairs: just at a limit all is well, just below it is not.
func TestLimitsPairs(t *testing.T) {
	level := func(check string, change func(*Machine, map[string]string)) Level {
		m, f := well(), files()
		change(&m, f)
		worst := OK
		for _, x := range examine(t, m, f, check) {
			if x.Level != OK {
				worst = x.Level
			}
		}
		return worst
	}
	open := func(n int) Level {
		return level("descriptors", func(_ *Machine, f map[string]string) {
			f["proc/self/limits"] = fmt.Sprintf("Max open files 1 %d files\n", n)
		})
	}
	need := func(n int) Level {
		return level("descriptors", func(m *Machine, f map[string]string) {
			m.Needs = Needs{Known: true, Connections: 20000}
			f["proc/self/limits"] = fmt.Sprintf("Max open files 1 %d files\n", n)
		})
	}
	busyness := func(text string) Level {
		return level("cpu", func(_ *Machine, f map[string]string) { f["proc/loadavg"] = text })
	}
	got := []Level{open(16384), open(16383), open(1024), open(1023), need(20256), need(20255), busyness("0.50"), busyness("0.51")}
	if want := []Level{OK, Warning, Warning, Fault, OK, Fault, OK, Warning}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNeeds asks for what a scenario needs, and for nothing else.
func TestNeeds(t *testing.T) {
	m := well()
	m.GPUFault, m.NoDriver = errors.New("none"), true
	m.Look = func(string) (string, error) { return "", os.ErrNotExist }
	m.Needs = Needs{Known: true}
	f := files()
	f["proc/self/status"] = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0\n"
	if found := examine(t, m, f); Count(found, Fault)+Count(found, Warning) > 0 {
		t.Errorf("a scenario of running servers needs no GPU, no root and no docker:\n%s", lines(found))
	}
	m.Needs = Needs{
		Known: true, Docker: []string{"docker"}, NVIDIA: true, Ports: []Port{{8000, "agent"}, {8001, "agent"}},
		Servers: []Running{{"vision", "http://10.0.0.7:8080"}, {"eyes", "http://10.0.0.7/$(id)"}, {"mute", "http://10.0.0.8"}},
	}
	m.Reaches = func(_ context.Context, url string) error {
		if url == "http://10.0.0.8" {
			return fmt.Errorf("%w within 5s", ErrSilent)
		}
		return errors.New("connection refused")
	}
	f["proc/net/tcp"] = tcpHead + listens(8000)
	found := examine(t, m, f, "docker", "ports", "servers")
	text := lines(found)
	for _, want := range []string{
		"fault docker: there is no docker in PATH\n    sudo apt-get install -y docker.io",
		"fault ports: service agent is to listen on port 8000, which is taken: port 8000",
		"sport = :8000",
		"ok ports: port 8001 of service agent is free",
		"fault servers: service vision: nothing answers at http://10.0.0.7:8080: connection refused\n    curl -sv --max-time 5 http://10.0.0.7:8080 ",
		"curl -sv --max-time 5 'http://10.0.0.7/$(id)' ",
		"warning servers: service mute: what listens at http://10.0.0.8 takes a connection and gives no HTTP answer within 5s\n    curl -sv --max-time 5 http://10.0.0.8   # see the server's log",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	m = well()
	m.Needs = Needs{Known: true, Docker: []string{"podman"}, NVIDIA: true}
	m.Look = func(p string) (string, error) {
		if p == hook {
			return "", os.ErrNotExist
		}
		return p, nil
	}
	if text := lines(examine(t, m, files(), "docker")); !strings.Contains(text, "containers get no GPU\n    sudo apt-get install -y nvidia-container-toolkit") {
		t.Errorf("no toolkit:\n%s", text)
	}
}

// TestEmptyMachine: where nothing can be read, everything is unknown or missing and
// nothing is well by chance. (/proc and /sys are not there at all.)
func TestEmptyMachine(t *testing.T) {
	m := well()
	found := examine(t, m, nil, "permission", "ports", "descriptors", "cpu", "clock", "memory")
	for _, f := range found {
		if f.Level != Unknown {
			t.Errorf("%+v of a machine that tells nothing", f)
		}
	}
}

func TestKnown(t *testing.T) {
	if err := Known([]string{"mig", "nope"}); err == nil || !strings.Contains(err.Error(), `unknown check "nope"; known: driver, gpus, mig`) {
		t.Errorf("Known() = %v", err)
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b     string
		less, ok bool
	}{
		{"575.51.03", "575.51.03", false, true}, {"575.51.02", "575.51.03", true, true}, {"580.1", "575.51.03", false, true},
		{"575.51", "575.51.03", true, true}, {"550.90.07", "575.51.03", true, true}, {"", "575.51.03", false, false}, {"x", "1", false, false},
	} {
		if less, ok := older(c.a, c.b); less != c.less || ok != c.ok {
			t.Errorf("older(%q, %q) = %v, %v", c.a, c.b, less, ok)
		}
	}
	for card, want := range map[string]string{
		"NVIDIA A100-SXM4-40GB": "450.80.02", "NVIDIA A30": "460.73", "NVIDIA RTX PRO 6000 Blackwell Server Edition": "575.51.03",
		"NVIDIA RTX PRO 5000 Blackwell 48GB": "575.57.08", "NVIDIA L4": "", "NVIDIA A3000": "",
	} {
		if got := oldestFor(card); got != want {
			t.Errorf("oldestFor(%q) = %q, want %q", card, got, want)
		}
	}
}

// TestReadDocker reads what docker info says with and without a daemon (cut).
func TestReadDocker(t *testing.T) {
	d, err := readDocker([]byte(`{"ServerVersion":"28.0.1","Runtimes":{"runc":{"path":"runc"},"nvidia":{"path":"nvidia-container-runtime"}}}`))
	if err != nil || d.Version != "28.0.1" || !slices.Equal(d.Runtimes, []string{"nvidia", "runc"}) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := readDocker([]byte(`{"ServerErrors":["Cannot connect to the Docker daemon"]}`)); err == nil || errors.Is(err, ErrDenied) {
		t.Errorf("no daemon: %v", err)
	}
	if _, err := readDocker([]byte(`{"ServerErrors":["permission denied while trying to connect"]}`)); !errors.Is(err, ErrDenied) {
		t.Errorf("denied: %v", err)
	}
	if _, err := readDocker([]byte(`what`)); err == nil {
		t.Error("no JSON is no fault")
	}
}

// TestHere looks at the machine that the test runs on: nothing is written, and what
// is not there is told.
func TestHere(t *testing.T) {
	dir := t.TempDir()
	s, err := space(filepath.Join(dir, "a/b"))
	if err != nil || s.Within != dir || s.Path != filepath.Join(dir, "a/b") || s.TotalBytes == 0 || !s.Writable {
		t.Errorf("space() = %+v, %v", s, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("looking left %v, %v", left, err)
	}
	if err := reaches(t.Context(), "http://127.0.0.1:1"); err == nil {
		t.Error("nothing listens at port 1, and it is reached")
	}
	if _, err := askDocker(t.Context(), filepath.Join(dir, "no-docker")); err == nil {
		t.Error("no program is no fault")
	}
}

// TestEnginesOfScenarios: a program that a scenario names is looked for and not run,
// whatever its path; what is run gets none of our secrets.
func TestEnginesOfScenarios(t *testing.T) {
	for _, program := range []string{"./x", "x", "/usr/bin/docker", "./docker"} {
		m := well()
		m.Needs = Needs{Known: true, Docker: []string{program}}
		m.Docker = func(_ context.Context, p string) (Docker, error) {
			t.Errorf("%s is run", p)
			return Docker{}, nil
		}
		if text := lines(examine(t, m, files(), "docker")); !strings.Contains(text, "unknown docker: "+program+" is there") {
			t.Errorf("%s: %s", program, text)
		}
		m.Look = func(string) (string, error) { return "", os.ErrNotExist }
		if text := lines(examine(t, m, files(), "docker")); strings.Contains(text, "apt-get") || !strings.Contains(text, "command -v "+program) {
			t.Errorf("%s, which is not there: %s", program, text)
		}
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "engine")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nenv > "+dir+"/env\necho '{}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AGENT_KEY", "sk-sesame")
	t.Setenv("HF_TOKEN", "hf-sesame")
	t.Setenv("DOCKER_HOST", "unix:///run/d.sock")
	if _, err := askDocker(t.Context(), program); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil || strings.Contains(string(env), "sesame") || !strings.Contains(string(env), "DOCKER_HOST=unix:///run/d.sock") {
		t.Errorf("it is given %s (%v)", env, err)
	}
}
