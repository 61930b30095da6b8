package sim

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// mpsServer is a server within the test, with a daemon on its one GPU.
type mpsServer struct {
	*testing.T
	controlClient
	dir    string
	gpus   *GPUs
	before partition.State
	device device.Device
}

func startMPS(t *testing.T, layout string) *mpsServer {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &mpsServer{T: t, dir: t.TempDir()}
	s.controlClient, _ = start(t, Options{Dir: s.dir})
	if s.gpus, err = OpenGPUs("pro6000x1", s.dir, exe); err != nil {
		t.Fatal(err)
	}
	if s.before, err = s.gpus.Backend.Inspect(t.Context(), []string{"0"}); err != nil {
		t.Fatal(err)
	}
	l, err := partition.ParseLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := partition.MakePlan(s.before, l)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := s.gpus.Backend.Apply(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	s.device = devices[0]
	return s
}

func (s *mpsServer) count() partition.Clients {
	s.Helper()
	c, err := s.gpus.Backend.(partition.Counter).Count(s.Context(), s.device)
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// start starts an instance with an environment.
func (s *mpsServer) start(name string, env map[string]string) error {
	r := visionRequest(name, 1)
	r.Device, r.Env = s.device.UUID, env
	_, err := s.launch(s.Context(), r)
	return err
}

// An instance whose environment names the daemon's folder is its client while it
// runs, in the daemon's list and in the GPU's, and holds the daemon.
func TestInstanceIsClient(t *testing.T) {
	s := startMPS(t, "off(mps:50)")
	if err := s.start("a", s.device.Env); err != nil {
		t.Fatal(err)
	}
	if c := s.count(); len(c.MPS) != 1 || !slices.Equal(c.Processes, c.MPS) || !ofServer(os.Getpid(), c.MPS[0]) {
		t.Errorf("clients %+v, want one, of this server", c)
	}
	processes, err := s.gpus.API.Processes(s.device.UUID)
	if err != nil || len(processes) != 1 || processes[0].Kind != nvml.MPSProcess {
		t.Errorf("processes %+v, %v; want one of kind mps", processes, err)
	}
	if err := s.gpus.Backend.Restore(t.Context(), s.before); err == nil {
		t.Error("the daemon ended under its client")
	}
	if err := s.controlClient.stop(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if c := s.count(); len(c.MPS) != 0 || len(c.Processes) != 0 {
		t.Errorf("after the stop: %+v", c)
	}
	if err := s.gpus.Backend.Restore(t.Context(), s.before); err != nil {
		t.Error(err)
	}
}

// Without a daemon at its pipe folder an instance runs all the same, as CUDA
// does, and is no client: who counts sees it.
func TestInstanceWithoutDaemonRunsWithoutMPS(t *testing.T) {
	s := startMPS(t, "off(mps)")
	env := maps.Clone(s.device.Env)
	env[mps.PipeVariable] = filepath.Join(s.dir, "no-such")
	if err := s.start("a", env); err != nil {
		t.Fatal(err)
	}
	alone := s.count()
	if len(alone.MPS) != 0 || len(alone.Processes) != 1 || !ofServer(os.Getpid(), alone.Processes[0]) {
		t.Fatalf("%+v, want one process of this server, and no client of MPS", alone)
	}
	// Beside one that is a client, it is told from that.
	if err := s.start("b", s.device.Env); err != nil {
		t.Fatal(err)
	}
	both := s.count()
	if len(both.MPS) != 1 || len(both.Processes) != 2 || slices.Contains(both.MPS, alone.Processes[0]) {
		t.Errorf("%+v, want another process as client of MPS beside %d", both, alone.Processes[0])
	}
	if err := s.controlClient.stop(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if c := s.count(); len(c.MPS) != 0 || !slices.Equal(c.Processes, alone.Processes) {
		t.Errorf("after the client's end: %+v, want %+v", c, alone)
	}
}

// ofServer reports whether an instance's number is one of a server process's.
func ofServer(server, number int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", server, number))
	return err == nil
}

// A client gets no more memory than the daemon allows it.
func TestClientMemoryLimit(t *testing.T) {
	s := startMPS(t, "off(mps:512M)")
	if err := s.start("a", s.device.Env); err == nil || !strings.Contains(err.Error(), "0.50 GiB") || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("a worker of 0.9 GiB with 512 MiB allowed: %v", err)
	}
	if c := s.count(); len(c.MPS) != 0 {
		t.Errorf("a client that failed is still one: %+v", c)
	}
}

// No daemon outlives the server that it belongs to, not even if evabench's file is
// another by now, and one of another folder is left alone.
func TestDaemonsEndWithTheirFolder(t *testing.T) {
	one, other := startMPS(t, "2x2g.48gb(mps)"), startMPS(t, "off(mps)")
	running := func(s *mpsServer) int {
		found, err := mps.Control{Path: filepath.Join(s.dir, mps.Name)}.Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if running(one) != 2 || running(other) != 1 {
		t.Fatalf("%d and %d daemons, want 2 and 1", running(one), running(other))
	}
	link := filepath.Join(one.dir, mps.Name)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(one.dir, "built-anew"), link); err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is as good as once
		if err := EndDaemons(one.dir); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := killDaemons(link); left != 0 || err != nil || running(other) != 1 {
		t.Errorf("%d and %d daemons, want 0 and 1; %v", left, running(other), err)
	}
	if _, err := os.Stat(mpsFolder(one.dir)); !os.IsNotExist(err) {
		t.Errorf("its folder: %v", err)
	}
}
