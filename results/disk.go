package results

import (
	"encoding/json"
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
