package docker

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A fake is a daemon that is none: its containers are processes of this machine,
// children of the test and not of the command, and so not ended with it, as
// containers are not. It has no namespaces, maps no ports and bounds no memory.
// It refuses what docker refuses; testdata/refusals.txt says in which words, and
// realtest holds those against a real daemon.
type fake struct {
	t      *testing.T
	socket string
	exe    string

	mu         sync.Mutex
	images     map[string]image // by name and by ID
	registry   map[string]image // what can be pulled
	gpus       []string         // UUIDs; nil: no driver for GPUs
	containers map[string]*box
	calls      [][]string
	told       [][]string // with each call: its environment
	creating   func()     // called before a container is made; nil: nothing
	removals   int        // how many times somebody else is removing what is to be removed
}

// A box is a container of the fake.
type box struct {
	id, name, image string
	flags           map[string][]string
	args, env       []string
	labels          map[string]string
	oomFile         string // is there if memory ran out
	state           state
	process         *exec.Cmd
	ended           chan struct{}
}

// A call is what the command asks; frames are what it is answered.
type call struct {
	Args, Env []string
}

type frame struct {
	Out, Err string
	Exit     *int
}

// fakeSocket is the variable by which the command finds the daemon.
const fakeSocket = "EVABENCH_FAKE_DOCKER"

// newFake starts the daemon, and gives the command's path.
func newFake(t *testing.T) (*fake, string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "docker")
	if err := os.Symlink(exe, program); err != nil {
		t.Fatal(err)
	}
	f := &fake{
		t: t, exe: exe, socket: filepath.Join(dir, "socket"), containers: map[string]*box{},
		images: map[string]image{}, registry: map[string]image{}, gpus: []string{"MIG-1", "GPU-1"},
	}
	f.images["server:1"] = newImage("server:1", "registry.example/server@sha256:"+strings.Repeat("ab", 32))
	f.images[f.images["server:1"].ID] = f.images["server:1"]
	l, err := net.Listen("unix", f.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(fakeSocket, f.socket)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		for _, name := range f.names() {
			t.Errorf("container %s is left", name)
			f.end(name)
		}
		l.Close()
		serving.Wait()
	})
	return f, program
}

func newImage(name string, digests ...string) image {
	return image{ID: "sha256:" + hex.EncodeToString(fmt.Appendf(nil, "%032s", name))[:64], RepoDigests: digests}
}

// names are those of all containers.
func (f *fake) names() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range f.containers {
		all = append(all, name)
	}
	return all
}

// locked changes the fake.
func (f *fake) locked(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// fakeCommand is the docker command: it asks the daemon, and sends signals on.
func fakeCommand(args []string) error {
	ask := func(args []string) (net.Conn, error) {
		c, err := net.Dial("unix", os.Getenv(fakeSocket))
		if err != nil {
			return nil, errors.New("Cannot connect to the Docker daemon at unix:///fake. Is the docker daemon running?")
		}
		return c, json.NewEncoder(c).Encode(call{args, os.Environ()})
	}
	if len(args) == 3 && args[0] == "start" {
		forward(func(s syscall.Signal) {
			if c, err := ask([]string{"kill", "--signal", strconv.Itoa(int(s)), args[2]}); err == nil {
				_, _ = io.Copy(io.Discard, c)
			}
		})
	}
	c, err := ask(args)
	if err != nil {
		return err
	}
	for answers := json.NewDecoder(bufio.NewReader(c)); ; {
		var a frame
		if err := answers.Decode(&a); err != nil {
			return err
		}
		os.Stdout.WriteString(a.Out)
		os.Stderr.WriteString(a.Err)
		if a.Exit != nil {
			syscall.Exit(*a.Exit)
		}
	}
}

// serve answers one command.
func (f *fake) serve(c net.Conn) {
	defer c.Close()
	var asked call
	if err := json.NewDecoder(c).Decode(&asked); err != nil {
		return
	}
	f.mu.Lock()
	f.calls, f.told = append(f.calls, asked.Args), append(f.told, asked.Env)
	creating := f.creating
	f.mu.Unlock()
	if creating != nil && len(asked.Args) > 0 && asked.Args[0] == "create" {
		creating()
	}
	answers := &answers{to: json.NewEncoder(c)}
	if len(asked.Args) == 3 && slices.Equal(asked.Args[:2], []string{"start", "--attach"}) {
		f.start(asked.Args[2], answers)
		return
	}
	out, err := f.do(asked)
	if err != nil {
		answers.send(frame{Out: out, Err: err.Error() + "\n"})
		answers.exit(1)
		return
	}
	answers.send(frame{Out: out})
	answers.exit(0)
}

// answers go to one command; it may be gone.
type answers struct {
	mu sync.Mutex
	to *json.Encoder
}

func (a *answers) send(f frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.to.Encode(f)
}

func (a *answers) exit(status int) { a.send(frame{Exit: &status}) }

// Write is a container's output.
func (a *answers) Write(p []byte) (int, error) {
	a.send(frame{Out: string(p)})
	return len(p), nil
}

// do carries out what answers at once.
func (f *fake) do(asked call) (string, error) {
	args := asked.Args
	if len(args) == 0 {
		return "", errors.New("the fake does not know: docker")
	}
	last := args[len(args)-1]
	is := func(want ...string) bool {
		return len(args) == len(want)+1 && slices.Equal(args[:len(want)], want)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(args) == 1 && args[0] == "version":
		return "a fake\n", nil
	case is("image", "inspect"):
		m, ok := f.images[last]
		if !ok {
			return "[]\n", fmt.Errorf("Error: No such image: %s", last)
		}
		text, err := json.Marshal([]image{m})
		return string(text), err
	case is("pull", "--quiet"):
		m, ok := f.registry[last]
		if !ok {
			return "", fmt.Errorf("Error response from daemon: manifest for %s not found: manifest unknown", last)
		}
		f.images[last], f.images[m.ID] = m, m
		return last + "\n", nil
	case args[0] == "create":
		return f.create(asked)
	case is("inspect", stateFormat), is("inspect", ownerFormat):
		b := f.find(last)
		if b == nil {
			return "\n", fmt.Errorf("Error: No such object: %s", last)
		}
		if args[1] != stateFormat {
			return fmt.Sprintf("%v /%s %s\n", b.state.Running, b.name, b.labels[labelOwner]), nil
		}
		text, err := json.Marshal(b.state)
		return string(text) + "\n", err
	case len(args) == 4 && args[0] == "kill" && args[1] == "--signal":
		return f.kill(last, args[2])
	case is("rm", "--force", "--volumes"):
		b := f.find(last)
		if b == nil {
			return "", fmt.Errorf("Error: No such container: %s", last)
		}
		if f.removals > 0 {
			f.removals--
			return "", fmt.Errorf("Error response from daemon: removal of container %s is already in progress", last)
		}
		f.stop(b)
		delete(f.containers, b.name)
		return last + "\n", nil
	case is("ps", "--all", "--quiet", "--no-trunc", "--filter"):
		var ids string
		for _, b := range f.containers {
			if _, ok := b.labels[strings.TrimPrefix(last, "label=")]; ok {
				ids += b.id + "\n"
			}
		}
		return ids, nil
	}
	return "", fmt.Errorf("the fake does not know: docker %q", args)
}

// find finds a container by its name or ID; the caller holds mu.
func (f *fake) find(name string) *box {
	for _, b := range f.containers {
		if b.name == name || b.id == name {
			return b
		}
	}
	return nil
}

var number = regexp.MustCompile(`^[0-9]+$`)

func (f *fake) kill(name, signal string) (string, error) {
	b := f.find(name)
	switch {
	case b == nil:
		return "", fmt.Errorf("Error response from daemon: Cannot kill container: %s: No such container: %s", name, name)
	case !b.state.Running:
		return "", fmt.Errorf("Error response from daemon: Cannot kill container: %s: Container %s is not running", name, b.id)
	}
	s := syscall.SIGKILL
	if number.MatchString(signal) {
		n, _ := strconv.Atoi(signal)
		s = syscall.Signal(n)
	} else if signal != "KILL" {
		return "", fmt.Errorf("Error response from daemon: Invalid signal: %s", signal)
	}
	return name + "\n", b.process.Process.Signal(s)
}

// stop kills a container and waits for its end; the caller holds mu.
func (f *fake) stop(b *box) {
	for b.state.Running {
		_ = b.process.Process.Kill() // it may have ended
		f.mu.Unlock()
		<-b.ended
		f.mu.Lock()
	}
}

// end ends a container behind the command's back.
func (f *fake) end(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if b := f.find(name); b != nil {
		f.stop(b)
		delete(f.containers, b.name)
	}
}

// start runs a container and is attached to it until its end.
func (f *fake) start(name string, to *answers) {
	f.mu.Lock()
	b := f.find(name)
	refuse := func(words string) {
		f.mu.Unlock()
		to.send(frame{Err: words + "\n"})
		to.exit(1)
	}
	if b == nil {
		refuse("Error: No such container: " + name)
		return
	}
	env := append(slices.Clone(b.env), "EVABENCH_FAKE_OOM="+b.oomFile)
	for _, value := range b.flags["--gpus"] {
		devices, err := gpuRequest(value)
		if f.gpus == nil {
			err = errors.New(`could not select device driver "" with capabilities: [[gpu]]`)
		} else if err == nil && !slices.Contains(f.gpus, devices[0]) {
			err = errors.New("failed to create shim task: OCI runtime create failed: nvidia-container-cli: device error: " + devices[0] + ": unknown device: unknown")
		}
		if err != nil {
			b.state.Status, b.state.ExitCode, b.state.Error = "created", 128, err.Error()
			refuse("Error response from daemon: " + err.Error())
			return
		}
		env = append(env, nvidiaVisible+"="+strings.Join(devices, ","))
	}
	b.process = exec.Command(f.exe, append([]string{"serve"}, b.args...)...)
	b.process.Env, b.process.Stdout, b.process.Stderr = env, to, to
	b.process.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := b.process.Start(); err != nil {
		refuse(err.Error())
		return
	}
	b.state, b.ended = state{Status: "running", Running: true}, make(chan struct{})
	f.mu.Unlock()
	err := b.process.Wait()
	f.mu.Lock()
	b.state.Status, b.state.Running = "exited", false
	b.state.ExitCode = b.process.ProcessState.ExitCode()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if w := exit.Sys().(syscall.WaitStatus); w.Signaled() {
			b.state.ExitCode = 128 + int(w.Signal())
		}
	}
	_, noOOM := os.Stat(b.oomFile)
	b.state.OOMKilled = noOOM == nil
	status := b.state.ExitCode
	close(b.ended)
	f.mu.Unlock()
	to.exit(status)
}
