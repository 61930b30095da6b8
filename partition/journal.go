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

// A Journal holds the host's lock, remembers on disk the state that GPUs had
// before the first change, so that it can be restored after a crash, and keeps a
// trace of what was changed. One goroutine at a time uses it.
//
// The state folder holds lock, which says who holds it; journal.json, while a
// state waits to be restored; and the trace, journal.jsonl, with the one before it,
// journal.1.jsonl.
type Journal struct {
	dir  string
	lock *flock.Flock
}

// journalVersion is the version of the journal's form.
const journalVersion = 2

// An entry is the journal's one file.
type entry struct {
	Version int `json:"version"`
	holder
	// Kept says that the change is to stay until somebody asks for a restore.
	Kept  bool  `json:"kept,omitempty"`
	State State `json:"state"`
}

// A Left is what a run that did not end left to be restored.
type Left struct {
	State State
	Begun time.Time
	PID   int
	User  string // empty if unknown
	// Command is the command line that began.
	Command string
	// BootID names the boot of the host that it began in; empty if unknown.
	BootID string
	// SameBoot reports whether that boot is this one. After a boot the instances
	// are gone, and so are MPS daemons.
	SameBoot bool
	// Kept says that what was changed stands on purpose ([Journal.Keep]): nothing
	// broke off.
	Kept bool
}

// A LockedError says that another process holds the lock.
type LockedError struct {
	Dir string
	// Holder says who, as "pid 123 (evabench sweep x.yaml) of root since 12:03:04".
	Holder string
}

// Error names the holder.
func (e *LockedError) Error() string {
	return fmt.Sprintf("the state folder %s is locked by another evabench, %s; wait until it ends", e.Dir, e.Holder)
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
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("open journal: read who holds %s: %w", path, err)
		}
		return nil, &LockedError{Dir: dir, Holder: readHolder(text, time.Now())}
	}
	text, err := json.Marshal(thisProcess())
	if err == nil {
		// Not renamed into place: the lock is on this very file.
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), lock.Unlock())
	}
	return &Journal{dir: dir, lock: lock}, nil
}

// readHolder gives what a lock file says in words.
func readHolder(text []byte, now time.Time) string {
	var h holder
	if err := json.Unmarshal(text, &h); err != nil || h.PID == 0 {
		return cmp.Or(strings.TrimSpace(string(text)), "pid not yet written")
	}
	return h.String(now)
}

func (j *Journal) path() string { return filepath.Join(j.dir, "journal.json") }

// Pending gives what a run that did not end left to be restored, and whether there
// is something.
func (j *Journal) Pending() (Left, bool, error) {
	e, pending, err := j.read()
	if err != nil || !pending {
		return Left{}, false, err
	}
	return Left{
		State: e.State, Begun: e.Since, PID: e.PID, User: e.User, Command: e.Command,
		BootID: e.BootID, SameBoot: e.BootID != "" && e.BootID == bootID(),
		Kept: e.Kept,
	}, true, nil
}

// read gives the pending entry, and whether there is one.
func (j *Journal) read() (e entry, pending bool, err error) {
	data, err := os.ReadFile(j.path())
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read journal: %w", err)
	}
	// The version first: the state of another one may not decode.
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return entry{}, false, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	if form.Version != journalVersion {
		return entry{}, false, fmt.Errorf("read journal %s: version %d, want %d; restore with the evabench that wrote it", j.path(), form.Version, journalVersion)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return entry{}, false, fmt.Errorf("read journal %s: %w", j.path(), err)
	}
	return e, true, nil
}

// Begin writes the state and has it on disk when it returns; only then may
// anything be changed. It refuses while an earlier state is pending.
func (j *Journal) Begin(s State) error {
	if _, pending, err := j.Pending(); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	} else if pending {
		return fmt.Errorf("begin journal: %s holds the state of an earlier run that was not restored; evabench gpu restore puts it back", j.path())
	}
	e := entry{Version: journalVersion, holder: thisProcess(), State: s}
	// The trace first: were it cut off here, nothing would be pending.
	if err := j.beginTrace(e.holder); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	if err := j.write(e); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	return nil
}

// Keep marks the pending state as that of a change which is to stay until somebody
// asks for a restore, and has that on disk when it returns.
func (j *Journal) Keep() error {
	e, pending, err := j.read()
	if err == nil && !pending {
		err = errors.New("no state is pending")
	}
	if err == nil {
		e.Kept = true
		err = j.write(e)
	}
	if err != nil {
		return fmt.Errorf("keep in journal: %w", err)
	}
	return nil
}

// write puts an entry in the place of an earlier one, on disk.
func (j *Journal) write(e entry) error {
	data, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(j.path(), append(data, '\n'), 0o644); err != nil {
		return err
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
