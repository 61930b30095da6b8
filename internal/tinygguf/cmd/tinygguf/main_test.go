package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	if err := run("small", dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"text.gguf", "mmproj.gguf"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(data), "GGUF") {
			t.Errorf("%s: %d bytes, error %v; want a GGUF file", name, len(data), err)
		}
	}
}

func TestRunFaults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ size, dir, want string }{
		{"huge", dir, `size "huge" is none of`},
		{"small", filepath.Join(file, "below"), "not a directory"},
	} {
		if err := run(c.size, c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("run(%q, %q): got %v, want an error with %q", c.size, c.dir, err, c.want)
		}
	}
}
