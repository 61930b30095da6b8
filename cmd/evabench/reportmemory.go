package main

import (
	"os"
	"runtime/debug"
)

// reportMemory is what making reports is to take of memory, in bytes, as long as what they
// tell of leaves room: a gigabyte of resident memory, less what is not Go's heap.
const reportMemory = 700 << 20

// boundMemory lets the garbage collector wait until there is more to collect, but no longer
// than reportMemory: the figures of a large run, which are to be kept, are looked through
// seldom, and the rest never grows as large as they are. What GOGC or GOMEMLIMIT ask for
// stands. It gives what puts things back.
func boundMemory() (restore func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	percent, limit := debug.SetGCPercent(300), debug.SetMemoryLimit(reportMemory)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
