package nvml

import "errors"

// ErrNoDriver means that there is nothing to ask: no library libnvidia-ml.so.1,
// a driver that is not loaded, or a build without cgo. [Open]'s error says which.
var ErrNoDriver = errors.New("no NVIDIA driver to ask")
