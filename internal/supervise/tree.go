package supervise

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A proc is a process as /proc tells it.
type proc struct {
	pid, parent int
	begin       string // its start time: with pid, it is never another's
	zombie      bool
}

// readProc reads a process from /proc/PID/stat (proc_pid_stat(5)); false if it
// has ended.
func readProc(pid int) (proc, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, false
	}
	// The name may hold anything; the last ) ends it. Fields 3 (state), 4
	// (parent) and 22 (start) follow.
	after := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(after) < 20 {
		return proc{}, false
	}
	parent, err := strconv.Atoi(after[1])
	return proc{pid: pid, parent: parent, begin: after[19], zombie: after[0] == "Z"}, err == nil
}

// ended reports whether exactly this process has ended.
func (p proc) ended() bool { return p.over(readProc(p.pid)) }

// over is ended by what /proc tells now. It may hide another user's process
// (hidepid): the kernel tells then whether there is one.
func (p proc) over(now proc, seen bool) bool {
	if !seen {
		return unix.Kill(p.pid, 0) == unix.ESRCH
	}
	return now.zombie || now.begin != p.begin
}

// pids are the processes that /proc shows.
func pids() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1) // what was read counts
	var all []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// descendants are the living processes below one, its children first.
func descendants(of int) []proc {
	children := map[int][]proc{}
	for _, pid := range pids() {
		if p, ok := readProc(pid); ok {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	below := slices.Clone(children[of])
	for i := 0; i < len(below); i++ { // below grows
		below = append(below, children[below[i].pid]...)
	}
	return slices.DeleteFunc(below, func(p proc) bool { return p.zombie })
}

// signal sends to exactly this process: not to another that got its number since.
// Where there are no pidfds (before Linux 5.3, under a seccomp filter, with no
// file left), a number that is given anew between look and signal is the price.
func (p proc) signal(s unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ESRCH {
		return // it has ended, which is what signals are for here
	}
	send := func() { _ = unix.Kill(p.pid, s) } // it may have ended since
	if err == nil {
		defer unix.Close(fd)
		send = func() { _ = unix.PidfdSendSignal(fd, s, nil, 0) } // likewise
	}
	if now, ok := readProc(p.pid); ok && now.begin == p.begin {
		send()
	}
}
