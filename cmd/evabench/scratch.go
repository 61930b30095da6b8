package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/sim"
)

// ownerFile is locked by the process that a scratch folder belongs to.
const ownerFile = "owner"

// beginsWithin is the age from which a folder without its name is none that is
// just being made, which takes milliseconds, where who makes one cannot be kept out.
const beginsWithin = time.Hour

// A scratch is a temporary folder for a simulated server's state. The lock ends
// with the process, however it ends: so the next one knows what is left over.
type scratch struct {
	dir   string
	owner *os.File
}

// scratchPath gives a new name for a scratch folder.
func scratchPath() string {
	return filepath.Join(os.TempDir(), "evabench-sim-"+rand.Text())
}

// newScratch makes the scratch folder of a path, and removes those that killed
// processes left behind.
func newScratch(path string) (*scratch, error) {
	unlock, alone := lockTemp()
	defer unlock()
	removeLeftOver(alone)
	// It gets its name when it is locked: before, it would look left over.
	dir, err := os.MkdirTemp("", ".evabench-sim-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	s := &scratch{dir: dir}
	s.owner, err = os.Create(filepath.Join(dir, ownerFile))
	if err == nil {
		err = unix.Flock(int(s.owner.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = os.Rename(dir, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a temporary folder: %w", err), s.remove())
	}
	s.dir = path
	return s, nil
}

// lockWithin is how long another may make its scratch folder, which takes milliseconds.
const lockWithin = 200 * time.Millisecond

// lockTemp locks the folder of temporary files while a scratch folder is made in it, and
// reports whether it could: somebody else may keep that lock.
func lockTemp() (unlock func(), alone bool) {
	f, err := os.Open(os.TempDir())
	if err != nil {
		return func() {}, false // told when the folder is made
	}
	for until := time.Now().Add(lockWithin); ; time.Sleep(time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || time.Now().After(until) {
			return func() { f.Close() }, err == nil
		}
	}
}

// removeLeftOver removes the scratch folders that nobody holds, and those that
// were left before they had a name: alone says that nobody is making one. Everybody can make
// folders of these names: another's are left alone, whatever is in them.
func removeLeftOver(alone bool) {
	named, _ := filepath.Glob(filepath.Join(os.TempDir(), "evabench-sim-*")) // the patterns are good
	for _, dir := range named {
		if _, ours := ourFolder(dir); ours {
			removeUnheld(dir)
		}
	}
	unnamed, _ := filepath.Glob(filepath.Join(os.TempDir(), ".evabench-sim-*"))
	for _, dir := range unnamed {
		info, ours := ourFolder(dir)
		if !ours || !alone && time.Since(info.ModTime()) < beginsWithin {
			continue
		}
		if err := os.Remove(dir); err != nil { // without a lock it is empty
			removeUnheld(dir)
		}
	}
}

// ourFolder reports whether a path is a folder that this user made, and no link to one.
func ourFolder(path string) (fs.FileInfo, bool) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return nil, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return info, ok && int(stat.Uid) == os.Geteuid()
}

// removeUnheld removes a folder whose lock nobody holds. It neither waits for
// nor follows what stands in the lock's place.
func removeUnheld(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, ownerFile), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		endDaemons(dir)   // what cannot be ended is tried again by the next
		os.RemoveAll(dir) // it is in nobody's way if this fails
	}
}

// endDaemons ends the simulated MPS daemons of a scratch folder, which is a
// server's state folder or holds some. A link in it leads to what is none of it.
func endDaemons(dir string) error {
	within, _ := filepath.Glob(filepath.Join(dir, "*", mps.Name)) // the pattern is good
	faults := []error{sim.EndDaemons(dir)}
	for _, program := range within {
		if _, ours := ourFolder(filepath.Dir(program)); ours {
			faults = append(faults, sim.EndDaemons(filepath.Dir(program)))
		}
	}
	return errors.Join(faults...)
}

// remove ends what runs of the folder and removes it. A nil scratch has none.
func (s *scratch) remove() error {
	if s == nil {
		return nil
	}
	err := errors.Join(endDaemons(s.dir), os.RemoveAll(s.dir))
	if s.owner != nil {
		s.owner.Close() // lets the lock go
	}
	return err
}
