//go:build real

package realtest

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gpuCheck runs bin/gpu-check to its end and gives what its archive holds, by
// name, and its exit status. What it leaves running or lying about is a fault.
func gpuCheck(t *testing.T, args ...string) (files map[string]string, said string, code int) {
	t.Helper()
	// All that it starts is below this folder, whose path is short enough for its
	// sockets, and has the path in its environment.
	temp, err := os.MkdirTemp("/tmp", "gc-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	scratch := stack{dir: temp}
	out := filepath.Join(t.TempDir(), "gpu-check.tar.gz")
	cmd := exec.CommandContext(t.Context(), env(t, "EVABENCH_GPU_CHECK"), append(args,
		"-evabench", env(t, "EVABENCH_BIN"), "-examples", "../examples", "-out", out)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch.dir)
	text, err := cmd.CombinedOutput()
	t.Logf("gpu-check %q:\n%s", args, text)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left := scratch.processes(t); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left lying: %v, %v", left, err)
	}
	return members(t, out), string(text), cmd.ProcessState.ExitCode()
}

// members reads an archive of at most 16 MiB.
func members(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > 16<<20 {
		t.Errorf("the archive has more than 16 MiB: %v, %v", info.Size(), err)
	}
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "gpu-check/")] = string(text)
	}
}

// wantResults holds the page's rows against the results that claims should have,
// each claim named by a part of it.
func wantResults(t *testing.T, page string, want map[string][]string) {
	t.Helper()
	row := regexp.MustCompile(`(?m)^\| (shown|not shown|failed) \| (.*?) \| (.*) \|$`)
	rows := row.FindAllStringSubmatch(page, -1)
	n := 0
	for result, claims := range want {
		n += len(claims)
		for _, claim := range claims {
			found := false
			for _, r := range rows {
				found = found || r[1] == result && strings.Contains(r[2], claim)
			}
			if !found {
				t.Errorf("the page has no row that %q is %s", claim, result)
			}
		}
	}
	if len(rows) != n {
		t.Errorf("the page has %d rows of proofs, want %d", len(rows), n)
	}
}

// wantRuns wants a whole run of each part, with its reports.
func wantRuns(t *testing.T, files map[string]string) {
	t.Helper()
	for _, part := range []string{"calibrate", "together", "with-vlm", "failover"} {
		for _, name := range []string{"environment.json", "summary.json", "report.md", "report.json", "report.txt", "report.xlsx"} {
			if files["runs/"+part+"/"+name] == "" {
				t.Errorf("runs/%s/%s is not in the archive, or empty", part, name)
			}
		}
		samples := 0
		for name := range files {
			if strings.HasPrefix(name, "runs/"+part+"/") && strings.HasSuffix(name, "/samples.parquet") {
				samples++
			}
		}
		if samples == 0 {
			t.Errorf("runs/%s has no samples", part)
		}
	}
	if files["environment.json"] == "" {
		t.Error("environment.json is not in the archive")
	}
}

// TestGPUCheckOnCPU runs the whole course with small models on processors.
func TestGPUCheckOnCPU(t *testing.T) {
	env(t, "EVABENCH_PYTHON") // which gpu-check reads
	// It is planned for four minutes. How busy this machine is nobody knows.
	files, said, code := gpuCheck(t, "-cpu", "-limit", "10m")
	page := files["evidence.md"]
	if code != 0 || !strings.Contains(said, "gpu-check passed: WITHOUT A GPU: 5 shown, 8 not shown, 0 failed") {
		t.Errorf("exit status %d", code)
	}
	wantResults(t, page, map[string][]string{
		"shown": {"every part ran", "no arrival was lost", "a report of each run", "came back", "left running"},
		"not shown": {
			"is counted as a client", "no process is a client", "what MPS does", "NVML's values", "GPM's values",
			"context switching", "was killed under MPS", "as found",
		},
	})
	for _, line := range []string{
		"**No GPU: small models on processors.", "| RT-DETRv2 | 4.337, 4.490 | +3.5 % |", "| all four | 23.770, 25.980 | +9.3 % |",
		"| 1 | llmdet |", "signal 9 (killed)", "(for a person to write)",
	} {
		if !strings.Contains(page, line) {
			t.Errorf("the page does not say %q", line)
		}
	}
	wantRuns(t, files)
}

// TestGPUCheckSimulated runs the course of a card on a simulated one, with the
// daemons of MPS and three pairs of cells.
func TestGPUCheckSimulated(t *testing.T) {
	files, _, code := gpuCheck(t, "-sim", "h100x1", "-sim-scale", "8")
	page := files["evidence.md"]
	if code != 0 {
		t.Errorf("exit status %d", code)
	}
	wantResults(t, page, map[string][]string{
		"shown": {
			"every part ran", "no arrival was lost", "a report of each run", "is counted as a client", "no process is a client",
			"what MPS does", "came back", "was killed under MPS", "left running",
		},
		// Of a card itself a simulated one shows nothing.
		"not shown": {"NVML's values", "GPM's values", "context switching", "as found"},
	})
	if !strings.Contains(page, "**SIMULATED: every number was made by the simulated server h100x1.**") {
		t.Error("the page does not say that it is simulated")
	}
	wantRuns(t, files)
}
