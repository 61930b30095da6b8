package partition

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// A Journal holds the host's lock and remembers on disk the state that GPUs
// had before the first change, so that it can be restored after a crash. One
// goroutine at a time uses it.
type Journal struct {
	dir  string
	lock *flock.Flock
}

// journalVersion is the version of the journal's form.
const journalVersion = 1

// An entry is the journal's one file.
type entry struct {
	Version int       `json:"version"`
	Begun   time.Time `json:"begun"`
	PID     int       `json:"pid"`
	State   State     `json:"state"`
}

// A LockedError says that another process holds the lock.
type LockedError struct {
	Dir    string
	Holder string // what the lock file says of the holder
}

// Error names the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("the state folder %s is locked by another evabench (%s); wait until it ends", e.Dir, e.Holder)
}

// OpenJournal takes the lock of a state folder, which it makes if need be, or
// gives a *[LockedError]. The caller closes the journal. The lock goes with
// the process, however that ends.
func OpenJournal(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	path := filepath.Join(dir, "lock")
	lock := flock.New(path)
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("open journal: lock %s: %w", path, err)
	}
	if !held {
		holder, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("open journal: read who holds %s: %w", path, err)
		}
		return nil, &LockedError{Dir: dir, Holder: cmp.Or(strings.TrimSpace(string(holder)), "pid not yet written")}
	}
	// Not renamed into place: the lock is on this very file.
	if err := os.WriteFile(path, fmt.Appendf(nil, "pid %d\n", os.Getpid()), 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), lock.Unlock())
	}
	return &Journal{dir: dir, lock: lock}, nil
}

func (j *Journal) path() string { return filepath.Join(j.dir, "journal.json") }

// Pending gives the state that a crash left to be restored, and whether there
// is one.
func (j *Journal) Pending() (State, bool, error) {
	data, err := os.ReadFile(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, false, nil
	}
	if err != nil {
		return State{}, false, fmt.Errorf("read journal: %w", err)
	}
	var e entry
	if err := json.Unmarshal(data, &e); err != nil {
		return State{}, false, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	if e.Version != journalVersion {
		return State{}, false, fmt.Errorf("read journal %s: version %d, want %d", j.path(), e.Version, journalVersion)
	}
	return e.State, true, nil
}

// Begin writes the state and has it on disk when it returns; only then may
// anything be changed. It refuses while an earlier state is pending.
func (j *Journal) Begin(s State) error {
	if _, pending, err := j.Pending(); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	} else if pending {
		return fmt.Errorf("begin journal: %s holds the state of an earlier run that was not restored", j.path())
	}
	data, err := json.MarshalIndent(entry{Version: journalVersion, Begun: time.Now().UTC(), PID: os.Getpid(), State: s}, "", " ")
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	if err := renameio.WriteFile(j.path(), append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	return j.syncDir()
}

// End removes the state, after it was restored.
func (j *Journal) End() error {
	if err := os.Remove(j.path()); err != nil {
		return fmt.Errorf("end journal: %w", err)
	}
	return j.syncDir()
}

// Close gives the lock back. A pending state stays.
func (j *Journal) Close() error {
	if err := j.lock.Unlock(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}

// syncDir makes a rename or removal last.
func (j *Journal) syncDir() error {
	d, err := os.Open(j.dir)
	if err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
