package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// fileTimeSlices are the time slices of simulated GPUs, kept in a file: as a
// driver keeps them, they outlive the command that sets them. The model does
// not know them: a simulated GPU switches as its parameters say.
type fileTimeSlices struct{ path string }

func timeSlicesIn(dir string) fileTimeSlices {
	return fileTimeSlices{filepath.Join(dir, "timeslices.json")}
}

func (f fileTimeSlices) read() (map[string]string, error) {
	set := make(map[string]string)
	data, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return set, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &set)
	}
	if err != nil {
		return nil, fmt.Errorf("read simulated time slices: %w", err)
	}
	return set, nil
}

// TimeSlice tells a GPU's, "default" if none was set.
func (f fileTimeSlices) TimeSlice(_ context.Context, gpu string) (string, error) {
	set, err := f.read()
	if slice, ok := set[gpu]; ok || err != nil {
		return slice, err
	}
	return "default", nil
}

// SetTimeSlice sets a GPU's.
func (f fileTimeSlices) SetTimeSlice(_ context.Context, gpu, slice string) error {
	set, err := f.read()
	if err != nil {
		return err
	}
	set[gpu] = slice
	data, err := json.MarshalIndent(set, "", " ")
	if err == nil {
		err = renameio.WriteFile(f.path, append(data, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(f.path)))
	}
	if err != nil {
		return fmt.Errorf("write simulated time slices: %w", err)
	}
	return nil
}
