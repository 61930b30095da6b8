//go:build !linux

package sim

import "os"

// threadID stands for a thread's number where there is none: all instances are
// one process.
func threadID() int { return os.Getpid() }
