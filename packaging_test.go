package evabench

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDockerfile reads the Dockerfile, as no daemon can be asked here: stages and files that it copies
// exist, and the last stage runs as nobody of rights.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if faults := dockerfileFaults(string(text)); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
	for _, c := range []struct{ from, to, fault string }{
		{"USER 10001:10001\n", "", "runs as root"},
		{"USER 10001:10001", "USER root", "runs as root"},
		{"--from=build", "--from=builder", "no stage builder"},
		{"COPY go.mod", "COPY go.mood", "go.mood is not there"},
		{"/src/bin/evabench ", "/src/bin/evabenhc ", "the build leaves no /src/bin/evabenhc"},
		{"RUN make build", "RUN make bild", "the Makefile has no target bild"},
	} {
		broken := strings.Replace(string(text), c.from, c.to, 1)
		if !slices.Contains(dockerfileFaults(broken), c.fault) {
			t.Errorf("with %q for %q: no fault %q", c.to, c.from, c.fault)
		}
	}
}

var target = regexp.MustCompile(`(?m)^([a-z-]+):`)

// made are the files that make build licences leaves.
var made = []string{"/src/bin/evabench", "/src/bin/THIRD-PARTY.txt"}

// dockerfileFaults says what is wrong with it.
func dockerfileFaults(text string) []string {
	var faults, stages, targets []string
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return []string{err.Error()}
	}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	user := "root"
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch words[0] {
		case "FROM":
			user = "root"
			if len(words) == 4 && words[2] == "AS" {
				stages = append(stages, words[3])
			}
		case "USER":
			user = words[1]
		case "RUN":
			for i, w := range words {
				if w == "make" {
					for _, goal := range words[i+1:] {
						if !strings.Contains(goal, "=") && !slices.Contains(targets, goal) {
							faults = append(faults, "the Makefile has no target "+goal)
						}
					}
				}
			}
		case "COPY":
			stage, from := strings.CutPrefix(words[1], "--from=")
			if from && !slices.Contains(stages, stage) {
				faults = append(faults, "no stage "+stage)
			}
			files := words[1 : len(words)-1]
			if from {
				files = files[1:]
			}
			for _, f := range files {
				inside, isSource := strings.CutPrefix(f, "/src/")
				switch {
				case from && slices.Contains(made, f):
				case from && isSource && !strings.HasPrefix(inside, "bin/"):
					f = inside
					fallthrough
				case !from:
					if _, err := os.Stat(f); err != nil {
						faults = append(faults, f+" is not there")
					}
				default:
					faults = append(faults, "the build leaves no "+f)
				}
			}
		}
	}
	if user == "" || user == "root" || strings.HasPrefix(user, "0") {
		faults = append(faults, "runs as root")
	}
	return faults
}
