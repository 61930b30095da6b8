package services

import (
	"context"
	"errors"
)

// ErrNotLooked says that what an earlier evabench left could not be looked for:
// there may be something.
var ErrNotLooked = errors.New("what an earlier run left could not be looked for")

// Cleaning is a Launcher whose instances may outlive us, however much is done to
// end them with us.
type Cleaning interface {
	// EndOrphans ends what an evabench left that has itself ended, and tells each
	// in words. What belongs to one that runs is not touched. It is an
	// [ErrNotLooked] if that could not be found out.
	EndOrphans(ctx context.Context) ([]string, error)
	// AfterConsent reports whether that runs a program that the scenario names: it is
	// done only when the scenario was agreed to.
	AfterConsent() bool
}
