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
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
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

// What the container has is what its server sees.
func TestLaunch(t *testing.T) {
	f, program := newFake(t)
	t.Setenv("TEST_API_TOKEN", "sesame-open")
	t.Setenv("TEST_OURS", "leak")
	t.Setenv("OTHER_API_KEY", "of-others")
	c := config(program)
	c.PassEnv = []string{"TEST_API_TOKEN"}
	s := launch(t, c, services.Instance{Service: "eyes", Device: device.Device{UUID: "MIG-1", Env: map[string]string{"CUDA_VISIBLE_DEVICES": "MIG-1"}}})
	env := text(t, s.Info().URL+"/env")
	if !strings.Contains(env, "NVIDIA_VISIBLE_DEVICES=MIG-1") || !strings.Contains(env, "TEST_API_TOKEN=sesame-open") || strings.Contains(env, "CUDA_VISIBLE") || strings.Contains(env, "leak") {
		t.Errorf("its environment is\n%s", env)
	}
	if want := "registry.example/server@sha256:" + strings.Repeat("ab", 32); s.Info().Version != newImage("server:1").ID || s.Info().Image != want {
		t.Errorf("version %q of image %q, want %q", s.Info().Version, s.Info().Image, want)
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
	creates := 0
	for i, env := range f.told { // only what makes the container gets what it passes on
		create := f.calls[i][0] == "create"
		if create {
			creates++
		}
		if got := slices.Contains(env, "TEST_API_TOKEN=sesame-open"); got != create {
			t.Errorf("%q was told the secret: %v", f.calls[i], got)
		}
		if slices.Contains(env, "OTHER_API_KEY=of-others") {
			t.Errorf("%q was told a secret of others", f.calls[i])
		}
	}
	if creates != 1 {
		t.Errorf("%d containers were made", creates)
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
	if !f.called("create") {
		t.Error("none was made")
	}
}

// called reports whether the daemon was asked for something.
func (f *fake) called(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.calls, func(args []string) bool { return args[0] == what })
}

// A daemon makes a container also when its command is gone: one whose launch was
// broken off meanwhile is removed after it was made.
func TestBrokenOffWhileItIsMade(t *testing.T) {
	f, program := newFake(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	breakOff := func() {
		cancel(enough)
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for range 20 { // for whoever would not wait
			if <-again.C; f.called("rm") {
				return
			}
		}
	}
	f.locked(func() { f.creating = breakOff })
	if _, err := build(t, config(program)).Launch(ctx, services.Instance{Name: "a", LogDir: t.TempDir()}); !errors.Is(err, enough) {
		t.Errorf("Launch() = %v", err)
	}
	if left := f.names(); len(left) > 0 || !f.called("create") || f.called("start") {
		t.Errorf("containers are left: %q, after %q", left, f.calls)
	}
}

// The terminal's Ctrl-C does not end the commands halfway.
func TestCommandsAreInAGroupOfTheirOwn(t *testing.T) {
	out, err := command{path: "/bin/sh", name: "sh"}.run(t.Context(), "-c", "cut -d ' ' -f 5 /proc/$$/stat")
	if err != nil || strings.TrimSpace(out) == fmt.Sprint(syscall.Getpgrp()) {
		t.Errorf("it runs in group %q, %v, which is ours", out, err)
	}
}

// An image is the same when it has been pushed, and another one by the same name is not.
func TestVersionIsTheImage(t *testing.T) {
	f, program := newFake(t)
	c := config(program)
	c.Image = "mine:1"
	pushed, other := newImage(c.Image, "registry.example/mine@sha256:"+strings.Repeat("cd", 32)), newImage("mine:2")
	for _, x := range []struct {
		image         image
		version, told string
	}{
		{newImage(c.Image), pushed.ID, c.Image},
		{pushed, pushed.ID, pushed.RepoDigests[0]},
		{other, other.ID, c.Image},
	} {
		f.locked(func() { f.images[c.Image], f.images[x.image.ID] = x.image, x.image })
		i := launch(t, c, services.Instance{}).Info()
		if i.Version != x.version || i.Image != x.told {
			t.Errorf("%+v: version %q of image %q, want %q of %q", x.image, i.Version, i.Image, x.version, x.told)
		}
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

// What is absent or gone is known in the words of docker 20.10 and 28.2, podman 4.3.
func TestWordsOfAbsence(t *testing.T) {
	for said, absent := range map[string]bool{
		"Error: No such image: none:1": true, "Error response from daemon: No such image: none:1": true,
		"Error: inspecting object: none:1: image not known": true, "Cannot connect to the Docker daemon": false, "": false,
	} {
		if isAbsent(said) != absent {
			t.Errorf("isAbsent(%q) is not %v", said, absent)
		}
	}
	for said, gone := range map[string]bool{
		"Error: No such container: x": true, "Error response from daemon: removal of container x is already in progress": false,
		`Error: no container with name or ID "x" found: no such container`: true, "Cannot connect to the Docker daemon": false, "": false,
	} {
		if isGone(said) != gone {
			t.Errorf("isGone(%q) is not %v", said, gone)
		}
	}
}
