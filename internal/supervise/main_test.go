package supervise

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/leaks"
)

// TestMain makes the test program each of the processes that the tests need.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if run := role(os.Args[1]); run != nil {
			if err := run(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				// Not os.Exit: under the race detector that takes a second.
				syscall.Exit(1)
			}
			syscall.Exit(0)
		}
	}
	leaks.Main(m)
}

// role is what the program does as another process; nil if it is the test.
func role(name string) func(args []string) error {
	switch name {
	case Command:
		if strings.HasPrefix(os.Args[0], "{") {
			return hang
		}
		return func([]string) error { return Serve(context.Background(), os.Stdin, os.Stdout) }
	case "member":
		return member
	case "family":
		return family
	case "daemon":
		return daemon
	case "evabench":
		return evabench
	case "say":
		return say
	}
	return nil
}

// member SOCKET NAME [deaf] tells the test that it runs and does what it says:
// "exit N". Its connection ends when it does, however that comes about. Deaf, it
// does not hear SIGTERM.
func member(args []string) error {
	if len(args) > 2 {
		signal.Ignore(syscall.SIGTERM)
	}
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c, "%s %d\n", args[1], os.Getpid())
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "exit "); ok {
			status, _ := strconv.Atoi(n)
			syscall.Exit(status)
		}
	}
	select {} // the test is gone
}

// family SOCKET [deaf] is a member with a child, a child in a session of its own,
// and a daemon whose parent has ended.
func family(args []string) error {
	exe := "/proc/self/exe"
	for _, c := range []struct {
		role string
		attr *syscall.SysProcAttr
	}{
		{"child", nil}, {"session", &syscall.SysProcAttr{Setsid: true}},
	} {
		p := exec.Command(exe, append([]string{"member", args[0], c.role}, args[1:]...)...)
		p.SysProcAttr = c.attr
		if err := p.Start(); err != nil {
			return err
		}
	}
	if err := exec.Command(exe, append([]string{"daemon"}, args...)...).Run(); err != nil {
		return err
	}
	return member(append([]string{args[0], "main"}, args[1:]...))
}

// daemon SOCKET [deaf] leaves a member behind and ends.
func daemon(args []string) error {
	p := exec.Command("/proc/self/exe", append([]string{"member", args[0], "daemon"}, args[1:]...)...)
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return p.Start()
}

// evabench ORDER runs an order and goes on until it is killed.
func evabench(args []string) error {
	var o Order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	p, err := Start(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Println(p.supervisor.Process.Pid)
	<-p.Gone()
	select {}
}

// hang is a supervisor that tells the event that is its name, and then does nothing.
func hang([]string) error {
	fmt.Println(os.Args[0])
	select {}
}

// say TEXT STATUS writes and ends; status "killed" is a SIGKILL.
func say(args []string) error {
	fmt.Println(args[0])
	status, err := strconv.Atoi(args[1])
	if err != nil {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	syscall.Exit(status)
	return nil
}

// A house is where the members tell that they run.
type house struct {
	t       *testing.T
	socket  string
	arrived chan arrival
}

type arrival struct {
	name string
	pid  int
	conn net.Conn
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, socket: filepath.Join(t.TempDir(), "s"), arrived: make(chan arrival, 16)}
	l, err := net.Listen("unix", h.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var a arrival
			if _, err := fmt.Fscanf(c, "%s %d\n", &a.name, &a.pid); err == nil {
				a.conn = c
				h.arrived <- a
			}
		}
	}()
	return h
}

// within bounds every wait for an event: only what is broken takes so long.
const within = 2 * time.Minute

// await waits for so many members.
func (h *house) await(n int) map[string]arrival {
	h.t.Helper()
	all := map[string]arrival{}
	limit := time.After(within)
	for len(all) < n {
		select {
		case a := <-h.arrived:
			all[a.name] = a
			h.t.Cleanup(func() { a.conn.Close() })
		case <-limit:
			h.t.Fatalf("of %d members only these came: %v", n, all)
		}
	}
	return all
}

// gone asks that every member ends: the end of its connection is the kernel's
// doing. With wait 0, it must have ended before.
func gone(t *testing.T, all map[string]arrival, wait time.Duration) {
	t.Helper()
	for name, a := range all {
		if !a.over(t, wait) {
			t.Errorf("%s (process %d) is left", name, a.pid)
			_ = syscall.Kill(a.pid, syscall.SIGKILL)
		}
	}
}

// over reports whether a member's connection ends within a time: nothing else comes
// over it.
func (a arrival) over(t *testing.T, wait time.Duration) bool {
	t.Helper()
	raw, err := a.conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	over := false
	if err := raw.Control(func(fd uintptr) { over = ready(t, int(fd), wait) }); err != nil {
		t.Fatal(err)
	}
	return over
}

// ready reports whether there is something to read, or an end, within a time. The
// kernel looks before it waits, however late we ask.
func ready(t *testing.T, fd int, wait time.Duration) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
		if err == nil {
			return n > 0
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// order is an order for a role of this program.
func order(t *testing.T, grace time.Duration, argv ...string) Order {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Order{
		Argv: append([]string{exe}, argv...), Env: []string{"A=1"}, Grace: grace,
		Log: Log{Path: filepath.Join(t.TempDir(), "log"), MaxBytes: 1 << 20, Keep: 1},
	}
}
