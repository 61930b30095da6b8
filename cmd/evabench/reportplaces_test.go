package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file is replaced behind the links that lead to it, and what is no file is written into:
// neither a link nor a device makes way for a file.
func TestWriteFileKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(at("far"), 0o700))
	must(os.WriteFile(at("far/file"), []byte("as before"), 0o600))
	must(os.Symlink("far/file", at("link")))
	must(os.Symlink("link", at("twice")))
	must(os.Symlink("far/new", at("dangling")))
	must(os.Symlink("/dev/null", at("null")))
	must(unix.Mkfifo(at("fifo"), 0o600))
	must(os.Symlink("fifo", at("tofifo")))
	fifo, err := os.OpenFile(at("fifo"), os.O_RDWR, 0) // so that neither end waits
	must(err)
	defer fifo.Close()

	for _, test := range []struct{ name, read string }{
		{"link", "far/file"}, {"twice", "far/file"}, {"dangling", "far/new"}, {"null", ""}, {"fifo", "fifo"}, {"tofifo", "fifo"}, {"new", "new"}, {"new", "new"},
	} {
		before, _ := os.Lstat(at(test.name))
		text := "report by " + test.name
		if err := writeFile(at(test.name), func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		after, err := os.Lstat(at(test.name))
		if err != nil || before != nil && before.Mode() != after.Mode() {
			t.Errorf("%s was %v, and is %v", test.name, before, after)
			continue
		}
		got := []byte(text)
		switch test.read {
		case "":
		case "fifo":
			_, err = io.ReadFull(fifo, got)
		default:
			got, err = os.ReadFile(at(test.read))
		}
		if err != nil || string(got) != text {
			t.Errorf("%s: %s holds %q, want %q, %v", test.name, test.read, got, text, err)
		}
	}
	left, err := filepath.Glob(at("far/.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// What stands in the place of a run directory's report is not followed: who made the directory
// may have put it there. Nothing outside is changed, and a pipe is not waited for.
func TestReportsFollowNothing(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "victim")
	places := map[string]func(path string) error{
		"link":     func(path string) error { return os.Symlink(victim, path) },
		"dangling": func(path string) error { return os.Symlink(filepath.Join(outside, "new"), path) },
		"null":     func(path string) error { return os.Symlink(os.DevNull, path) },
		"pipe":     func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder":   func(path string) error { return os.Mkdir(path, 0o700) },
	}
	if err := os.WriteFile(victim, []byte("as before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, place := range places {
		path := filepath.Join(dir, name)
		if err := place(path); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		err = writeEach(dir, []reportFile{{name, ""}, {"whole", ""}}, func(f reportFile, w io.Writer) error {
			_, err := io.WriteString(w, "report beside "+name)
			return err
		})
		if err == nil || !strings.HasPrefix(err.Error(), "write "+name+": ") {
			t.Errorf("%s: told %v", name, err)
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s was %v, and is %v, %v", name, before.Mode(), after, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "whole")); string(got) != "report beside "+name {
			t.Errorf("%s: the report beside it holds %q, %v", name, got, err)
		}
	}
	if got, err := os.ReadFile(victim); string(got) != "as before" {
		t.Errorf("the victim holds %q, %v", got, err)
	}
	if all, err := os.ReadDir(outside); err != nil || len(all) != 1 {
		t.Errorf("outside are %v, %v", all, err)
	}
}

// Where the standard output is a file, /dev/stdout is written behind what it holds.
func TestWriteFileToStandardOutput(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func(was *os.File) { os.Stdout = was; f.Close() }(os.Stdout)
	os.Stdout = f
	for _, text := range []string{"one\n", "two\n"} {
		if err := writeFile(f.Name(), func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(f.Name()); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("it holds %q, %v", got, err)
	}
}
