package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen/stub"
)

// worker is a server for scripts, as the command "worker":
//
//	worker serve PORT [SOCKET]  answers; a child of it, in a session of its own, sleeps
//	worker say PORT FILE        answers, also what version it is, as the file said when it began
//	worker die PORT N           answers N requests, and fails at the next, or at /debug/gpu-fault
//	worker tell PORT            answers one request after another, and tells how long each waited and took
//	worker crash                fails at once
//	worker oom                  fails for want of device memory
//	worker load                 never listens
//	worker cold PORT            answers that no worker serves its model yet
//	worker linger               the child
//
// With a socket both hold a connection to it for as long as they live.
func worker() {
	if err := work(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(3)
	}
	syscall.Exit(0)
}

func work(args []string) error {
	switch args[0] {
	case "crash":
		fmt.Println("reading weights")
		return fmt.Errorf("RuntimeError: no such checkpoint")
	case "oom":
		return fmt.Errorf("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 16.00 GiB")
	case "die":
		return die(args[1], args[2])
	case "say":
		return say(args[1], args[2])
	case "tell":
		return tell(args[1])
	case "cold":
		return http.ListenAndServe("127.0.0.1:"+args[1], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Model \"detector\" has no worker to serve inference request.", http.StatusServiceUnavailable)
		}))
	case "load":
		fmt.Println("reading weights, which takes forever")
		select {}
	case "linger":
		select {}
	}
	child := exec.Command("/proc/self/exe")
	child.Args = []string{"worker", "linger"}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if len(args) > 2 {
		c, err := net.Dial("unix", args[2])
		if err != nil {
			return err
		}
		f, err := c.(*net.UnixConn).File()
		if err != nil {
			return err
		}
		fmt.Fprintln(c, "here")
		child.ExtraFiles = []*os.File{f}
	}
	if err := child.Start(); err != nil {
		return err
	}
	fmt.Println("serving on", args[1], "with", os.Getenv("CUDA_VISIBLE_DEVICES"))
	if _, err := stub.Start(stub.Options{Addr: netip.MustParseAddrPort("127.0.0.1:" + args[1])}); err != nil {
		return err
	}
	select {}
}

// say is a detector that says its version at every page.
func say(port, file string) error {
	version, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	answer := fmt.Sprintf(`[{"version": %q, "label": "person", "box": [0, 0, 1, 1], "score": 0.9}]`, strings.TrimSpace(string(version)))
	_, err = stub.Start(stub.Options{Addr: netip.MustParseAddrPort("127.0.0.1:" + port), Answer: []byte(answer)})
	if err != nil {
		return err
	}
	select {}
}

// die passes so many requests on to a server, and ends at the next, or when it is
// asked for a fault.
func die(port, after string) error {
	left, err := strconv.ParseInt(after, 10, 64)
	if err != nil {
		return err
	}
	s, err := stub.Start(stub.Options{})
	if err != nil {
		return err
	}
	to, err := url.Parse(s.URL())
	if err != nil {
		return err
	}
	var count atomic.Int64
	pass := httputil.NewSingleHostReverseProxy(to)
	return http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) > left || r.URL.Path == "/debug/gpu-fault" {
			fmt.Println("RuntimeError: CUDA error: an illegal memory access was encountered")
			syscall.Exit(9)
		}
		pass.ServeHTTP(w, r)
	}))
}

// tellTakes is how long a worker that tells computes.
const tellTakes = 2 * time.Millisecond

// tell is a detector that computes one request at a time, and tells of each how long it
// waited and took as the workers in examples/workers do.
func tell(port string) error {
	var computing sync.Mutex
	return http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		came := time.Now()
		computing.Lock()
		began := time.Now()
		time.Sleep(tellTakes)
		done := time.Now()
		computing.Unlock()
		ms := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds()*1e3, 'f', 3, 64) }
		w.Header().Set("X-Evabench-Queue-Ms", ms(began.Sub(came)))
		w.Header().Set("X-Evabench-Compute-Ms", ms(done.Sub(began)))
		_, _ = io.WriteString(w, `{"predictions":[{"box":[1,2,3,4],"label":"cat","score":0.9}]}`)
	}))
}

// TestPortTaken gives a worker a port that somebody else listens on: it is told
// before anything is done.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()
	scenario := strings.Replace(processScenario, `"{port}", SOCKET], instances: 1`, fmt.Sprintf(`"{port}"], instances: 1, port: %d`, port), 1)
	if err := os.WriteFile(dir+"/taken.yaml", []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "sweep", "taken.yaml", "--out", "run", "--no-selftest")
	c.Dir = dir
	talk, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("%v, want exit status %d", err, exitFailed)
	}
	want := fmt.Sprintf("evabench: service eyes: port %d (pid %d, ", port, os.Getpid())
	if !strings.HasPrefix(string(talk), want) || strings.Count(string(talk), "\n") != 1 {
		t.Errorf("it said %s, want one line of %s", talk, want)
	}
	if _, err := os.Stat(dir + "/run"); err == nil {
		t.Error("a run was begun")
	}
}

// processScenario is a scenario of one worker that serves for long.
const processScenario = `version: 1
name: long
server: {backend: none}
services:
  eyes:
    role: vision
    launcher: {kind: process, argv: [worker, serve, "{port}", SOCKET], instances: 1, stop: {grace: 1s}}
    endpoint: detect-http
    models: {detector: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}
    load: {arrivals: closed, levels: [1]}
steps: {warmup: 1s, window: 10m}
matrix: {layout: ["off"]}
`

// TestNoWorkerOutlives ends evabench in the middle of a step, by SIGINT and by
// kill -9: neither the worker nor its child is left.
func TestNoWorkerOutlives(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		t.Run(s.String(), func(t *testing.T) {
			dir := t.TempDir()
			l, err := net.Listen("unix", filepath.Join(dir, "s"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			scenario := strings.Replace(processScenario, "SOCKET", filepath.Join(dir, "s"), 1)
			if err := os.WriteFile(dir+"/long.yaml", []byte(scenario), 0o600); err != nil {
				t.Fatal(err)
			}
			lives := make(chan *bufio.Reader, 1)
			go func() {
				defer close(lives)
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute)) // a read that it ends fails
				lives <- bufio.NewReader(c)
			}()
			code, talk := interrupt(t, dir, s)
			if want := map[syscall.Signal]int{syscall.SIGINT: exitInterrupted, syscall.SIGKILL: -1}[s]; code != want {
				t.Errorf("exit status %d, want %d; it said:\n%s", code, want, talk)
			}
			r, came := <-lives
			if !came {
				t.Fatalf("no worker came; it said:\n%s", talk)
			}
			if text, err := io.ReadAll(r); err != nil || string(text) != "here\n" {
				t.Errorf("worker or child is left: %q, %v", text, err)
			}
		})
	}
}
