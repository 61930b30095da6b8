package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// journalFile is the run's copy of what was changed on the server.
const journalFile = "journal.jsonl"

// Journal adds one change of the server, as one line of JSON, to the run's
// journal.jsonl and has it on the disk when it returns. [Read] does not read
// that file: it is for people who ask what was done to their server. A crash
// may leave its last line cut off.
func (w *Writer) Journal(change any) error {
	line, err := json.Marshal(change)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		err = w.appendFile(filepath.Join(w.dir, journalFile), append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the run's journal: %w", err)
	}
	return nil
}

// appendFile adds to a file, which it makes if need be, and syncs it.
func (w *Writer) appendFile(path string, data []byte) error {
	if err := w.ask("append to " + path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
