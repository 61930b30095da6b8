package progress

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine of this package's may outlive its tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
