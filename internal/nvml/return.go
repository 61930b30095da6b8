package nvml

import "fmt"

// A Return is NVML's answer to a call. The numbers are nvml.h's. Compare with
// errors.Is; Success is no error: see [Return.Err].
type Return int

// The returns that callers act on.
const (
	Success                  Return = 0
	ErrUninitialized         Return = 1
	ErrInvalidArgument       Return = 2
	ErrNotSupported          Return = 3
	ErrNoPermission          Return = 4
	ErrNotFound              Return = 6
	ErrInsufficientSize      Return = 7
	ErrDriverNotLoaded       Return = 9
	ErrTimeout               Return = 10
	ErrLibraryNotFound       Return = 12
	ErrFunctionNotFound      Return = 13
	ErrGPUIsLost             Return = 15
	ErrResetRequired         Return = 16
	ErrVersionMismatch       Return = 18
	ErrInUse                 Return = 19
	ErrInsufficientResources Return = 23
	ErrUnknown               Return = 999
)

// Err gives r as an error, nil for Success.
func (r Return) Err() error {
	if r == Success {
		return nil
	}
	return r
}

// Error tells the return in words.
func (r Return) Error() string {
	switch r {
	case Success:
		return "success"
	case ErrInvalidArgument:
		return "invalid argument"
	case ErrNotSupported:
		return "not supported"
	case ErrNoPermission:
		return "no permission"
	case ErrNotFound:
		return "not found"
	case ErrInUse:
		return "in use by another client"
	case ErrInsufficientResources:
		return "insufficient resources"
	case ErrUninitialized:
		return "not initialised"
	case ErrInsufficientSize:
		return "insufficient size"
	case ErrDriverNotLoaded:
		return "the NVIDIA driver is not loaded"
	case ErrTimeout:
		return "timeout"
	case ErrLibraryNotFound:
		return "the library libnvidia-ml.so.1 was not found"
	case ErrFunctionNotFound:
		return "the driver is too old for this call"
	case ErrGPUIsLost:
		return "the GPU is lost"
	case ErrVersionMismatch:
		return "the library and the driver that runs are of different versions"
	case ErrResetRequired:
		return "a reset is required"
	case ErrUnknown:
		return "unknown error"
	}
	return fmt.Sprintf("NVML return %d", int(r))
}
