package results

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// ask lets a test end the writing before a change of the disk.
func (w *Writer) ask(change string) error {
	if w.before == nil {
		return nil
	}
	return w.before(change)
}

func (w *Writer) mkdir(path string) error {
	if err := w.ask("mkdir " + path); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (w *Writer) rename(from, to string) error {
	if err := w.ask("rename to " + to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func (w *Writer) writeJSON(path string, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return w.writeFile(path, text)
}

// encode writes what decode reads.
func encode(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// writeFile writes a file under a temporary name, syncs it, gives it its name
// and syncs the folder.
func (w *Writer) writeFile(path string, data []byte) error {
	if err := w.ask("write " + path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
