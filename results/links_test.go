package results

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What stands where a file or a folder of ours should be, and is none: nobody follows it,
// waits for it or reads it without an end, and all else is read.
func TestReadWhatIsNoFile(t *testing.T) {
	const cell = "cells/000-a-r1/"
	kinds := map[string]struct {
		make func(path string) error
		text string
	}{
		"link within": {func(path string) error { return os.Symlink(filepath.Base(path)+".moved", path) }, "not followed"},
		"link out":    {func(path string) error { return os.Symlink("/etc/hostname", path) }, "not followed"},
		"own link":    {func(path string) error { return os.Symlink(filepath.Base(path), path) }, "not followed"},
		"pipe":        {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "it is no "},
		"sparse": {func(path string) error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			if err := f.Truncate(1 << 40); err != nil {
				return err
			}
			return f.Close()
		}, ""},
	}
	for kind, k := range kinds {
		for _, name := range []string{
			"environment.json", "scenario.yaml", "cells", cell[:len(cell)-1], cell + "cell.json", cell + "layout.json", cell + "observations.parquet",
			cell + "steps", cell + "steps/01", cell + "steps/01/step.json", cell + "steps/01/samples.parquet", cell + "steps/01/latency.hlog",
		} {
			dir := filepath.Join(t.TempDir(), "run")
			must(t, writeRun(dir, nil))
			path := filepath.Join(dir, filepath.FromSlash(name))
			must(t, os.Rename(path, path+".moved"))
			must(t, k.make(path))
			type read struct {
				run *Run
				err error
			}
			done := make(chan read, 1)
			go func() {
				run, err := Read(dir)
				done <- read{run, err}
			}()
			var got read
			select {
			case got = <-done:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s in the place of %s: still reading after 20 s", kind, name)
			}
			must(t, got.err)
			told := false
			for _, p := range got.run.Problems {
				told = told || p.Path == name && p.Damaged && strings.Contains(p.Text, k.text)
			}
			if !told {
				t.Errorf("%s in the place of %s: problems %+v, want one of it with %q", kind, name, got.run.Problems, k.text)
			}
			if strings.HasPrefix(name, cell+"steps/01") {
				if n := len(got.run.Cells[0].Steps); n == 0 || got.run.Cells[0].Steps[0].Step.Index != 0 {
					t.Errorf("%s in the place of %s: the other step is gone", kind, name)
				}
			}
		}
	}
}
