package docker

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

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
	check(func(c *Config) { c.Options = []string{"-p8000:80", "-it", "-d=true"} },
		"options[0]: -p is for", "options[1]: -i is for", "options[2]: -d is for")
	check(func(c *Config) {
		c.Options = []string{"--env=HF_TOKEN=x", "-eHF_TOKEN=x", "-e", "HF_TOKEN=x", "-e=HF_TOKEN=x"}
	},
		"options[0]: HF_TOKEN looks like a secret", "options[1]: HF_TOKEN looks", "options[3]: HF_TOKEN looks", "options[4]: HF_TOKEN looks")
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
		if !with(args, "--env", "CUDA_MPS_PIPE_DIRECTORY=/dev/null") {
			t.Errorf("%s: another's MPS daemon is not kept away: %q", c.gpu, args)
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

// A name in env wins over the same in pass_env, as for processes.
func TestEnvOverPassEnv(t *testing.T) {
	t.Setenv("TEST_MODE", "outer")
	c := config("docker")
	c.Env, c.PassEnv = map[string]string{"TEST_MODE": "{name}"}, []string{"TEST_MODE"}
	if args, _, err := arguments(t, c, device.Device{}, newImage("x")); err != nil || !with(args, "--env", "TEST_MODE=agent-0") {
		t.Errorf("%q, %v", args, err)
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
