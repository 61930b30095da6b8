package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
)

// self is this program as a command.
func self(t *testing.T, args ...string) Command {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command{Argv: append([]string{exe}, args...)}
}

func read1(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func configuration(t *testing.T) services.Configuration {
	t.Helper()
	return services.Configuration{
		Name: "2x2g.48gb-mps", Layout: "2x2g.48gb", Sharing: "mps", Placement: "auto",
		Workers: map[string]int{"rt-detrv2": 2, "owl.v2": 1, "owl-v2": 3},
		Params:  map[string]string{"batch": "8"},
		Devices: []device.Device{{UUID: "MIG-a", Name: "gpu0/2g.48gb@0"}, {UUID: "MIG-b"}},
		LogDir:  t.TempDir(),
	}
}

func TestAdaptTellsTheConfiguration(t *testing.T) {
	t.Setenv("TEST_API_TOKEN", "sesame-sesame")
	file := filepath.Join(t.TempDir(), "told")
	k := self(t, "tell", file, "{workers.rt-detrv2} of {models}", "batch={params.batch}")
	k.PassEnv, k.Env = []string{"TEST_API_TOKEN"}, map[string]string{"EXTRA": "{workers.rt-detrv2}"}
	l := build(t, Config{Instances: []Instance{{URL: "http://127.0.0.1:1"}}, Adapt: k})
	if err := l.(services.Probed).Probe(t.Context()); err != nil {
		t.Errorf("Probe() with a command that starts the servers: %v", err)
	}
	c := configuration(t)
	if err := l.(services.Adapting).Adapt(t.Context(), "vision", c); err != nil {
		t.Fatal(err)
	}
	want := `2 of owl-v2,owl.v2,rt-detrv2
batch=8
EVABENCH_CONFIG=2x2g.48gb-mps
EVABENCH_CONFIGURATION={"config":"2x2g.48gb-mps","service":"vision","layout":"2x2g.48gb","sharing":"mps","placement":"auto",` +
		`"workers":{"owl-v2":3,"owl.v2":1,"rt-detrv2":2},"params":{"batch":"8"},"devices":[{"uuid":"MIG-a",`
	got := read1(t, file)
	if !strings.HasPrefix(got, want) {
		t.Errorf("it was told\n%s\nwant\n%s", got, want)
	}
	// Both OWLs would be EVABENCH_WORKERS_OWL_V2: neither is.
	if _, rest, _ := strings.Cut(got, "\nEVABENCH_DEVICES="); !strings.HasPrefix(rest, `MIG-a,MIG-b
EVABENCH_LAYOUT=2x2g.48gb
EVABENCH_PARAMS_BATCH=8
EVABENCH_PLACEMENT=auto
EVABENCH_SERVICE=vision
EVABENCH_SHARING=mps
EVABENCH_WORKERS_RT_DETRV2=2
EXTRA=2`) {
		t.Errorf("it was told\n%s", got)
	}
	if log := read1(t, filepath.Join(c.LogDir, "vision-adapt.log")); log != "told to "+file+" [TEST_API_TOKEN]\n" {
		t.Errorf("its log is %q", log)
	}
	if names := l.(services.Templated).Names(); !slices.Equal(names, []string{"params.batch", "workers.rt-detrv2"}) {
		t.Errorf("Names() = %q", names)
	}
	if !l.(services.Templated).Reaches("workers.any") {
		t.Error("the command is told every value")
	}
	c.Params = nil
	if err := l.(services.Adapting).Adapt(t.Context(), "vision", c); err == nil ||
		!strings.Contains(err.Error(), "adapt of vision: argv[4]: {params.batch}: the configuration has no parameter vision.batch") {
		t.Errorf("a parameter that is none: %v", err)
	}
}

func TestAdaptFails(t *testing.T) {
	c := configuration(t)
	file := filepath.Join(t.TempDir(), "told")
	l := build(t, Config{Instances: []Instance{{URL: "http://127.0.0.1:1"}}, Adapt: self(t, "tell", file, "fail")})
	err := l.(services.Adapting).Adapt(t.Context(), "vision", c)
	exit, ok := errors.AsType[*services.ExitError](err)
	if !ok || exit.Status != 3 || !slices.Equal(exit.Log, []string{"told to " + file + " ", "the rollout did not end"}) || !strings.HasPrefix(err.Error(), "adapt of vision: ") {
		t.Errorf("Adapt() = %v", err)
	}
	if _, ok := l.(services.Restoring); ok {
		t.Error("it restores without a command to")
	}
}

// TestAdaptEndsInTime ends a command that hangs, and its child, by the timeout and
// by the context.
func TestAdaptEndsInTime(t *testing.T) {
	hung := func(t *testing.T, timeout time.Duration, end error) (fault error, came bool) {
		socket := filepath.Join(t.TempDir(), "s")
		s, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		k := self(t, "hang", socket)
		k.Timeout = timeout
		l := build(t, Config{Instances: []Instance{{URL: "http://127.0.0.1:1"}}, Adapt: k})
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		failed := make(chan error, 1)
		go func() {
			defer s.Close()
			failed <- l.(services.Adapting).Adapt(ctx, "vision", configuration(t))
		}()
		child, err := s.Accept()
		if err != nil {
			return <-failed, false
		}
		defer child.Close()
		if end != nil {
			cancel(end)
		}
		fault = <-failed
		if err := child.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(child); err != nil {
			t.Errorf("its child is left: %v", err)
		}
		return fault, true
	}
	// The first timeout that is long enough for the child to come, and for what it wrote.
	for timeout, done := time.Second, false; !done; timeout *= 2 {
		err, came := hung(t, timeout, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("longer than its timeout of %v; it was ended", timeout)) {
			t.Fatalf("beyond its timeout: %v", err)
		}
		done = came && strings.Contains(err.Error(), "; the end of its log") && strings.Contains(err.Error(), "| waiting for the rollout")
	}
	enough := errors.New("enough")
	if err, _ := hung(t, 0, enough); !errors.Is(err, enough) {
		t.Errorf("the context has ended: %v", err)
	}
}

func TestRestore(t *testing.T) {
	dir := t.TempDir()
	l := build(t, Config{
		Instances: []Instance{{URL: "http://127.0.0.1:1"}},
		Adapt:     self(t, "tell", filepath.Join(dir, "adapt")), Restore: self(t, "tell", filepath.Join(dir, "restore")),
	})
	r := l.(services.Restoring)
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "restore")); err == nil {
		t.Error("it was restored without a change")
	}
	c := configuration(t)
	if err := l.(services.Adapting).Adapt(t.Context(), "vision", c); err != nil {
		t.Fatal(err)
	}
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read1(t, filepath.Join(dir, "restore")); !strings.Contains(got, "EVABENCH_CONFIG=2x2g.48gb-mps") {
		t.Errorf("it was told %s", got)
	}
	read1(t, filepath.Join(c.LogDir, "vision-restore.log"))
}

// TestRestoreOutlives: a daemon that runs already, such as pm2's, starts the user's
// server with the environment of the command that asked it to. Neither that command's
// end nor what ends a killed run's processes ends the server.
func TestRestoreOutlives(t *testing.T) {
	dir := t.TempDir()
	l := build(t, Config{
		Instances: []Instance{{URL: "http://127.0.0.1:1"}},
		Adapt:     self(t, "tell", filepath.Join(dir, "adapt")), Restore: self(t, "tell", filepath.Join(dir, "restore")),
	})
	if err := l.(services.Adapting).Adapt(t.Context(), "vision", configuration(t)); err != nil {
		t.Fatal(err)
	}
	if err := l.(services.Restoring).Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("sleep", "600")
	server.Env = strings.Split(read1(t, filepath.Join(dir, "restore")), "\n")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	killed := supervise.EndOrphans()
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // it says that it was killed
	if self := fmt.Sprintf("sleep (process %d)", server.Process.Pid); slices.Contains(killed, self) {
		t.Errorf("EndOrphans() killed %q; its environment was %q", killed, server.Env)
	}
}

// TestRelease runs the command once for each change, and not without one.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	l := build(t, Config{
		Instances: []Instance{{URL: "http://127.0.0.1:1"}},
		Adapt:     self(t, "tell", filepath.Join(dir, "adapt")), Release: self(t, "tell", filepath.Join(dir, "release")),
	})
	r := l.(services.Releasing)
	released := func(want bool) {
		t.Helper()
		if err := r.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "release")); (err == nil) != want {
			t.Errorf("released: %v, want %v", err == nil, want)
		}
	}
	released(false)
	for range 2 {
		if err := l.(services.Adapting).Adapt(t.Context(), "vision", configuration(t)); err != nil {
			t.Fatal(err)
		}
		released(true)
		released(false)
	}
	if !r.Releases() {
		t.Error("Releases() is false with a command")
	}
}

func TestIdentify(t *testing.T) {
	s := newServer(t)
	l := build(t, Config{
		Instances: []Instance{{URL: s.url}},
		Identity:  []identity.Question{{Page: "/models/{models}", JSON: "$[0].minWorkers", Equals: "{workers.detector}"}},
	})
	x, err := l.Launch(t.Context(), services.Instance{
		Service: "vision", Name: "vision-0", Models: []services.Model{{Name: "detector", Workers: 2}}, LogDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.(services.Identified).Identify(t.Context()); err == nil || !strings.Contains(err.Error(), s.url+"/models/detector: it answers 404") {
		t.Errorf("Identify() = %v", err)
	}
	if l.(services.Templated).Reaches("workers.detector") {
		t.Error("no command tells the server")
	}
	if _, err := l.Launch(t.Context(), services.Instance{Service: "vision", Name: "vision-0"}); err == nil || !strings.Contains(err.Error(), `service vision has no model "detector"`) {
		t.Errorf("a model that is none: %v", err)
	}
}

// TestCrashThatIsNone is a command that ends nothing.
func TestCrashThatIsNone(t *testing.T) {
	s := newServer(t)
	none := self(t, "tell", filepath.Join(t.TempDir(), "x"))
	x, err := build(t, Config{Instances: []Instance{{URL: s.url}}, Crash: none, Revive: none}).
		Launch(t.Context(), services.Instance{Name: "vision-0", LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
	defer cancel()
	if err := x.(services.Mortal).Crash(ctx, services.CrashKill); !errors.Is(err, enough) || x.Err() != nil {
		t.Errorf("Crash() = %v, Err() = %v", err, x.Err())
	}
	if a, err := http.Get(s.url); err != nil {
		t.Error(err)
	} else if err := a.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestStopBringsBack starts a server again whose time to stop is over already: the
// command's own timeout bounds it.
func TestStopBringsBack(t *testing.T) {
	s := newServer(t)
	off, on := self(t, "switch", "off"), self(t, "switch", "on")
	off.Env = map[string]string{"SWITCHES": s.url + "=" + s.control}
	on.Env = off.Env
	x, err := build(t, Config{Instances: []Instance{{URL: s.url}}, Crash: off, Revive: on}).
		Launch(t.Context(), services.Instance{Name: "vision-0", LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.(services.Mortal).Crash(t.Context(), services.CrashKill); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Stop(over); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if a, err := http.Get(s.url); err != nil {
		t.Error(err)
	} else if err := a.Body.Close(); err != nil {
		t.Error(err)
	}
}

// TestCrashThatCannotStart has done nothing, so nothing is undone.
func TestCrashThatCannotStart(t *testing.T) {
	s := newServer(t)
	revived := filepath.Join(t.TempDir(), "revived")
	x, err := build(t, Config{Instances: []Instance{{URL: s.url}}, Crash: Command{Argv: []string{"/no/such"}}, Revive: self(t, "tell", revived)}).
		Launch(t.Context(), services.Instance{Name: "vision-0", LogDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.(services.Mortal).Crash(t.Context(), services.CrashKill); err == nil || !strings.Contains(err.Error(), "crash of vision-0: argv: there is no program /no/such") {
		t.Errorf("Crash() = %v", err)
	}
	if err := x.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(revived); err == nil {
		t.Error("a server that runs was started")
	}
}

func TestNewRefusesCommands(t *testing.T) {
	check := func(change func(*Config), want ...string) {
		t.Helper()
		c := Config{Instances: []Instance{{URL: "http://127.0.0.1:1"}}}
		change(&c)
		_, err := New(c)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got %v, want %q", err, w)
			}
		}
	}
	a := Command{Argv: []string{"a"}}
	check(func(c *Config) { c.Restore = a }, "restore: there is no adapt")
	check(func(c *Config) { c.Release = a }, "release: there is no adapt")
	check(func(c *Config) { c.Crash = a }, "one is given without the other")
	check(func(c *Config) { c.Revive = a }, "one is given without the other")
	check(func(c *Config) { c.Adapt.Timeout = time.Second }, "adapt: argv is empty")
	check(func(c *Config) {
		c.Adapt = Command{Argv: []string{"{params.x}", "{port}", "{nmae}", "{name}"}, Timeout: -1, Env: map[string]string{"A_TOKEN": "x", "EVABENCH_X": "y"}}
	}, `adapt: argv[0]: "{params.x}" is no program`, "adapt: {port} means nothing here", "adapt: argv[2]: unknown name {nmae}", "adapt: {name} means nothing",
		"adapt: env.A_TOKEN looks like a secret", "adapt: env.EVABENCH_X", "adapt: timeout: -1ns")
	check(func(c *Config) { c.Identity = []identity.Question{{Page: "http://h:{port}/", Has: "x"}, {Page: "/x"}} },
		"identity[1]: page /x: nothing is asked", "identity: {port} means nothing here")
	check(func(c *Config) { c.Identity = []identity.Question{{Page: "http://h:{port+1}/", Has: "x"}} }, "identity: {port} means nothing here")
}

func TestProbeLooksForPrograms(t *testing.T) {
	check := func(k Command, want string) {
		t.Helper()
		err := build(t, Config{Instances: []Instance{{URL: "http://127.0.0.1:1"}}, Adapt: k}).(services.Probed).Probe(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", k, err, want)
		}
	}
	check(Command{Argv: []string{"no-such-kubectl"}}, `adapt: argv: there is no program "no-such-kubectl" in PATH`)
	check(Command{Argv: []string{"/no/such"}}, "adapt: argv: there is no program /no/such")
	check(Command{Argv: []string{"sh"}, Folder: "/no/such"}, "adapt: folder: stat /no/such")
	check(Command{Argv: []string{"sh"}, PassEnv: []string{"NO_SUCH_VARIABLE_1"}}, "adapt: pass_env: NO_SUCH_VARIABLE_1 is not set")
}
