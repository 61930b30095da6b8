package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/evabench/evabench/services/spawn"
)

// A command is the docker program.
type command struct {
	path   string        // whole
	name   string        // as the scenario has it, for faults
	passed []string      // the secrets of ours that it gets; the others stay with us
	within time.Duration // bounds each call; 0 is no bound
}

// Bounds of calls: a daemon may hang. Only to pull an image takes as long as it takes.
const (
	answerWithin = 30 * time.Second
	createWithin = time.Minute
)

// errUnanswered is the cause of a call that took too long.
var errUnanswered = errors.New("the daemon has not answered")

// passing is the command with the variables that a container is given.
func (c command) passing(names []string) command {
	c.passed = names
	return c
}

// taking is the command with another bound.
func (c command) taking(within time.Duration) command {
	c.within = within
	return c
}

// find looks for the program.
func (l *launcher) find() (command, error) {
	name := l.config.Command
	path, err := exec.LookPath(name)
	if err != nil {
		return command{}, fmt.Errorf("command: %w; install it, or give its whole path", err)
	}
	return command{path: path, name: name, within: l.within}, nil
}

// waitDelay is how long the program's own children may hold its output. It is long, since
// what it said counts as unread if we stand still for that long after its end.
const waitDelay = 10 * time.Second

// run runs the program with our environment but for secrets, and gives its standard output and,
// as its own last word, what it says in an error. The context's cause is its
// error if that has ended.
func (c command) run(ctx context.Context, args ...string) (string, error) {
	out, _, err := c.talk(ctx, args...)
	return out, err
}

// talk is run that gives the standard error also where all went well.
func (c command) talk(ctx context.Context, args ...string) (out, said string, err error) {
	if ctx.Err() != nil {
		return "", "", context.Cause(ctx)
	}
	if c.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.within, fmt.Errorf("%w within %s", errUnanswered, c.within))
		defer cancel()
	}
	var stdout, stderr bytes.Buffer
	p := exec.CommandContext(ctx, c.path, args...)
	p.Stdout, p.Stderr, p.WaitDelay = &stdout, &stderr, waitDelay
	p.Env = spawn.WithoutSecrets(os.Environ(), c.passed)
	// The terminal's Ctrl-C is for us: what it would end halfway goes on in the daemon.
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.Run()
	said = strings.TrimSpace(stderr.String())
	if ctx.Err() != nil {
		return "", said, fmt.Errorf("%s %s: %w", c.name, args[0], context.Cause(ctx))
	}
	if err != nil {
		return "", said, fmt.Errorf("%s %s: %w", c.name, args[0], saidError(said, err))
	}
	return stdout.String(), said, nil
}

// saidError is what the program said on one line, with what to do if we know.
func saidError(said string, err error) error {
	said, _, _ = strings.Cut(said, "\n\nUsage:")
	said, _, _ = strings.Cut(said, "\n\nRun '")
	said, _, _ = strings.Cut(said, "\nSee '")
	said = strings.Join(strings.Fields(said), " ")
	if said == "" {
		return err
	}
	return errors.New(advise(said[:min(len(said), 1000)]))
}

// known are faults that docker tells in words that do not say what to do.
var known = []struct{ words, advice string }{
	{`device driver ""`, `docker knows no driver for GPUs: install the NVIDIA Container Toolkit, then "nvidia-ctk runtime configure --runtime=docker" and restart docker; or say gpu: cdi`},
	{"unresolvable CDI devices", `the CDI specification does not name the device: write it anew after each change of a MIG layout ("nvidia-ctk cdi generate --output=/var/run/cdi/nvidia.yaml"), or say gpu: gpus`},
	{"nvidia.com/gpu=", "this docker command knows no CDI, which came with Docker 25; say gpu: gpus"},
	{`device driver "cdi"`, "the daemon knows no CDI, which came with Docker 25 and has to be switched on before 28.3; say gpu: gpus"},
	{"unknown device", `the NVIDIA Container Toolkit does not find the device: does "nvidia-smi -L" show its UUID?`},
	{"driver rpc error", "the NVIDIA driver does not answer: does nvidia-smi work?"},
	{"permission denied while trying to connect", "add the user to the group docker, or run as root"},
}

func advise(said string) string {
	for _, k := range known {
		if strings.Contains(said, k.words) {
			return said + " (" + k.advice + ")"
		}
	}
	return said
}

// An absentError says that an image is not here.
type absentError struct{ image, command string }

func (e *absentError) Error() string {
	return fmt.Sprintf("image %s is not here; fetch it (%s pull %s), or say pull: missing", e.image, e.command, e.image)
}

// An image is what is known of one.
type image struct {
	ID          string   `json:"Id"`
	RepoDigests []string `json:"RepoDigests"`
	Config      struct {
		User string `json:"User"`
	} `json:"Config"`
}

// again names the image such that it is found again: by the registry's digest where it
// has one. It is not who the image is: to push it gives it one.
func (m image) again(asked string) string {
	if len(m.RepoDigests) > 0 {
		return m.RepoDigests[0]
	}
	return asked
}

// image looks at an image that is here; it is an [absentError] if it is not.
func (c command) image(ctx context.Context, name string) (image, error) {
	out, said, err := c.talk(ctx, "image", "inspect", name)
	switch {
	case err != nil && ctx.Err() == nil && isAbsent(said):
		return image{}, &absentError{name, c.name}
	case err != nil:
		return image{}, err
	}
	var all []image
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) == 0 || all[0].ID == "" {
		return image{}, errors.Join(fmt.Errorf("%s image inspect %s tells no image", c.name, name), err)
	}
	return all[0], nil
}

// isAbsent reports whether docker, podman or nerdctl says that it has no such image.
func isAbsent(said string) bool {
	said = strings.ToLower(said)
	return strings.Contains(said, "no such image") || strings.Contains(said, "image not known")
}

// isLatest reports whether a name can mean another image tomorrow.
func isLatest(name string) bool {
	if strings.Contains(name, "@sha256:") || strings.HasPrefix(name, "sha256:") {
		return false
	}
	_, tag, found := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	return !found || tag == "latest"
}

// A state is how a container is, as "inspect" tells it.
type state struct {
	Status    string
	Running   bool
	OOMKilled bool
	ExitCode  int
	Error     string // why it did not start
}

// stateFormat asks for a state.
const stateFormat = "--format={{json .State}}"
