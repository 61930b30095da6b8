package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/launchertest"
	"github.com/evabench/evabench/services/spawn"
)

func TestConformance(t *testing.T) {
	var ports spawn.Ports
	given, err := ports.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	ports.GiveBack(given, 2)
	for _, v := range []struct{ instances, port int }{{0, 0}, {2, 0}, {2, given}} {
		t.Run(fmt.Sprintf("%+v", v), func(t *testing.T) {
			launchertest.Run(t, launchertest.Subject{
				Instances: 2, Owned: true,
				New: func(t *testing.T) services.Launcher {
					c := config(t)
					c.Instances, c.Port, c.Health = v.instances, v.port, "/"
					c.Fault.Path = "/die"
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
				Crashes: []string{services.CrashFault, services.CrashKill},
			})
		})
	}
}

func TestNewTellsEveryFault(t *testing.T) {
	check := func(change func(*Config), want ...string) {
		t.Helper()
		c := config(t)
		change(&c)
		_, err := New(c)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got %v, want %q", err, w)
			}
		}
	}
	check(func(c *Config) { c.Argv = nil }, "argv is empty")
	check(func(c *Config) { c.Argv = []string{"a", "{prot}"}; c.CPUs = "3-1" },
		"argv[1]: unknown name {prot}; known: {port}", `cpus: "3-1" is no list of processors`)
	check(func(c *Config) { c.Env = map[string]string{"A": "{nmae}", "B C": ""} }, "env.A: unknown name {nmae}", `env: "B C" is no variable's name`)
	check(func(c *Config) { c.Env = map[string]string{"HF_TOKEN": "hf_x"} }, "env.HF_TOKEN looks like a secret", "pass_env: [HF_TOKEN]")
	check(func(c *Config) { c.PassEnv = []string{"A=1"} }, `pass_env: "A=1" is no variable's name`)
	check(func(c *Config) { c.Scrapes = map[string]string{"x": "metrics"} }, `scrapes.x: "metrics" is neither a path`)
	check(func(c *Config) { c.Scrapes = map[string]string{"x": "port+200"} }, "scrapes.x: unknown name {port+200}")
	check(func(c *Config) { c.URL = "127.0.0.1:{port}" }, "url: it is no URL")
	check(func(c *Config) { c.URL = "http://127.0.0.1:{port}/?a" }, "url: it has a query")
	check(func(c *Config) { c.Health = "ping" }, `health: "ping" is no path`)
	check(func(c *Config) { c.Instances = -1 }, "instances: -1")
	check(func(c *Config) { c.Port, c.Instances = 65535, 2 }, "port: 65535 is none")
	check(func(c *Config) { c.Ready = 0 }, "ready: 0s")
	check(func(c *Config) { c.Stop = spawn.Stop{Signal: "SIGSTOP", Grace: time.Minute} }, `stop.signal: "SIGSTOP"`, "stop.grace: 1m0s")
	check(func(c *Config) { c.Log.MaxBytes = 0 }, "log: max_bytes")
}

// A device's variables win over env, which wins over ours; nothing else of ours
// is there.
func TestEnvironment(t *testing.T) {
	t.Setenv("TEST_OURS", "leak")
	t.Setenv("CUDA_VISIBLE_DEVICES", "7")
	t.Setenv("LANG", "C")
	t.Setenv("TEST_API_TOKEN", "sesame-open")
	c := config(t, "{name}", "{port+1}", "{{x}}")
	c.Env = map[string]string{"LANG": "C.UTF-8", "OF": "{name}", "CUDA_VISIBLE_DEVICES": "0"}
	c.PassEnv, c.Folder = []string{"TEST_API_TOKEN"}, t.TempDir()
	c.Scrapes = map[string]string{"torchserve": "port+2", "vllm": "/metrics", "x": "port+1/page"}
	i := services.Instance{Service: "eyes", Name: "eyes-0", LogDir: t.TempDir(), Device: device.Device{
		UUID: "GPU-1", Name: "gpu0", Env: map[string]string{"CUDA_VISIBLE_DEVICES": "GPU-1", "CUDA_MPS_PIPE_DIRECTORY": "/mps"},
	}}
	s := launch(t, build(t, c), i)
	info := s.Info()
	env := strings.Split(text(t, info.URL+"/env"), "\n")
	for _, want := range []string{"LANG=C.UTF-8", "OF=eyes-0", "CUDA_VISIBLE_DEVICES=GPU-1", "CUDA_MPS_PIPE_DIRECTORY=/mps", "TEST_API_TOKEN=sesame-open", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, want) {
			t.Errorf("its environment lacks %q: %q", want, env)
		}
	}
	if slices.Contains(env, "TEST_OURS=leak") {
		t.Error("our environment was passed on")
	}
	port, err := strconv.Atoi(info.URL[strings.LastIndex(info.URL, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := text(t, info.URL+"/args"), fmt.Sprintf("eyes-0\n%d\n{x}", port+1); got != want {
		t.Errorf("its arguments are %q, want %q", got, want)
	}
	if got := text(t, info.URL+"/folder"); !strings.HasPrefix(got, c.Folder) {
		t.Errorf("its folder is %q, want %q", got, c.Folder)
	}
	if got, want := fmt.Sprint(info.Scrapes), fmt.Sprintf("[{torchserve http://127.0.0.1:%d} {vllm %s/metrics} {x http://127.0.0.1:%d/page}]", port+2, info.URL, port+1); got != want {
		t.Errorf("its pages are %s, want %s", got, want)
	}
	warnings := s.(services.Warned).Warnings()
	if len(warnings) != 1 || warnings[0].Code != "env-of-device" || !strings.Contains(warnings[0].Text, "CUDA_VISIBLE_DEVICES") {
		t.Errorf("warnings %+v", warnings)
	}
	if err := s.Stop(t.Context()); err != nil { // all that it said is written then
		t.Fatal(err)
	}
	file, last := s.(services.Logged).LogTail()
	if data, err := os.ReadFile(file); err != nil || strings.Contains(string(data), "sesame") || !slices.Contains(last, fmt.Sprintf("serving on %d [TEST_API_TOKEN]", port)) {
		t.Errorf("the log holds %q, %v; its end %q", data, err, last)
	}
}

func TestVLLMOnMIG(t *testing.T) {
	mig := map[string]string{"CUDA_VISIBLE_DEVICES": "MIG-1"}
	whole := map[string]string{"CUDA_VISIBLE_DEVICES": "GPU-1"}
	for _, c := range []struct {
		arg  string
		env  map[string]string
		want int
	}{{"vllm.entrypoints", mig, 1}, {"vllm.entrypoints", whole, 0}, {"other", mig, 0}} {
		s := launch(t, build(t, config(t, c.arg)), services.Instance{Name: "a", Device: device.Device{UUID: "x", Env: c.env}})
		warnings := s.(services.Warned).Warnings()
		if len(warnings) != c.want || c.want == 1 && (warnings[0].Code != "vllm-mig-uuid" || !strings.Contains(warnings[0].Text, "#6551")) {
			t.Errorf("%s on %v: warnings %+v", c.arg, c.env, warnings)
		}
	}
}

// What is missing is told by Probe and by Launch alike, and nothing starts.
func TestMissing(t *testing.T) {
	// The port below is free: none of the kernel's own choice.
	var ports spawn.Ports
	below, err := ports.Free(2)
	if err != nil {
		t.Fatal(err)
	}
	ports.GiveBack(below, 2)
	port := below + 1
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		`there is no program "no-such-program" in PATH`:           func(c *Config) { c.Argv[0] = "no-such-program" },
		"there is no program ./no-such in ":                       func(c *Config) { c.Argv[0] = "./no-such" },
		file + " may not be executed":                             func(c *Config) { c.Argv[0] = file },
		"folder: stat /no/such: no such file":                     func(c *Config) { c.Folder = "/no/such" },
		"folder: " + file + " is no folder":                       func(c *Config) { c.Folder = file },
		"cpus: 0,1000: processor 1000 is not there or not for us": func(c *Config) { c.CPUs = "0,1000" },
		"pass_env: TEST_NOT_SET is not set":                       func(c *Config) { c.PassEnv = []string{"TEST_NOT_SET"} },
		fmt.Sprintf("port %d is taken by another process", port):  func(c *Config) { c.Port = port },
		fmt.Sprintf("port %d is taken by another process;", port): func(c *Config) { c.Port, c.URL = port-1, "http://127.0.0.1:{port+1}" },
	} {
		c := config(t)
		change(&c)
		l := build(t, c)
		dir := t.TempDir()
		_, launched := l.Launch(t.Context(), services.Instance{Name: "a", LogDir: dir})
		for what, err := range map[string]error{"Probe": l.(services.Probed).Probe(t.Context()), "Launch": launched} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s() = %v, want one line with %q", what, err, want)
			}
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v was left, %v", want, left, err)
		}
	}
}

func TestCheck(t *testing.T) {
	c := config(t)
	c.Health = "/busy"
	s := launch(t, build(t, c), services.Instance{Name: "a"})
	text(t, s.Info().URL)
	err := s.(services.Checked).Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/busy answers 503 Service Unavailable: \"loading") {
		t.Errorf("Check() = %v", err)
	}
}

func TestOwnEndTellsMemory(t *testing.T) {
	s := launch(t, build(t, config(t)), services.Instance{Name: "a"})
	text(t, s.Info().URL)
	a, err := http.Get(s.Info().URL + "/die")
	if err == nil {
		_, _ = io.Copy(io.Discard, a.Body)
		a.Body.Close()
	}
	<-s.(*service).process.Gone()
	exit, ok := errors.AsType[*services.ExitError](s.Err())
	if !ok || exit.Status != 3 || !strings.Contains(exit.OOM, "CUDA out of memory") || len(exit.Log) != 2 {
		t.Errorf("Err() = %+v", s.Err())
	}
}
