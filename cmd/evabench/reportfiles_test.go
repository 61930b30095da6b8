package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/disk"
)

// One report that cannot be written hides no other; a fault of the disk is told once, with
// what else it cost, and nothing half written stays.
func TestReportsAreWrittenEach(t *testing.T) {
	faults := map[string]func() error{
		"b": func() error { return errors.New("too many charts") },
		"c": func() error { panic("no such chart") },
		"d": func() error { return &disk.Error{Op: "write", Path: "d", Err: errors.New("no space left")} },
		"f": func() error { return &disk.Error{Op: "write", Path: "f", Err: errors.New("no space left")} },
		"g": func() error { return &disk.Error{Op: "write", Path: "g", Err: errors.New("no space left")} },
	}
	dir := t.TempDir()
	var files []reportFile
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		files = append(files, reportFile{name, ""})
	}
	if err := os.WriteFile(filepath.Join(dir, "b"), []byte("as before"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := writeEach(dir, files, func(f reportFile, w io.Writer) error {
		if _, err := io.WriteString(w, "whole"); err != nil {
			return err
		}
		if fault := faults[f.file]; fault != nil {
			return fault()
		}
		return nil
	})
	want := "write b: too many charts\n" +
		"write c: panic: no such chart; please report this\n" +
		"write d: write d: no space left; nor were f, g written; with room and rights there, \"evabench report " + dir + "\" makes them"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range there {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name()+": "+string(text))
	}
	if got, want := strings.Join(names, ", "), "a: whole, b: as before, e: whole"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
