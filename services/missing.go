package services

import "fmt"

// An UnreachableError is a server that should run already and accepts no connection.
type UnreachableError struct {
	URL string
	Err error
}

// Error tells where it should be, and why it cannot be reached.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %v", e.URL, e.Err)
}

// Unwrap gives why.
func (e *UnreachableError) Unwrap() error { return e.Err }

// A PortTakenError is a port on which somebody else listens.
type PortTakenError struct{ Port int }

// Error tells the port, and how it is seen who listens.
func (e *PortTakenError) Error() string {
	return fmt.Sprintf("port %d is taken by another process; end it (ss -ltnp tells which), or give another port", e.Port)
}
