package endpoints

import (
	"testing"

	"github.com/evabench/evabench/internal/leaks"
)

// TestMain fails if a goroutine outlives the tests.
func TestMain(m *testing.M) { leaks.Main(m) }
