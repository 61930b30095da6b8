package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/sim"
)

// A server that says in its answers that it is simulated is refused by URL, also where it
// knows nothing of what is asked; others are not.
func TestSimulator(t *testing.T) {
	for _, c := range []struct {
		server, scale string
		want          float64
	}{{"", "", sim.MinScale}, {"pro6000x1", "20", 20}, {"pro6000x1", "", sim.MinScale}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.server != "" {
				w.Header().Set(sim.Header, c.server)
				w.Header().Set(sim.ScaleHeader, c.scale)
			}
			w.WriteHeader(http.StatusNotFound)
		}))
		if server, scale := simulator(t.Context(), s.URL); server != c.server || scale != c.want {
			t.Errorf("%+v: got %q at scale %v", c, server, scale)
		}
		s.Close()
		if server, _ := simulator(t.Context(), s.URL); server != "" {
			t.Errorf("a server that is gone is %q", server)
		}
	}
}

// TestSimulatorByURL runs against instances of evabench sim as if they were real ones: nothing
// is measured and nothing written.
func TestSimulatorByURL(t *testing.T) {
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, "sim", "pro6000x1", "--instances", "--scale", "10", "--child")
	hold, err := server.StdinPipe() // its end ends the server
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var talk bytes.Buffer
	server.Stderr = &talk
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = hold.Close()
		_ = server.Wait() // how it ends is no matter here
	}()
	var said struct {
		Instances []struct {
			Service string `json:"service"`
			URL     string `json:"url"`
		} `json:"instances"`
	}
	if err := json.NewDecoder(out).Decode(&said); err != nil || len(said.Instances) != 2 {
		t.Fatalf("%+v, %v: %s", said, err, talk.String())
	}
	dir := t.TempDir()
	for _, in := range said.Instances {
		load := map[string]string{"vision": "--vision-rate=5", "agent": "--agent-users=1"}[in.Service]
		c := exec.Command(path, "run", "--"+in.Service+"-url", in.URL, "--"+in.Service+"-model", "m", load, "--warmup", "100ms", "--window", "200ms", "--no-selftest", "--out", "run")
		c.Dir = dir
		text, err := c.CombinedOutput()
		want := "the server at " + in.URL + " is evabench's simulator (pro6000x1 at scale 10)"
		if err == nil || c.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(text), want) {
			t.Errorf("%s: it ended with %v, want %q:\n%s", in.Service, err, want, text)
		}
		if _, err := os.Stat(filepath.Join(dir, "run")); err == nil {
			t.Errorf("%s: a run was written", in.Service)
		}
	}
}
