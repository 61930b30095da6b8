package bars

import (
	"testing"

	"github.com/evabench/evabench/internal/leaks"
)

// No goroutine of this package's may outlive its tests.
func TestMain(m *testing.M) { leaks.Main(m) }
