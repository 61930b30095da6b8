package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command is the evabench to drive: EVABENCH_BIN, or one that is built for the test,
// without the race detector, which would make the load generator late.
func command(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("EVABENCH_BIN"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "evabench")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "github.com/evabench/evabench/cmd/evabench")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build evabench: %v\n%s", err, out)
	}
	return path
}

// The whole way once for a fault of the server, for one of the client, and without any: the
// fault that was injected is found first. What a busy machine spoils is not judged, but for
// the fault that is such a machine. The others take the bench itself: make findings-bench.
func TestFaultsOnce(t *testing.T) {
	few := []string{"slow-preprocessing", "throttled-generator", noFault}
	var out, talk bytes.Buffer
	err := run(t.Context(), []string{"-evabench", command(t), "-n", "1", "-scale", "12", "-tries", "2", "-faults", strings.Join(few, ",")}, &out, &talk)
	if err != nil && !errors.Is(err, errBusy) || !strings.Contains(out.String(), "each 100 ms of the clock | 1 of 1 |") {
		t.Errorf("%v\n%s%s", err, out.String(), talk.String())
	}
	t.Log(out.String())
	for _, name := range few {
		if !strings.Contains(talk.String(), name+" (") {
			t.Errorf("%s was not tried", name)
		}
	}
}

// Strengths stay within what the table says, and are the same for the same seed.
func TestDrawnAgain(t *testing.T) {
	for _, f := range faults() {
		texts := map[string]bool{}
		for seed := range uint64(200) {
			a, b := f.of(seed), f.of(seed)
			if a != b {
				t.Fatalf("%s, seed %d: %+v, then %+v", f.name, seed, a, b)
			}
			texts[a.text] = true
			// The slowest instance is never asked for more than it can do.
			if a.slowest < alone || a.crowd < 1.0/replicas || a.crowd > 1 || a.stopped < 0 || a.stopped > 0.6 {
				t.Errorf("%s, seed %d: %+v", f.name, seed, a)
			}
		}
		if varied := len(texts) > 12; varied == (f.name == noFault || f.name == "routing-imbalance") {
			t.Errorf("%s: %d strengths in 200 seeds", f.name, len(texts))
		}
	}
}

func TestTable(t *testing.T) {
	list, err := chosen("slow-worker,none")
	if err != nil {
		t.Fatal(err)
	}
	rows := []row{{fault: list[0], said: map[string]int{}}, {fault: list[1], said: map[string]int{}}}
	for _, v := range []verdict{
		{top: []string{"slow-worker", "queueing"}, fired: []string{"slow-worker", "queueing", "jitter"}},
		{top: []string{"queueing", "slow-worker"}, fired: []string{"queueing", "slow-worker"}},
		{},
	} {
		rows[0].add(v)
	}
	rows[0].add(verdict{top: []string{"throttled-generator", "slow-worker"}, fired: []string{"throttled-generator", "slow-worker"}})
	rows[1].add(verdict{})
	rows[1].add(verdict{top: []string{"jitter"}, fired: []string{"jitter"}})
	want := `| fault | drawn | first finding right | among the first three | other findings among them, in runs |
| --- | --- | ---: | ---: | --- |
| slow-worker | factor 3 to 6; one of the three instances | 1 of 3 | 2 of 3 | queueing 2 |
| all | | 1 of 3 (33 %) | | |

Without a fault something was found in 1 of 2 runs: jitter 1.

Not counted, as the load generator was late because this machine did other work: 1.
`
	if got := table(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-faults slow-worker,gremlins", `unknown fault "gremlins"; known: slow-preprocessing, clock-drop`},
		{"-n 0", "-n and -tries of at least 1"},
		{"more", "no arguments"},
		{"-evabench /nonexistent -n 1 -faults none", "none (sound), seed 1: fork/exec /nonexistent"},
	} {
		var talk bytes.Buffer
		if err := run(t.Context(), strings.Fields(c.args), &talk, &talk); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", c.args, err, c.want)
		}
	}
}
