// Package leaks finds goroutines that outlive tests. It is for tests.
package leaks

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end that have nothing more to do: goleak
// itself gives them less than half a second, which a busy machine may take for one step.
// It is less than what most of those that are left for good would wait by themselves.
const patience = 15 * time.Second

// Find is [goleak.Find] with patience.
func Find(options ...goleak.Option) error {
	for began := time.Now(); ; {
		if err := goleak.Find(options...); err == nil || time.Since(began) > patience {
			return err
		}
	}
}

// None fails a test after which goroutines are left.
func None(t *testing.T, options ...goleak.Option) {
	t.Helper()
	if err := Find(options...); err != nil {
		t.Error(err)
	}
}

// Main runs a package's tests, and fails if goroutines are left when all have passed. It
// does not return.
func Main(m *testing.M) {
	status := m.Run()
	if status == 0 {
		if err := Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}
