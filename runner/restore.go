package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/evabench/evabench/services"
)

// releaseServices makes the servers that were made to fit let their devices go, last
// first, also when ctx has ended.
func (b *Bench) releaseServices(ctx context.Context) (faults []error) {
	for _, s := range slices.Backward(b.Services) {
		r, ok := s.Launcher.(services.Releasing)
		if !ok || !r.Releases() {
			continue
		}
		b.tell("make the servers of %s let their devices go", s.Name)
		if err := r.Release(context.WithoutCancel(ctx)); err != nil {
			faults = append(faults, fmt.Errorf("make the servers of %s let their devices go: %w", s.Name, err))
		}
	}
	return faults
}

// restoreServices puts back the servers that were made to fit, last first, also
// when ctx has ended.
func (b *Bench) restoreServices(ctx context.Context) (faults []error) {
	for _, s := range slices.Backward(b.Services) {
		r, ok := s.Launcher.(services.Restoring)
		if !ok {
			continue
		}
		b.tell("put the servers of %s back as they were", s.Name)
		if err := r.Restore(context.WithoutCancel(ctx)); err != nil {
			faults = append(faults, &unrestored{s.Name, err})
		}
	}
	return faults
}

// unrestored is the fault of servers that are not as they were. It is an
// [ErrNotRestored].
type unrestored struct {
	service string
	err     error
}

func (u *unrestored) Error() string {
	return fmt.Sprintf("the servers of %s were not put back as they were; do it by hand: %v", u.service, u.err)
}

func (u *unrestored) Unwrap() []error { return []error{ErrNotRestored, u.err} }
