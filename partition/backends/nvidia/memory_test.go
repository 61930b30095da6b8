package nvidia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/evabench/evabench/internal/mps"
)

// A memory is an nvidia-cuda-mps-control that runs nothing: fast, and as strict as
// the fake executable, since both pass the same conformance suite.
type memory struct {
	mu      sync.Mutex
	last    int // pid
	daemons map[int]*memoryDaemon
}

type memoryDaemon struct {
	uid     int
	env     map[string]string
	set     map[string]string
	clients []int
}

func newMemory() *memory { return &memory{last: 1 << 22, daemons: map[int]*memoryDaemon{}} }

func (m *memory) Start(ctx context.Context, env []string, uid int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	d := &memoryDaemon{uid: uid, env: map[string]string{}, set: map[string]string{
		"default_active_thread_percentage": "100.0",
	}}
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		d.env[name] = value
	}
	for _, name := range []string{mps.PipeVariable, mps.LogVariable} {
		if _, err := os.Stat(d.env[name]); err != nil {
			return fmt.Errorf("an MPS daemon without its folder: %w", err)
		}
	}
	if _, other := m.at(d.env[mps.PipeVariable]); other != nil {
		return errors.New("an instance of this daemon is already running")
	}
	m.last++
	m.daemons[m.last] = d
	return nil
}

// at finds the daemon of a pipe folder. m.mu is held.
func (m *memory) at(pipe string) (int, *memoryDaemon) {
	for pid, d := range m.daemons {
		if d.env[mps.PipeVariable] == pipe {
			return pid, d
		}
	}
	return 0, nil
}

func (m *memory) Ask(ctx context.Context, pipe, command string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	pid, d := m.at(pipe)
	if d == nil {
		return "", mps.ErrNoDaemon
	}
	verb, rest, _ := strings.Cut(command, " ")
	switch {
	case verb == "quit":
		if len(d.clients) > 0 {
			return "", errors.New("it waits for its clients")
		}
		delete(m.daemons, pid)
		return "", nil
	case verb == "get_server_list":
		if len(d.clients) == 0 {
			return "", nil
		}
		return fmt.Sprint(pid + 1), nil
	case verb == "get_client_list":
		return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(d.clients), "[]")), "\n"), nil
	case strings.HasPrefix(command, "get_"):
		return d.set[strings.TrimPrefix(command, "get_")], nil
	case verb == "set_default_active_thread_percentage":
		d.set["default_active_thread_percentage"] = rest + ".0"
		return "", nil
	case verb == "set_default_device_pinned_mem_limit":
		name, value, _ := strings.Cut(rest, " ")
		d.set["default_device_pinned_mem_limit "+name] = value
		return "", nil
	}
	return "", fmt.Errorf("unknown command %q", command)
}

func (m *memory) Find(ctx context.Context) ([]mps.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var out []mps.Process
	for _, pid := range slices.Sorted(maps.Keys(m.daemons)) {
		d := m.daemons[pid]
		out = append(out, mps.Process{PID: pid, UID: d.uid, Started: uint64(pid), Args: []string{"-d"}, Env: maps.Clone(d.env)})
	}
	return out, nil
}

// slicesFile is the time slices of GPUs in a file, as a driver keeps them when a
// process dies.
type slicesFile struct{ path string }

func (f slicesFile) read() (map[string]string, error) {
	data, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	var set map[string]string
	return set, json.Unmarshal(data, &set)
}

func (f slicesFile) TimeSlice(_ context.Context, gpu string) (string, error) {
	set, err := f.read()
	if slice, ok := set[gpu]; ok {
		return slice, err
	}
	return "default", err
}

func (f slicesFile) SetTimeSlice(_ context.Context, gpu, slice string) error {
	set, err := f.read()
	if err != nil {
		return err
	}
	set[gpu] = slice
	data, err := json.Marshal(set)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

// fastDir is a folder that goes with the test, in memory where there is such a file
// system: a journal syncs each line.
func fastDir(t testing.TB) string {
	t.Helper()
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		parent = ""
	}
	dir, err := os.MkdirTemp(parent, "nv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
