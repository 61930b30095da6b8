package mpsfake_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/internal/mps/mpsfake"
)

// TestCommands asks all there is, with no server and with one.
func TestCommands(t *testing.T) {
	pipe := daemon(t)
	says(t, pipe, "get_server_list", "")
	says(t, pipe, "ps", "PID ID SERVER DEVICE NAMESPACE COMMAND")
	says(t, pipe, "get_default_active_thread_percentage", "100.0")
	says(t, pipe, "get_default_device_pinned_mem_limit 0", "")
	for _, wrong := range []string{
		"no_such_command", "get_server_status 1", "get_client_list", "get_client_list " + server, "get_server_list 1",
		"set_default_active_thread_percentage", "set_default_active_thread_percentage 0", "set_default_active_thread_percentage 101", "set_default_active_thread_percentage x",
		"set_default_device_pinned_mem_limit 0", "set_default_device_pinned_mem_limit 0 20", "set_default_device_pinned_mem_limit 0 20GB", "set_default_device_pinned_mem_limit 0 0G", "set_default_device_pinned_mem_limit 0 1.5G",
		"start_server", "start_server -uid x", "quit -t", "quit now", "quit -t -1",
	} {
		refuses(t, pipe, wrong)
	}
	says(t, pipe, fmt.Sprintf("start_server -uid %d", me), "")
	refuses(t, pipe, fmt.Sprintf("start_server -uid %d", me))
	says(t, pipe, "get_server_list", server)
	says(t, pipe, "get_server_status "+server, "ACTIVE")
	connect(t, pipe, mpsfake.Client{PID: 12, UID: me, Name: "./nbody -n 5"})
	connect(t, pipe, mpsfake.Client{PID: 10, UID: me, Name: "./matrixMul"})
	says(t, pipe, "get_client_list "+server, "12\n10")
	says(t, pipe, "get_device_client_list", "Device "+gpu+"\n12\n10")
	says(t, pipe, "get_device_client_list "+server, "Device "+gpu+"\n12\n10")
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	n := strings.Trim(namespace, "pid:[]")
	says(t, pipe, "ps -p "+server, "PID ID SERVER DEVICE NAMESPACE COMMAND\n"+
		"12 0 "+server+" GPU-0a0a0a0a-1111-2222 "+n+" ./nbody -n 5\n10 1 "+server+" GPU-0a0a0a0a-1111-2222 "+n+" ./matrixMul")
	for _, wrong := range []string{
		"ps -p 7", "get_client_list 7", "set_active_thread_percentage " + server, "terminate_client " + server + " 11", "terminate_client " + server,
		"set_device_pinned_mem_limit " + server + " 5 1G", "shutdown_server " + server + " now", "get_server_status " + server + " x",
	} {
		refuses(t, pipe, wrong)
	}
}

// TestLimits: defaults reach only servers to come, a server's settings only clients
// to come, and a client's own limits count within those.
func TestLimits(t *testing.T) {
	pipe := daemon(t)
	check := func(name string, c mpsfake.Client, percent float64, memory uint64) *mpsfake.Connection {
		t.Helper()
		conn := connect(t, pipe, c)
		if l := conn.Limits(); l.ThreadPercent != percent || l.MemoryBytes != memory {
			t.Errorf("%s: %+v, want %g %% and %d B", name, l, percent, memory)
		}
		return conn
	}
	says(t, pipe, "set_default_active_thread_percentage 50", "50.0")
	says(t, pipe, "set_default_device_pinned_mem_limit 0 1G", "")
	says(t, pipe, "set_default_device_pinned_mem_limit "+gpu+" 900M", "") // the last one counts
	says(t, pipe, "set_default_device_pinned_mem_limit 3 7G", "")         // there is none such
	says(t, pipe, "get_default_device_pinned_mem_limit 0", "1G")
	first := check("a server's first client", mpsfake.Client{PID: 1, UID: me}, 50, 900<<20)
	says(t, pipe, "set_default_active_thread_percentage 20", "20.0")
	second := check("after new defaults", mpsfake.Client{PID: 2, UID: me}, 50, 900<<20)
	says(t, pipe, "set_active_thread_percentage "+server+" 40", "40.0")
	says(t, pipe, "get_active_thread_percentage "+server, "40.0")
	says(t, pipe, "set_device_pinned_mem_limit "+server+" 0 2G", "")
	says(t, pipe, "get_device_pinned_mem_limit "+server+" 0", "2G")
	third := check("after the server's settings", mpsfake.Client{PID: 3, UID: me}, 40, 2<<30)
	fourth := check("with its own, lower", mpsfake.Client{PID: 4, UID: me, ThreadPercent: 10, MemoryLimitBytes: 1 << 20}, 10, 1<<20)
	fifth := check("with its own, higher", mpsfake.Client{PID: 5, UID: me, ThreadPercent: 90, MemoryLimitBytes: 1 << 40}, 40, 2<<30)
	if l := first.Limits(); l.ThreadPercent != 50 {
		t.Errorf("the first client has %+v now", l)
	}
	for _, conn := range []*mpsfake.Connection{first, second, third, fourth, fifth} {
		if err := errors.Join(conn.Close(), conn.Close()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, pipe, "get_client_list "+server, "")
	says(t, pipe, "shutdown_server "+server, "")
	says(t, pipe, "get_server_list", "")
	check("of the next server", mpsfake.Client{PID: 6, UID: me}, 20, 900<<20)
	says(t, pipe, "get_server_list", "4194306")
}

// TestOneUserAtATime: a client of another user waits until the server's clients
// have left, and later ones queue behind it. (A daemon that is not root's serves
// its own user only.)
func TestOneUserAtATime(t *testing.T) {
	pipe := daemon(t)
	first := connect(t, pipe, mpsfake.Client{PID: 1, UID: me})
	if me != 0 {
		if _, err := mpsfake.Connect(t.Context(), pipe, mpsfake.Client{PID: 2, UID: me + 1}); !errors.Is(err, mpsfake.ErrWrongUser) {
			t.Errorf("another user at a daemon of user %d: %v", me, err)
		}
		return
	}
	type result struct {
		conn *mpsfake.Connection
		err  error
	}
	arrive := func(ctx context.Context, pid, uid int) chan result {
		in := make(chan result, 1)
		go func() {
			conn, err := mpsfake.Connect(ctx, pipe, mpsfake.Client{PID: pid, UID: uid})
			in <- result{conn, err}
		}()
		for !strings.Contains(logOf(t, pipe), fmt.Sprintf("Client %d of user %d waits", pid, uid)) {
			if len(in) > 0 {
				t.Fatalf("client %d of user %d did not wait", pid, uid)
			}
		}
		return in
	}
	impatient, cancel := context.WithCancel(t.Context())
	gaveUp := arrive(impatient, 9, 9)
	in := arrive(t.Context(), 2, 1)
	behind := arrive(t.Context(), 3, me) // of the first's user, but after another's
	cancel()
	if r := <-gaveUp; !errors.Is(r.err, context.Canceled) {
		t.Errorf("gave up: %v", r.err)
	}
	says(t, pipe, "get_client_list "+server, "1")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	last := 4194305
	for i, arrived := range []chan result{in, behind} {
		r := <-arrived
		if r.err != nil {
			t.Fatal(r.err)
		}
		// Who gave up may have had one before it was seen that it is gone.
		now := r.conn.Limits().Server
		if now <= last {
			t.Errorf("client %d is at server %d after %d, want a new one", i+2, now, last)
		}
		last = now
		says(t, pipe, "get_server_list", fmt.Sprint(now))
		says(t, pipe, fmt.Sprintf("get_client_list %d", now), fmt.Sprint(i+2))
		if err := r.conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func logOf(t *testing.T, pipe string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pipe, "control.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFault: a fault hits all clients, and the server takes none until they have
// left.
func TestFault(t *testing.T) {
	pipe := daemon(t)
	if err := mpsfake.Fault(t.Context(), pipe); err != nil { // nobody is there to be hit
		t.Fatal(err)
	}
	one, two := connect(t, pipe, mpsfake.Client{PID: 1, UID: me}), connect(t, pipe, mpsfake.Client{PID: 2, UID: me})
	if one.Err() != nil {
		t.Errorf("before the fault: %v", one.Err())
	}
	if err := mpsfake.Fault(t.Context(), pipe); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []*mpsfake.Connection{one, two} {
		<-conn.Done()
		if !errors.Is(conn.Err(), mpsfake.ErrFault) {
			t.Errorf("a client saw %v", conn.Err())
		}
	}
	says(t, pipe, "get_server_status "+server, "FAULT")
	says(t, pipe, "get_client_list "+server, "1\n2")
	one.Close()
	until(t, pipe, "get_client_list "+server, "2")
	if _, err := mpsfake.Connect(t.Context(), pipe, mpsfake.Client{PID: 3, UID: me}); !errors.Is(err, mpsfake.ErrNotReady) {
		t.Errorf("a new client of a server in fault: %v", err)
	}
	two.Close()
	until(t, pipe, "get_server_status "+server, "ACTIVE")
	connect(t, pipe, mpsfake.Client{PID: 3, UID: me})
}

// TestEndings: each command that ends something ends that, and says it to the
// clients.
func TestEndings(t *testing.T) {
	pipe := daemon(t)
	one, two := connect(t, pipe, mpsfake.Client{PID: 1, UID: me}), connect(t, pipe, mpsfake.Client{PID: 2, UID: me})
	says(t, pipe, "terminate_client "+server+" 1", "0")
	<-one.Done()
	if !errors.Is(one.Err(), mpsfake.ErrTerminated) || two.Err() != nil {
		t.Errorf("terminated: %v; the other: %v", one.Err(), two.Err())
	}
	says(t, pipe, "shutdown_server "+server+" -f", "")
	<-two.Done()
	if !errors.Is(two.Err(), mpsfake.ErrEnded) {
		t.Errorf("shut down: %v", two.Err())
	}
	says(t, pipe, "get_server_list", "")
	three := connect(t, pipe, mpsfake.Client{PID: 3, UID: me})
	says(t, pipe, "quit -t 0", "")
	<-three.Done()
	if !errors.Is(three.Err(), mpsfake.ErrEnded) {
		t.Errorf("quit -t: %v", three.Err())
	}
	for { // it listens a moment longer
		if _, err := mpsfake.Connect(t.Context(), pipe, mpsfake.Client{PID: 4, UID: me}); errors.Is(err, mpsfake.ErrNoDaemon) {
			break
		} else if err == nil {
			t.Fatal("a client of a daemon that has ended")
		}
	}
}

// TestQuitWaits: quit without a time waits for clients and takes no new ones.
func TestQuitWaits(t *testing.T) {
	pipe := daemon(t)
	one := connect(t, pipe, mpsfake.Client{PID: 1, UID: me})
	done := make(chan error)
	go func() {
		_, err := mps.Control{Path: program}.Ask(t.Context(), pipe, "quit")
		done <- err
	}()
	for { // until the quit has come
		conn, err := mpsfake.Connect(t.Context(), pipe, mpsfake.Client{PID: 2, UID: me})
		if errors.Is(err, mpsfake.ErrNotReady) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	until(t, pipe, "get_client_list "+server, "1")
	select {
	case err := <-done:
		t.Errorf("quit did not wait: %v", err)
	default:
	}
	if one.Err() != nil {
		t.Errorf("the client was ended: %v", one.Err())
	}
	one.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestManyClients: 48 are served, the 49th is refused.
func TestManyClients(t *testing.T) {
	pipe := daemon(t)
	for pid := 1; pid <= 48; pid++ {
		connect(t, pipe, mpsfake.Client{PID: pid, UID: me})
	}
	if _, err := mpsfake.Connect(t.Context(), pipe, mpsfake.Client{PID: 49, UID: me}); !errors.Is(err, mpsfake.ErrTooManyClients) {
		t.Errorf("the 49th client: %v", err)
	}
}
