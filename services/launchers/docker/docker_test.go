package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
	"github.com/evabench/evabench/services/spawn"
)

// TestConformance runs against the fake; realtest runs the same against a daemon.
func TestConformance(t *testing.T) {
	f, program := newFake(t)
	launchertest.Run(t, launchertest.Subject{
		Instances: 2, Owned: true, Crashes: []string{services.CrashFault, services.CrashKill},
		New: func(t *testing.T) services.Launcher {
			c := config(program)
			c.Instances, c.Fault.Path = 2, "/die"
			return build(t, c)
		},
		Reach: func(ctx context.Context, url string) error {
			_, err := get(ctx, url)
			return err
		},
		Die: func(t *testing.T, url string) {
			if a, err := http.Get(url + "/die"); err == nil {
				t.Errorf("it lives: %s", a.Status)
				a.Body.Close()
			}
		},
	})
	if left := f.names(); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
}

func TestNewTellsEveryFault(t *testing.T) {
	check := func(change func(*Config), want ...string) {
		t.Helper()
		c := config("docker")
		change(&c)
		_, err := New(c)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got %v, want %q", err, w)
			}
		}
	}
	check(func(c *Config) { c.Image, c.Command = "", "" }, `image: "" is no image's name`, "command is empty")
	check(func(c *Config) { c.Image = "--privileged" }, "is no image's name")
	check(func(c *Config) { c.GPU, c.Pull, c.IPC = "all", "always", "shared" },
		`gpu: "all" is none of gpus, cdi, none`, `pull: "always" is none of never, missing`, `ipc: "shared" is none of`)
	check(func(c *Config) { c.Memory, c.ShmSize = "0", "8 GB" }, `memory: "0" is no size`, `shm_size: "8 GB" is no size`)
	check(func(c *Config) { c.ShmSize, c.IPC = "8g", "host" }, "shm_size: with ipc: host")
	check(func(c *Config) { c.Network, c.Publish = "host", []string{"{port}:80"} }, "publish: with network: host")
	check(func(c *Config) { c.Network = "container:x" }, `network: "container:x"`)
	check(func(c *Config) { c.Options = []string{"--init", "--restart=always", "-p"} },
		"options[1]: --restart is for evabench to say", "options[2]: -p is for evabench to say: say publish")
	check(func(c *Config) { c.Env = map[string]string{"NVIDIA_VISIBLE_DEVICES": "all"} }, "env.NVIDIA_VISIBLE_DEVICES would change the device")
	check(func(c *Config) { c.Argv, c.User = []string{"{prot}"}, "{x}" }, "argv[0]: unknown name {prot}", "user: unknown name {x}")
	check(func(c *Config) { c.Ready = 0 }, "ready: 0s") // and all that spawn checks
	for name := range instead {
		if !slices.Contains(ours, name) {
			t.Errorf("%s has advice and is not refused", name)
		}
	}
}

// arguments are those of "create" for one instance.
func arguments(t *testing.T, c Config, d device.Device, m image) ([]string, []string, error) {
	t.Helper()
	l := build(t, c)
	if f, ok := l.(fixed); ok {
		l = f.launcher
	}
	i := services.Instance{Service: "agent", Name: "agent-0", Device: d, LogDir: t.TempDir()}
	args, warnings, err := l.(*launcher).create(&spawn.Values{Instance: i, Port: 7000}, m, "a-name")
	var codes []string
	for _, w := range warnings {
		codes = append(codes, w.Code)
	}
	return args, codes, err
}

// with reports whether one argument follows another.
func with(args []string, pair ...string) bool {
	for i := range args {
		if i+len(pair) <= len(args) && slices.Equal(args[i:i+len(pair)], pair) {
			return true
		}
	}
	return false
}

// The device is given by its UUID, and is the only one within: its number there
// is 0, and its UUID is in no CUDA_VISIBLE_DEVICES.
func TestDevice(t *testing.T) {
	mig := device.Device{UUID: "MIG-1", Name: "gpu0/1g@0", Env: map[string]string{"CUDA_VISIBLE_DEVICES": "MIG-1"}}
	for _, c := range []struct {
		gpu       string
		instances int
		want, not []string
		warnings  []string
	}{
		{GPUByFlag, 0, []string{"--gpus", `"device=MIG-1"`}, []string{"--env", "NVIDIA_VISIBLE_DEVICES=void"}, nil},
		{GPUByCDI, 0, []string{"--device", "nvidia.com/gpu=MIG-1", "--env", "NVIDIA_VISIBLE_DEVICES=void"}, []string{"--gpus"}, nil},
		// Whoever gives it by options has what process has, and its warning.
		{GPUNone, 0, []string{"--env", "CUDA_VISIBLE_DEVICES=MIG-1"}, []string{"--gpus"}, []string{"vllm-mig-uuid"}},
	} {
		config := config("docker")
		config.GPU = c.gpu
		args, warnings, err := arguments(t, config, mig, newImage("x"))
		if err != nil || !with(args, c.want...) || with(args, c.not...) || !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s: %q, %v, %v", c.gpu, args, warnings, err)
		}
		if told := with(args, "--env", "CUDA_VISIBLE_DEVICES=MIG-1"); told != (c.gpu == GPUNone) {
			t.Errorf("%s: CUDA_VISIBLE_DEVICES is told: %v", c.gpu, told)
		}
	}
	c := config("docker")
	c.Instances = 1
	args, _, err := arguments(t, c, device.Device{}, newImage("x"))
	if err != nil || with(args, "--gpus") || !with(args, "--env", "NVIDIA_VISIBLE_DEVICES=void") {
		t.Errorf("on no device: %q, %v", args, err)
	}
}

// Clients of MPS have its folders, the host's IPC namespace and its limits.
func TestMPS(t *testing.T) {
	pipe, log := t.TempDir(), t.TempDir()
	d := device.Device{UUID: "GPU-1", Name: "gpu0", Sharing: device.Sharing{Mode: device.MPS}, Env: map[string]string{
		"CUDA_VISIBLE_DEVICES": "GPU-1", "CUDA_MPS_PIPE_DIRECTORY": pipe, "CUDA_MPS_LOG_DIRECTORY": log,
		"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": "0=20480M",
	}}
	ours := fmt.Sprint(os.Getuid())
	check := func(user, ofImage string, warnings ...string) {
		t.Helper()
		c := config("docker")
		c.User, c.ShmSize = user, "8g"
		m := newImage("x")
		m.Config.User = ofImage
		args, got, err := arguments(t, c, d, m)
		for _, want := range [][]string{
			{"--gpus", `"device=GPU-1"`}, {"--ipc", "host"}, {"--volume", pipe + ":" + pipe}, {"--volume", log + ":" + log},
			{"--env", "CUDA_MPS_PIPE_DIRECTORY=" + pipe}, {"--env", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=50"},
			{"--env", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=20480M"},
		} {
			if !with(args, want...) {
				t.Errorf("%q lacks %q", args, want)
			}
		}
		if err != nil || with(args, "--shm-size") || strings.Contains(fmt.Sprint(args), "CUDA_VISIBLE_DEVICES") || !slices.Equal(got, warnings) {
			t.Errorf("user %q, the image's %q: %q, warnings %v, %v", user, ofImage, args, got, err)
		}
	}
	check(ours, "")
	check(ours+":0", "nobody")
	check("", ours)
	check("54321", "", "mps-user")
	check("", "54321", "mps-user")

	c := config("docker")
	c.IPC = "private"
	if _, _, err := arguments(t, c, d, newImage("x")); err == nil || !strings.Contains(err.Error(), "clients of MPS need the host's") {
		t.Errorf("ipc: private: %v", err)
	}
	d.Env = map[string]string{"CUDA_MPS_PIPE_DIRECTORY": pipe + "/none"}
	if _, _, err := arguments(t, config("docker"), d, newImage("x")); err == nil || !strings.Contains(err.Error(), "does its MPS daemon run?") {
		t.Errorf("without the daemon: %v", err)
	}
}

// Secrets stand in no argument; ports are this machine's alone.
func TestArguments(t *testing.T) {
	t.Setenv("TEST_API_TOKEN", "sesame-open")
	dir := t.TempDir()
	c := config("docker")
	c.PassEnv, c.Env = []string{"TEST_API_TOKEN"}, map[string]string{"MODE": "{name}"}
	c.Publish, c.Volumes, c.Options = []string{"{port}:8000", "{port+1}:8002"}, []string{dir + ":/models:ro"}, []string{"--init", "--label={name}"}
	c.Memory, c.CPUs, c.User, c.ShmSize, c.IPC, c.Network = "64g", "0", "7:7", "8g", "private", "fast"
	m := newImage("x")
	args, warnings, err := arguments(t, c, device.Device{}, m)
	if err != nil || len(warnings) > 0 {
		t.Errorf("warnings %v, %v", warnings, err)
	}
	for _, want := range [][]string{
		{"create", "--name", "a-name"}, {"--log-driver", "none"}, {"--env", "TEST_API_TOKEN"}, {"--env", "MODE=agent-0"},
		{"--network", "fast"}, {"--publish", "127.0.0.1:7000:8000"}, {"--publish", "127.0.0.1:7001:8002"}, {"--ipc", "private"}, {"--shm-size", "8g"},
		{"--memory", "64g", "--memory-swap", "64g"}, {"--cpuset-cpus", "0"}, {"--user", "7:7"}, {"--volume", dir + ":/models:ro"},
		{"--init", "--label=agent-0", m.ID, "7000"}, {"--label", "evabench.instance=agent-0"}, {"--label", "evabench.owner=" + owner()},
	} {
		if !with(args, want...) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
	if strings.Contains(fmt.Sprint(args), "sesame") {
		t.Errorf("a secret stands in %q", args)
	}
	c = config("docker")
	c.Network = "host"
	if args, _, err := arguments(t, c, device.Device{}, m); err != nil || !with(args, "--network", "host") || with(args, "--publish") {
		t.Errorf("on the host's network: %q, %v", args, err)
	}
	for want, change := range map[string]func(*Config){
		`publish[0]: "7000" is no pair`:                    func(c *Config) { c.Publish = []string{"{port}"} },
		`publish[0]: "7000:70000" is no pair`:              func(c *Config) { c.Publish = []string{"{port}:70000"} },
		`volumes[0]: "cache:/x" is not FOLDER:THEIRS`:      func(c *Config) { c.Volumes = []string{"cache:/x"} },
		"volumes[0]: stat /no/such: no such file":          func(c *Config) { c.Volumes = []string{"/no/such:/x"} },
		"{params.x}: the configuration has no parameter":   func(c *Config) { c.Argv = []string{"{params.x}"} },
		"user: {params.x}: the configuration has no param": func(c *Config) { c.User = "{params.x}" },
	} {
		c := config("docker")
		change(&c)
		if _, _, err := arguments(t, c, device.Device{}, m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// What the container has is what its server sees.
func TestLaunch(t *testing.T) {
	f, program := newFake(t)
	t.Setenv("TEST_API_TOKEN", "sesame-open")
	t.Setenv("TEST_OURS", "leak")
	c := config(program)
	c.PassEnv = []string{"TEST_API_TOKEN"}
	s := launch(t, c, services.Instance{Service: "eyes", Device: device.Device{UUID: "MIG-1", Env: map[string]string{"CUDA_VISIBLE_DEVICES": "MIG-1"}}})
	env := text(t, s.Info().URL+"/env")
	if !strings.Contains(env, "NVIDIA_VISIBLE_DEVICES=MIG-1") || !strings.Contains(env, "TEST_API_TOKEN=sesame-open") || strings.Contains(env, "CUDA_VISIBLE") || strings.Contains(env, "leak") {
		t.Errorf("its environment is\n%s", env)
	}
	if want := "registry.example/server@sha256:" + strings.Repeat("ab", 32); s.Info().Version != want {
		t.Errorf("version %q, want %q", s.Info().Version, want)
	}
	eventually(t, "the log ends with what it wrote, its secret hidden", func() bool {
		_, last := s.(services.Logged).LogTail()
		return len(last) == 1 && strings.HasSuffix(last[0], " [TEST_API_TOKEN]")
	})
	if w := s.(services.Warned).Warnings(); len(w) > 0 {
		t.Errorf("warnings %v", w)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, args := range f.calls {
		if strings.Contains(fmt.Sprint(args), "sesame") {
			t.Errorf("a secret stands in %q", args)
		}
	}
}

// exited waits for an instance's own end.
func exited(t *testing.T, s services.Service) *services.ExitError {
	t.Helper()
	eventually(t, "it ends", func() bool { return s.Err() != nil })
	x, ok := errors.AsType[*services.ExitError](s.Err())
	if !ok {
		t.Fatalf("Err() = %v", s.Err())
	}
	return x
}

func TestOwnEnd(t *testing.T) {
	f, program := newFake(t)
	for _, c := range []struct {
		page, oom string
		status    int
	}{{"/die", "CUDA out of memory", 3}, {"/oom", "OOMKilled", 137}} {
		s := launch(t, config(program), services.Instance{Device: device.Device{UUID: "MIG-1"}})
		text(t, s.Info().URL)
		if a, err := http.Get(s.Info().URL + c.page); err == nil {
			a.Body.Close()
		}
		x := exited(t, s)
		if x.Status != c.status || x.Signal != 0 || !strings.Contains(x.OOM, c.oom) || len(x.Log) == 0 {
			t.Errorf("%s: %+v", c.page, x)
		}
		if n := s.(services.Exhausted).OutOfMemory(); n < 1 {
			t.Errorf("%s: OutOfMemory() = %d", c.page, n)
		}
		if left := f.names(); len(left) > 0 {
			t.Errorf("%s: containers are left: %q", c.page, left)
		}
	}
}

// A container that does not start, and one that runs on without what is attached
// to it, or is taken away.
func TestOddEnds(t *testing.T) {
	f, program := newFake(t)
	f.locked(func() { f.gpus = nil })
	mig := services.Instance{Device: device.Device{UUID: "MIG-1"}}
	if x := exited(t, launch(t, config(program), mig)); x.Status != -1 || !strings.Contains(x.Error(), "did not start") || !strings.Contains(x.Error(), "install the NVIDIA Container Toolkit") {
		t.Errorf("without a driver: %v", x)
	}
	f.locked(func() { f.gpus = []string{"MIG-1"} })
	s := launch(t, config(program), mig)
	text(t, s.Info().URL)
	name, p := s.(checked).current()
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if x := exited(t, s); !strings.Contains(x.Error(), "ended while that ran on; it was removed") {
		t.Errorf("without what was attached: %v", x)
	}
	if slices.Contains(f.names(), name) {
		t.Error("the container is left")
	}
	s = launch(t, config(program), mig)
	text(t, s.Info().URL)
	f.end(f.names()[0])
	if x := exited(t, s); !strings.Contains(x.Error(), "how container") && x.Status != 137 {
		t.Errorf("taken away: %v", x)
	}
}

// What is missing is told by Probe and by Launch alike, and nothing is left.
func TestMissing(t *testing.T) {
	f, program := newFake(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for want, change := range map[string]func(*Config){
		"image other:1 is not here; fetch it (" + program + " pull other:1)": func(c *Config) { c.Image = "other:1" },
		`command: exec: "no-such-docker": executable file not found`:         func(c *Config) { c.Command = "no-such-docker" },
		"pass_env: TEST_NOT_SET is not set":                                  func(c *Config) { c.PassEnv = []string{"TEST_NOT_SET"} },
		"volumes[0]: stat /no/such":                                          func(c *Config) { c.Volumes = []string{"/no/such:/x"} },
		fmt.Sprintf("port %d is taken by another process", port):             func(c *Config) { c.Port = port },
	} {
		c := config(program)
		change(&c)
		l := build(t, c)
		_, launched := l.Launch(t.Context(), services.Instance{Name: "a", LogDir: t.TempDir()})
		for what, err := range map[string]error{"Probe": l.(services.Probed).Probe(t.Context()), "Launch": launched} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s() = %v, want one line with %q", what, err, want)
			}
		}
	}
	c := config(program)
	c.CPUs = "1000"
	if err := build(t, c).(services.Probed).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "processor 1000 is not there") {
		t.Errorf("Probe() with processor 1000: %v", err)
	}
	if left := f.names(); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
	t.Setenv(fakeSocket, "/no/such")
	if err := build(t, config(program)).(services.Probed).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "its daemon does not answer us") {
		t.Errorf("Probe() without a daemon: %v", err)
	}
}

// A container that was made and cannot be run is not left.
func TestStartFails(t *testing.T) {
	f, program := newFake(t)
	l := build(t, config(program))
	_, err := l.Launch(t.Context(), services.Instance{Name: "a", LogDir: t.TempDir() + "/none"})
	if err == nil || !strings.Contains(err.Error(), "open log") {
		t.Errorf("Launch() without a folder for the log = %v", err)
	}
	if left := f.names(); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(f.calls, func(args []string) bool { return args[0] == "create" }) {
		t.Error("none was made")
	}
}

func TestPull(t *testing.T) {
	f, program := newFake(t)
	f.locked(func() { f.registry["far/server:latest"] = newImage("far/server:latest") })
	c := config(program)
	c.Image, c.Pull = "far/server:latest", PullMissing
	if err := build(t, c).(services.Probed).Probe(t.Context()); err != nil {
		t.Errorf("Probe() of an image that will be pulled: %v", err)
	}
	for _, want := range []string{"image-latest image-pulled", "image-latest"} {
		var codes []string
		s := launch(t, c, services.Instance{})
		for _, w := range s.(services.Warned).Warnings() {
			codes = append(codes, w.Code)
		}
		if got := strings.Join(codes, " "); got != want || !strings.Contains(s.Info().Version, "sha256:") {
			t.Errorf("warnings %q, want %q; version %q", got, want, s.Info().Version)
		}
	}
	c.Image = "far/none:1"
	if _, err := build(t, c).Launch(t.Context(), services.Instance{Name: "a", LogDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "pull: Error response from daemon: manifest for far/none:1 not found") {
		t.Errorf("pull of what is nowhere: %v", err)
	}
	for name, want := range map[string]bool{
		"a": true, "a:latest": true, "r:5000/a": true, "r:5000/a:latest": true, "a:1": false, "r:5000/a:1": false, "a@sha256:00": false, "a:latest@sha256:00": false,
	} {
		if isLatest(name) != want {
			t.Errorf("isLatest(%q) is not %v", name, want)
		}
	}
}

// Kill -9 of an evabench: its supervisor removes the container. If that is killed
// too, the next start does, and touches nobody else's.
func TestKilled(t *testing.T) {
	f, program := newFake(t)
	ours := launch(t, config(program), services.Instance{})
	text(t, ours.Info().URL)
	mine := f.names()
	for _, both := range []bool{false, true} {
		h := exec.Command("/proc/self/exe", "hold", program, t.TempDir())
		h.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := h.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		var url string
		if _, err := fmt.Fscan(out, &url); err != nil {
			t.Fatal(err)
		}
		text(t, url)
		theirs := slices.DeleteFunc(f.names(), func(name string) bool { return slices.Contains(mine, name) })
		if len(theirs) != 1 {
			t.Fatalf("containers %q", theirs)
		}
		cleaning := build(t, config(program)).(services.Cleaning)
		if ended, err := cleaning.EndOrphans(t.Context()); err != nil || len(ended) > 0 {
			t.Errorf("EndOrphans() while it runs = %q, %v", ended, err)
		}
		if both {
			killSupervisor(t, h.Process.Pid)
		}
		if err := h.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = h.Wait() // it says that it was killed
		if both {
			ended, err := cleaning.EndOrphans(t.Context())
			if err != nil || !slices.Equal(ended, []string{"container " + theirs[0]}) {
				t.Errorf("EndOrphans() = %q, %v; want %q", ended, err, theirs)
			}
		}
		eventually(t, "the container is removed", func() bool { return slices.Equal(f.names(), mine) })
	}
	text(t, ours.Info().URL)
}

// killSupervisor kills the supervisors that are children of a process.
func killSupervisor(t *testing.T, of int) {
	t.Helper()
	found := false
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", of))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", of, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.FieldsSeq(string(data)) {
			var pid int
			if _, err := fmt.Sscan(text, &pid); err != nil {
				t.Fatal(err)
			}
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if err != nil || !strings.Contains(string(line), supervise.Command) {
				continue
			}
			found = true
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !found {
		t.Fatal("it has no supervisor")
	}
}

func TestAbandoned(t *testing.T) {
	ours := strings.Split(owner(), "/")
	change := func(at int, to string) string {
		parts := slices.Clone(ours)
		parts[at] = to
		return strings.Join(parts, "/")
	}
	for owner, want := range map[string]bool{
		owner(): false, change(0, "another host"): false, change(1, "another boot"): true, change(1, ""): false, change(2, "pid:[1]"): false,
		change(3, "4194305"): true, change(3, "x"): false, change(4, "1"): true, "": false, "a/b": false,
	} {
		if abandoned(owner) != want {
			t.Errorf("abandoned(%q) is not %v", owner, want)
		}
	}
}

// A supervisor that ends too early leaves the container to Stop.
func TestStopRemovesWhatTheSupervisorLeft(t *testing.T) {
	f, program := newFake(t)
	s := launch(t, config(program), services.Instance{})
	text(t, s.Info().URL)
	killSupervisor(t, os.Getpid())
	if x := exited(t, s); !strings.Contains(x.Error(), "its supervisor ended too early") {
		t.Errorf("%v", x)
	}
	if len(f.names()) != 1 {
		t.Errorf("containers %q, want the one that was left", f.names())
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if left := f.names(); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
}

func TestExitWithoutState(t *testing.T) {
	x := exitError(supervise.Exit{Status: 1, After: []supervise.Done{{Fault: "docker inspect: no daemon"}, {}}}, "c", "")
	if !strings.Contains(x.Fault, "how container c ended is not known: docker inspect: no daemon") || x.Status != 1 {
		t.Errorf("%+v", x)
	}
}

// TestFakeRefuses holds the fake against what docker refuses; realtest holds that
// against docker.
func TestFakeRefuses(t *testing.T) {
	_, program := newFake(t)
	text, err := os.ReadFile("testdata/refusals.txt")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for line := range strings.Lines(string(text)) {
		asked, words, ok := strings.Cut(strings.TrimSpace(line), " -> ")
		if !ok {
			continue
		}
		tried++
		var args []string
		for arg := range strings.FieldsSeq(strings.ReplaceAll(asked, "{{json .State}}", "{{json_.State}}")) {
			args = append(args, strings.NewReplacer("IMAGE", "server:1", "json_", "json ").Replace(arg))
		}
		out, err := exec.Command(program, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), words) {
			t.Errorf("%q: %v, %s; want %q", args, err, out, words)
		}
	}
	if tried < 10 {
		t.Errorf("%d refusals were tried", tried)
	}
}
