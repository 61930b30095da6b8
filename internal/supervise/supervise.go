// Package supervise runs a program so that neither it nor anything that it
// starts outlives us, however we end.
//
// Between us and the program stands a supervisor: our own executable, run again
// as [Serve]. It reads its order from a pipe whose other end only we hold, so
// that our end, also by kill -9, is the pipe's end, and ends the program with
// all of its descendants: daemons and processes that left for a session of their
// own too, since it is their subreaper and, where it may make one, they are in a
// cgroup of their own.
//
// Note: a process group alone loses whatever calls setsid, and PR_SET_PDEATHSIG
// alone ends the child but not its children.
package supervise

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/environ"
)

// Command is the first argument with which our executable is the supervisor: it
// has to call [Serve] then.
const Command = "supervise-process"

// An Order is what a supervisor is told to run.
type Order struct {
	// Argv is the program, found in no PATH, and its arguments.
	Argv []string `json:"argv"`
	// Env is the whole environment, as "NAME=value".
	Env []string `json:"env"`
	// Dir is the working folder; empty means ours.
	Dir string `json:"dir,omitempty"`
	// CPUs are the processors that it may run on; none means ours.
	CPUs []int `json:"cpus,omitempty"`
	// Log is where its standard output and error go together.
	Log Log `json:"log"`
	// Signal asks the program to end; 0 means SIGTERM.
	Signal syscall.Signal `json:"signal,omitempty"`
	// Grace is how long it may take to end after Signal until it is killed; 0
	// kills it at once.
	Grace time.Duration `json:"grace_ns"`
	// Elsewhere says that the program only asks another to do the work, so what the
	// kernel kills on the whole machine for want of memory is not held against it.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// After are commands, as Argv is one, that the supervisor runs one after
	// another when nothing of the program is left: for what the program has
	// asked of another, such as a container. They have Env and Dir, and 30 s each.
	After [][]string `json:"after,omitempty"`

	// Mark is a name that stands in the environment of all that it starts.
	Mark string `json:"mark"`
	// Owner is who gives the order, as "/PID/BEGIN".
	Owner string `json:"owner"`
	// Unmarked keeps it out: the program asks others to start what is to outlive us,
	// and they may hand its environment on. What is left when the supervisor was
	// killed is then found by its cgroup alone, and not by [EndOrphans].
	Unmarked bool `json:"unmarked,omitempty"`
}

// A Log is a file that is cut at a line's end when it is full, a few of which
// are kept: Path, Path.1 (the one before), Path.2, ….
type Log struct {
	Path     string `json:"path"`
	MaxBytes int64  `json:"max_bytes"` // of one file, at least 1
	Keep     int    `json:"keep"`      // files beside Path, 0 or more
	// Hide is what stands in the log in place of secret values.
	Hide map[string]string `json:"hide,omitempty"`
}

// An Exit is how a program ended.
type Exit struct {
	// Status is the exit status, -1 if a signal ended it or it is unknown.
	Status int `json:"status"`
	// Signal ended the program; 0 if none did.
	Signal syscall.Signal `json:"signal,omitempty"`
	// OOM is what shows that it ran out of memory, the host's or the card's;
	// empty if nothing does.
	OOM string `json:"oom,omitempty"`
	// OOMs counts the lines of its log that say so, and the processes that the
	// kernel killed for it.
	OOMs int64 `json:"ooms,omitempty"`
	// Tail is the end of its log, oldest line first, at most 20 lines and 4 KiB.
	Tail []string `json:"tail,omitempty"`
	// LogFault tells why the log has gaps; empty if it has none.
	LogFault string `json:"log_fault,omitempty"`
	// Fault tells that the supervisor itself ended too early; how the program
	// ended is not known then.
	Fault string `json:"fault,omitempty"`
	// After is what became of each command of [Order.After]; none if Fault.
	After []Done `json:"after,omitempty"`
}

// event is a line from the supervisor: one of its fields is set.
type event struct {
	Refused string `json:"refused,omitempty"` // nothing was started
	PID     int    `json:"pid,omitempty"`     // the program runs
	Cgroup  string `json:"cgroup,omitempty"`  // beside PID: the folder, empty if there is none
	OOMs    int64  `json:"ooms,omitempty"`    // lines that tell of too little memory came, so many in all
	Exit    *Exit  `json:"exit,omitempty"`    // all has ended
}

// The messages to the supervisor, after its order: a line each.
const (
	askStop = "stop" // signal, grace, kill
	askKill = "kill" // kill at once
)

// A Process is a program that was started. It is safe for concurrent use.
type Process struct {
	pid        int
	cgroup     string
	mark       string
	supervisor *exec.Cmd

	ooms atomic.Int64 // the most that was seen
	said atomic.Int64 // of them, the lines

	asking sync.Mutex     // guards asks
	asks   io.WriteCloser // the pipe that we hold the end of

	gone chan struct{} // closed when nothing of it runs
	exit Exit          // set before gone is closed
}

// Start runs an order under a supervisor, which is our own executable, and
// returns when the program runs. If it fails or ctx ends before that, nothing is
// left but what the error names. After that ctx means nothing to the process.
func Start(ctx context.Context, o Order) (*Process, error) {
	if len(o.Argv) == 0 {
		return nil, errors.New("supervise: no program")
	}
	o.Mark, o.Owner = rand.Text(), ourselves()
	// Args[0] is ours: the executable may be one of several names.
	c := &exec.Cmd{Path: "/proc/self/exe", Args: []string{os.Args[0], Command}, Env: environ.Own()}
	// A session of its own: the terminal's Ctrl-C is for us, not for it.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var talk bytes.Buffer // exec writes it until Wait returns
	c.Stderr = &talk
	asks, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	events, err := c.StdoutPipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the supervisor: %w", err), asks.Close())
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the supervisor: %w", err)
	}
	p := &Process{mark: o.Mark, supervisor: c, asks: asks, gone: make(chan struct{})}
	started := make(chan error, 1)
	go p.follow(bufio.NewReader(events), &talk, started)
	if err := json.NewEncoder(asks).Encode(o); err != nil {
		_ = asks.Close()
		err = fmt.Errorf("start the supervisor: %w", err)
		if p.goes(killWithin) {
			return nil, fmt.Errorf("%w; %s", err, p.exit.Fault)
		}
		return nil, p.mute(err)
	}
	select {
	case err = <-started:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err == nil {
		return p, nil
	}
	p.ask(askKill)
	if p.goes(killWithin) { // the supervisor's answer, or its end
		return nil, err
	}
	select {
	case <-started: // the program runs since
		return nil, p.stuck(err)
	default:
		return nil, p.mute(err)
	}
}

// goes reports whether nothing of it runs within a time.
func (p *Process) goes(within time.Duration) bool {
	select {
	case <-p.gone:
		return true
	case <-time.After(within):
		return false
	}
}

// stuck tells of a program that a kill does not end.
func (p *Process) stuck(cause error) error {
	return fmt.Errorf("process %d does not end, though it was killed; its supervisor (process %d) goes on trying: %w",
		p.pid, p.supervisor.Process.Pid, cause)
}

// mute tells of a supervisor that does not answer.
func (p *Process) mute(cause error) error {
	return fmt.Errorf("nothing was heard of the program, nor of the end of its supervisor (process %d): %w", p.supervisor.Process.Pid, cause)
}

// follow reads the supervisor's events until its end.
func (p *Process) follow(events *bufio.Reader, talk *bytes.Buffer, started chan<- error) {
	defer close(p.gone)
	ended, refused := false, false
	for {
		line, err := events.ReadBytes('\n')
		if err != nil {
			break
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			continue // not of the supervisor: it has no other events
		}
		switch {
		case e.Refused != "":
			refused = true
			started <- errors.New(e.Refused)
		case e.Exit != nil:
			ended, p.exit = true, *e.Exit
		case e.PID > 0:
			p.pid, p.cgroup = e.PID, e.Cgroup
			started <- nil
		case e.OOMs > 0:
			p.said.Store(e.OOMs)
		}
	}
	err := p.supervisor.Wait()
	p.asking.Lock()
	_ = p.asks.Close() // Wait may have closed it
	p.asking.Unlock()
	if ended || refused {
		return
	}
	p.exit = Exit{Status: -1, Fault: fmt.Sprintf("its supervisor ended too early (%v); what it had started was ended", endOf(err))}
	if said := strings.TrimSpace(talk.String()); said != "" {
		p.exit.Fault += ": " + said[:min(len(said), 500)]
	}
	killMarked(p.mark)
	endCgroup(p.cgroup)
	select {
	case started <- errors.New(p.exit.Fault):
	default: // Start has returned long ago
	}
}

func endOf(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// PID is the program's process.
func (p *Process) PID() int { return p.pid }

// Gone is closed when neither the program nor anything that it started runs.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Exit tells how the program ended, when Gone is closed; false before.
func (p *Process) Exit() (Exit, bool) {
	select {
	case <-p.gone:
		return p.exit, true
	default:
		return Exit{}, false
	}
}

// OutOfMemory counts the lines of the log that tell of memory that ran out, and
// the processes of the program that the kernel killed for it; where they have no
// cgroup with a memory controller, only the program itself is counted, once it
// has ended. It never falls.
func (p *Process) OutOfMemory() int64 {
	seen := p.said.Load()
	if e, ended := p.Exit(); ended {
		seen = e.OOMs
	} else if p.cgroup != "" { // made for the program alone
		if kills, ok := readCount(filepath.Join(p.cgroup, "memory.events"), "oom_kill"); ok {
			seen += kills
		}
	}
	for {
		most := p.ooms.Load()
		if seen <= most {
			return most
		}
		if p.ooms.CompareAndSwap(most, seen) {
			return seen
		}
	}
}

// Stop ends the program by its signal, grace and SIGKILL, and all that it
// started, and waits until nothing of it runs. If ctx ends first all is killed
// and an error returned, perhaps before all is gone. Further calls wait too.
func (p *Process) Stop(ctx context.Context) error {
	p.ask(askStop)
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
	}
	p.ask(askKill)
	if p.goes(killWithin) {
		return nil
	}
	return p.stuck(context.Cause(ctx))
}

// Kill kills the program and all that it started at once, and waits until nothing
// of it runs or ctx ends.
func (p *Process) Kill(ctx context.Context) error {
	p.ask(askKill)
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("process %d was killed and does not end: %w", p.pid, context.Cause(ctx))
	}
}

// killWithin is how long Start and Stop wait for the kernel to end what was killed.
const killWithin = 2 * time.Second

// ask sends a message. A supervisor that is gone needs none.
func (p *Process) ask(what string) {
	p.asking.Lock()
	defer p.asking.Unlock()
	_, _ = io.WriteString(p.asks, what+"\n")
}
