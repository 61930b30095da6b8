package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// adaptScenario is a scenario of one server that runs already, which a command
// makes fit and which says what it is.
const adaptScenario = `version: 1
name: adapt
server: {backend: none}
services:
  eyes:
    role: vision
    launcher:
      kind: external
      instances: [{url: "URL"}]
      adapt: {argv: [sh, -c, 'echo "adapt $0 $EVABENCH_CONFIG $EVABENCH_WORKERS_RT_DETR" >> done', "{workers.rt-detr}"]}
      restore: {argv: [sh, -c, "echo restore >> done"]}
      identity: [{page: /, json: "$[0].workers", equals: "{workers.rt-detr}"}]
    endpoint: detect-http
    models: {rt-detr: {}}
    workload: {kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: rt-detr}]}
    load: {arrivals: poisson, levels: [20]}
steps: {warmup: 100ms, window: 300ms}
matrix:
  layout: ["off"]
  workers: [{rt-detr: 1}, {rt-detr: 2}]
`

// TestExternalAdapts sweeps over a server that is really changed by nobody: the
// command is run for each cell, the server is seen to be another than the second
// cell asks for, and the command that puts it back is run once.
func TestExternalAdapts(t *testing.T) {
	s, err := stub.Start(stub.Options{Answer: []byte(`[{"workers": 1, "label": "person", "box": [0, 0, 1, 1], "score": 0.9}]`)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := t.TempDir()
	scenario := strings.Replace(adaptScenario, "URL", "http://"+s.Addr().String(), 1)
	if err := os.WriteFile(dir+"/adapt.yaml", []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, "sweep", "adapt.yaml", "--out", "run", "--no-selftest", "--yes")
	c.Dir = dir
	talk, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("it ended with %v:\n%s", err, talk)
	}
	if want := `$[0].workers must be "2" and is "1"`; !strings.Contains(string(talk), want) {
		t.Errorf("it did not say %s:\n%s", want, talk)
	}
	did, err := os.ReadFile(filepath.Join(dir, "done"))
	if want := "adapt 1 as-found-rt-detr-1 1\nadapt 2 as-found-rt-detr-2 2\nrestore\n"; err != nil || string(did) != want {
		t.Errorf("the commands did\n%s%v; want\n%s\n%s", did, err, want, talk)
	}
	run, err := results.Read(dir + "/run")
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Cells) != 2 || run.Cells[0].Cell.Status != results.CellDone || run.Cells[1].Cell.Status != results.CellFailed {
		t.Errorf("the cells are %+v", run.Cells)
	}
}
