package results

import (
	"encoding/json"
	"errors"

	"github.com/evabench/evabench/internal/disk"
)

func (w *Writer) writeJSON(path string, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return w.disk.WriteFile(path, text)
}

// encode writes what decode reads.
func encode(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return seal(text), nil
}

// twice has something written, and once more if the disk refuses it: then with the warning
// that tells of it, which it gives.
func twice(what string, write func(again []Warning) error) (again []Warning, err error) {
	err = write(nil)
	fault, ok := errors.AsType[*disk.Error](err)
	if !ok {
		return nil, err
	}
	again = []Warning{{Code: "disk-fault", Text: what + " at the second try; the first: " + fault.Error(), Count: 1}}
	return again, write(again)
}
