//go:build real

package realtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

const (
	detector   = "detector_process.py" // a worker process of the reference Vision server
	places     = 2                     // of the reference VLM, below its users
	visionJobs = 20                    // that may wait for a worker
)

// newWorkers makes a scratch copy of examples/workers, with one cell of its
// scenario: two workers, two places.
func newWorkers(t *testing.T) stack {
	t.Helper()
	s := stack{dir: filepath.Join(t.TempDir(), "workers")}
	if err := os.CopyFS(s.dir, os.DirFS("../examples/workers")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.dir, "scenario-cpu.yaml"), filepath.Join(s.dir, "scenario.yaml")); err != nil {
		t.Fatal(err)
	}
	s.change(t, "scenario.yaml", "    - {}\n", "", "[2, 4]", fmt.Sprintf("[%d]", places),
		"levels: [6]", "levels: [12]", "window: 10s", "window: 30s", "warm: 10s", "warm: 3s")
	bin := filepath.Join(s.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(env(t, "EVABENCH_PYTHON"), filepath.Join(bin, "python")); err != nil {
		t.Fatal(err)
	}
	s.path = bin + ":" + os.Getenv("PATH")
	t.Cleanup(func() { // also after a test that failed in the middle
		for _, p := range s.processes(t) {
			t.Errorf("left at the test's end, and killed: %s", p)
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	})
	return s
}

// TestWorkers drives both reference workers at once, kills a process of Vision's
// under load, and holds what was recorded against what they say of themselves.
func TestWorkers(t *testing.T) {
	s := newWorkers(t)
	var before []process
	_, code := s.sweep(t, s.path, func(line string, _ *os.Process) {
		if before != nil || !strings.Contains(line, "step 0") { // its progress names it too
			return
		}
		before = s.processes(t)
		vision, vlm := s.port(t, "vision.py"), s.port(t, "vlm.py")
		testVisionTimes(t, vision)
		testChatTimes(t, vlm)
		s.testRestart(t, vision)
	})
	if before == nil {
		t.Fatalf("exit status %d, and no step was begun", code)
	}
	s.wantGone(t, before)
	run, err := results.Read(filepath.Join(s.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	// 4 tells that the load generator was late, as it is on a machine that is busy:
	// no number is judged then, but all that was counted stands.
	if code != 0 && code != 4 || len(run.Problems) > 0 || len(run.Missing) > 0 || len(run.Cells) != 1 || len(run.Cells[0].Steps) != 1 {
		t.Fatalf("exit status %d, problems %v, missing %v, %d cells; want one with one step", code, run.Problems, run.Missing, len(run.Cells))
	}
	testWorkersStep(t, run.Cells[0])
	testWorkersTold(t, filepath.Join(s.dir, "run"))
}

// testWorkersStep wants good answers from both, and that some waited for them.
func testWorkersStep(t *testing.T, cell *results.CellData) {
	if cell.Cell.Status != results.CellDone {
		t.Fatalf("the cell is %q: %s", cell.Cell.Status, cell.Cell.Fault)
	}
	outcomes := map[string]map[results.Outcome]int{"vision": {}, "agent": {}}
	for r, err := range cell.Steps[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		outcomes[r.Service][r.Outcome]++
	}
	// The process that was killed had one batch, of two images at most, and its
	// users may ask again before their server has seen its end.
	if all := outcomes["vision"]; all[results.OK] == 0 || all[results.HTTP5xx] > 2 || len(all) > 2 {
		t.Errorf("Vision's outcomes: %v, want ok, and http_5xx of one batch", all)
	}
	if all := outcomes["agent"]; all[results.OK] == 0 || len(all) != 1 {
		t.Errorf("the agent's outcomes: %v, want only ok", all)
	}
	most := map[string]float64{}
	for o, err := range cell.Observations() {
		if err != nil {
			t.Fatal(err)
		}
		most[o.Series] = max(most[o.Series], o.Value)
	}
	for series, bounds := range map[string][2]float64{
		"torchserve:pending_requests": {1, visionJobs}, "torchserve:workers_ready": {2, 2},
		// Four users have a call each, and we had one.
		"vllm:num_requests_running": {places, places}, "vllm:num_requests_waiting": {1, 5 - places},
		"vllm:generation_tokens_total": {1, 1e9}, "vllm:request_queue_time_seconds_sum": {0.001, 1e4},
		"vllm:kv_cache_usage_perc": {0.001, 1},
	} {
		if v, ok := most[series]; !ok || v < bounds[0] || v > bounds[1] {
			t.Errorf("%s reaches %v (%v), want %v to %v; series: %q", series, v, ok, bounds[0], bounds[1], slices.Sorted(maps.Keys(most)))
		}
	}
	t.Logf("Vision %v, agent %v; peaks: %v", outcomes["vision"], outcomes["agent"], most)
}

var portArgument = regexp.MustCompile(` --port=(\d+) `)

// port gives the port of the one program whose command line holds text.
func (s stack) port(t *testing.T, text string) int {
	t.Helper()
	found := s.find(t, text)
	if len(found) != 1 {
		t.Fatalf("%d processes of %s: %v", len(found), text, found)
	}
	m := portArgument.FindStringSubmatch(found[0].cmdline)
	if m == nil {
		t.Fatalf("no port: %s", found[0].cmdline)
	}
	port, _ := strconv.Atoi(m[1]) // digits only
	return port
}

// ask asks a worker on loopback, and gives how many milliseconds it took.
func ask(t *testing.T, method string, port int, path, contentType string, body []byte) (http.Header, []byte, float64) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", contentType)
	began := time.Now()
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return nil, nil, 0
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	took := time.Since(began)
	if err != nil || a.StatusCode != http.StatusOK {
		t.Errorf("%s %s: HTTP %d, %v: %s", method, path, a.StatusCode, err, text)
	}
	if said := a.Header.Get("Server"); !strings.Contains(said, "(not ") {
		t.Errorf("%s is answered by %q, which does not say what it is not", path, said)
	}
	return a.Header, text, took.Seconds() * 1000
}

// testVisionTimes wants times in the headers that fit into what we waited.
func testVisionTimes(t *testing.T, port int) {
	image := mustFrame(t, 1)
	header, _, took := ask(t, http.MethodPost, port, "/predictions/rt-detrv2-r18", "image/jpeg", image)
	sum := 0.0
	for _, name := range []string{"X-Evabench-Queue-Ms", "X-Evabench-Decode-Ms", "X-Evabench-Compute-Ms"} {
		ms, err := strconv.ParseFloat(header.Get(name), 64)
		if err != nil || ms <= 0 {
			t.Errorf("%s is %q, want a time above 0", name, header.Get(name))
		}
		sum += ms
	}
	if sum > took {
		t.Errorf("queue, decoding and model took %v ms, the whole request %v ms", sum, took)
	}
	if batch := header.Get("X-Evabench-Batch"); batch != "1" && batch != "2" {
		t.Errorf("X-Evabench-Batch is %q, want 1 or 2", batch)
	}
	t.Logf("Vision: %.1f of %.1f ms accounted for: %v", sum, took, header)
}

// testChatTimes wants exactly the tokens that were asked for, and true times.
func testChatTimes(t *testing.T, port int) {
	body := fmt.Sprintf(`{"model":"not-vllm-tiny","max_tokens":7,"messages":[{"role":"user","content":[`+
		`{"type":"text","text":"Who is there?"},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,%s"}}]}]}`,
		base64.StdEncoding.EncodeToString(mustFrame(t, 2)))
	_, text, took := ask(t, http.MethodPost, port, "/v1/chat/completions", "application/json", []byte(body))
	var a struct {
		Usage struct {
			Prompt int `json:"prompt_tokens"`
			Output int `json:"completion_tokens"`
		}
		Metrics struct {
			Queue    float64 `json:"queue_time_ms"`
			First    float64 `json:"time_to_first_token_ms"`
			Generate float64 `json:"generation_time_ms"`
		}
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Errorf("%v: %s", err, text)
		return
	}
	m := a.Metrics
	if a.Usage.Output != 7 || a.Usage.Prompt < 8 || m.Queue <= 0 || m.First <= 0 || m.Generate <= 0 || m.Queue+m.First+m.Generate > took {
		t.Errorf("in %v ms came %s; want 7 tokens, and times that fit into it", took, text)
	}
	t.Logf("VLM: %+v of %.1f ms", m, took)
}

// testRestart kills a process of Vision's, and wants another in its place.
func (s stack) testRestart(t *testing.T, vision int) {
	killed := s.find(t, detector)
	if len(killed) != 2 {
		t.Fatalf("%d workers of Vision, want 2: %v", len(killed), killed)
	}
	// The page of metrics is behind the management page.
	const restarts = "evabench_reference_worker_restarts_total{"
	metrics := func() string {
		_, page, _ := ask(t, http.MethodGet, vision+2, "/metrics", "", nil)
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, restarts) {
				return strings.TrimSpace(line[strings.Index(line, "}")+1:])
			}
		}
		return ""
	}
	if n := metrics(); n != "0" {
		t.Errorf("%s restarts before the kill, want 0", n)
	}
	syscall.Kill(killed[0].pid, syscall.SIGKILL)
	await(t, "two workers that are ready, one of them new", func() bool {
		_, text, _ := ask(t, http.MethodGet, vision+1, "/models/rt-detrv2-r18", "", nil)
		var page []struct {
			Workers []struct {
				PID    int
				Status string
			}
		}
		if err := json.Unmarshal(text, &page); err != nil || len(page) != 1 {
			t.Errorf("%v: %s", err, text)
			return true
		}
		ready := 0
		for _, w := range page[0].Workers {
			if w.Status == "READY" && w.PID != killed[0].pid {
				ready++
			}
		}
		return ready == 2
	})
	if n := metrics(); n != "1" {
		t.Errorf("%s restarts after the kill, want 1", n)
	}
}
