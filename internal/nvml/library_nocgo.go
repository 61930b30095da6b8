//go:build !cgo || !linux

package nvml

import "fmt"

// A Library is the real NVML, which this build does not have: there is none.
type Library struct{ API }

// Open says that there is no NVML in this build; the error is [ErrNoDriver].
func Open() (*Library, error) {
	return nil, fmt.Errorf("%w: this build has no NVML: it was built without cgo, or not for Linux; "+
		"build with CGO_ENABLED=1 on Linux, and a C compiler", ErrNoDriver)
}

// Close does nothing.
func (*Library) Close() error { return nil }
