//go:build real

package realtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchers/docker"
)

// daemon starts a Docker daemon of its own, makes it the one that the docker
// command talks to, and gives an image of testdata/server.
func daemon(t *testing.T) (image string) {
	t.Helper()
	folder := env(t, "EVABENCH_DOCKER")
	state := t.TempDir()
	t.Setenv("PATH", folder+"/bin:"+os.Getenv("PATH"))
	t.Setenv("DOCKER_HOST", "unix://"+state+"/docker.sock")
	log, err := os.Create(filepath.Join(state, "log"))
	if err != nil {
		t.Fatal(err)
	}
	d := exec.Command(folder+"/dockerd", state, "--bridge", bridge(t))
	d.Stdout, d.Stderr = log, log
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Wait() }()
	t.Cleanup(func() {
		_ = d.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
		_ = syscall.Unmount(state+"/exec/netns/default", unix.MNT_DETACH) // not there without a network
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the end of the daemon's log:\n%s", text[max(0, len(text)-4000):])
		}
		log.Close()
	})
	eventually(t, "the daemon answers; it takes root", func() bool {
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("the daemon has ended: %v\n%s", err, text)
		default:
		}
		return exec.Command("docker", "version").Run() == nil
	})
	return importImage(t)
}

// bridge makes a network bridge for the daemon: docker0 may be another daemon's.
func bridge(t *testing.T) string {
	t.Helper()
	const name = "evabench0"
	ip := func(args ...string) error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %q: %w: %s", args, err, out)
		}
		return nil
	}
	if err := ip("link", "add", name, "type", "bridge"); err != nil {
		t.Fatalf("%v; it takes root", err)
	}
	t.Cleanup(func() {
		if err := ip("link", "delete", name); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(ip("address", "add", "172.31.251.1/24", "dev", name), ip("link", "set", name, "up")); err != nil {
		t.Fatal(err)
	}
	return name
}

// importImage makes an image of testdata/server without a registry.
func importImage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir+"/server", "./testdata/server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	tar, err := exec.Command("tar", "-C", dir, "-cf", "-", "server").Output()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.Command("docker", "import", "-c", `ENTRYPOINT ["/server"]`, "-", "evabench-test:1")
	load.Stdin = bytes.NewReader(tar)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	return "evabench-test:1"
}

// eventually asks until it is so; only what is broken takes so long.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(time.Minute); !so(); <-again.C {
		if time.Now().After(limit) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// containers are the names of all that the daemon has.
func containers(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--format", "{{.Names}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// reach asks until there is an answer, and gives its text.
func reach(ctx context.Context, url string) (string, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		a, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(q)
		if err == nil {
			defer a.Body.Close()
			text, err := io.ReadAll(a.Body)
			return string(text), err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-again.C:
		}
	}
}

func page(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	text, err := reach(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// launched starts an instance, which is stopped at the end.
func launched(t *testing.T, c docker.Config, i services.Instance) services.Service {
	t.Helper()
	l, err := docker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	i.Service, i.Name, i.LogDir = "eyes", "eyes-0", t.TempDir()
	s, err := l.Launch(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// exitOf waits for an instance's own end.
func exitOf(t *testing.T, s services.Service) *services.ExitError {
	t.Helper()
	eventually(t, "it ends", func() bool { return s.Err() != nil })
	x, ok := errors.AsType[*services.ExitError](s.Err())
	if !ok {
		t.Fatalf("Err() = %v", s.Err())
	}
	return x
}

// held starts another process that launches a container.
func held(t *testing.T, image string) (string, *exec.Cmd) {
	t.Helper()
	h := exec.Command("/proc/self/exe", "hold", image, t.TempDir())
	h.Stderr = os.Stderr
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
	return url, h
}

// children are the processes whose parent is that one: here, the supervisor.
func children(t *testing.T, of int) (all []int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", of, of))
	if err != nil || len(data) == 0 {
		// Children belong to the thread that forked.
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", of))
		for _, f := range files {
			text, _ := os.ReadFile(f)
			data = append(data, text...)
		}
	}
	for text := range strings.FieldsSeq(string(data)) {
		if pid, err := strconv.Atoi(text); err == nil {
			all = append(all, pid)
		}
	}
	if len(all) == 0 {
		t.Fatal("it has no supervisor")
	}
	return all
}
