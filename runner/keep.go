package runner

import (
	"errors"
	"reflect"
	"slices"
	"sync"

	"github.com/evabench/evabench/internal/disk"
)

// A Roomy is a [Writer] that can tell whether there is room for more.
type Roomy interface {
	// Room gives an error if a step of so many arrivals is not to be begun, because it
	// could not be kept.
	Room(arrivals float64) error
}

// Room asks whether the run directory's disk has room.
func (d directory) Room(arrivals float64) error { return d.w.Room(arrivals) }

// room asks the Writer, if it can tell.
func (b *Bench) room(arrivals float64) error {
	if r, ok := b.Writer.(Roomy); ok {
		return r.Room(arrivals)
	}
	return nil
}

// inVain reports whether a fault is that what is measured cannot be kept, or not be
// compared with what was measured before, or would be measured beside what was left.
func inVain(err error) bool {
	_, left := errors.AsType[*StopError](err)
	return left || notKept(err) || errors.Is(err, ErrOther)
}

// notKept reports whether a fault is that what is measured cannot be kept.
func notKept(err error) bool {
	_, ok := errors.AsType[*disk.Error](err)
	return ok
}

// JoinOnce is errors.Join, but for the faults of the disk after the first: they have one
// cause, which is told once. What joins are made of counts one by one, and what is not the
// disk's alone is always kept, such as an [ErrNotRestored].
func JoinOnce(all ...error) error {
	var kept []error
	lost := false
	for _, err := range apart(all) {
		if lost && onlyDisk(err) {
			continue
		}
		lost = lost || notKept(err)
		kept = append(kept, err)
	}
	return errors.Join(kept...)
}

// apart gives what errors are joins of, and what joins in them are.
func apart(all []error) (parts []error) {
	for _, err := range all {
		if reflect.TypeOf(err) == joined {
			parts = append(parts, apart(err.(interface{ Unwrap() []error }).Unwrap())...)
		} else {
			parts = append(parts, err)
		}
	}
	return parts
}

// joined is what errors.Join makes.
var joined = reflect.TypeOf(errors.Join(ErrNoCell))

// onlyDisk reports whether a fault tells of the disk and of nothing else.
func onlyDisk(err error) bool {
	switch e := err.(type) {
	case *disk.Error:
		return true
	case interface{ Unwrap() error }:
		return onlyDisk(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !onlyDisk(part) })
	}
	return false
}

// A keeper writes what steps gave beside the next one, one thing after the other.
type keeper struct {
	work    chan func() error
	writing sync.WaitGroup
	mu      sync.Mutex
	fault   error
}

func newKeeper() *keeper {
	k := &keeper{work: make(chan func() error, 2)}
	k.writing.Go(func() {
		for write := range k.work {
			if err := caught("write what was measured", write); err != nil {
				k.mu.Lock()
				k.fault = JoinOnce(k.fault, err)
				k.mu.Unlock()
			}
		}
	})
	return k
}

// caught calls f. A panic of it is our own mistake, and must cost neither what else is
// measured nor the server's state.
func caught(what string, f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = panicked(what, fault)
		}
	}()
	return f()
}

// keep has something written soon. It waits while two things wait already: what a slow
// disk has not yet taken is bounded.
func (k *keeper) keep(write func() error) { k.work <- write }

// failed reports whether something could not be written.
func (k *keeper) failed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault != nil
}

// end waits until all is written, and gives what went wrong.
func (k *keeper) end() error {
	close(k.work)
	k.writing.Wait()
	return k.fault
}
