package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const ciFolder = "../../examples/ci/"

// A githubWorkflow is what the test reads of a workflow.
type githubWorkflow struct {
	Jobs map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Steps  []struct{ Name, Uses, Run string }
	}
}

type gitlabJob struct {
	BeforeScript []string `yaml:"before_script"`
	Script       []string
	Retry        struct {
		Max       int
		ExitCodes []int `yaml:"exit_codes"`
	}
}

// ciScripts reads the two examples: the shell lines of each, in their order.
func ciScripts(t *testing.T) map[string][]string {
	t.Helper()
	scripts := map[string][]string{}
	read := func(name string, into any) {
		text, err := os.ReadFile(ciFolder + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var hub githubWorkflow
	read("github-actions.yml", &hub)
	for _, s := range hub.Jobs["sweep"].Steps {
		if (s.Run == "") == (s.Uses == "") {
			t.Errorf("github-actions.yml: step %q runs and uses, or neither", s.Name)
		}
		if s.Run != "" {
			scripts["github-actions.yml"] = append(scripts["github-actions.yml"], s.Run)
		}
	}
	var lab map[string]gitlabJob
	read("gitlab-ci.yml", &lab)
	job := lab["evabench"]
	scripts["gitlab-ci.yml"] = slices.Concat(job.BeforeScript, job.Script)
	if !slices.Equal(job.Retry.ExitCodes, []int{4}) {
		t.Errorf("gitlab-ci.yml tries %v again; only 4, no valid measurement, may be", job.Retry.ExitCodes)
	}
	return scripts
}

// TestCIExamples holds both examples to what they are for: they check, sweep and gate, in this
// order, one run directory, with commands that parse and files that are there.
func TestCIExamples(t *testing.T) {
	for name, scripts := range ciScripts(t) {
		var order []string
		outs := map[string]bool{}
		for _, script := range scripts {
			if said, err := exec.Command("bash", "-n", "-c", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", name, err, said)
			}
			for _, c := range documented(script, false) {
				if err := parses(c); err != nil {
					t.Errorf("%s: %s: %v", name, strings.Join(c.words, " "), err)
				}
				order = append(order, c.words[0])
				for i, w := range c.words {
					if strings.HasPrefix(w, "examples/") {
						if _, err := os.Stat(filepath.Join("../..", w)); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
					if w == "--out" || w == "gate" {
						outs[c.words[i+1]] = true
					}
				}
			}
		}
		check, sweep, gate := slices.Index(order, "scenario"), slices.Index(order, "sweep"), slices.Index(order, "gate")
		if !(0 <= check && check < sweep && sweep < gate) || len(outs) != 1 {
			t.Errorf("%s: commands %q into %v", name, order, outs)
		}
	}
}

// TestCIScenario checks the scenario that they sweep.
func TestCIScenario(t *testing.T) {
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(path, "scenario", "check", ciFolder+"nightly.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestCITriesAgain runs the workflow's shell with an evabench that ends as it is told:
// no valid measurement is tried once more and slower, everything else is not.
func TestCITriesAgain(t *testing.T) {
	var sweep string
	for _, s := range ciScripts(t)["github-actions.yml"] {
		if strings.Contains(s, "evabench sweep") {
			sweep = s
		}
	}
	for _, c := range []struct {
		ends        string // statuses of the calls, in turn
		calls, slow int
		status      int
	}{
		{"0", 1, 0, 0},
		{"4 0", 2, 1, 0},
		{"4 4", 2, 1, 4},
		{"1", 1, 0, 1},
		{"3", 1, 0, 3},
	} {
		dir := t.TempDir()
		fake := `#!/bin/sh
echo "$*" >>calls
n=$(wc -l <calls)
mkdir -p runs/ci
exit $(echo $ENDS | cut -d' ' -f$n)
`
		if err := os.WriteFile(dir+"/evabench", []byte(fake), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("bash", "-e", "-c", sweep)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "ENDS="+c.ends)
		said, _ := cmd.CombinedOutput()
		calls, _ := os.ReadFile(dir + "/calls")
		got := fmt.Sprint(strings.Count(string(calls), "\n"), strings.Count(string(calls), "--sim-scale"), cmd.ProcessState.ExitCode())
		if want := fmt.Sprint(c.calls, c.slow, c.status); got != want {
			t.Errorf("ends %s: calls, slower ones, status %s, want %s\n%s%s", c.ends, got, want, calls, said)
		}
	}
}
