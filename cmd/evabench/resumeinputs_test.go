package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
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
