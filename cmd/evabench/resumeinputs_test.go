package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// What is measured with are the trace and the images, not where programs begin, nor keys.
func TestInputs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("frames", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trace.csv", "frames/a.jpg", "frames/b.JPEG", "frames/notes.txt", "key"} {
		write(name, name)
	}
	scenario := []byte(`
services:
  vision:
    launcher: {kind: process, folder: frames, argv: [serve]}
    endpoint: {kind: detect-http, api_key_file: key, body: {file: cam1.jpg, folder: inbox}, form_fields: {folder: inbox}}
    workload: {images: {folder: frames}, classes: [{heavy: {images: {folder: frames}}}]}
    load: {file: trace.csv}
`)
	inputs := func() []results.Input {
		t.Helper()
		all, err := inputsOf(scenario)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	was := inputs()
	var paths []string
	for _, in := range was {
		paths = append(paths, in.Path)
	}
	if want := []string{"frames/a.jpg", "frames/b.JPEG", "trace.csv"}; !slices.Equal(paths, want) {
		t.Errorf("it measures with %q, want %q", paths, want)
	}
	if why := inputsDiffer(was, inputs()); why != nil {
		t.Errorf("nothing was changed, and it tells %q", why)
	}
	write("trace.csv", "trace.tsv") // as long as before
	write("frames/c.jpg", "c")
	if err := os.Remove("frames/a.jpg"); err != nil {
		t.Fatal(err)
	}
	why := inputsDiffer(was, inputs())
	if len(why) != 3 || !strings.HasSuffix(why[0], "frames/a.jpg is gone") || !strings.Contains(why[1], "trace.csv was of 9 bytes (sha256 ") ||
		!strings.HasSuffix(why[2], "frames/c.jpg was not there") {
		t.Errorf("it tells %q", why)
	}
	many := make([]results.Input, 9)
	for i := range many {
		many[i].Path = string(rune('a' + i))
	}
	if why := inputsDiffer(many, nil); len(why) != 6 || why[5] != "and 4 more of its files" {
		t.Errorf("of many it tells %q", why)
	}
}

// A server of another version than the measured cells' is refused; one of other parameters may
// be of another, and one that tells none is not compared.
func TestAlike(t *testing.T) {
	cell := func(folder, image, version string) *results.CellData {
		return &results.CellData{Cell: results.Cell{
			Folder: folder, Config: results.Config{Params: map[string]string{"agent.image": image, "eyes.batch": folder}},
			Instances: []results.Instance{{Service: "agent", Name: "agent-0", Version: version}},
		}}
	}
	g := &goingOn{
		run:      &results.Run{Dir: "run", Cells: []*results.CellData{cell("a", "x", "0.10"), cell("b", "x", ""), cell("c", "y", "0.12"), cell("d", "x", "0.9")}},
		measured: map[string]bool{"a": true, "b": true, "c": true},
	}
	for _, c := range []struct {
		service, image, version string
		want                    string // empty: it is alike
	}{
		{"agent", "x", "0.10", ""},
		{"agent", "x", "0.11", `run is not resumed: service agent was measured with servers that said "0.10", and agent-0 says "0.11"`},
		{"agent", "x", "0.9", `that said "0.10", and`}, // of a cell that broke off
		{"agent", "y", "0.10", `that said "0.12", and`},
		{"agent", "z", "0.11", ""},
		{"agent", "x", "", ""},
		{"eyes", "x", "0.11", ""},
	} {
		err := g.alike(cellOf(c.image), results.Instance{Service: c.service, Name: "agent-0", Version: c.version})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func cellOf(image string) scenarios.Cell {
	return scenarios.Cell{Config: results.Config{Params: map[string]string{"agent.image": image, "eyes.batch": "e"}}}
}
