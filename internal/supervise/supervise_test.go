package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// launch starts an order, which is stopped at the test's end at the latest.
func launch(t *testing.T, o Order) *Process {
	t.Helper()
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Stop(ended); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ended waits for a process's own end.
func ended(t *testing.T, p *Process) Exit {
	t.Helper()
	select {
	case <-p.Gone():
	case <-time.After(within):
		t.Fatal("it does not end")
	}
	e, ok := p.Exit()
	if !ok {
		t.Fatal("gone, but no exit")
	}
	return e
}

func TestStopEndsTheTree(t *testing.T) {
	for _, c := range []struct {
		name  string
		grace time.Duration
		args  []string
		want  syscall.Signal
	}{
		{"asked", time.Minute, nil, syscall.SIGTERM},
		{"deaf", 50 * time.Millisecond, []string{"deaf"}, syscall.SIGKILL},
		{"no grace", 0, nil, syscall.SIGKILL},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			p := launch(t, order(t, c.grace, append([]string{"family", h.socket}, c.args...)...))
			all := h.await(4)
			if _, ok := p.Exit(); ok {
				t.Error("it has an exit while it runs")
			}
			if all["main"].pid != p.PID() {
				t.Errorf("PID() = %d, want %d", p.PID(), all["main"].pid)
			}
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			gone(t, all, 0)
			// Without grace the signal may or may not come before the kill.
			if e, _ := p.Exit(); e.Signal != c.want && c.grace > 0 {
				t.Errorf("ended by %v (%+v), want %v", e.Signal, e, c.want)
			}
			if err := p.Stop(t.Context()); err != nil {
				t.Errorf("a second stop: %v", err)
			}
			if _, err := os.Stat(p.cgroup); p.cgroup != "" && err == nil {
				t.Errorf("cgroup %s is left", p.cgroup)
			}
		})
	}
}

// TestTreeWithoutCgroup ends a family by the walk alone: what makes a cgroup
// fail is a mark that is no file's name.
func TestTreeWithoutCgroup(t *testing.T) {
	if got := makeCgroup("no/such/folder"); got != "" {
		t.Fatalf("a cgroup %q", got)
	}
	h := newHouse(t)
	o := order(t, time.Minute, "family", h.socket, "deaf")
	o.Mark = "no/such/folder"
	tr, events := supervisor(t, o)
	all := h.await(4)
	if _, err := events.write.WriteString(askKill + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := tr.Wait(); err != nil {
		t.Fatal(err)
	}
	gone(t, all, 0)
}

type pipes struct{ write *os.File }

// supervisor runs a supervisor by hand, as Start does.
func supervisor(t *testing.T, o Order) (*exec.Cmd, pipes) {
	t.Helper()
	in, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/proc/self/exe", Command)
	c.Stdin = in
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write.Close() })
	o.Owner = ourselves()
	if err := errors.Join(in.Close(), json.NewEncoder(write).Encode(o)); err != nil {
		t.Fatal(err)
	}
	return c, pipes{write}
}

// ordered is another evabench that gave an order for a family, which is up, and the
// family's supervisor.
func ordered(t *testing.T, h *house, o Order) (c *exec.Cmd, all map[string]arrival, supervisor int) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	c = exec.Command(o.Argv[0], "evabench", string(text))
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	all = h.await(4)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if supervisor, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return c, all, supervisor
}

// TestKilledParent is kill -9 of evabench, and of the supervisor.
func TestKilledParent(t *testing.T) {
	for _, deaf := range []string{"", "deaf"} {
		h := newHouse(t)
		o := order(t, 50*time.Millisecond, slices.DeleteFunc([]string{"family", h.socket, deaf}, func(s string) bool { return s == "" })...)
		c, all, supervisor := ordered(t, h, o)
		fd, err := unix.PidfdOpen(supervisor, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait() // it says that it was killed
		gone(t, all, within)
		if !ready(t, fd, within) {
			t.Error("the supervisor is left")
		}
	}
}

func TestKilledSupervisor(t *testing.T) {
	h := newHouse(t)
	p := launch(t, order(t, time.Minute, "family", h.socket, "deaf"))
	all := h.await(4)
	if err := p.supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	e := ended(t, p)
	gone(t, all, 0)
	if e.Status != -1 || !strings.Contains(e.Fault, "its supervisor ended too early (signal: killed)") {
		t.Errorf("exit %+v", e)
	}
}

// TestOwnEnd is a program that ends by itself: its children end with it.
func TestOwnEnd(t *testing.T) {
	h := newHouse(t)
	p := launch(t, order(t, time.Minute, "family", h.socket))
	all := h.await(4)
	if _, err := all["main"].conn.Write([]byte("exit 3\n")); err != nil {
		t.Fatal(err)
	}
	if e := ended(t, p); e.Status != 3 || e.Signal != 0 || e.OOM != "" || e.Fault != "" {
		t.Errorf("exit %+v, want status 3", e)
	}
	gone(t, all, 0)
}

func TestExit(t *testing.T) {
	check := func(text, status string, want func(Exit) bool) {
		t.Helper()
		p := launch(t, order(t, time.Minute, "say", text, status))
		if e := ended(t, p); !want(e) || !slices.Equal(e.Tail, []string{text}) {
			t.Errorf("say %q %s: exit %+v", text, status, e)
		}
	}
	check("hello", "0", func(e Exit) bool { return e.Status == 0 && e.OOM == "" && e.Signal == 0 })
	check("hello", "7", func(e Exit) bool { return e.Status == 7 && e.OOM == "" })
	check("hello", "killed", func(e Exit) bool { return e.Status == -1 && e.Signal == syscall.SIGKILL })
	check("torch.OutOfMemoryError: CUDA out of memory. Tried", "1", func(e Exit) bool {
		return e.Status == 1 && strings.HasPrefix(e.OOM, `it wrote "CUDA out of memory`)
	})
	check("terminate called after throwing an instance of 'std::bad_alloc'", "134", func(e Exit) bool { return strings.Contains(e.OOM, "bad_alloc") })
}

func TestStartRefuses(t *testing.T) {
	check := func(o Order, want string) {
		t.Helper()
		p, err := Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || p != nil {
			t.Errorf("%q: got %v, want an error with %q", o.Argv, err, want)
		}
	}
	missing := order(t, 0)
	missing.Argv = []string{"/no/such/program"}
	check(missing, "start /no/such/program: no such file")
	folder := order(t, 0, "say", "x", "0")
	folder.Dir = "/no/such/folder"
	check(folder, "no such file")
	pinned := order(t, 0, "say", "x", "0")
	pinned.CPUs = []int{1000}
	check(pinned, "pin to processors [1000]")
	log := order(t, 0, "say", "x", "0")
	log.Log.Path = "/no/such/folder/log"
	check(log, "open log")
	check(Order{}, "no program")

	over, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	if _, err := Start(over, order(t, 0, "say", "x", "0")); err == nil || err.Error() != "enough" {
		t.Errorf("a context that has ended: %v", err)
	}
}

func TestEnvironmentFolderAndProcessors(t *testing.T) {
	o := order(t, time.Second)
	var mine unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mine); err != nil {
		t.Fatal(err)
	}
	for o.CPUs == nil || !mine.IsSet(o.CPUs[0]) {
		o.CPUs = []int{len(o.CPUs)}
	}
	o.Dir = t.TempDir()
	o.Env = append(o.Env, markEnv+"=of-another/1/2")
	o.Argv = []string{"/bin/sh", "-c", "pwd; tr '\\0' '\\n' < /proc/$$/environ; grep Cpus_allowed_list /proc/self/status; ls /proc/$$/fd | wc -w"}
	e := ended(t, launch(t, o))
	text := strings.Join(e.Tail, "\n")
	for _, want := range []string{o.Dir, "A=1", markEnv + "=", "Cpus_allowed_list:\t" + strconv.Itoa(o.CPUs[0])} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "HOME=") || strings.Contains(text, "of-another") {
		t.Errorf("our environment leaked:\n%s", text)
	}
}

func TestLogRotates(t *testing.T) {
	o := order(t, time.Second)
	o.Log.MaxBytes, o.Log.Keep = 30, 2
	o.Log.Hide = map[string]string{"sesame-sesame": "[TOKEN]"}
	o.Argv = []string{"/bin/sh", "-c", "for i in 1 2 3 4 5 6; do echo line $i sesame-sesame; done; printf end"}
	if e := ended(t, launch(t, o)); e.Tail[len(e.Tail)-1] != "end" || e.LogFault != "" {
		t.Errorf("exit %+v", e)
	}
	// "line N [TOKEN]" and its end are 15 bytes: two of them are just 30.
	for name, want := range map[string]string{
		"log": "end\n", "log.1": "line 5 [TOKEN]\nline 6 [TOKEN]\n", "log.2": "line 3 [TOKEN]\nline 4 [TOKEN]\n",
	} {
		got, err := os.ReadFile(filepath.Join(filepath.Dir(o.Log.Path), name))
		if err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(o.Log.Path + ".3"); err == nil {
		t.Error("one file too many is kept")
	}
}

func TestTailIsBounded(t *testing.T) {
	w, err := openLog(Log{Path: filepath.Join(t.TempDir(), "log"), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		w.line(strings.Repeat("x", 10*i))
	}
	w.line(strings.Repeat("y", 3*maxLine))
	w.line("10%\r20%")
	var e Exit
	w.close(&e)
	total := 0
	for _, line := range e.Tail {
		total += len(line)
	}
	if last := e.Tail[len(e.Tail)-1]; len(e.Tail) > tailLines || total > tailBytes || last != "20%" {
		t.Errorf("the tail has %d lines of %d bytes and ends with %q", len(e.Tail), total, last)
	}
}

// TestFullDisk is a log that cannot be written: the program goes on.
func TestFullDisk(t *testing.T) {
	w, err := openLog(Log{Path: filepath.Join(t.TempDir(), "log"), MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	if w.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	w.copyFrom(strings.NewReader("a\nb\n"))
	var e Exit
	w.close(&e)
	if !strings.Contains(e.LogFault, "no space left") || !slices.Equal(e.Tail, []string{"a", "b"}) {
		t.Errorf("exit %+v", e)
	}
}

func TestOOMCount(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("low 0\noom 4\noom_kill 4\n")
	c := countOOM(dir)
	if got := c.since(); got != "" {
		t.Errorf("no new kill, but: %q", got)
	}
	write("low 0\noom 5\noom_kill 5\n")
	if got := c.since(); got != "the kernel killed 1 for want of memory in its cgroup meanwhile" {
		t.Errorf("one more: %q", got)
	}
	if c := countOOM(""); c.file != "/proc/vmstat" || c.since() != "" {
		t.Errorf("of the machine: %+v, %q", c, c.since())
	}
	// What a container's command is told of is not its own: the daemon tells.
	if c := (Order{Elsewhere: true}).countOOM(dir); c != (oomCount{}) || c.since() != "" {
		t.Errorf("of work that is done elsewhere: %+v", c)
	}
	if c := (Order{}).countOOM(dir); c.count != 5 {
		t.Errorf("of an order: %+v", c)
	}
}
