package services

import "context"

// Templated is a Launcher whose arguments hold names that stand for values of a
// configuration: "params.NAME" and "workers.MODEL".
type Templated interface {
	// Names lists them, sorted, each once.
	Names() []string
	// Reaches reports whether the servers learn of the value that has such a
	// name. If not, they are the same whatever it is.
	Reaches(name string) bool
}

// Changing is a Launcher that changes servers which are not its own.
type Changing interface {
	// Changes tells what it does to them, a line each, for those who have to
	// agree; none if it does nothing.
	Changes() []string
}

// Starting is a Launcher that starts programs which the scenario names.
type Starting interface {
	// Starts tells what is started, a line each, as a person would type it;
	// templates stand as they are, and secrets by the names of their variables.
	Starts() []string
}

// Releasing is an [Adapting] Launcher whose servers can be told to let the devices
// go: a driver changes no MIG instance that a process holds.
type Releasing interface {
	// Releases reports whether they can.
	Releases() bool
	// Release is called after the last cell on a layout and before it is put back,
	// also after faults and interrupts. It bounds its time itself, and does nothing
	// if Adapt was not called since.
	Release(ctx context.Context) error
}

// Restoring is an [Adapting] Launcher whose servers can be put back as they were.
type Restoring interface {
	// Restore is called once, when no cell is left and every layout has been put
	// back, also after faults and interrupts. It bounds its time itself, and does
	// nothing if Adapt was never called.
	Restore(ctx context.Context) error
}
