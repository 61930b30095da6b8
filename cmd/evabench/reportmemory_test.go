package main

import (
	"runtime/debug"
	"testing"
)

// The bound holds while reports are made, is put back, and gives way to what a person asks
// of the runtime.
func TestBoundMemory(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	restore := boundMemory()
	if got := debug.SetMemoryLimit(-1); got != reportMemory {
		t.Errorf("the limit is %d, want %d", got, reportMemory)
	}
	restore()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d after, was %d", got, before)
	}
	t.Setenv("GOMEMLIMIT", "8EiB")
	defer boundMemory()()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the limit is %d, want what was asked for", got)
	}
}
