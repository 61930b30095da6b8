package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// names lists what is in a folder, with its contents.
func names(t *testing.T, dir string) string {
	t.Helper()
	there, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range there {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+"="+string(text))
	}
	return strings.Join(all, " ")
}

// Whichever operation fails, a file is as it was or whole, nothing else stays, and the fault
// names the operation and the path, once.
func TestFilesAreWholeOrAsBefore(t *testing.T) {
	for name, write := range map[string]func(d *Disk, path string) error{
		"WriteFile": func(d *Disk, path string) error { return d.WriteFile(path, []byte("after")) },
		"Replace": func(d *Disk, path string) error {
			return d.Replace(path, func(w io.Writer) error { _, err := io.WriteString(w, "after"); return err })
		},
		"Append": func(d *Disk, path string) error { return d.Append(path, []byte("after")) },
	} {
		for at := 0; ; at++ {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
				t.Fatal(err)
			}
			n := 0
			var failed Op
			d := Faulty(func(op Op) error {
				if n++; n-1 != at {
					return nil
				}
				failed = op
				if op.Kind == Write {
					return &Short{2, syscall.ENOSPC}
				}
				return syscall.ENOSPC
			})
			err := write(d, path)
			after := map[string]string{"Append": "f=beforeafter"}[name]
			if after == "" {
				after = "f=after"
			}
			got := names(t, dir)
			if n <= at {
				if err != nil || got != after || at < 3 {
					t.Errorf("%s without a fault: %v, %s, after %d operations", name, err, got, n)
				}
				break
			}
			if got != "f=before" && got != after {
				t.Errorf("%s, %s fails: %s", name, failed.Kind, got)
			}
			fault, ok := errors.AsType[*Error](err)
			if !ok || !Full(err) || fault.Op != failed.Kind || strings.Count(err.Error(), dir) != 1 {
				t.Errorf("%s, %s fails: told %v", name, failed.Kind, err)
			}
		}
	}
}

// What a crash left under the name of a file that is being written is in nobody's way.
func TestLeftOverIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Unfinished+"f"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var d *Disk
	if err := d.WriteFile(filepath.Join(dir, "f"), []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != "f=whole" {
		t.Error(got)
	}
}

// Several may replace a file at once: it is one of theirs, whole.
func TestReplaceAtOnce(t *testing.T) {
	dir := t.TempDir()
	var d *Disk
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprint(i), 1<<20)
			if err := d.Replace(filepath.Join(dir, "f"), func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := names(t, dir); len(got) != len("f=")+1<<20 || strings.Trim(got[2:], got[2:3]) != "" {
		t.Errorf("%d bytes, %.20q", len(got), got)
	}
}

func TestRoom(t *testing.T) {
	var d *Disk
	dir := t.TempDir()
	free, err := d.Free(dir)
	if err != nil || free <= 0 {
		t.Fatalf("%d bytes free, %v", free, err)
	}
	if err := d.Room(dir, 1); err != nil {
		t.Error(err)
	}
	if err := d.Room(dir, 1<<62); !errors.Is(err, ErrNoRoom) || !Full(err) || !strings.Contains(err.Error(), dir) {
		t.Errorf("room for 4 EiB: %v", err)
	}
	if _, err := d.Free(filepath.Join(dir, "absent")); err == nil {
		t.Error("a folder that is not there has room")
	}
}
