package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/mps"
)

// A folder whose owner is gone is removed by the next that comes; one that is
// held, and one that is none of ours, are left alone.
func TestScratchRemovesWhatIsLeftOver(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	foreign := makeFolder(t, "evabench-sim-foreign", 0)
	held, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	killed, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	killed.owner.Close() // as the end of a process does
	next, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{foreign: true, held.dir: true, killed.dir: false, next.dir: true} {
		if there(dir) != want {
			t.Errorf("%s is there: %v, want %v", dir, !want, want)
		}
	}
	for _, s := range []*scratch{held, next} {
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v, want what was foreign", left, err)
	}
}

// What another has put in the place of a lock is neither waited for nor
// followed, and its folder stays.
func TestScratchLeavesWhatIsNoLock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var kept []string
	for name, place := range map[string]func(path string) error{
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"link": func(path string) error {
			file := filepath.Join(os.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				return err
			}
			return os.Symlink(file, path)
		},
	} {
		dir := makeFolder(t, "evabench-sim-"+name, 0)
		if err := place(filepath.Join(dir, ownerFile)); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, dir)
	}
	removeLeftOver(false)
	for _, dir := range kept {
		if !there(dir) {
			t.Errorf("%s is gone", dir)
		}
	}
}

// Folders of this name that another made are left alone, and no link out of one of ours is
// followed: in the folder of temporary files everybody makes what they like.
func TestScratchLeavesWhatIsOthers(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	temp, err := os.MkdirTemp("", "s") // so short that daemons have their folder within a server's
	must(err)
	defer os.RemoveAll(temp)
	t.Setenv("TMPDIR", temp)
	// It looks as the state folder of a simulated server that had MPS daemons.
	victim := t.TempDir()
	must(os.Symlink("/bin/true", filepath.Join(victim, mps.Name)))
	must(os.Mkdir(filepath.Join(victim, "mps"), 0o700))
	leftOver := func(name string) string {
		dir := makeFolder(t, name, 0)
		must(os.WriteFile(filepath.Join(dir, ownerFile), nil, 0o600))
		must(os.Symlink(victim, filepath.Join(dir, "a")))
		return dir
	}
	ours := leftOver("evabench-sim-ours")
	linked := filepath.Join(os.TempDir(), "evabench-sim-linked")
	must(os.Symlink(victim, linked))
	must(os.WriteFile(filepath.Join(victim, ownerFile), nil, 0o600))
	want := map[string]bool{ours: false, linked: true, victim: true, filepath.Join(victim, "mps"): true}
	if os.Geteuid() == 0 { // only root can have made what another owns
		for _, name := range []string{"evabench-sim-foreign", ".evabench-sim-foreign"} {
			dir := leftOver(name)
			must(os.Chown(dir, 65534, 65534))
			grow(t, dir, beginsWithin+time.Minute)
			want[dir] = true
		}
	}
	removeLeftOver(true)
	for path, want := range want {
		if there(path) != want {
			t.Errorf("%s is there: %v, want %v", path, !want, want)
		}
	}
}

// A folder that never got its name is removed when it is old: a young one may
// be another process that begins, whatever it holds.
func TestScratchRemovesWhatNeverBegan(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	file := func(dir string) *os.File {
		f, err := os.Create(filepath.Join(dir, ownerFile))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const old, young = beginsWithin + time.Minute, beginsWithin - time.Minute
	want := map[string]bool{
		makeFolder(t, ".evabench-sim-young", young): true,
		makeFolder(t, ".evabench-sim-old", old):     false,
	}
	for name, age := range map[string]time.Duration{".evabench-sim-young-2": young, ".evabench-sim-old-2": old} {
		dir := makeFolder(t, name, 0)
		file(dir).Close()
		grow(t, dir, age)
		want[dir] = age == young
	}
	held := makeFolder(t, ".evabench-sim-held", 0)
	lock := file(held)
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	grow(t, held, old)
	want[held] = true
	removeLeftOver(false)
	for dir, want := range want {
		if there(dir) != want {
			t.Errorf("%s is there: %v, want %v", dir, !want, want)
		}
	}
}

// Nobody makes one meanwhile where its lock is ours: then a young one is of a killed
// process. Somebody else may keep the lock, and is not waited for.
func TestScratchKeepsOthersFromBeginning(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	young := makeFolder(t, ".evabench-sim-young", 0)
	unlock, alone := lockTemp()
	if _, second := lockTemp(); !alone || second {
		t.Errorf("alone: %v, and a second one %v", alone, second)
	}
	s, err := newScratch(scratchPath())
	if err != nil {
		t.Fatal(err)
	}
	if !there(young) {
		t.Error("a folder that another may be making is gone")
	}
	if err := s.remove(); err != nil {
		t.Error(err)
	}
	unlock()
	if s, err = newScratch(scratchPath()); err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	if there(young) {
		t.Error("what a killed process was making is there")
	}
	if _, alone := lockTemp(); !alone {
		t.Error("the lock is kept")
	}
}

// makeFolder makes a temporary folder of an age.
func makeFolder(t *testing.T, name string, age time.Duration) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	grow(t, dir, age)
	return dir
}

func grow(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	at := time.Now().Add(-age)
	if err := os.Chtimes(dir, at, at); err != nil {
		t.Fatal(err)
	}
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
