package sim

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/environ"
	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// hostDCGMInterval is how often the dcgm-exporter page of a Host's server collects.
const hostDCGMInterval = time.Second

// startTimeout bounds the start of a simulated server.
const startTimeout = 30 * time.Second

// A Host starts simulated servers as child processes when they are first used,
// and ends them. It is safe for concurrent use.
type Host struct {
	exe, dir string
	stderr   io.Writer

	// kept is the folder of the one server's GPUs where these are to outlive it; empty
	// if they are not.
	kept string

	mu       sync.Mutex
	machines map[string]*Machine
}

// NewHost makes a Host; nothing is started or written yet. The servers run as
// `exe sim SERVER --state dir/SERVER --child --scale K --dcgm-interval 1s`, with the token in [TokenEnv],
// and talk to stderr; after [Host.Keep] with --keep-daemons, which is [Options].KeepDaemons. With --child, the command must give its standard input
// as [Options].Parent.
func NewHost(exe, dir string, stderr io.Writer) *Host {
	return &Host{exe: exe, dir: dir, stderr: stderr, machines: make(map[string]*Machine)}
}

// Keep makes the folder dir itself keep the GPUs of the one server that is opened, as
// [OpenGPUs] does: they stay as they are left, and so do their MPS daemons, whatever
// becomes of the server and of us. It is called before the first Open.
func (h *Host) Keep(dir string) { h.kept = dir }

// folder is where a server's GPUs are kept.
func (h *Host) folder(server string) string {
	if h.kept != "" {
		return h.kept
	}
	return filepath.Join(h.dir, server)
}

// A Machine is a simulated server that runs as a child process.
type Machine struct {
	// Server is its name, About what its numbers rest on.
	Server, About string
	// Scale is how many seconds of server time pass in one of the clock.
	Scale float64
	// GPUs is what a collector reads the cards through.
	GPUs nvml.API
	// DCGM is the URL of its dcgm-exporter page, which collects each second of server
	// time, as one that measures should.
	DCGM string

	dir     string // of its state
	backend partition.Backend
	control controlClient
	mortal  mortal
	command *exec.Cmd
	stdin   io.Closer
	done    chan struct{}
	err     error // why it ended; read after done
}

// Open gives a server at a scale ([CheckScale]), started if it does not run,
// also anew after it has ended: its cards are in their file, so that they can
// still be put back. A server that runs at another scale is an error.
func (h *Host) Open(server string, scale float64) (*Machine, error) {
	if err := checkServer(server, scale); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, ok := h.machines[server]; ok {
		if m.fault() == nil && m.Scale != scale {
			return nil, fmt.Errorf("simulated server %s runs at scale %v, not %v", server, m.Scale, scale)
		}
		if m.fault() == nil {
			return m, nil
		}
		m.control.close()
	}
	m, err := h.start(server, scale)
	if err != nil {
		return nil, fmt.Errorf("start simulated server %s: %w", server, err)
	}
	h.machines[server] = m
	return m, nil
}

// only is the one server that was opened.
func (h *Host) only() (*Machine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.machines) != 1 {
		return nil, fmt.Errorf("launcher sim: %d simulated servers are open; say which by server: NAME", len(h.machines))
	}
	return slices.Collect(maps.Values(h.machines))[0], nil
}

// checkServer says what is wrong with a server's name or scale.
func checkServer(server string, scale float64) error {
	if _, err := findServer(server); err != nil {
		return err
	}
	return CheckScale(scale)
}

func (h *Host) start(server string, scale float64) (*Machine, error) {
	dir := h.folder(server)
	token := rand.Text()
	m := &Machine{Server: server, Scale: scale, dir: dir, done: make(chan struct{})}
	m.command = exec.Command(h.exe, "sim", server, "--state", dir, "--child",
		"--scale", strconv.FormatFloat(scale, 'g', -1, 64), "--dcgm-interval", hostDCGMInterval.String())
	if h.kept != "" {
		m.command.Args = append(m.command.Args, "--keep-daemons")
	}
	m.command.Env = append(environ.Own(), TokenEnv+"="+token)
	m.command.Stderr = h.stderr
	// A group of its own: Ctrl-C is for the parent, which restores first.
	m.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	m.command.WaitDelay = 10 * time.Second // it counts as failed if we stand still for that long after its end
	stdin, err := m.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	m.stdin = stdin
	stdout, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	m.command.Stdout = write
	err = m.command.Start()
	write.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	go func() {
		m.err = m.command.Wait()
		close(m.done)
	}()
	ready, err := m.ready(stdout)
	var gpus *GPUs
	if err == nil {
		gpus, err = OpenGPUs(server, dir, h.exe)
	}
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return nil, errors.Join(err, m.close(ctx))
	}
	m.GPUs, m.backend, m.DCGM = gpus.API, gpus.Backend, ready.DCGM
	m.About, m.control = ready.About, newControlClient(ready.Control, token)
	return m, nil
}

// ready reads the child's line.
func (m *Machine) ready(stdout *os.File) (r Ready, err error) {
	if err := stdout.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return r, err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("wait until it is ready: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("read its first line: %w", err)
	}
	return r, nil
}

// fault tells why the server has ended, nil while it runs.
func (m *Machine) fault() error {
	select {
	case <-m.done:
		if m.err != nil {
			return fmt.Errorf("simulated server %s ended: %w", m.Server, m.err)
		}
		return fmt.Errorf("simulated server %s ended", m.Server)
	default:
		return nil
	}
}

// close ends the child: it sees its input end; when ctx ends first it is
// killed with its group.
func (m *Machine) close(ctx context.Context) error {
	m.control.close()
	m.stdin.Close() // fails only if the child is gone
	select {
	case <-m.done:
		if m.err != nil {
			return fmt.Errorf("simulated server %s: %w", m.Server, m.err)
		}
		return nil
	case <-ctx.Done():
	}
	// The child has not been waited for, so the group is still its own.
	err := syscall.Kill(-m.command.Process.Pid, syscall.SIGKILL)
	<-m.done
	return errors.Join(fmt.Errorf("simulated server %s did not end and was killed: %w", m.Server, ctx.Err()), err)
}

// Close ends all servers, and their MPS daemons, and waits for them; when ctx ends
// it kills them. The Host can be used again afterwards: the cards are as they were
// left.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, m := range h.machines {
		errs = append(errs, m.close(ctx))
		if h.kept == "" {
			errs = append(errs, EndDaemons(m.dir)) // a server that was killed ended none
		} else if dir, err := filepath.Abs(m.dir); err == nil {
			os.Remove(mpsFolder(dir)) // fails while it holds a daemon's
		}
	}
	clear(h.machines)
	return errors.Join(errs...)
}
