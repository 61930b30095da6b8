package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Serve is the supervisor: it runs the order that in begins with, and returns
// when nothing of it is left. It ends the program when in ends, when in asks for
// it and when ctx ends. The process that calls it does nothing else: it becomes
// a subreaper, and every child of it is taken for the program's.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	// Whoever reads us may be gone: a write fails then, and does not end us. Nor
	// does a second SIGTERM, SIGINT or SIGHUP, whatever the first did to ctx: what we
	// run would be left.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) { // nohup's children ignore it too
		signal.Notify(heard, syscall.SIGHUP)
	}
	lines := bufio.NewReader(in)
	first, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the order: %w; this command is for evabench itself", err)
	}
	var o Order
	if err := json.Unmarshal(first, &o); err != nil || len(o.Argv) == 0 {
		return errors.Join(errors.New("the order is none; this command is for evabench itself"), err)
	}
	tell := &teller{to: json.NewEncoder(out)}
	t, err := start(o)
	if err != nil {
		return tell.event(event{Refused: err.Error()})
	}
	_ = tell.event(event{PID: t.main, Cgroup: t.cgroup}) // if nobody reads, in has ended too
	go func() {
		for range t.log.more { // for as long as we live
			_ = tell.event(event{OOMs: t.log.outOfMemory()}) // likewise
		}
	}()
	asked := make(chan string)
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				line = askStop
			}
			asked <- strings.TrimSpace(line)
			if err != nil {
				return
			}
		}
	}()
	exit := t.run(ctx, asked)
	_ = tell.event(event{Exit: &exit})
	return nil
}

// A teller writes events, one at a time.
type teller struct {
	mu sync.Mutex
	to *json.Encoder
}

func (t *teller) event(e event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to.Encode(e)
}

// A tree is a program and its descendants.
type tree struct {
	order  Order
	cgroup string
	main   int
	ooms   oomCount // before the start
	log    *logWriter
	copied chan struct{} // closed when the log is at its end

	mainEnded chan syscall.WaitStatus // holds one
	gone      chan struct{}           // closed when no child is left
}

// start starts the program.
func start(o Order) (_ *tree, err error) {
	// What a daemon leaves behind becomes our child, not init's.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	t := &tree{
		order: o, copied: make(chan struct{}), mainEnded: make(chan syscall.WaitStatus, 1), gone: make(chan struct{}),
	}
	if t.log, err = openLog(o.Log); err != nil {
		return nil, err
	}
	t.cgroup = makeCgroup(o.Mark)
	t.ooms = o.countOOM(t.cgroup)
	output, err := t.fork()
	if err != nil {
		endCgroup(t.cgroup)
		return nil, err
	}
	go func() {
		defer close(t.copied)
		t.log.copyFrom(output)
	}()
	return t, nil
}

// fork starts the program from a thread of its own, which has its processors and
// lives as long as we do: PR_SET_PDEATHSIG means the end of the thread that
// forked.
func (t *tree) fork() (output *os.File, err error) {
	output, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	defer null.Close()
	forked := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := t.forkHere([]uintptr{null.Fd(), theirs.Fd(), theirs.Fd()})
		forked <- err
		if err == nil {
			t.reap()
		}
	}()
	if err := <-forked; err != nil {
		return nil, errors.Join(err, output.Close())
	}
	return output, nil
}

// forkHere starts the program from the calling thread.
func (t *tree) forkHere(files []uintptr) error {
	if len(t.order.CPUs) > 0 {
		var set unix.CPUSet
		for _, n := range t.order.CPUs {
			set.Set(n)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin to processors %v: %w", t.order.CPUs, err)
		}
	}
	// Not the mark of whoever supervises us: the first one counts.
	env := slices.DeleteFunc(slices.Clone(t.order.Env), func(v string) bool { return strings.HasPrefix(v, markEnv+"=") })
	if !t.order.Unmarked {
		env = append(env, markEnv+"="+t.order.Mark+t.order.Owner+ourselves())
	}
	attr := &syscall.ProcAttr{
		Dir: t.order.Dir, Env: env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	var err error
	if t.cgroup != "" {
		dir, openErr := os.Open(t.cgroup)
		if openErr == nil {
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(dir.Fd())
			t.main, err = syscall.ForkExec(t.order.Argv[0], t.order.Argv, attr)
			openErr = errors.Join(err, dir.Close())
		}
		if openErr == nil {
			return nil
		}
		// We may make a cgroup but not enter it: some containers are so. If
		// it was the program's fault, it is told next.
		endCgroup(t.cgroup)
		t.cgroup, attr.Sys.UseCgroupFD = "", false
	}
	if t.main, err = syscall.ForkExec(t.order.Argv[0], t.order.Argv, attr); err != nil {
		return fmt.Errorf("start %s: %w", t.order.Argv[0], err)
	}
	return nil
}

// reap waits for every child. As a subreaper we get each descendant as a child
// before it ends or when its parent does: without a child there is none.
func (t *tree) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			close(t.gone)
			return
		case pid == t.main:
			t.mainEnded <- status
		}
	}
}

// leftoverGrace is how long descendants may go on after a program that ended by
// itself, once they are asked to end.
const leftoverGrace = 2 * time.Second

// run waits for the program's end, or brings it about, and then for that of all
// its descendants.
func (t *tree) run(ctx context.Context, asked <-chan string) Exit {
	kill := false
	var status syscall.WaitStatus
	ended := false
	grace := t.order.Grace
	select {
	case status = <-t.mainEnded:
		ended, grace = true, min(grace, leftoverGrace)
	case what := <-asked:
		kill = what == askKill
	case <-ctx.Done():
	}
	if !kill {
		status, ended = t.ask(grace, status, ended, asked)
	}
	ours := !ended // by us it is killed now, not by the kernel
	t.killAll()
	if !ended {
		status = <-t.mainEnded
	}
	return t.exit(status, ours)
}

// ask lets the tree end by itself within a grace: the program first, which knows
// its own children best, and then what it leaves.
func (t *tree) ask(grace time.Duration, status syscall.WaitStatus, ended bool, asked <-chan string) (syscall.WaitStatus, bool) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	if !ended {
		t.signalMain()
	} else {
		t.signalAll(t.signal())
	}
	for {
		select {
		case status = <-t.mainEnded:
			ended = true
			t.signalAll(t.signal())
		case <-t.gone:
			if !ended {
				status = <-t.mainEnded // it was the last, and told before
			}
			return status, true
		case what := <-asked:
			if what == askKill {
				return status, ended
			}
		case <-timer.C:
			return status, ended
		}
	}
}

func (t *tree) signal() syscall.Signal {
	if t.order.Signal == 0 {
		return syscall.SIGTERM
	}
	return t.order.Signal
}

// signalMain signals the program. It is our child and not reaped yet, or its
// number is free for the moment: nobody else's in the time that this takes.
func (t *tree) signalMain() {
	if p, ok := readProc(t.main); ok && p.parent == os.Getpid() {
		p.signal(t.signal())
	}
}

func (t *tree) signalAll(s syscall.Signal) {
	for _, p := range descendants(os.Getpid()) {
		p.signal(s)
	}
}

// killEvery is how often what was killed is looked for again: it may have forked
// between our look and our signal.
const killEvery = 20 * time.Millisecond

// killAll kills until nothing is left.
func (t *tree) killAll() {
	again := time.NewTicker(killEvery)
	defer again.Stop()
	for {
		killCgroup(t.cgroup)
		t.signalAll(syscall.SIGKILL)
		select {
		case <-t.gone:
			return
		case <-again.C:
		}
	}
}

// logWithin bounds the wait for the log's end, for when a process that is not
// ours was given its pipe.
const logWithin = time.Second

// exit tells how the program ended, when all has; killed says that we killed it.
func (t *tree) exit(status syscall.WaitStatus, killed bool) Exit {
	select {
	case <-t.copied:
	case <-time.After(logWithin):
	}
	e := Exit{Status: -1}
	switch {
	case status.Exited():
		e.Status = status.ExitStatus()
	case status.Signaled():
		e.Signal = status.Signal()
	}
	// 137 is how shells and init programs tell of a SIGKILL below them.
	if !killed && (e.Signal == syscall.SIGKILL || e.Status == 128+int(syscall.SIGKILL)) {
		e.OOM = t.ooms.since()
	}
	switch {
	case t.ooms.own():
		e.OOMs = t.ooms.grown()
	case e.OOM != "":
		e.OOMs = 1 // how many of the machine's were its own is unknown
	}
	t.log.close(&e)
	endCgroup(t.cgroup)
	e.After = t.order.after()
	return e
}
