package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/evabench/evabench/partition"
)

// A kept is a folder with the GPUs of pro5000x3 and their journal.
type kept struct {
	*testing.T
	dir string
}

// gpu runs a command on them and wants its status, and a text in what it says.
func (k kept) gpu(status int, want string, args ...string) {
	k.Helper()
	args = append([]string{"gpu"}, append(args, "--sim", "pro5000x3", "--sim-dir", k.dir)...)
	code, out, talk := command(k.T, args...)
	if code != status || !strings.Contains(out+talk, want) {
		k.Fatalf("%v: status %d, want %d and %q in\n%s%s", args, code, status, want, out, talk)
	}
}

// slice applies a time slice to GPUs.
func (k kept) slice(status int, want, slice, gpus string, more ...string) {
	k.Helper()
	k.gpu(status, want, append([]string{"apply", "off(ts:" + slice + ")", "--gpus", gpus, "--allow", "time-slice", "--yes"}, more...)...)
}

// stand wants the time slices of all three GPUs.
func (k kept) stand(want ...string) {
	k.Helper()
	code, out, talk := command(k.T, "gpu", "inspect", "--sim", "pro5000x3", "--sim-dir", k.dir)
	var got []string
	for line := range strings.Lines(out) {
		if _, slice, found := strings.Cut(line, "time slice "); found {
			slice, _, _ = strings.Cut(slice, ",")
			got = append(got, slice)
		}
	}
	if code != exitDone || fmt.Sprint(got) != fmt.Sprint(want) {
		k.Fatalf("status %d, time slices %v, want %v\n%s", code, got, want, talk)
	}
}

const (
	stands  = "layout off(ts:"
	putback = "put back and verified"
	nothing = "nothing to put back"
)

// What is applied over a layout that stands is undone with it, and neither it nor
// --permanent loses how a GPU was that is not named.
func TestApplyOverKept(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(k kept)
		left []string // after the restore
	}{
		{"one after the other", func(k kept) {
			k.slice(exitDone, stands, "short", "0")
			k.slice(exitDone, stands, "long", "0,1")
			k.stand("long", "long", "default")
		}, []string{"default", "default", "default"}},
		{"not named", func(k kept) {
			k.slice(exitDone, stands, "short", "1")
			k.slice(exitFailed, "which is not named now", "long", "0")
			k.slice(exitFailed, "which is not named now", "long", "0", "--permanent")
			k.slice(exitFailed, "which is not named now", "default", "0", "--permanent") // as it stands already
			k.stand("default", "short", "default")
		}, []string{"default", "default", "default"}},
		{"nothing to change", func(k kept) {
			k.slice(exitDone, stands, "short", "1")
			k.slice(exitDone, "nothing was changed", "short", "1")
			k.slice(exitDone, "nothing was changed", "default", "0")
		}, []string{"default", "default", "default"}},
		{"for good", func(k kept) {
			k.slice(exitDone, stands, "short", "1")
			k.slice(exitDone, "the new normal", "long", "0,1", "--permanent")
			k.slice(exitDone, stands, "medium", "2")
		}, []string{"long", "long", "default"}},
		{"for good as it stands", func(k kept) {
			k.slice(exitDone, stands, "short", "1")
			k.slice(exitDone, "the new normal", "short", "1", "--permanent")
			k.slice(exitDone, stands, "medium", "2")
		}, []string{"default", "short", "default"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := kept{t, t.TempDir()}
			c.do(k)
			k.gpu(exitDone, putback, "restore")
			k.stand(c.left...)
			k.gpu(exitDone, nothing, "restore")
		})
	}
}

// An apply that is killed on top of one that stands is undone alone by whoever comes
// next, and by restore with that.
func TestApplyOverKeptBreaksOff(t *testing.T) {
	k := kept{t, t.TempDir()}
	breakOff := func() {
		k.slice(exitDone, stands, "short", "0")
		before := partition.State{}
		g, err := (&gpuOptions{sim: "pro5000x3", simDir: k.dir}).open()
		if err == nil {
			before, err = g.inspect(t.Context(), []string{"0"})
		}
		if err != nil {
			t.Fatal(err)
		}
		j, err := partition.OpenJournal(k.dir)
		if err == nil {
			err = errors.Join(j.Begin(before), j.Close()) // all that a killed one leaves
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	breakOff()
	k.slice(exitDone, "an earlier run did not put the GPUs back; doing it now", "long", "0")
	k.stand("long", "default", "default")
	k.gpu(exitDone, putback, "restore")
	k.stand("default", "default", "default")
	breakOff()
	k.gpu(exitDone, putback, "restore")
	k.stand("default", "default", "default")
	k.gpu(exitDone, nothing, "restore")
	breakOff()
	k.gpu(exitDone, "forgotten", "restore", "--forget")
	k.stand("short", "default", "default")
	k.gpu(exitDone, nothing, "restore")
}

// The same with a process that is really killed, in the middle of its changes: when it
// starts the first MPS daemon, its instances are made.
func TestKilledApplyOverKept(t *testing.T) {
	evabench, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	k := kept{t, t.TempDir()}
	k.slice(exitDone, stands, "short", "0")
	l, err := net.Listen("unix", filepath.Join(k.dir, "hold"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(evabench, "gpu", "apply", "2x1g.24gb(mps)", "--gpus", "0", "--sim", "pro5000x3", "--sim-dir", k.dir, "--allow", "layout,mode,reset,mps", "--yes")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	control, err := l.Accept()
	if err := errors.Join(err, c.Process.Kill(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil {
		t.Error("it ended before it was killed")
	}
	defer control.Close()
	if err := control.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, control); err != nil { // to the control program's end
		t.Fatal(err)
	}
	k.gpu(exitDone, "instance 1g.24gb", "inspect", "--gpus", "0")
	k.gpu(exitDone, putback, "restore")
	k.stand("default", "default", "default")
	k.gpu(exitDone, "MIG off", "inspect", "--gpus", "0")
	k.gpu(exitDone, nothing, "restore")
	if n := running(t, k.dir); n != 0 {
		t.Errorf("%d daemons are left", n)
	}
}

// A layout that stands on purpose is left alone by a sweep.
func TestKeptLayoutIsNotUndone(t *testing.T) {
	dir := t.TempDir()
	j, err := partition.OpenJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Begin(partition.State{}), j.Keep(), j.Close()); err != nil {
		t.Fatal(err)
	}
	b, s := &faultyBackend{}, streams{nil, io.Discard, io.Discard}
	if _, err := openJournal(t.Context(), b, keeping{dir: dir}, intent{}, s); err == nil || !strings.Contains(err.Error(), "evabench gpu restore") || b.restored != 0 {
		t.Errorf("openJournal() = %v, restored %d times; want a refusal", err, b.restored)
	}
	held, err := openJournal(t.Context(), b, keeping{dir: dir}, intent{over: true}, s)
	if err != nil || b.restored != 0 {
		t.Fatalf("openJournal() over it = %v, restored %d times", err, b.restored)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
}

// What was refused before the first change is not put back: that would undo what
// others made since the plan.
func TestApplyThatChangedNothing(t *testing.T) {
	refused := fmt.Errorf("the GPUs changed: %w", partition.ErrNothingChanged)
	plan := partition.Plan{Before: partition.State{GPUs: []partition.GPU{{UUID: "GPU-1"}}}, Changes: []partition.Step{{Action: partition.SetMode}}}
	for _, over := range []bool{false, true} {
		j, err := partition.OpenJournal(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if over {
			if err := errors.Join(j.Begin(plan.Before), j.Keep()); err != nil {
				t.Fatal(err)
			}
		}
		b := &faultyBackend{applying: refused}
		if _, err := (&applyOptions{}).carryOut(t.Context(), undoing{backend: b, journal: j}, plan); !errors.Is(err, partition.ErrNothingChanged) || strings.Contains(err.Error(), "put back") {
			t.Errorf("carryOut() = %v, want the refusal", err)
		}
		left, pending, err := j.Pending()
		if err != nil || b.restored != 0 || pending != over || left.Kept != over {
			t.Errorf("over a kept layout %v: restored %d times; pending %v, kept %v, %v", over, b.restored, pending, left.Kept, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Two state folders are two journals of one host: one process at a time changes its
// GPUs.
func TestOneHostIsLockedOnce(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "evabench.lock")
	s := streams{nil, io.Discard, io.Discard}
	first, err := openJournal(t.Context(), &faultyBackend{}, keeping{dir: t.TempDir(), hostLock: lock}, intent{}, s)
	if err != nil {
		t.Fatal(err)
	}
	other := keeping{dir: t.TempDir(), hostLock: lock}
	for range 2 { // the refused one holds nothing
		_, err := openJournal(t.Context(), &faultyBackend{}, other, intent{}, s)
		if locked, ok := errors.AsType[*partition.LockedError](err); !ok || !strings.Contains(locked.Error(), lock) || !strings.Contains(locked.Holder, fmt.Sprint("pid ", os.Getpid())) {
			t.Errorf("a second folder: %v, want the host's lock and its holder", err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := openJournal(t.Context(), &faultyBackend{}, other, intent{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	// Every command that changes real GPUs takes it, and none of simulated ones.
	var o gpuOptions
	o.stateFlag(new(cobra.Command), keepsState)
	if got := o.keeping(); got != (keeping{dir: defaultStateDir, hostLock: hostLockFile}) {
		t.Errorf("gpu keeps at %+v", got)
	}
	o.sim, o.simDir = "pro6000x1", "d"
	if got := o.keeping(); got != (keeping{dir: "d", sim: "pro6000x1"}) {
		t.Errorf("simulated, gpu keeps at %+v", got)
	}
	if got := (&sweepOptions{stateDir: "d"}).open().keeping; got != (keeping{dir: "d", hostLock: hostLockFile}) {
		t.Errorf("sweep keeps at %+v", got)
	}
}
