package results

import (
	"encoding/json"
	"fmt"
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
		err = w.disk.Append(filepath.Join(w.dir, journalFile), append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write the run's journal: %w", err)
	}
	return nil
}
