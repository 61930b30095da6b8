package nvml

import "time"

// An EventReader tells of critical errors of GPUs as they happen. It is no part of [API]:
// what changes a server needs none of it. It is safe for concurrent use.
type EventReader interface {
	// Xids begins to watch a GPU for critical errors; those before are not told. The GPU
	// is a physical one: NVML tells the instance with the error, where it knows.
	// ErrNotSupported means that the GPU or the driver tells none. The caller closes the
	// watch.
	Xids(gpu string) (XidWatch, error)
}

// An XidWatch gives one GPU's critical errors, in their order. It is used by one
// goroutine at a time.
type XidWatch interface {
	// Next waits for the next error, at most so long; ErrTimeout means that none came.
	// After another error of its own it may be called again.
	Next(atMost time.Duration) (Xid, error)
	// Close ends the watch, of which no Next may be under way.
	Close() error
}

// An Xid is a critical error that the driver reported (NVML's event
// nvmlEventTypeXidCriticalError).
type Xid struct {
	// Number says what went wrong; see NVIDIA's list of Xid errors. 13 and 31 are faults of
	// a program, 48 and 63 of memory, 79 a GPU that dropped off the bus.
	Number uint64 `json:"number"`
	// Instance is where it happened; nil if it is of the whole GPU or of nobody knows what.
	Instance *XidInstance `json:"instance,omitempty"`
}

// An XidInstance is a place on a GPU with MIG on.
type XidInstance struct {
	GI int `json:"gi"` // GPU instance
	CI int `json:"ci"` // compute instance within it; -1 if that is not told
}
