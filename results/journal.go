package results

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// journalFile is the run's copy of what was changed on the server.
const journalFile = "journal.jsonl"

// Journal adds one change of the server, as one line of JSON, to the run's
// journal.jsonl and has it on the disk when it returns. [Read] does not read
// that file: it is for people who ask what was done to their server. A crash
// may leave its last line cut off. What the disk refuses is tried once more, and told by
// a warning of the run when its session ends.
func (w *Writer) Journal(change any) error {
	line, err := json.Marshal(change)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		err = w.appendJournal(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the run's journal: %w", err)
	}
	return nil
}

func (w *Writer) appendJournal(line []byte) error {
	path := filepath.Join(w.dir, journalFile)
	before, absent := os.Stat(path)
	again, err := twice("a line of journal.jsonl was written", func(again []Warning) error {
		switch { // the first try may have left some of it
		case again == nil:
		case absent != nil:
			if err := w.disk.RemoveAll(path); err != nil {
				return err
			}
		default:
			if err := os.Truncate(path, before.Size()); err != nil {
				return err
			}
		}
		return w.disk.Append(path, line)
	})
	w.env.Warnings = slices.Concat(w.env.Warnings, again)
	return err
}
