//go:build real

package realtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/evabench/evabench/results"
)

// archive makes a model beside the detector, with its handler changed.
func (s stack) archive(t *testing.T, name string, pairs ...string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, "models", name), os.DirFS(filepath.Join(s.dir, "models/detector"))); err != nil {
		t.Fatal(err)
	}
	s.change(t, "models/"+name+"/handler.py", pairs...)
}

// TestStackFaults has three cells: a detector that no memory can hold, a
// llama-server without its model, and one that runs, whose handler refuses every
// fourth frame and whose worker is killed under load. Each tells its own fault,
// and none stops the next.
func TestStackFaults(t *testing.T) {
	s := newStack(t)
	s.archive(t, "huge", "        self.model = model()\n", "        self.model = torch.empty(1 << 46)\n")
	s.archive(t, "moody",
		"        self.model = model()\n", "        self.model = model()\n        self.calls = 0\n",
		"        frames = [Image", "        self.calls += 1\n        if self.calls % 4 == 0:\n            raise ValueError(\"every fourth\")\n        frames = [Image")
	s.change(t, "scenario.yaml",
		"detector=detector", `"detector={params.archive}"`, "gguf/text.gguf", `"gguf/{params.weights}.gguf"`,
		"{params.slots}", "2", "ready: 2m", "ready: 45s", "levels: [1, 20]", "levels: [20]", "levels: [1, 4]", "levels: [1]",
		"window: 10s", "window: 30s",
		"workers: [{detector: 1}, {detector: 2}]", "workers: [{detector: 1}]",
		"params: {agent.slots: [1, 2]}", `params: {vision.archive: [huge, moody], agent.weights: [absent, text]}
  exclude: [{params: {vision.archive: huge, agent.weights: absent}}]`)
	talk, code := s.sweep(t, s.path, func(line string, _ *os.Process) {
		if strings.Contains(line, ": step 0, ") {
			s.killWorker(t)
		}
	})
	s.wantGone(t, nil)
	if code != 1 {
		t.Errorf("exit status %d, want 1: two cells failed", code)
	}
	run, err := results.Read(filepath.Join(s.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Cells) != 3 {
		t.Fatalf("%d cells, want 3", len(run.Cells))
	}
	faults := map[string]string{}
	for _, cell := range run.Cells {
		p := cell.Cell.Config.Params
		faults[p["vision.archive"]+", "+p["agent.weights"]] = cell.Cell.Fault
	}
	for cell, words := range map[string][]string{
		"huge, text":    {"vision-0", "is not ready", "can't allocate memory"},
		"moody, absent": {"agent-0", "exit status 1", "gguf/absent.gguf"},
		"moody, text":   {},
	} {
		fault, ok := faults[cell]
		if !ok || (fault == "") != (len(words) == 0) {
			t.Errorf("cell %s has the fault %q", cell, fault)
		}
		for _, w := range words {
			if !strings.Contains(fault, w) || !strings.Contains(talk, w) {
				t.Errorf("cell %s: neither its fault nor what was said may lack %q:\n%s", cell, w, fault)
			}
		}
	}
	for _, cell := range run.Cells {
		if cell.Cell.Status == results.CellDone {
			testMoody(t, cell)
		}
	}
}

// killWorker kills TorchServe's Python worker once requests wait for it: one is
// in its hands then.
func (s stack) killWorker(t *testing.T) {
	servers, workers := s.find(t, frontend), s.find(t, worker)
	if len(servers) != 1 || len(workers) != 1 {
		t.Errorf("%d servers and %d workers run, want one of each: %v", len(servers), len(workers), s.processes(t))
		return
	}
	page := servers[0].environ["TS_MANAGEMENT_ADDRESS"] + "/models/detector"
	await(t, "a request that waits for the worker", func() bool {
		answer, err := http.Get(page)
		if err != nil {
			t.Error(err)
			return true
		}
		defer answer.Body.Close()
		var models []struct {
			JobQueueStatus struct{ PendingRequests int }
		}
		if err := json.NewDecoder(answer.Body).Decode(&models); err != nil {
			t.Error(err)
			return true
		}
		return len(models) == 1 && models[0].JobQueueStatus.PendingRequests > 0
	})
	if err := syscall.Kill(workers[0].pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// sum adds the counts of all statuses up.
func sum(counts map[int]int64) (all int64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// testMoody looks for what became of requests: refused by the queue, failed in
// the handler, and lost with the worker, which TorchServe starts again.
func testMoody(t *testing.T, cell *results.CellData) {
	if len(cell.Steps) != 1 {
		t.Fatalf("%d steps, want one", len(cell.Steps))
	}
	s := readStackStep(t, cell, cell.Steps[0])
	t.Logf("vision's answers by outcome and HTTP status: %v; first errors %q", fmt.Sprint(s.statuses), s.step.Services[0].FirstErrors)
	if n := s.statuses[results.Shed]; n[503] == 0 || len(n) != 1 {
		t.Errorf("shed by HTTP status: %v, want 503", n)
	}
	// The handler's own failure is a 503 too, of another type. A worker that was
	// killed is a 507, as TorchServe takes signal 9 for want of memory, or a 500 if
	// it saw the worker's connection end before the worker: both were seen.
	if n := s.statuses[results.HTTP5xx]; n[503] == 0 || n[500]+n[507] == 0 || n[503]+n[500]+n[507] != sum(n) {
		t.Errorf("http_5xx by HTTP status: %v, want 503 of the handler, and 500 or 507 of the worker", n)
	}
	var lost, again results.Offset = results.NoOffset, results.NoOffset
	for r, err := range cell.Steps[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == 500 || r.Status == 507 {
			lost = max(lost, r.Done)
		}
		if r.Service == "vision" && r.Outcome == results.OK {
			again = max(again, r.Done)
		}
	}
	if again <= lost {
		t.Errorf("the worker was lost at %d, the last detection is of %d: it did not come back", lost, again)
	}
	if low, high := s.reading(t, "vision-0 torchserve:workers_ready", 0, 1); low != 0 || high != 1 {
		t.Errorf("workers ready: %v to %v, want 0 while it starts again, and 1", low, high)
	}
}
