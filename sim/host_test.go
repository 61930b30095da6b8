package sim

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

func newTestHost(t *testing.T) (*Host, string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var talk bytes.Buffer
	h := NewHost(exe, dir, &talk)
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
		if talk.Len() > 0 {
			t.Errorf("the child said: %s", talk.String())
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return h, dir
}

// gone reports whether no process of the group is left.
func gone(pid int) bool { return syscall.Kill(-pid, 0) == syscall.ESRCH }

func TestBuildingKindsHasNoSideEffect(t *testing.T) {
	h, dir := newTestHost(t)
	backend := kind.Set[partition.Backend]{h.BackendKind()}
	launchers := kind.Set[services.Launcher]{h.LauncherKind()}
	server := func(into any) error { into.(*BackendConfig).Server = "pro6000x1"; return nil }
	if _, err := backend.Build(kind.Spec{Name: "sim", Decode: server}); err != nil {
		t.Error(err)
	}
	if _, err := backend.Build(kind.Spec{Name: "sim"}); err == nil || !strings.Contains(err.Error(), "pro6000x1") {
		t.Errorf("no server: %v, want the known ones", err)
	}
	l, err := launchers.Build(kind.Spec{Name: "sim"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Launch(t.Context(), services.Instance{Name: "a"}); err == nil || !strings.Contains(err.Error(), "server: NAME") {
		t.Errorf("launch without a server: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestLaunchOnHost(t *testing.T) {
	h, _ := newTestHost(t)
	m, err := h.Open("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Open("pro6000x1", 1)
	if err != nil || again != m {
		t.Errorf("opened twice: %p, %p, %v", m, again, err)
	}
	gpus, err := m.GPUs.Devices()
	if err != nil || len(gpus) != 1 {
		t.Fatalf("GPUs %v, %v", gpus, err)
	}
	l, err := kind.Set[services.Launcher]{h.LauncherKind()}.Build(kind.Spec{Name: "sim"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Launch(t.Context(), services.Instance{
		Service: "agent", Role: results.RoleAgent, Name: "agent-0",
		Device: device.Device{UUID: gpus[0].UUID, Env: map[string]string{mps.DeviceVariable: gpus[0].UUID}},
		Models: []services.Model{{Name: "qwen3-vl-8b", Workers: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	checkRunning(t, m, s.Info(), gpus[0].UUID)
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if resp, err := http.Get(s.Info().URL + "/health"); err == nil {
		resp.Body.Close()
		t.Error("a stopped instance answers")
	}
	if memory, err := m.GPUs.Memory(gpus[0].UUID); err != nil || memory.UsedBytes != 0 {
		t.Errorf("after the stop: memory %+v, %v", memory, err)
	}
	if s.Err() != nil {
		t.Errorf("err of a stopped instance: %v", s.Err())
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !gone(m.command.Process.Pid) {
		t.Error("the child is still there")
	}
	if s.Err() == nil {
		t.Error("the instance does not know that its server has ended")
	}
}

// checkRunning asks for agent-0 on a GPU: what it says of itself, and what the
// GPU says of it.
func checkRunning(t *testing.T, m *Machine, info results.Instance, gpu string) {
	t.Helper()
	if info.Service != "agent" || info.Name != "agent-0" || info.Device != gpu || len(info.Scrapes) != 2 || info.Scrapes[0].Kind != "vllm" || info.Scrapes[1] != (results.Scrape{Kind: "vllm-load", URL: info.URL}) {
		t.Errorf("info %+v", info)
	}
	if got := fetch(t, info.URL+"/v1/models"); !strings.Contains(got, "qwen3-vl-8b") {
		t.Errorf("models %s", got)
	}
	memory, err := m.GPUs.Memory(gpu)
	if err != nil || memory.UsedBytes != memory.TotalBytes*9/10 {
		t.Errorf("memory %+v, %v; want nine tenths in use", memory, err)
	}
	processes, err := m.GPUs.Processes(gpu)
	if err != nil || len(processes) != 1 || !ofServer(m.command.Process.Pid, processes[0].PID) {
		t.Errorf("processes %v, %v", processes, err)
	}
}

// What ends the child is its parent's pipe, whatever else happens.
func TestChildEndsWithItsParent(t *testing.T) {
	h, _ := newTestHost(t)
	m, err := h.Open("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if m.fault() != nil {
		t.Fatalf("fault of a running server: %v", m.fault())
	}
	m.stdin.Close() // as the kernel does when the parent dies
	<-m.done
	if m.err != nil || m.command.ProcessState.ExitCode() != 0 || !gone(m.command.Process.Pid) {
		t.Errorf("ended with %v, %v", m.err, m.command.ProcessState)
	}
}

func TestCloseKillsWhatDoesNotEnd(t *testing.T) {
	h, _ := newTestHost(t)
	m, err := h.Open("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(m.command.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("close: %v", err)
	}
	if !gone(m.command.Process.Pid) {
		t.Error("the child is still there")
	}
}

func TestChildThatFailsToStart(t *testing.T) {
	h, dir := newTestHost(t)
	if _, err := h.Open("nosuch", 1); err == nil {
		t.Error("an unknown server started")
	}
	h.exe = filepath.Join(dir, "missing")
	if _, err := h.Open("pro6000x1", 1); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("missing program: %v", err)
	}
	h.exe = "/bin/false"
	if _, err := h.Open("pro6000x1", 1); err == nil || !strings.Contains(err.Error(), "ready") {
		t.Errorf("program that ends: %v", err)
	}
}

// A server that died is started anew at its next use, with the cards as they
// were left, so that they can be put back.
func TestOpenAfterDeath(t *testing.T) {
	h, _ := newTestHost(t)
	b, err := h.Backend("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	before, err := b.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := partition.ParseLayout("2x2g.48gb(mps)")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := partition.MakePlan(before, layout)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	m, err := h.Open("pro6000x1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-m.done
	if err := b.Restore(t.Context(), before); err != nil {
		t.Fatalf("restore after the server's death: %v", err)
	}
	now, err := b.Inspect(t.Context(), []string{"0"})
	if err != nil {
		t.Fatal(err)
	}
	if d := before.Differences(now); len(d) > 0 {
		t.Errorf("not put back: %v", d)
	}
}
