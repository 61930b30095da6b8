package main

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user without any right.
const nobody = 65534

// TestUnprivileged does all that docs/security.md says needs no root as nobody, or as whoever
// runs the tests. What would change GPUs is refused there with what to do.
func TestUnprivileged(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"predictions": []}`)
	}))
	defer server.Close()
	dir := foreign(t)
	scenario := strings.NewReplacer("URL", server.URL).Replace(`version: 1
name: others
server: {backend: none}
services:
  eyes:
    role: vision
    launcher: {kind: external, instances: [{url: "URL"}]}
    endpoint: detect-http
    models: {detector: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}
    load: {arrivals: poisson, levels: [20]}
steps: {warmup: 200ms, window: 1s}
matrix: {layout: ["off"]}
`)
	if err := os.WriteFile(filepath.Join(dir, "others.yaml"), []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	small, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "small.yaml"), small, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (madeRun{seed: 1, draw: 1, replicates: 1, slower: 1, version: "1.0"}).write(filepath.Join(dir, "made")); err != nil {
		t.Fatal(err)
	}
	giveToNobody(t, dir)
	own := strings.Replace(scenario, `{kind: external, instances: [{url: "`+server.URL+`"}]}`,
		`{kind: process, argv: ["`+filepath.Join(dir, "worker")+`", serve, "{port}"], instances: 1, stop: {grace: 1s}}`, 1)
	if err := os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status []int
		says   string
	}{
		{"sweep others.yaml --out run --no-selftest", []int{exitDone, exitNoValid}, "1 of 1 cell"},
		{"report run --format markdown", []int{exitDone}, "as-found"},
		{"sweep small.yaml --out simulated --no-selftest", []int{exitDone, exitNoValid}, "SIMULATED"},
		{"gpu plan 2x2g.48gb --gpus 0 --sim pro6000x1", []int{exitDone}, "2g.48gb"},
		{"gpu inspect --sim pro6000x1", []int{exitDone}, "nothing stands in the way"},
		{"scenario check pro6000x1", []int{exitDone}, "good"},
		{"sweep own.yaml --out own --no-selftest", []int{exitDone, exitNoValid}, "run for each instance: " + filepath.Join(dir, "worker")},
		{"report own --format csv", []int{exitDone}, "eyes-0"},
		{"compare made made", []int{exitDone}, "records of one measurement"},
		{"gate made --require vision.errors<=0%", []int{exitDone}, "met"},
		{"selftest --only small --length 50ms", []int{exitDone}, "16 B"},
		{"sim pro6000x1 --child", []int{exitDone}, "http://127.0.0.1:"},
	} {
		said, status := asNobody(t, dir, strings.Fields(c.args)...)
		ok := false
		for _, want := range c.status {
			ok = ok || status == want
		}
		if !ok || !strings.Contains(said, c.says) {
			t.Errorf("evabench %s: status %d, want %v and %q:\n%s", c.args, status, c.status, c.says, said)
		}
	}
	// The state folder of real GPUs is root's.
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return // whoever runs the tests may write there
	}
	if said, status := asNobody(t, dir, "gpu", "restore", "--state-dir", filepath.Join(locked, "state")); status == exitDone {
		t.Errorf("nobody has put GPUs back:\n%s", said)
	}
}

// foreign makes a folder in which the user nobody may write, and puts the command there.
func foreign(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"evabench", "worker"} {
		if err := os.WriteFile(filepath.Join(dir, name), program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	giveToNobody(t, dir)
	return dir
}

// giveToNobody gives a folder and all in it to nobody, if that may be done.
func giveToNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err := errors.Join(err, os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// asNobody runs the command there without rights.
func asNobody(t *testing.T, dir string, args ...string) (said string, status int) {
	t.Helper()
	c := exec.Command(filepath.Join(dir, "evabench"), args...)
	c.Dir = dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir, "GORACE=" + os.Getenv("GORACE")}
	if os.Geteuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatalf("%v: %v", args, err)
	}
	return string(out), c.ProcessState.ExitCode()
}
