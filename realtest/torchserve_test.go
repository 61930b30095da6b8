//go:build real

package realtest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A torchServe is a running TorchServe with one worker of the detector of
// examples/cpu-stack.
type torchServe struct {
	url     string // of inference
	manage  string
	metrics string // in the prometheus mode
}

// startTorchServe starts a server that has answered a real request when this
// returns, and that is ended, with all its children, when the test ends.
func startTorchServe(t *testing.T) torchServe {
	t.Helper()
	s := newStack(t)
	var urls [3]string
	environ := append(os.Environ(), "PATH="+s.path, "TMPDIR="+s.dir, "TS_METRICS_MODE=prometheus",
		"TS_DEFAULT_WORKERS_PER_MODEL=1", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "HF_HUB_OFFLINE=1")
	for i, name := range []string{"TS_INFERENCE_ADDRESS", "TS_MANAGEMENT_ADDRESS", "TS_METRICS_ADDRESS"} {
		urls[i] = fmt.Sprintf("http://127.0.0.1:%d", freePort(t))
		environ = append(environ, name+"="+urls[i])
	}
	for _, name := range []string{"TS_GRPC_INFERENCE_PORT", "TS_GRPC_MANAGEMENT_PORT", "TS_INITIAL_WORKER_PORT"} {
		environ = append(environ, fmt.Sprintf("%s=%d", name, freePort(t)))
	}
	cmd := exec.Command(env(t, "EVABENCH_TORCHSERVE"), "--start", "--foreground", "--ncs", "--disable-token-auth",
		"--ts-config", "config.properties", "--log-config", "log4j2.xml", "--model-store", "models", "--models", "detector=detector")
	log, err := os.Create(filepath.Join(s.dir, "torchserve.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, environ, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start torchserve: %v", err)
	}
	t.Cleanup(func() {
		before := s.processes(t)
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		cmd.Wait() // that it was ended by us is no fault
		s.wantGone(t, before)
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("end of torchserve's log (%v):\n%s", err, text[max(0, len(text)-1000):])
		}
	})
	server := torchServe{url: urls[0], manage: urls[1], metrics: urls[2]}
	picture := mustFrame(t, 1)
	await(t, "a detection", func() bool {
		answer, err := http.Post(server.url+"/predictions/detector", "image/jpeg", bytes.NewReader(picture))
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	if t.Failed() {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("torchserve does not answer: %s", strings.TrimSpace(string(text)))
	}
	return server
}
