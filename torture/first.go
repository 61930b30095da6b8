package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// first gives this process and all that it starts a processor before other work, if it
// may ask for that (CAP_SYS_NICE), until back is called: servers and load generator are
// late less often on a machine that does more.
func first() (back func()) {
	schedule(unix.SCHED_RR, 1)
	return func() { schedule(unix.SCHED_NORMAL, 0) }
}

// schedule sets the policy of all threads; those to come have it from the one that
// makes them.
func schedule(policy, priority uint32) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}, 0)
		}
	}
}
