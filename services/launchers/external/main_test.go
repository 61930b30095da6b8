package external

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

// TestMain makes the test program the supervisor and the commands too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case supervise.Command:
			exit(supervise.Serve(context.Background(), os.Stdin, os.Stdout))
		case "switch":
			exit(flip(os.Args[2]))
		case "tell":
			exit(tell(os.Args[2:]))
		case "hang":
			exit(hang(os.Args[2]))
		case "hold":
			exit(hold(os.Args[2]))
		}
	}
	leaks.Main(m)
}

// exit ends this process. Not by os.Exit: under the race detector that takes a
// second.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(3)
	}
	syscall.Exit(0)
}

// flip on|off switches the server of EVABENCH_URL, whose switch stands in
// SWITCHES.
func flip(to string) error {
	for pair := range strings.SplitSeq(os.Getenv("SWITCHES"), ",") {
		url, control, _ := strings.Cut(pair, "=")
		if url != os.Getenv("EVABENCH_URL") {
			continue
		}
		a, err := http.Post(control+"/"+to, "", nil)
		if err != nil {
			return err
		}
		defer a.Body.Close()
		if a.StatusCode != http.StatusOK {
			return fmt.Errorf("the switch answers %s", a.Status)
		}
		return nil
	}
	return fmt.Errorf("there is no switch for %q", os.Getenv("EVABENCH_URL"))
}

// tell FILE ARG… writes its arguments and EVABENCH_ variables to the file, and
// fails if an argument says so.
func tell(args []string) error {
	lines := slices.Clone(args[1:])
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "EVABENCH_") || strings.HasPrefix(v, "EXTRA=") {
			lines = append(lines, v)
		}
	}
	slices.Sort(lines[len(args)-1:])
	if err := os.WriteFile(args[0], []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		return err
	}
	fmt.Println("told to", args[0], os.Getenv("TEST_API_TOKEN"))
	if slices.Contains(args, "fail") {
		return fmt.Errorf("the rollout did not end")
	}
	return nil
}

// hang SOCKET goes on for ever, with a child in a session of its own.
func hang(socket string) error {
	child := exec.Command("/proc/self/exe", "hold", socket)
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println("waiting for the rollout")
	select {}
}

// hold SOCKET holds a connection as long as it lives.
func hold(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	select {}
}

// A server answers at url, and can be switched off and on at another page, as by
// those who run it.
type server struct{ url, control string }

func newServer(t *testing.T) server {
	t.Helper()
	var mu sync.Mutex
	var ports spawn.Ports
	port, err := ports.Free(1) // which nobody gets while it is off
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ports.GiveBack(port, 1) })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	running, err := serveAt(address)
	if err != nil {
		t.Fatal(err)
	}
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case q.URL.Path == "/off" && running != nil:
			running.CloseClientConnections()
			running.Close()
			running = nil
		case q.URL.Path == "/on" && running == nil:
			if running, err = serveAt(address); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		default:
			http.Error(w, "it is so already", http.StatusConflict)
		}
	}))
	t.Cleanup(func() {
		control.Close()
		mu.Lock()
		defer mu.Unlock()
		if running == nil {
			t.Error("a server was left switched off")
			return
		}
		running.Close()
	})
	return server{"http://" + address, control.URL}
}

func serveAt(address string) (*httptest.Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	s.Start()
	return s, nil
}

func build(t *testing.T, c Config) services.Launcher {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
