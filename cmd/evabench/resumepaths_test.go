package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// A run whose scenario names files by relative paths goes on only where it was begun.
func TestResumeFromAnotherFolder(t *testing.T) {
	for name, test := range map[string]struct {
		scenario string
		want     string // what is named; empty if it goes on
	}{
		"images":          {"services: {eyes: {workload: {images: {folder: pictures}}}}", "services.eyes.workload.images.folder: pictures"},
		"images, whole":   {"services: {eyes: {workload: {images: {folder: /srv/pictures}}}}", ""},
		"trace":           {"services: {eyes: {load: {file: trace.csv}}}", "services.eyes.load.file: trace.csv"},
		"key":             {"services: {eyes: {endpoint: {api_key_file: ../key}}}", "services.eyes.endpoint.api_key_file: ../key"},
		"authority":       {"collect: {dcgm_access: {tls: {ca_file: ca.pem}}}", "collect.dcgm_access.tls.ca_file: ca.pem"},
		"folder of adapt": {"services: {eyes: {launcher: {adapt: {argv: [make], folder: tools}}}}", "services.eyes.launcher.adapt.folder: tools"},
		"program":         {"services: {eyes: {launcher: {argv: [./serve]}}}", "services.eyes.launcher.argv: ./serve"},
		"program of PATH": {"services: {eyes: {launcher: {argv: [there.py, --port, '{port}']}}}", ""},
		"argument":        {"services: {eyes: {launcher: {argv: [python3, there.py]}}}", "services.eyes.launcher.argv: there.py"},
		"flag":            {"services: {eyes: {launcher: {argv: [python3, --config=there.py]}}}", "services.eyes.launcher.argv: there.py"},
		"variable":        {"services: {eyes: {launcher: {argv: [x], env: {CONFIG: there.py}}}}", "services.eyes.launcher.env: there.py"},
		"in a container":  {"services: {eyes: {launcher: {image: i, argv: [python3, there.py]}}}", ""},
		"in a folder":     {"services: {eyes: {launcher: {argv: [python3, there.py], folder: /srv}}}", ""},
		"no path":         {"services: {eyes: {launcher: {argv: [python3, -m, http.server, '{dir}/x']}}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			first := t.TempDir()
			if err := os.WriteFile(filepath.Join(first, "there.py"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			run := &results.Run{Dir: "run", Scenario: []byte(test.scenario)}
			run.Environment.Sessions = []results.Session{{Folder: first}, {Folder: t.TempDir()}}
			g := &goingOn{run: run}
			got := strings.Join(g.elsewhere(), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, "("+test.want+")") && test.want != "" {
				t.Errorf("got %q, want %q in it", got, test.want)
			}
			if test.want != "" && !strings.Contains(got, "begun in "+first) {
				t.Errorf("%q does not say where it was begun", got)
			}
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(first, link); err != nil {
				t.Fatal(err)
			}
			t.Chdir(link)
			if why := g.elsewhere(); why != nil {
				t.Errorf("from the same folder by another name: %q", why)
			}
			run.Environment.Sessions = nil
			t.Chdir("/")
			if why := g.elsewhere(); why != nil {
				t.Errorf("from a folder that is not known: %q", why)
			}
		})
	}
}

// A change waits where the run's GPUs are kept: of simulated ones that is their own folder,
// and never the state folder of the machine's own.
func TestChangeWaitsWhereTheGPUsAre(t *testing.T) {
	k := kept{t, t.TempDir()}
	k.slice(0, "undoes it", "short", "0")
	for _, test := range []struct {
		backend string
		o       sweepOptions
		gpus    int
		want    bool
	}{
		{simKind, sweepOptions{stateDir: k.dir}, 1, false},
		{simKind, sweepOptions{stateDir: t.TempDir(), simDir: k.dir}, 1, true},
		{"nvidia", sweepOptions{stateDir: k.dir}, 1, true},
		{"nvidia", sweepOptions{stateDir: t.TempDir()}, 1, false},
		{"none", sweepOptions{stateDir: k.dir}, 0, false},
	} {
		b := &bench{scenario: &scenarios.Scenario{}}
		b.scenario.Server.Backend.Name = test.backend
		b.state.GPUs = make([]partition.GPU, test.gpus)
		if got := b.waits(test.o); got != test.want {
			t.Errorf("%s, %d GPUs, %+v: waits %v, want %v", test.backend, test.gpus, test.o, got, test.want)
		}
	}
}
