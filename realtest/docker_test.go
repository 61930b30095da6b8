//go:build real

package realtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchers/docker"
	"github.com/evabench/evabench/services/launchertest"
)

// TestMain makes the test program the supervisor of containers too, and an
// evabench that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case supervise.Command:
			end(supervise.Serve(context.Background(), os.Stdin, os.Stdout))
		case "hold":
			end(hold(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(1)
	}
	syscall.Exit(0)
}

// hold IMAGE FOLDER launches a container, tells its URL and goes on until it is
// killed.
func hold(image, folder string) error {
	l, err := docker.New(container(image))
	if err != nil {
		return err
	}
	s, err := l.Launch(context.Background(), services.Instance{Service: "eyes", Name: "eyes-0", LogDir: folder})
	if err != nil {
		return err
	}
	fmt.Println(s.Info().URL)
	select {}
}

// container is a server of testdata/server, in a container.
func container(image string) docker.Config {
	c := docker.Kind.Config.(docker.Config)
	c.Image, c.Argv, c.Health, c.Instances = image, []string{":{port}"}, "/", 2
	return c
}

// TestDocker holds the launcher docker against a real daemon, on networks of both
// kinds.
func TestDocker(t *testing.T) {
	image := daemon(t)
	for _, network := range []string{"bridge", "host"} {
		t.Run("conformance on "+network, func(t *testing.T) {
			launchertest.Run(t, launchertest.Subject{
				Instances: 2, Owned: true, Crashes: []string{services.CrashFault, services.CrashKill},
				New: func(t *testing.T) services.Launcher {
					c := container(image)
					c.Network, c.Fault.Path = network, "/die"
					l, err := docker.New(c)
					if err != nil {
						t.Fatal(err)
					}
					return l
				},
				Reach: func(ctx context.Context, url string) error {
					_, err := reach(ctx, url)
					return err
				},
				Die: func(t *testing.T, url string) {
					if a, err := http.Get(url + "/die"); err == nil {
						a.Body.Close() // docker's own proxy may answer
					}
				},
			})
			if left := containers(t); len(left) > 0 {
				t.Errorf("containers are left: %q", left)
			}
		})
	}
	t.Run("container", func(t *testing.T) { testContainer(t, image) })
	t.Run("memory", func(t *testing.T) { testMemory(t, image) })
	t.Run("device", func(t *testing.T) { testDevice(t, image) })
	t.Run("missing", func(t *testing.T) { testMissing(t, image) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, image) })
	t.Run("killed", func(t *testing.T) { testKilled(t, image) })
	t.Run("sweep", func(t *testing.T) { testSweep(t, image) })
}

// testContainer looks at one container as the daemon shows it.
func testContainer(t *testing.T, image string) {
	t.Setenv("TEST_API_TOKEN", "sesame-open")
	c := container(image)
	c.Memory, c.CPUs, c.User, c.ShmSize = "256m", "0", "1234:1234", "32m"
	c.Publish, c.Argv = []string{"{port}:8000"}, []string{":8000"}
	c.Env, c.PassEnv, c.Volumes = map[string]string{"MODE": "{name}"}, []string{"TEST_API_TOKEN"}, []string{"{dir}:/data:ro"}
	s := launched(t, c, services.Instance{})
	got := page(t, s.Info().URL+"/env")
	for _, want := range []string{"MODE=eyes-0", "TEST_API_TOKEN=sesame-open", "NVIDIA_VISIBLE_DEVICES=void"} {
		if !strings.Contains(got, want) {
			t.Errorf("the environment lacks %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "DOCKER_HOST") {
		t.Errorf("our environment was passed on:\n%s", got)
	}
	out, err := exec.Command("docker", "inspect", containers(t)[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Image      string
		Config     struct{ User string }
		HostConfig struct {
			Memory, MemorySwap, ShmSize int64
			CpusetCpus                  string
			Binds                       []string
			LogConfig                   struct{ Type string }
			PortBindings                map[string][]struct{ HostIp, HostPort string }
		}
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	h := all[0].HostConfig
	if h.Memory != 256<<20 || h.MemorySwap != 256<<20 && h.MemorySwap != -1 || h.ShmSize != 32<<20 || h.CpusetCpus != "0" || h.LogConfig.Type != "none" || all[0].Config.User != "1234:1234" ||
		len(h.Binds) != 1 || !strings.HasSuffix(h.Binds[0], "/eyes-0:/data:ro") {
		t.Errorf("the container is %+v", all[0])
	}
	if b := h.PortBindings["8000/tcp"]; len(b) != 1 || b[0].HostIp != "127.0.0.1" || !strings.HasSuffix(s.Info().URL, ":"+b[0].HostPort) {
		t.Errorf("ports %+v, the URL is %s", h.PortBindings, s.Info().URL)
	}
	// An image that was never pushed has no digest: its name is told beside its ID.
	if i := s.Info(); i.Version != all[0].Image || i.Image != image {
		t.Errorf("version %q of image %q, the container's image is %s, asked for as %s", i.Version, i.Image, all[0].Image, image)
	}
	eventually(t, "the log ends with what it wrote, its secret hidden", func() bool {
		_, last := s.(services.Logged).LogTail()
		return len(last) == 1 && last[0] == "serving on :8000 [TEST_API_TOKEN]"
	})
}

// testMemory is a server that takes more of the host's memory than it may.
func testMemory(t *testing.T, image string) {
	c := container(image)
	c.Memory = "32m"
	s := launched(t, c, services.Instance{})
	page(t, s.Info().URL)
	if a, err := http.Get(s.Info().URL + "/eat"); err == nil {
		a.Body.Close()
	}
	x := exitOf(t, s)
	if x.Status != 137 || !strings.Contains(x.OOM, "OOMKilled") || len(x.Log) == 0 || !strings.HasSuffix(x.Log[len(x.Log)-1], " MiB") {
		t.Errorf("it ended by %+v", x)
	}
	if left := containers(t); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
}

// testDevice asks for a device of a daemon that knows no driver for GPUs.
func testDevice(t *testing.T, image string) {
	for gpu, want := range map[string]string{docker.GPUByFlag: "install the NVIDIA Container Toolkit", docker.GPUByCDI: "knows no CDI"} {
		c := container(image)
		c.Instances, c.GPU = 0, gpu
		i := services.Instance{Device: device.Device{UUID: "MIG-1", Name: "gpu0/1g@0", Env: map[string]string{"CUDA_VISIBLE_DEVICES": "MIG-1"}}}
		if err := failing(t, c, i); !strings.Contains(err.Error(), want) {
			t.Errorf("gpu: %s: %v, want %q", gpu, err, want)
		}
	}
}

// failing is why an instance cannot be launched, or did not start.
func failing(t *testing.T, c docker.Config, i services.Instance) error {
	t.Helper()
	l, err := docker.New(c)
	if err != nil {
		t.Fatal(err)
	}
	i.Service, i.Name, i.LogDir = "eyes", "eyes-0", t.TempDir()
	s, err := l.Launch(t.Context(), i)
	if err != nil {
		return err
	}
	x := exitOf(t, s)
	if x.Status != -1 || !strings.Contains(x.Error(), "the container did not start") {
		t.Errorf("it ended by %v", x)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	return x
}

// testMissing is what Probe and Launch tell.
func testMissing(t *testing.T, image string) {
	for want, change := range map[string]func(*docker.Config){
		"image evabench-none:1 is not here; fetch it (docker pull evabench-none:1)": func(c *docker.Config) { c.Image = "evabench-none:1" },
		"unknown flag: --no-such":   func(c *docker.Config) { c.Options = []string{"--no-such"} },
		"Minimum memory limit":      func(c *docker.Config) { c.Memory = "1m" },
		"network no-such not found": func(c *docker.Config) { c.Network = "no-such" },
	} {
		c := container(image)
		change(&c)
		if err := failing(t, c, services.Instance{}); !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if left := containers(t); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
	t.Setenv("DOCKER_HOST", "unix:///no/such.sock")
	l, err := docker.New(container(image))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.(services.Probed).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "its daemon does not answer us") {
		t.Errorf("Probe() without a daemon: %v", err)
	}
}

// testRefusals holds what the fake of the launcher's own tests refuses against
// docker.
func testRefusals(t *testing.T, image string) {
	text, err := os.ReadFile("../services/launchers/docker/testdata/refusals.txt")
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
			args = append(args, strings.NewReplacer("IMAGE", image, "json_", "json ").Replace(arg))
		}
		out, err := exec.Command("docker", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), words) {
			t.Errorf("%q: %v, %s; want %q", args, err, out, words)
		}
	}
	if tried < 10 {
		t.Errorf("%d refusals were tried", tried)
	}
	if left := containers(t); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
}

// testKilled is kill -9 of an evabench with a container: its supervisor removes
// it. If that is killed too, the next start does.
func testKilled(t *testing.T, image string) {
	for _, both := range []bool{false, true} {
		url, h := held(t, image)
		page(t, url)
		if both {
			for _, pid := range children(t, h.Process.Pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = h.Process.Kill()
		_ = h.Wait()
		if !both {
			eventually(t, "the supervisor removes the container", func() bool { return len(containers(t)) == 0 })
			continue
		}
		left := containers(t)
		if len(left) != 1 {
			t.Fatalf("containers %q, want the one that nobody was left to remove", left)
		}
		page(t, url) // and it runs
		ours := launched(t, container(image), services.Instance{})
		l, err := docker.New(container(image))
		if err != nil {
			t.Fatal(err)
		}
		ended, err := l.(services.Cleaning).EndOrphans(t.Context())
		if err != nil || len(ended) != 1 || ended[0] != "container "+left[0] {
			t.Errorf("EndOrphans() = %q, %v; want %q", ended, err, left)
		}
		if now := containers(t); len(now) != 1 || now[0] == left[0] {
			t.Errorf("containers %q, want one of ours", now)
		}
		page(t, ours.Info().URL)
	}
}

// dockerScenario is a scenario of containers: IMAGE, WINDOW and BATCHES are
// replaced.
const dockerScenario = `version: 1
name: containers
server: {backend: none}
services:
  eyes:
    role: vision
    launcher:
      kind: docker
      image: IMAGE
      argv: [":{port}", "--batch={params.batch}"]
      instances: 2
      memory: 256m
      health: /
      stop: {grace: 1s}
    endpoint: detect-http
    models: {detector: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}
    load: {arrivals: closed, levels: [1]}
steps: {warmup: 200ms, window: WINDOW}
matrix:
  layout: ["off"]
  params: {eyes.batch: BATCHES}
`

// testSweep runs the program itself: to its end, and until it is interrupted or
// killed in the middle of a step. No container is left.
func testSweep(t *testing.T, image string) {
	scenario := func(window, batches string) string {
		file := filepath.Join(t.TempDir(), "containers.yaml")
		text := strings.NewReplacer("IMAGE", image, "WINDOW", window, "BATCHES", batches).Replace(dockerScenario)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	dir := filepath.Join(t.TempDir(), "run")
	// Status 4 says that nothing of it can be judged: a busy machine measures
	// nothing, and that is not asked here.
	out, err := exec.Command(env(t, "EVABENCH_BIN"), "sweep", scenario("1s", "[1, 2]"), "--yes", "--no-selftest", "--out", dir).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 4) {
		t.Fatalf("evabench sweep: %v\n%s", err, out)
	}
	run, err := results.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Cells) != 2 {
		t.Errorf("%d cells, want 2", len(run.Cells))
	}
	for _, c := range run.Cells {
		if c.Cell.Status != results.CellDone || len(c.Cell.Instances) != 2 || !strings.Contains(c.Cell.Instances[0].Version, "sha256:") {
			t.Errorf("cell %s is %s (%s), its instances %+v", c.Cell.Config.Name, c.Cell.Status, c.Cell.Fault, c.Cell.Instances)
		}
	}
	if left := containers(t); len(left) > 0 {
		t.Errorf("containers are left: %q", left)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		p := exec.Command(env(t, "EVABENCH_BIN"), "sweep", scenario("10m", "[1]"), "--yes", "--no-selftest", "--out", filepath.Join(t.TempDir(), "run"))
		p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "two containers run", func() bool {
			out, err := exec.Command("docker", "ps", "--quiet").Output()
			return err == nil && len(strings.Fields(string(out))) == 2
		})
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // it says that it was interrupted or killed
		if left := containers(t); s == syscall.SIGINT && len(left) > 0 {
			t.Errorf("after %s containers are left: %q", s, left)
		}
		eventually(t, "no container is left", func() bool { return len(containers(t)) == 0 })
	}
}
