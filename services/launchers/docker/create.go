package docker

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services/spawn"
)

// The variables that a container's device has to do with.
const (
	visible       = "CUDA_VISIBLE_DEVICES"
	nvidiaVisible = "NVIDIA_VISIBLE_DEVICES"
	mpsPipe       = "CUDA_MPS_PIPE_DIRECTORY"
	mpsLog        = "CUDA_MPS_LOG_DIRECTORY"
)

// An assembly puts the arguments of "create" together.
type assembly struct {
	*launcher
	v        *spawn.Values
	image    image
	args     []string
	warnings []results.Warning
	faults   []error
}

func (a *assembly) add(args ...string) { a.args = append(a.args, args...) }

func (a *assembly) warn(code, format string, args ...any) {
	a.warnings = append(a.warnings, results.Warning{
		Code: code, Subject: a.v.Instance.Name, Count: 1, Text: fmt.Sprintf(format, args...),
	})
}

// expand writes templates out.
func (a *assembly) expand(key string, all []spawn.Template) (texts []string) {
	for i, t := range all {
		text, err := t.Expand(a.v.Of)
		if err != nil {
			a.faults = append(a.faults, fmt.Errorf("%s[%d]: %w", key, i, err))
		}
		texts = append(texts, text)
	}
	return texts
}

// create gives the arguments that make a container of that name. Secrets stand
// in none: the command takes them from its environment.
func (l *launcher) create(v *spawn.Values, m image, name string) ([]string, []results.Warning, error) {
	a := &assembly{launcher: l, v: v, image: m}
	c := l.config
	// The command's own log is none: what is attached gets all.
	a.add("create", "--name", name, "--log-driver", "none")
	a.add("--label", labelOwner+"="+owner(), "--label", labelInstance+"="+v.Instance.Name, "--label", labelLogs+"="+logs(v.Instance))
	mps := a.device()
	a.environment()
	a.network()
	a.ipc(mps)
	if c.Memory != "" {
		// The same number twice: no swap beside it.
		a.add("--memory", c.Memory, "--memory-swap", c.Memory)
	}
	if c.CPUs != "" {
		a.add("--cpuset-cpus", c.CPUs)
	}
	if user, err := l.user.Expand(v.Of); err != nil {
		a.faults = append(a.faults, fmt.Errorf("user: %w", err))
	} else if user != "" {
		a.add("--user", user)
	}
	for i, text := range a.expand("volumes", l.volumes) {
		a.faults = append(a.faults, checkVolume(i, text))
		a.add("--volume", text)
	}
	a.add(a.expand("options", l.options)...)
	// By its ID: the name may mean another image by now.
	a.add(m.ID)
	a.add(a.expand("argv", l.argv)...)
	return a.args, a.warnings, errors.Join(a.faults...)
}

// device gives the container its device and nothing else of the kind, and
// reports whether that is shared by MPS.
func (a *assembly) device() (mps bool) {
	d := a.v.Instance.Device
	switch {
	case a.config.GPU == GPUNone && d.UUID != "":
		return d.Sharing.IsMPS() // Options give it
	case d.UUID == "":
		// Where NVIDIA's runtime is the default one, CUDA's own images would
		// get every GPU.
		if _, ok := a.config.Env[nvidiaVisible]; !ok {
			a.add("--env", nvidiaVisible+"=void")
		}
		return false
	case a.config.GPU == GPUByCDI:
		// The runtime, if it is the default one, is not to add what the image's
		// NVIDIA_VISIBLE_DEVICES says.
		a.add("--device", "nvidia.com/gpu="+d.UUID, "--env", nvidiaVisible+"=void")
	default:
		// The value is read as CSV: without the inner quotes, what follows a
		// comma would be another option.
		a.add("--gpus", `"device=`+d.UUID+`"`)
	}
	return d.Sharing.IsMPS()
}

// environment passes the device's variables and those of the configuration.
//
// Within the container the device is the only one, and CUDA numbers it 0. So
// CUDA_VISIBLE_DEVICES is left out: with a MIG UUID in it many versions of vLLM
// end at start (vllm-project/vllm#6551, #17047, #20939, #32569, #41848).
func (a *assembly) environment() {
	ofDevice := maps.Clone(a.v.Instance.Device.Env)
	if a.config.GPU != GPUNone {
		delete(ofDevice, visible)
	}
	env, overridden, err := a.server.Environment(a.v, nil, ofDevice)
	a.faults = append(a.faults, err)
	for _, name := range overridden {
		a.warn("env-of-device", "env's %s was not used: the device %s sets it", name, a.v.Instance.Device.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name] == os.Getenv(name) && slices.Contains(a.config.PassEnv, name) {
			a.add("--env", name) // its value comes with the command's environment
		} else {
			a.add("--env", name+"="+env[name])
		}
	}
	if strings.Contains(env[visible], "MIG-") {
		a.warn("vllm-mig-uuid", "%s has a MIG UUID within the container: many versions of vLLM end at start with it (vllm-project/vllm#6551); a container that is given the device alone needs none", visible)
	}
}

// network publishes the instance's ports for this machine alone.
func (a *assembly) network() {
	if a.config.Network != "" {
		a.add("--network", a.config.Network)
	}
	if a.config.Network == "host" {
		return
	}
	pairs := a.expand("publish", a.publish)
	if len(pairs) == 0 {
		for n := range a.server.Width() {
			port := strconv.Itoa(a.v.Port + n)
			pairs = append(pairs, port+":"+port)
		}
	}
	for i, pair := range pairs {
		from, to, ok := strings.Cut(pair, ":")
		if !ok || !isPort(from) || !isPort(to) {
			a.faults = append(a.faults, fmt.Errorf("publish[%d]: %q is no pair of ports such as {port}:8000", i, pair))
		}
		a.add("--publish", "127.0.0.1:"+pair)
	}
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// ipc gives shared memory and, under MPS, what its clients need: the daemon's
// folders at the same paths, the host's IPC namespace and the daemon's user.
// (NVIDIA/nvidia-docker#419, #728 and #1543.)
func (a *assembly) ipc(mps bool) {
	c := a.config
	if !mps {
		if c.IPC != "" {
			a.add("--ipc", c.IPC)
		}
		if c.ShmSize != "" {
			a.add("--shm-size", c.ShmSize)
		}
		return
	}
	if c.IPC != "" && c.IPC != "host" {
		a.faults = append(a.faults, fmt.Errorf("ipc: %s: clients of MPS need the host's; leave it out, or say host", c.IPC))
	}
	a.add("--ipc", "host")
	for _, name := range []string{mpsPipe, mpsLog} {
		folder := a.v.Instance.Device.Env[name]
		if folder == "" {
			continue
		}
		if !filepath.IsAbs(folder) {
			a.faults = append(a.faults, fmt.Errorf("the device's %s is %q, no absolute folder", name, folder))
			continue
		}
		info, err := os.Stat(folder)
		if err != nil {
			a.faults = append(a.faults, fmt.Errorf("the device's %s: %w; does its MPS daemon run?", name, err))
			continue
		}
		if name == mpsPipe {
			a.sameUser(info)
		}
		a.add("--volume", folder+":"+folder)
	}
}

// sameUser warns of a user that the MPS daemon does not serve: a server has
// clients of one user at a time.
func (a *assembly) sameUser(pipe os.FileInfo) {
	stat, ok := pipe.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	user, err := a.user.Expand(a.v.Of)
	if err != nil {
		return // told elsewhere
	}
	if user == "" {
		user = a.image.Config.User
	}
	name, _, _ := strings.Cut(user, ":")
	if name == "" || name == "root" {
		name = "0"
	}
	if name != strconv.FormatUint(uint64(stat.Uid), 10) {
		a.warn("mps-user", "the container's user is %s and the MPS daemon's %d: MPS serves one user at a time, so it may wait for ever or run without MPS; say user: \"%d:%d\"",
			name, stat.Uid, stat.Uid, stat.Gid)
	}
}
