package partition

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxTrace is the size in bytes from which on the trace begins anew with the next
// [Journal.Begin]; the one before it is kept.
const maxTrace = 4 << 20

// A traceLine is one line of the trace: the begin of a change, or an event of it.
type traceLine struct {
	Version int     `json:"version,omitempty"` // with Begin
	Begin   *holder `json:"begin,omitempty"`
	*Event
}

func (j *Journal) tracePath() string { return filepath.Join(j.dir, "journal.jsonl") }

// Record adds an event to the trace and has it on disk when it returns.
func (j *Journal) Record(e Event) error {
	if err := j.append(traceLine{Event: &e}); err != nil {
		return fmt.Errorf("record in journal: %w", err)
	}
	return nil
}

// beginTrace marks where a change begins, in a new file if this one is large.
func (j *Journal) beginTrace(h holder) error {
	switch info, err := os.Stat(j.tracePath()); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Size() >= maxTrace:
		if err := j.disk.Rename(j.tracePath(), filepath.Join(j.dir, "journal.1.jsonl")); err != nil {
			return err
		}
	}
	return j.append(traceLine{Version: journalVersion, Begin: &h})
}

// append writes a line. A line that a crash cut off stays, on a line of its own.
func (j *Journal) append(l traceLine) error {
	line, err := json.Marshal(l)
	if err != nil {
		return err
	}
	cut, err := cutOff(j.tracePath())
	if err != nil {
		return err
	}
	if cut {
		line = append([]byte{'\n'}, line...)
	}
	return j.disk.Append(j.tracePath(), append(line, '\n'))
}

// cutOff reports whether a file ends within a line.
func cutOff(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n', err
}

// Events lists what was changed since the last [Journal.Begin], by this process or
// by one that crashed, restores included. A line that a crash cut off is an event
// whose Error says so and whose Step is what there is of it.
func (j *Journal) Events() ([]Event, error) {
	f, err := os.Open(j.tracePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	events, err := readTrace(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", j.tracePath(), err)
	}
	return events, nil
}

func readTrace(r io.Reader) ([]Event, error) {
	var events []Event
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if text := bytes.TrimSpace(line); len(text) > 0 {
			var l traceLine
			switch json.Unmarshal(text, &l) {
			case nil:
				if l.Begin != nil {
					events = nil
				} else if l.Event != nil {
					events = append(events, *l.Event)
				}
			default:
				events = append(events, Event{
					Step:  string(bytes.ToValidUTF8(text, []byte("?"))),
					Error: "this line is cut off: the process ended, or the disk was full, while it was written",
				})
			}
		}
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
