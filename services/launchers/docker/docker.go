// Package docker starts services as containers, one on each device, by the
// docker command or one that takes the same arguments, and removes them.
//
// A container is made by "docker create", so that what is wrong with it is told
// before anything runs, and then run by "docker start --attach" under a
// supervisor ([supervise]): signals go through it to the container, its output is
// the log, and when it has ended, by whatever cause, the supervisor runs
// "docker rm --force". A container is no descendant of ours: to end the
// command does not end it.
//
// Note: "docker run --rm" was not taken. To kill its client ends no container,
// and it removes the container before it can be asked whether memory ran out.
package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

// Config says how a container is made; [spawn.Config] says what a template is.
// The environment is the image's, then Env; nothing of ours is passed but
// PassEnv.
type Config struct {
	// Command is the program: docker, or one that takes the same arguments
	// (podman, nerdctl), looked for in our PATH.
	Command string `yaml:"command"`
	// Image is the image's name, best with its digest ("vllm/vllm-openai@sha256:…").
	Image string `yaml:"image"`
	// Pull says what becomes of an image that is not here: PullNever makes that a
	// fault, PullMissing pulls it at the first launch.
	Pull string `yaml:"pull"`
	// Argv is what follows the image, each a template; none means what the image
	// says.
	Argv []string `yaml:"argv"`
	// GPU says how a container gets its device: GPUByFlag, GPUByCDI or GPUNone.
	GPU string `yaml:"gpu"`
	// Network is host, bridge or a network's name; empty means bridge. Only on
	// host are ports not published.
	Network string `yaml:"network"`
	// Publish are pairs "OURS:THEIRS" of ports, templates, as "{port}:8000". They
	// are published on 127.0.0.1 only. None means that each port of the templates
	// has the same number on both sides.
	Publish []string `yaml:"publish"`
	// Volumes are "FOLDER:THEIRS" or "FOLDER:THEIRS:ro", templates; FOLDER is
	// absolute and exists.
	Volumes []string `yaml:"volumes"`
	// IPC is host, private, shareable or none; empty is the command's default, and
	// host under MPS, which needs it.
	IPC string `yaml:"ipc"`
	// ShmSize is the size of /dev/shm, such as 8g; empty is the command's default
	// (64 MB for docker). It has no meaning with IPC host.
	ShmSize string `yaml:"shm_size"`
	// Memory bounds the host's memory, such as 64g, swap included; empty is no bound.
	Memory string `yaml:"memory"`
	// User is the user within the container, as UID or UID:GID; empty is the image's.
	User string `yaml:"user"`
	// Options are further arguments of "create", before the image, templates.
	Options []string `yaml:"options"`

	spawn.Config `yaml:",inline"`
}

// How a container gets its device.
const (
	// GPUByFlag is --gpus '"device=UUID"': the NVIDIA Container Toolkit's hook.
	GPUByFlag = "gpus"
	// GPUByCDI is --device nvidia.com/gpu=UUID: the specification, which
	// "nvidia-ctk cdi generate" writes, has to be written anew for each MIG layout.
	GPUByCDI = "cdi"
	// GPUNone gives none: for a CPU server, or where Options give it.
	GPUNone = "none"
)

// What becomes of an image that is not here.
const (
	PullNever   = "never"
	PullMissing = "missing"
)

// Kind is the launcher for containers.
var Kind = kind.New("docker", "containers of this machine, one on each device, by the docker command", Config{
	Command: "docker", Pull: PullNever, GPU: GPUByFlag, Config: spawn.Defaults,
}, New)

// A launcher starts containers of one service. It is safe for concurrent use.
type launcher struct {
	config Config
	server *spawn.Server

	argv, publish, volumes, options []spawn.Template
	user                            spawn.Template

	within time.Duration // bounds what the daemon is asked
}

// fixed is a launcher that counts its instances itself.
type fixed struct{ *launcher }

// Instances is how many there are.
func (f fixed) Instances() int { return f.config.Instances }

// Starts tells which container is made for each instance: what the scenario says of
// it, beside which there are a name, labels, and its device.
func (l *launcher) Starts() []string {
	c := l.config
	args := []string{c.Command, "run"}
	add := func(flag, value string) {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	if c.Pull == PullMissing {
		add("--pull", c.Pull)
	}
	add("--network", c.Network)
	add("--ipc", c.IPC)
	add("--shm-size", c.ShmSize)
	add("--memory", c.Memory)
	add("--cpuset-cpus", c.CPUs)
	add("--user", c.User)
	for _, v := range c.Volumes {
		add("--volume", v)
	}
	for _, p := range c.Publish {
		add("--publish", "127.0.0.1:"+p)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		add("--env", name+"="+c.Env[name])
	}
	for _, name := range c.PassEnv {
		add("--env", name)
	}
	args = slices.Concat(args, c.Options, []string{c.Image}, c.Argv)
	return []string{"run for each instance: " + spawn.Config{}.Show("", args)}
}

// Patience is the longest time from launch to the first right answer.
func (l *launcher) Patience() time.Duration { return l.server.Patience() }

// Names lists the names of templates that stand for a configuration's values.
func (l *launcher) Names() []string { return l.server.Names() }

// Scrapes lists the kinds of source whose pages are told.
func (l *launcher) Scrapes() []string { return l.server.Scrapes() }

// Ports are those that the instances are given.
func (l *launcher) Ports() (first, n int) { return l.server.Ports() }

// Reaches reports whether a template that the container is made from holds a
// name.
func (l *launcher) Reaches(name string) bool { return l.server.Reaches(name) }

var (
	size   = regexp.MustCompile(`^[1-9][0-9]*[bkmgBKMG]?$`)
	volume = regexp.MustCompile(`^/[^:]*:/[^:]*(:(ro|rw))?$`)
)

// New checks all that can be seen without a side effect, and tells all faults at
// once. What it makes implements [services.Probed], [services.Patient],
// [services.Crashing], [services.Templated] and [services.Cleaning], and
// [services.Fixed] if Instances says so.
func New(c Config) (services.Launcher, error) {
	l := &launcher{config: c, server: spawn.Read(c.Config), within: answerWithin}
	faults := append(l.check(), l.server.Check()...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("launcher docker: %w", err)
	}
	if c.Instances > 0 {
		return fixed{l}, nil
	}
	return l, nil
}

// check looks at our own keys.
func (l *launcher) check() (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	read := func(key string, texts []string) (all []spawn.Template) {
		for i, text := range texts {
			all = append(all, l.server.Template(fmt.Sprintf("%s[%d]", key, i), text))
		}
		return all
	}
	c := l.config
	l.argv, l.options, l.volumes = read("argv", c.Argv), read("options", c.Options), read("volumes", c.Volumes)
	l.publish, l.user = read("publish", c.Publish), l.server.Template("user", c.User)
	one := func(key, value string, known ...string) {
		if !slices.Contains(known, value) {
			fault("%s: %q is none of %s", key, value, strings.Join(known, ", "))
		}
	}
	one("gpu", c.GPU, GPUByFlag, GPUByCDI, GPUNone)
	one("pull", c.Pull, PullNever, PullMissing)
	one("ipc", c.IPC, "", "host", "private", "shareable", "none")
	if c.Command == "" {
		fault("command is empty; say docker")
	}
	if c.Image == "" || strings.HasPrefix(c.Image, "-") || strings.ContainsAny(c.Image, " {}") {
		fault("image: %q is no image's name", c.Image)
	}
	for key, text := range map[string]string{"shm_size": c.ShmSize, "memory": c.Memory} {
		if text != "" && !size.MatchString(text) {
			fault("%s: %q is no size such as 512m or 8g", key, text)
		}
	}
	if c.ShmSize != "" && c.IPC == "host" {
		fault("shm_size: with ipc: host the container has the host's /dev/shm; leave one of them out")
	}
	if c.Network == "host" && len(c.Publish) > 0 {
		fault("publish: with network: host every port is the host's; leave one of them out")
	}
	if strings.HasPrefix(c.Network, "container:") || strings.HasPrefix(c.Network, "-") {
		fault("network: %q is neither host, bridge nor a network's name", c.Network)
	}
	faults = append(faults, spawn.CheckArgv(c.Argv)...)
	for i, text := range c.Options {
		if err := checkOption(text); err != nil {
			fault("options[%d]: %w", i, err)
		}
	}
	if _, ok := c.Env[nvidiaVisible]; ok && c.GPU != GPUNone {
		fault("env.%s would change the device that gpu: %s gives; leave it out, or say gpu: none", nvidiaVisible, c.GPU)
	}
	return faults
}

// ours are options that would break what is promised of every container.
var ours = []string{
	"--name", "--rm", "--restart", "--log-driver", "--log-opt", "--cidfile", "-p", "--publish", "-P", "--publish-all",
	"--gpus", "--pull", "-i", "--interactive", "-t", "--tty", "-d", "--detach",
}

// instead is what to do in place of an option of ours, where there is something.
var instead = map[string]string{
	"-p": "say publish", "--publish": "say publish", "-P": "say publish", "--publish-all": "say publish", "--gpus": "say gpu",
	"--pull": "say pull", "--name": "names are unique", "--rm": "it removes containers itself", "--restart": "an end is to be seen",
	"--log-driver": "say log", "--log-opt": "say log", "--cidfile": "it knows the container", "-i": "there is no input",
	"--interactive": "there is no input", "-t": "there is no terminal", "--tty": "there is no terminal",
	"-d": "it stays attached", "--detach": "it stays attached",
}

// checkOption refuses options of ours, and secrets: options stand in the results
// and in the list of processes.
func checkOption(text string) error {
	name, _, _ := strings.Cut(text, "=")
	if len(name) > 2 && name[0] == '-' && name[1] != '-' {
		name = name[:2] // -p8000:80 and -it
	}
	if slices.Contains(ours, name) {
		return fmt.Errorf("%s is for evabench to say: %s", name, instead[name])
	}
	set := strings.TrimPrefix(text, "--env=")
	if short, is := strings.CutPrefix(text, "-e"); is {
		set = strings.TrimPrefix(short, "=") // -eA=b and -e=A=b
	}
	variable, value, _ := strings.Cut(set, "=")
	if value != "" && spawn.Secret(variable) {
		return fmt.Errorf("%s looks like a secret, which would stand in the results; set it in evabench's own environment and say pass_env: [%s]", variable, variable)
	}
	return nil
}

// Probe tells, before anything is changed, what is missing: command, daemon,
// image, variables, processors, volumes, ports.
func (l *launcher) Probe(ctx context.Context) error {
	faults := []error{l.server.CheckPassed(), l.checkProcessors()}
	for i, t := range l.volumes {
		if t.Fixed() {
			faults = append(faults, checkVolume(i, l.config.Volumes[i]))
		}
	}
	faults = append(faults, l.server.CheckPorts())
	c, err := l.answering(ctx)
	if err == nil {
		_, err = c.image(ctx, l.config.Image)
		if _, absent := errors.AsType[*absentError](err); absent && l.config.Pull == PullMissing {
			err = nil // it is pulled at launch, and a warning tells so
		}
	}
	return errors.Join(append(faults, err)...)
}

// answering finds the command and asks that its daemon answers.
func (l *launcher) answering(ctx context.Context) (command, error) {
	c, err := l.find()
	if err != nil {
		return c, err
	}
	if _, err := c.run(ctx, "version"); err != nil {
		return c, fmt.Errorf("%w (the command is there, and its daemon does not answer us)", err)
	}
	return c, nil
}

// checkVolume looks at a pair of folders: of one that is not there, docker would
// make an empty folder of root's.
func checkVolume(i int, text string) error {
	if !volume.MatchString(text) {
		return fmt.Errorf("volumes[%d]: %q is not FOLDER:THEIRS or FOLDER:THEIRS:ro with absolute folders", i, text)
	}
	folder, _, _ := strings.Cut(text, ":")
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("volumes[%d]: %w", i, err)
	}
	return nil
}

// online is the list of the processors that the kernel runs.
const online = "/sys/devices/system/cpu/online"

// checkProcessors asks that the processors are there. Which of them we may use
// ourselves says nothing of a container.
func (l *launcher) checkProcessors() error {
	text, err := os.ReadFile(online)
	if err != nil {
		return nil // docker will tell
	}
	there, err := spawn.ParseCPUs(strings.TrimSpace(string(text)))
	if err != nil {
		return nil
	}
	for _, n := range l.server.CPUs {
		if !slices.Contains(there, n) {
			return fmt.Errorf("cpus: %s: processor %d is not there; there are %s", l.config.CPUs, n, strings.TrimSpace(string(text)))
		}
	}
	return nil
}

// logs is the folder of an instance's logs, for labels.
func logs(i services.Instance) string {
	dir, err := filepath.Abs(i.LogDir)
	if err != nil {
		return i.LogDir
	}
	return dir
}
