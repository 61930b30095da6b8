package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/disk"
)

// MeasurementVersion counts the changes of what is measured, or how: of schedules and
// what is drawn for them, of when a sample's moments are taken, of warm-up and
// readiness, of the simulated server's model, of what a search makes of its steps. Cells of
// two versions are not to be compared, so a run is never gone on with by another version.
const MeasurementVersion = 5

// A Session is one command that measured cells of a run: the one that began it, and
// each that went on with it.
type Session struct {
	Started time.Time `json:"started"` // UTC
	// Ended is absent while the session runs, and for good if it was killed.
	Ended    time.Time `json:"ended,omitzero"` // UTC
	Evabench string    `json:"evabench"`       // version of the program
	// BinarySHA256 is the hash of the program; empty if it could not be read.
	BinarySHA256 string   `json:"binary_sha256,omitempty"`
	Command      []string `json:"command"` // arguments, secrets left out
	// Folder is where relative paths of the scenario began.
	Folder string `json:"folder,omitempty"`
	// Outcome is one of the Session constants; empty without Ended.
	Outcome string `json:"outcome,omitempty"`
	Fault   string `json:"fault,omitempty"` // why it failed, or was interrupted
}

// How a session can end.
const (
	SessionDone        = "done"        // every cell had its turn
	SessionInterrupted = "interrupted" // by a signal
	SessionFailed      = "failed"      // with a fault, cells of which are in their records too
)

// String tells it in words: when it measured, how it ended, and by which binary.
func (s Session) String() string {
	text := s.Started.UTC().Format(time.RFC3339)
	if s.Ended.IsZero() {
		text += ", and did not tell its end: it was killed, or measures"
	} else {
		text += " to " + s.Ended.UTC().Format(time.RFC3339) + ", " + s.Outcome
	}
	if s.Outcome == SessionFailed {
		text += " (" + s.Fault + ")"
	}
	text += "; evabench " + s.Evabench
	if s.BinarySHA256 != "" {
		text += fmt.Sprintf(" (sha256 %.12s)", s.BinarySHA256)
	}
	return text
}

// Flags are what flags of the command said of a run's measuring, and where it keeps
// what it changes: with the scenario they are all that a session needs to go on.
type Flags struct {
	Sim      string  `json:"sim,omitempty"`       // the simulated server, in place of the scenario's own
	SimScale float64 `json:"sim_scale,omitempty"` // in place of the scenario's; 0 left it
	Mode     string  `json:"mode,omitempty"`      // in place of search.mode
	StateDir string  `json:"state_dir,omitempty"` // of the locks and the journal
	SimDir   string  `json:"sim_dir,omitempty"`   // of simulated GPUs that outlive a session
}

// The names of what sessions leave in a run directory.
const (
	beforeFile = "before.json"
	// asideFolder holds what was recorded of cells that broke off and were run again.
	asideFolder = "aside"
)

// beforeRecord is the form of before.json.
type beforeRecord struct {
	Schema int     `json:"schema"`
	State  any     `json:"state"`
	Inputs []Input `json:"inputs"` // null in runs of before
	Flags  *Flags  `json:"flags"`  // likewise
}

// An Input is a file that a run measures with, as it was when the run began.
type Input struct {
	Path   string `json:"path"` // as the scenario has it
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Before keeps the state of the server before the run's first change, as JSON, and the
// files that it measures with in before.json, so that a later session can see whether it
// finds the same; and the flags, which stand in for those of an environment.json that is
// lost.
func (w *Writer) Before(state any, inputs []Input, flags Flags) error {
	record := beforeRecord{SchemaVersion, state, append([]Input{}, inputs...), &flags}
	if err := w.writeJSON(filepath.Join(w.dir, beforeFile), record); err != nil {
		return fmt.Errorf("write the state before the run: %w", err)
	}
	return nil
}

// ReadBefore reads into state what [Writer.Before] kept, and gives the files, nil if they
// were not kept; the fault is fs.ErrNotExist's if the run broke off before.
func ReadBefore(dir string, state any) ([]Input, error) {
	record := beforeRecord{State: state}
	if err := record.read(dir); err != nil {
		return nil, fmt.Errorf("read the state before the run: %w", err)
	}
	return record.Inputs, nil
}

// ReadFlags gives the flags that [Writer.Before] kept.
func ReadFlags(dir string) (Flags, error) {
	var state any
	record := beforeRecord{State: &state}
	if err := record.read(dir); err != nil {
		return Flags{}, fmt.Errorf("read the flags of the run: %w", plain(err))
	}
	if record.Flags == nil {
		return Flags{}, fmt.Errorf("read the flags of the run: %s of an earlier evabench holds none", beforeFile)
	}
	return *record.Flags, nil
}

func (r *beforeRecord) read(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return readJSON(root, beforeFile, r)
}

// Reopen opens the run directory dir to go on with it, with an environment that holds
// the new session last, and removes files that were being written when the run broke
// off. Whether the run may be gone on with is the caller's to know, and that nobody
// else writes there.
func Reopen(dir string, env Environment) (*Writer, error) {
	return reopen(dir, env, nil)
}

func reopen(dir string, env Environment, d *disk.Disk) (*Writer, error) {
	w := &Writer{dir: dir, began: true, disk: d}
	if err := w.reopen(env); err != nil {
		return nil, fmt.Errorf("go on with %s: %w", dir, err)
	}
	return w, nil
}

func (w *Writer) reopen(env Environment) error {
	info, err := os.Lstat(filepath.Join(w.dir, cellsFolder))
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", cellsFolder)
	}
	if err := removeHalf(w.dir, w.disk); err != nil {
		return err
	}
	if err := w.endLine(filepath.Join(w.dir, journalFile)); err != nil {
		return err
	}
	return w.writeEnvironment(env)
}

// RemoveHalf removes the files of a run directory that were never finished, as a kill in the
// midst of a report leaves them. That nobody writes there is the caller's to know.
func RemoveHalf(dir string) error { return removeHalf(dir, nil) }

// removeHalf removes files that were never finished: none of them holds what was
// measured.
func removeHalf(dir string, d *disk.Disk) error {
	there, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range there {
		if !strings.HasPrefix(e.Name(), unfinished) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := d.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// endLine ends the last line of a file if a crash cut it off, so that the next one
// begins at its own.
func (w *Writer) endLine(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	return w.disk.Append(path, []byte{'\n'})
}

// Aside takes what was recorded of a cell out of the way, whole, so that the cell can
// be run again, and gives where it is now within the run directory. Readers leave it
// out and count it.
func (w *Writer) Aside(folder string) (string, error) {
	to, err := w.aside(folder)
	if err != nil {
		return "", fmt.Errorf("set cell %s aside: %w", folder, err)
	}
	return to, nil
}

func (w *Writer) aside(folder string) (string, error) {
	if err := checkFolder(folder); err != nil {
		return "", err
	}
	all := filepath.Join(w.dir, asideFolder)
	switch info, err := os.Lstat(all); {
	case errors.Is(err, os.ErrNotExist):
		if err := w.disk.Mkdir(all); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is no folder", asideFolder)
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%d", folder, n)
		if _, err := os.Lstat(filepath.Join(all, name)); !errors.Is(err, os.ErrNotExist) {
			if err != nil {
				return "", err
			}
			continue
		}
		if err := w.disk.Rename(filepath.Join(w.dir, cellsFolder, folder), filepath.Join(all, name)); err != nil {
			return "", err
		}
		return asideFolder + "/" + name, w.disk.SyncDir(filepath.Join(w.dir, cellsFolder))
	}
}

// End writes how the session that goes on ended. What the disk refuses is tried once more,
// and told by a warning of the run.
func (w *Writer) End(at time.Time, outcome, fault string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.env.Sessions) == 0 {
		return errors.New("end the session: none was begun")
	}
	last := &w.env.Sessions[len(w.env.Sessions)-1]
	last.Ended, last.Outcome, last.Fault = at.UTC().Round(0), outcome, fault
	env := w.env
	_, err := twice("how the session ended was written", func(again []Warning) error {
		env.Warnings = slices.Concat(w.env.Warnings, again)
		return w.writeEnvironment(env)
	})
	if err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}

// Finished reports whether a cell was run to its end, also if that was a failure, and
// all that was written of it can be read. One that was interrupted was not.
func (r *Run) Finished(folder string) bool {
	for _, c := range r.Cells {
		if c.Cell.Folder == folder {
			return c.Finished && c.Cell.Status != CellInterrupted && !r.damaged(folder)
		}
	}
	return false
}

// damaged reports whether a part of a cell could not be read.
func (r *Run) damaged(folder string) bool {
	at := cellsFolder + "/" + folder
	for _, p := range r.Problems {
		if p.Path == at || len(p.Path) > len(at) && p.Path[:len(at)+1] == at+"/" {
			return true
		}
	}
	return false
}
