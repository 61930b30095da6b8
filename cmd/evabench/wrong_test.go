package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestWrongServers holds what is told of servers that are not as a new person thinks; the
// scripts wrong-*.txtar hold the other mistakes. Each message says what, where, and what to
// do next.
func TestWrongServers(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			fmt.Fprint(w, `{"object": "list", "data": [{"id": "qwen3-vl-8b"}, {"id": "bad\u001b name"}]}`)
			return
		}
		http.Error(w, "The model `m` does not exist.", http.StatusNotFound)
	}))
	defer other.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("TAKEN", taken.Addr().String(), "PORT", port, "PID", strconv.Itoa(os.Getpid()), "OTHER", other.URL)
	const scenario = `version: 1
name: mine
server: {backend: none}
services:
  eyes:
    role: vision
    launcher: {kind: process, argv: [worker, SAYS, "{port}"], instances: 1, ready: 3s, stop: {grace: 1s}, port: AT}
    endpoint: detect-http
    models: {detector: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}
    load: {arrivals: constant, levels: [40]}
steps: {warmup: 200ms, window: 500ms}
matrix: {layout: ["off"]}
`
	for _, c := range []struct {
		name, scenario, args string
		want                 []string // in lines that begin with "evabench: ", and what follows
	}{
		{
			"model unknown", "", "run --agent-url OTHER --agent-model m --agent-scrape none --no-selftest --out run",
			[]string{"agent-0 at OTHER is not ready: POST /v1/chat/completions is answered 404: The model `m` does not exist.; OTHER/v1/models lists qwen3-vl-8b, bad? name: give such a name by --agent-model"},
		},
		{
			"not warmed", strings.NewReplacer("SAYS", "cold", ", port: AT", "").Replace(scenario), "sweep mine.yaml --no-selftest --out run",
			// On a busy machine it may not even listen by then.
			[]string{"eyes-0 at http://127.0.0.1:", ` is not ready: POST /predict/detector`, `; it runs: mend what its log tells, or, if it only takes longer, set services.eyes.launcher.ready: 6s (now 3s); `, "its log run/cells/000-as-found-r1/logs/eyes-0.log"},
		},
		{
			"port of a service taken", strings.NewReplacer("SAYS", "serve", "AT", port).Replace(scenario), "sweep mine.yaml --no-selftest --out run",
			[]string{"evabench: service eyes: port PORT (pid PID, ", ") is taken; end that process, or change services.eyes.launcher.port (without it free ports are found)"},
		},
		{
			"port of the page taken", strings.NewReplacer("SAYS", "serve", ", port: AT", "").Replace(scenario), "sweep mine.yaml --no-selftest --out run --live TAKEN",
			[]string{"evabench: --live TAKEN: port PORT (pid PID, ", ") is taken; end that process, or give another port (--live :0 takes any free one); nothing was changed"},
		},
		{
			"port of the simulated server taken", "", "sim pro6000x1 --control TAKEN",
			[]string{"evabench: port PORT (pid PID, ", ") is taken; end that process, or give --control another one (without it any free port is taken)"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.scenario != "" {
				if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(c.scenario), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			talk := failing(t, dir, strings.Fields(fill.Replace(c.args))...)
			at, ends := 0, talk[max(strings.Index(talk, "evabench: "), 0):]
			if i := strings.LastIndex(talk, "\nevabench: "); i >= 0 {
				ends = talk[i+1:]
			}
			for _, want := range c.want {
				i := strings.Index(ends[at:], fill.Replace(want))
				if i < 0 {
					t.Fatalf("it does not end with %q:\n%s", fill.Replace(want), talk)
				}
				at += i
			}
		})
	}
}

// failing runs the command in a folder, which is to end with status 1, and gives what it said.
func failing(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("evabench", args...)
	c.Dir = dir
	said, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Fatalf("evabench %s: %v, want status %d:\n%s", args, err, exitFailed, said)
	}
	return string(said)
}

// TestWrongUser holds what is told to one who may not change GPUs.
func TestWrongUser(t *testing.T) {
	dir := foreign(t)
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o500); err != nil { // root is not nobody, and others may not write
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(locked), 0o755); err != nil {
		t.Fatal(err)
	}
	said, status := asNobody(t, dir, "gpu", "restore", "--state-dir", filepath.Join(locked, "state"))
	const next = "permission denied; nothing was changed; changes of GPUs take root: run the same with sudo (evabench run, report, compare and gate need no root)"
	if status != exitFailed || !strings.Contains(said, locked) || !strings.Contains(said, next) {
		t.Errorf("status %d, want %d and %q:\n%s", status, exitFailed, next, said)
	}
}
