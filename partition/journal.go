package partition

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/evabench/evabench/internal/disk"
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
	disk *disk.Disk // nil is the real one
	lock *lock
}

// journalVersion is the version of the journal's form.
const journalVersion = 2

// An entry is the journal's one file.
type entry struct {
	Version int `json:"version"`
	holder
	// Kept says that the change is to stay until somebody asks for a restore.
	Kept bool `json:"kept,omitempty"`
	// State is what to restore next.
	State State `json:"state"`
	// Earlier is the entry of an earlier change that was kept, to be undone after
	// this one; nil if there is none.
	Earlier *entry `json:"earlier,omitempty"`
}

// OpenJournal takes the lock of a state folder, which it makes if need be, or
// gives a *[LockedError]. The caller closes the journal. The lock goes with
// the process, however that ends.
func OpenJournal(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"), 0o644)
	if locked, ok := errors.AsType[*LockedError](err); ok {
		locked.Dir = dir
		return nil, locked
	}
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{dir: dir, lock: lock}
	if err := os.RemoveAll(j.unfinished()); err != nil { // of one that was killed meanwhile
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), j.Close())
	}
	return j, nil
}

func (j *Journal) path() string { return filepath.Join(j.dir, "journal.json") }

// unfinished is the journal while it is written, by whoever has the lock.
func (j *Journal) unfinished() string { return filepath.Join(j.dir, disk.Unfinished+"journal.json") }

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
		Kept: e.Kept, Earlier: e.Earlier != nil,
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
// anything be changed. It refuses while the state of a change that broke off is
// pending. What an earlier change left to be undone ([Journal.Keep]) stays beneath
// the new state; it is refused if that holds a GPU which s does not.
func (j *Journal) Begin(s State) error {
	e, pending, err := j.read()
	switch {
	case err != nil:
	case pending && !e.Kept:
		err = fmt.Errorf("%s holds the state of an earlier run that was not restored; evabench gpu restore puts it back", j.path())
	case pending:
		err = e.covered(s)
	}
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	begun := entry{Version: journalVersion, holder: thisProcess(), State: s}
	if pending {
		begun.Earlier = &e
	}
	// The trace first: were it cut off here, nothing new would be pending.
	if err := j.beginTrace(begun.holder); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	if err := j.write(begun); err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	return nil
}

// covered gives an error if a kept entry holds a GPU that s does not.
func (e entry) covered(s State) error {
	for _, g := range e.State.GPUs {
		if !s.has(g.UUID) {
			return fmt.Errorf("%q changed %s (%s) too, which is not named now; put it back first with evabench gpu restore, or name it too", e.Command, g.label(), g.UUID)
		}
	}
	return nil
}

// Keep marks the pending change as one that is to stay until somebody asks for a
// restore, and has that on disk when it returns. What is then to be restored is how
// each GPU was before the first of the changes that were kept.
func (j *Journal) Keep() error {
	e, pending, err := j.read()
	if err == nil && !pending {
		err = errors.New("no state is pending")
	}
	if err == nil {
		e.Kept = true
		if e.Earlier != nil {
			e.State, e.Earlier = e.Earlier.State.and(e.State), nil
		}
		err = j.write(e)
	}
	if err != nil {
		return fmt.Errorf("keep in journal: %w", err)
	}
	return nil
}

// and gives s with the GPUs of a later state that s has not, and their daemons; and with
// the daemons of others that the change from that state ended, as they come back too.
func (s State) and(other State) State {
	all := s
	all.GPUs, all.MPS = slices.Clone(s.GPUs), slices.Clone(s.MPS)
	for _, g := range other.GPUs {
		if !s.has(g.UUID) {
			all.GPUs = append(all.GPUs, g)
		}
	}
	for _, d := range other.MPS {
		switch g, known := other.Owner(d.Device); {
		case known && !s.has(g.UUID):
			all.MPS = append(all.MPS, d)
		case known && !d.Own && !d.Left:
			all.comeBack(other, d)
		}
	}
	return all
}

// comeBack makes a daemon of others that was ended in a later state come back in s: the
// one that s left, or one that came since, where s has none for its device.
func (s *State) comeBack(later State, d Daemon) {
	if k := slices.IndexFunc(s.MPS, func(e Daemon) bool { return s.alike(e, later, d) }); k >= 0 {
		s.MPS[k].Left = false
		return
	}
	at, stood := s.Again(later, d.Device)
	if stood && !slices.ContainsFunc(s.MPS, func(e Daemon) bool { return e.Device == at && !e.Left }) {
		d.Device = at
		s.MPS = append(s.MPS, d)
	}
}

// has reports whether the state holds a GPU.
func (s State) has(uuid string) bool {
	return slices.ContainsFunc(s.GPUs, func(g GPU) bool { return g.UUID == uuid })
}

// write puts an entry in the place of an earlier one, on disk.
func (j *Journal) write(e entry) error {
	data, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	// Under one name: what a kill leaves of it is written over, or removed with the lock.
	return j.disk.WriteFile(j.path(), append(data, '\n'))
}

// End removes the state, after it was restored. What an earlier change left to be
// undone is pending then.
func (j *Journal) End() error {
	e, _, err := j.read()
	switch {
	case err != nil:
	case e.Earlier != nil:
		err = j.write(*e.Earlier)
	default:
		err = j.remove()
	}
	if err != nil {
		return fmt.Errorf("end journal: %w", err)
	}
	return nil
}

// Forget removes all that is pending, also what was kept: the GPUs as they are now
// are the new normal, and nothing will undo it.
func (j *Journal) Forget() error {
	if err := j.remove(); err != nil {
		return fmt.Errorf("forget in journal: %w", err)
	}
	return nil
}

func (j *Journal) remove() error {
	if _, err := os.Lstat(j.path()); err != nil {
		return err // there is nothing
	}
	if err := j.disk.RemoveAll(j.path()); err != nil {
		return err
	}
	return j.disk.SyncDir(j.dir)
}

// Close gives the lock back. A pending state stays.
func (j *Journal) Close() error {
	if err := j.lock.Unlock(); err != nil {
		return fmt.Errorf("close journal: %w", err)
	}
	return nil
}
