package main

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

// An exemplary is what an example of the help comes to, run without a terminal in a folder
// that has the files it names.
type exemplary struct {
	status string // or one of several: "0|4"
	says   string // is in what it prints
	// until is what it prints when it was seen to work, and is interrupted; empty lets it end.
	until string
	// add is put behind it, so that it has nothing to do with the machine of the test.
	add string
}

// here is what comes of looking at this machine's own GPUs: 1 where there is no driver, and
// nothing is changed without a terminal or --yes.
const here = "0|1|2"

var examples = map[string]exemplary{
	"evabench sweep pro6000x1 --yes":                          {status: "130", says: "SIMULATED server pro6000x1", until: "begins", add: "--no-selftest"},
	"evabench sweep mine.yaml --dry-run":                      {status: "0", says: "afterwards: put everything back as it was, and verify it"},
	"evabench sweep mine.yaml --sim pro6000x1 --sim-scale 60": {status: "0|4", says: "put back and verified", add: "--no-selftest"},
	"evabench sweep --resume runs/mine-20261121T020304Z":      {status: "0|4", says: "every cell of runs/mine-20261121T020304Z is measured"},

	"evabench run --agent-url http://127.0.0.1:8000 --agent-model qwen3-vl-8b --agent-users 4 --window 60s": {
		status: "0", says: "nothing is changed", add: "--dry-run",
	},
	"evabench run --vision-url http://127.0.0.1:8080 --vision-model rt-detrv2,owl-v2 --vision-rate 20": {
		status: "0", says: "nothing is changed", add: "--dry-run",
	},

	"evabench scenario list":                            {status: "0", says: "pro6000x1"},
	"evabench scenario show pro6000x1 > mine.yaml":      {status: "0"},
	"evabench scenario check mine.yaml":                 {status: "0", says: "good"},
	"evabench scenario check mine.yaml --sim pro6000x1": {status: "0", says: "good"},
	"evabench scenario schema > evabench.schema.json":   {status: "0"},
	"evabench init": {status: "2", says: "there is no terminal to ask at; --yes takes the defaults"},
	"evabench init --yes --sim pro6000x1 --out first.yaml": {status: "0", says: "wrote first.yaml"},
	"evabench init --server http://127.0.0.1:8000 --server http://127.0.0.1:8080": {
		status: "2", says: "there is no terminal to ask at",
	},
	"evabench doctor":                                             {status: "0|1", says: "clock", add: "--no-selftest"},
	"evabench doctor pro6000x1 --no-selftest":                     {status: "0|1", says: "SIMULATED server pro6000x1"},
	"evabench doctor --sim pro6000x1 --only mig,change --json":    {status: "0", says: `"level": "ok"`},
	"evabench explain MIG":                                        {status: "0", says: "MIG (multi-instance GPU)"},
	"evabench explain p95":                                        {status: "0", says: "percentile (p50"},
	`evabench explain client-limited "little's law"`:              {status: "0", says: "Little's law"},
	"evabench explain":                                            {status: "0", says: "tells what one means"},
	"evabench selftest":                                           {status: "130", says: "measuring", until: "measuring"},
	"evabench selftest --quick --json":                            {status: "0", says: `"streams"`},
	"evabench sim pro6000x1 --scale 10 --instances":               {status: "0|130", says: "http://127.0.0.1:", until: "http://127.0.0.1:"},
	"evabench gpu inspect":                                        {status: here},
	"evabench gpu inspect --gpus 0,1 --json":                      {status: here},
	"evabench gpu inspect --sim pro6000x1":                        {status: "0", says: "nothing stands in the way of a change"},
	"evabench gpu profiles":                                       {status: "0"},
	"evabench gpu profiles --gpu 0":                               {status: here},
	`evabench gpu profiles --gpu "NVIDIA A100-SXM4-40GB"`:         {status: "0", says: "7x1g.5gb"},
	"evabench gpu plan 4x1g.24gb --gpus 0":                        {status: here},
	`evabench gpu plan all-1g.5gb --card "NVIDIA A100-SXM4-40GB"`: {status: "0", says: "create 1g.5gb"},
	`evabench gpu plan "gpu0: 4g.20gb(mps)+2g.10gb/2x1c+1g.5gb; gpu1: off" --gpus 0,1`: {status: here},

	"evabench gpu apply 4x1g.24gb --gpus 0 --allow layout,mode":                               {status: here, add: "--state-dir state"},
	`evabench gpu apply "off(mps)" --gpus 0 --allow mps --env-dir devices`:                    {status: here, add: "--state-dir state"},
	"evabench gpu apply 2x2g.48gb --gpus 0 --allow layout,mode --sim pro6000x1 --sim-dir try": {status: "0", says: `"evabench gpu restore --sim pro6000x1 --sim-dir try" undoes it`, add: "--yes"},
	"evabench gpu restore":                                                   {status: "2", says: "there is no folder state", add: "--state-dir state"},
	"evabench gpu restore --sim pro6000x1 --sim-dir try":                     {status: "0|2", says: "try"},
	`evabench gpu export "4x1g.24gb(mps)" --to systemd --gpus 0 --out unit`:  {status: here},
	`evabench gpu export 7x1g.5gb --to mig-parted --card "NVIDIA A100 40GB"`: {status: "0", says: "mig-devices"},

	"evabench report runs/pro6000x1-20261121T020304Z": {status: "0|4", says: "Placement"},
	"evabench report runs/… --all | less":             {status: "0", says: "Placement"},
	"evabench report runs/… --format markdown":        {status: "0|4", says: "## "},
	"evabench report --published":                     {status: "0", says: "published"},

	"evabench compare runs/before runs/after":                                       {status: "0|4", says: "runs/before"},
	"evabench compare runs/server-a runs/server-b --format xlsx --out servers.xlsx": {status: "0|4"},

	"evabench gate runs/nightly --require 'vision.p95<=300ms' --require 'vision.capacity>=20'": {status: "3|4", says: "vision.capacity"},
	"evabench gate runs/nightly --config recommended --require agent.slo --junit gate.xml":     {status: "0|2|3|4"},
	"evabench gate runs/nightly --baseline runs/last-release --max-regression 5%":              {status: "0|3|4"},
}

// TestHelpExamples runs every example of the help, and asks each command for one.
func TestHelpExamples(t *testing.T) {
	world := exampleWorld(t)
	left := maps.Clone(examples)
	for c := range commandsBelow(newRoot(streams{strings.NewReader(""), io.Discard, io.Discard})) {
		lines := strings.Split(c.Example, "\n")
		if c.Example == "" && !c.HasSubCommands() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for _, line := range lines {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			want, ok := examples[line]
			if delete(left, line); !ok {
				t.Errorf("what comes of it is not told here: %s", line)
				continue
			}
			t.Run(line, func(t *testing.T) { want.try(t, world, line) })
		}
	}
	for line := range left {
		t.Errorf("no help has the example %s", line)
	}
}

// commandsBelow goes over the commands that people see.
func commandsBelow(c *cobra.Command) func(yield func(*cobra.Command) bool) {
	return func(yield func(*cobra.Command) bool) {
		for _, sub := range c.Commands() {
			if sub.Hidden {
				continue
			}
			if !yield(sub) {
				return
			}
			for s := range commandsBelow(sub) {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// exampleWorld is a folder with what the examples name: a scenario, and one run of it
// under each name.
func exampleWorld(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	small, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), small, 0o644); err != nil {
		t.Fatal(err)
	}
	said, status := exampleOf("evabench sweep mine.yaml --no-selftest --out runs/before", "").run(t, dir)
	if status != exitDone && status != exitNoValid {
		t.Fatalf("status %d:\n%s", status, said)
	}
	for _, name := range []string{"after", "nightly", "last-release", "server-a", "server-b", "pro6000x1-20261121T020304Z", "mine-20261121T020304Z", "…"} {
		if err := os.CopyFS(filepath.Join(dir, "runs", name), os.DirFS(filepath.Join(dir, "runs/before"))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// try runs an example in a copy of the world.
func (want exemplary) try(t *testing.T, world, line string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(world)); err != nil {
		t.Fatal(err)
	}
	line = strings.TrimSuffix(line, " | less") // a pager, for people
	if want.add != "" {
		line += " " + want.add
	}
	said, status := exampleOf(line, want.until).run(t, dir)
	if !slices.Contains(strings.Split(want.status, "|"), strconv.Itoa(status)) || !strings.Contains(said, want.says) {
		t.Errorf("%s: status %d, want %s and %q:\n%s", line, status, want.status, want.says, said)
	}
}

// exampleRun is one command line, and what it is interrupted at.
type exampleRun struct{ line, until string }

func exampleOf(line, until string) exampleRun { return exampleRun{line, until} }

// run gives what it prints and its status.
func (e exampleRun) run(t *testing.T, dir string) (said string, status int) {
	t.Helper()
	c := exec.Command("sh", "-c", "exec "+e.line)
	c.Dir = dir
	c.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "XDG_CACHE_HOME="+dir)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = in, in
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	defer out.Close()
	var all strings.Builder
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		all.WriteString(line)
		if e.until != "" && strings.Contains(line, e.until) {
			e.until = ""
			if err := c.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return all.String(), c.ProcessState.ExitCode()
}
