package services

import "context"

// Cleaning is a Launcher whose instances may outlive us, however much is done to
// end them with us.
type Cleaning interface {
	// EndOrphans ends what an evabench left that has itself ended, and tells each
	// in words. What belongs to one that runs is not touched.
	EndOrphans(ctx context.Context) ([]string, error)
}
